"""The settings of real workers in tests: the rules of the ledger thirty times faster, and pipelines of the kitchen."""

import os
from pathlib import Path

from engine.timing import Timing
from ostsite.settings import *  # noqa: F403
from ostsite.settings import PIPELINES, Q_CLUSTER

TIMING = Timing().faster(float(os.environ.get("OST_TEST_FASTER", "30")))
RUN_FOLDER = Path(os.environ.get("OST_TEST_RUN_FOLDER", "."))
Q_CLUSTER = {**Q_CLUSTER, "timeout": TIMING.timeout, "retry": 3 * TIMING.timeout + 60}
PIPELINES = {
    **PIPELINES,
    "meal": "engine.tests.kitchen.MEAL_PIPELINE",
    "poison": "engine.tests.kitchen.POISON_PIPELINE",
}

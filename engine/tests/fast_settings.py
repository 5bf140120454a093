"""The settings of real workers in tests: the rules of the ledger thirty times faster, and pipelines of the kitchen."""

import os
from dataclasses import replace
from pathlib import Path

from engine.timing import Timing
from ostsite.settings import *  # noqa: F403
from ostsite.settings import PIPELINES, Q_CLUSTER

FASTER = float(os.environ.get("OST_TEST_FASTER", "30"))
TIMING = Timing().faster(FASTER)
if FASTER > 1:
    # Five failed attempts are five starts of a group, which is wait enough. No start is quicker for the times, and on
    # a busy machine it lasts longer than a thirtieth of the silence.
    TIMING = replace(TIMING, backoff=0.1, silence=Timing().silence)
RUN_FOLDER = Path(os.environ.get("OST_TEST_RUN_FOLDER", "."))
Q_CLUSTER = {**Q_CLUSTER, "timeout": TIMING.timeout, "retry": 3 * TIMING.timeout + 60}
PIPELINES = {  # without one whose days are opened: its work would come before the meal's
    "recommendations": PIPELINES["recommendations"],
    "meal": "engine.tests.kitchen.MEAL_PIPELINE",
    "poison": "engine.tests.kitchen.POISON_PIPELINE",
}

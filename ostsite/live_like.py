"""The settings of `./ost demo --live-like`: sixty seconds that a source counts are one of ours."""

from dataclasses import replace

from ostsite.settings import *  # noqa: F403
from ostsite.settings import TIMING as ORDINARY

TIMING = replace(ORDINARY, upstream=1 / 60)

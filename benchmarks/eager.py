"""The settings of a drill's processes that look for texts ten times a second: how often they do is not measured."""

from dataclasses import replace

from ostsite.settings import *  # noqa: F403
from ostsite.settings import TIMING as ORDINARY

TIMING = replace(ORDINARY, idle=0.1)

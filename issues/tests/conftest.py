"""What several tests here need."""

from engine.tests.calling import lines, ost

__all__ = ["lines", "ost"]

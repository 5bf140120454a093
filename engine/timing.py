"""The times of the ledger, in one place, so that tests can run the same rules thirty times faster."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """All in seconds."""

    lease: float = 60.0
    """How long a run or a claimed row stays its owner's without a sign of life."""
    backoff: float = 30.0
    """Wait after the first failed attempt; doubled by each further one."""
    longest_backoff: float = 3600.0
    attempts: int = 5
    """Claims without progress before a run is quarantined."""

    def wait_after(self, attempts: int) -> float:
        """Seconds until the next try after that many attempts without progress."""
        return float(min(self.backoff * 2 ** max(attempts - 1, 0), self.longest_backoff))

"""The times of the ledger and of the worker, in one place, so that tests can run the same rules thirty times faster."""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Timing:
    """All in seconds, but for `attempts` and `upstream`."""

    lease: float = 60.0
    """How long a run stays its owner's without a sign of life."""
    heartbeat: float = 15.0
    """How often a run's lease is renewed while one block is computed."""
    longest_block: float = 300.0
    """So long at most: a block, or a batch of texts, that takes longer is thought to hang, and is taken over."""
    slice: float = 240.0
    """After so long in a queue job a run hands its lease back and goes to the end of the queue."""
    backoff: float = 30.0
    """Wait after the first failed attempt; doubled by each further one."""
    longest_backoff: float = 3600.0
    attempts: int = 5
    """Claims without progress before a run is quarantined."""

    reconcile: float = 60.0
    """How often the ledger is put in order and what is due is rung again."""
    schedule: float = 30.0
    """How often the schedules are looked at."""
    canary: float = 30.0
    """How often a canary goes through the queue."""
    silence: float = 120.0
    """A worker group that shows no sign of life for so long is ended."""
    watch: float = 0.5
    """How often the watchdog looks at the processes of its group."""
    grace: float = 8.0
    """How long the processes of a group, or of the web server, may take to end when told to; Docker kills after ten."""
    idle: float = 2.0
    """How often `embed --watch` looks for texts while none wait."""

    upstream: float = 1.0
    """How many of our seconds one lasts that a server outside counts: less than one where its clock runs faster."""

    @property
    def timeout(self) -> int:
        """The queue's own limit on a job, above a slice and its last block: it only meets what hangs."""
        return int(self.slice + self.longest_block) + 60

    def wait_after(self, attempts: int) -> float:
        """Seconds until the next try after that many attempts without progress."""
        return float(min(self.backoff * 2 ** max(attempts - 1, 0), self.longest_backoff))

    def faster(self, times: float) -> "Timing":
        """The same rules, so many times faster; what a process needs to start and to end stays."""
        kept = {"attempts", "watch", "grace"}
        return replace(self, **{f.name: getattr(self, f.name) / times for f in fields(self) if f.name not in kept})

"""One comparison as a row, and how its two sides are timed."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HEAD = """\
| what | ours | beside | its | ratio | target | also seen |
| --- | ---: | --- | ---: | ---: | --- | --- |"""


@dataclass(frozen=True)
class Row:
    """what: the job and its size. Both times in seconds for the same job; note: what else was seen.

    target: what was set before the first line of it was written; empty where nothing was.
    """

    what: str
    ours: float
    alternative: str
    other: float
    note: str = ""
    target: str = ""

    @property
    def ratio(self) -> float:
        """How many times as long the alternative takes."""
        return self.other / self.ours


def seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def fastest(job: Callable[[], object], times: int = 3) -> float:
    """The best of a few: what the machine can do when nothing else takes its time."""
    return min(seconds(job) for _ in range(times))


def line(row: Row) -> str:
    """A row as one of the table under HEAD."""
    times = f"{row.ratio:,.0f}" if row.ratio >= 10 else f"{row.ratio:.2g}"
    figures = told(row.ours), row.alternative, told(row.other), f"{times} x"
    return f"| {' | '.join((row.what, *figures, row.target, row.note))} |"


def told(seconds: float) -> str:
    """Three figures, in milliseconds below a tenth of a second."""
    if seconds < 0.1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"


def machine() -> str:
    """The day and what the figures were seen on: the processor, its cores, and its widths that matter here."""
    says = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = {key.strip(): value.strip() for key, _, value in (each.partition(":") for each in says.splitlines())}
    able = [
        name for name in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni") if name in fields.get("flags", "").split()
    ]
    cores = os.cpu_count()
    name = fields.get("model name", platform.processor() or platform.machine())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores of {name} ({', '.join(able)}), Python {platform.python_version()}"
    )

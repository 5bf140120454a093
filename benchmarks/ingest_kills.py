"""Drill: kill an ingest of conversations around its commits and between them, in every stage, and run it again.

    ./ost bench ingest_kills          some hundreds of made-up messages in small blocks
    ./ost bench ingest_kills FILE     and that file, in blocks of the true size, killed a few times

After each kill: whether every block is whole, and whether the same file then gives the rows and counts of an ingest
that nobody disturbed. Words stand in for the model, so that vectors are the same to the last digit.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL

from benchmarks.kills import report
from engine.tests.postgres_proxy import Point, PostgresProxy, real_server
from recommendations.tests.ingest_kills import Ingest, blocks_of, write_conversations

MESSAGES, AT_ONCE = 300, 60
APART = 25  # messages to the database between two kills, besides those around commits
OF_A_FILE = 6  # kills


def drill(file: str = "") -> int:
    """Returns how many things went wrong."""
    with tempfile.TemporaryDirectory(prefix="ost-") as name, PostgresProxy(*real_server()) as proxy:
        folder = Path(name)
        with blocks_of(AT_ONCE):
            ingest = Ingest(proxy, write_conversations(folder / "made-up.json", MESSAGES), folder)
            wrong = sweep(ingest, ingest.points(APART))
            ingest.start.restore()
        if file:
            ingest = Ingest(proxy, Path(file), folder)
            wrong += sweep(ingest, spread(ingest))
    return wrong


def spread(ingest: Ingest) -> list[Point]:
    """Around commits from the first to the last of the ingest."""
    chosen = ingest.commits[:: max(len(ingest.commits) // OF_A_FILE, 1)][:OF_A_FILE]
    return [Point(number, ("before", "after")[at % 2]) for at, number in enumerate(chosen)]


def sweep(ingest: Ingest, points: Sequence[Point]) -> int:
    """Kill at each of those points; returns how many things went wrong."""
    began, wrong, most = time.monotonic(), 0, 0
    kills: Counter[str] = Counter()
    for point in points:
        code, stage, again, faults = ingest.crash(point)
        kills[stage] += code == -SIGKILL
        wrong, most = wrong + len(faults), max(most, again)
        sys.stderr.writelines(f"{point.phase} message {point.number}, {stage}: {fault}\n" for fault in faults)
    by_stage = ", ".join(f"{count} {stage}" for stage, count in kills.items())
    report("messages", f"{len(ingest.wanted['stored'])}, in {len(ingest.commits)} transactions")
    report("kills", f"{kills.total()}: {by_stage}")
    report("faults", str(wrong))
    report("embedded twice", f"at most {most} of {ingest.texts} texts")
    report("seconds", f"{time.monotonic() - began:.0f}")
    return wrong

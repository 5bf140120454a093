"""Drill: kill a run at each of its messages to the database, before and after the server acts on it.

After each kill: whether what is served is whole, and whether the next run completes what the killed one began. All
the while a reader reads what a page shows.
"""

import sys
import time
from itertools import count
from signal import SIGKILL

from engine.embeddings import filling
from engine.models import EmbeddingModel
from engine.tests.postgres_proxy import Point, PostgresProxy, real_server
from recommendations.tests.crashes import Reader, World, small_blocks


def drill() -> int:
    """Returns how many things went wrong."""
    load_model()
    began = time.monotonic()
    with small_blocks(), PostgresProxy(*real_server()) as proxy:
        world = World(proxy)
        with Reader(world) as reader:
            points, violations = sweep(world)
    print(f"points={points} kills={2 * points} violations={violations}", end=" ")
    print(f"reads={reader.reads} half_written={reader.half_written} seconds={time.monotonic() - began:.0f}")
    return violations + reader.half_written


def load_model() -> None:
    """Here, so that each fork has it; with one thread, because a fork has no thread but the one that made it."""
    import torch  # late: it takes seconds

    torch.set_num_threads(1)
    filling.embedder(EmbeddingModel.objects.live()).embed(["a text that loads the model"])


def sweep(world: World) -> tuple[int, int]:
    """Until a run comes to its end, because it sends fewer messages. Returns how many it sends, and the faults."""
    violations = 0
    for number in count(1):
        ended = {phase: world.crash(Point(number, phase)) for phase in ("before", "after")}
        for phase, (_, faults) in ended.items():
            violations += len(faults)
            sys.stderr.writelines(f"\r{phase} message {number}: {fault}\n" for fault in faults)
        if any(code != -SIGKILL for code, _ in ended.values()):
            break
        sys.stderr.write(f"\rkilled at message {number} of about {world.messages} ")
    return number - 1, violations

"""Which indexes of nearest vectors there should be: one for each large table and each model that is kept fresh."""

from collections import Counter
from collections.abc import Iterator

from django.db.models import Count

from engine.embeddings import filling
from engine.models import EmbeddingModel
from engine.postgresql import neighbours

LARGE = 20_000  # vectors of one model in one table; what is less is read whole in a few milliseconds


def keep(least: int = LARGE) -> Counter[str]:
    """Make what is missing and drop what is broken or of no use: `made`, `dropped`. Not in a transaction.

    Nothing where another process is at it: what it builds is not whole yet, and not broken.
    """
    counts: Counter[str] = Counter(made=0, dropped=0)
    with neighbours.alone() as mine:
        if not mine:
            return counts
        wanted = {neighbours.name_of(table, model): (table, model, width) for table, model, width in large(least)}
        there = neighbours.found()
        for name in [name for name, whole in there.items() if not whole or name not in wanted]:
            neighbours.drop(name)
            counts["dropped"] += 1
        for name, index in wanted.items():
            if not there.get(name):
                neighbours.make(*index)
                counts["made"] += 1
    return counts


def large(least: int) -> Iterator[tuple[str, int, int]]:
    """Tables, models and their widths with so many vectors."""
    widths = dict(EmbeddingModel.objects.fresh().values_list("pk", "dimensions"))
    for table in filling.tables():
        held = table.objects.filter(model__in=widths).values_list("model").annotate(held=Count("vector"))
        for model, count in held.order_by("model"):
            if count >= least:
                yield table._meta.db_table, model, widths[model]


def by_clock() -> str:
    """For the schedule."""
    return " ".join(f"{name}={count}" for name, count in keep().items())

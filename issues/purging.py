"""What vanished where it was said goes here too. Items are looked at in turn, the longest not looked at first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from engine.http import HttpError, Refused, Unreadable
from engine.models import Anomaly
from issues import collecting, folding
from issues.folding import Where
from issues.models import Assignment, Cluster, RawItem
from issues.models.clustering import LIVE

logger = structlog.get_logger(__name__)

DAYS = 30  # so long an item is looked at
REQUESTS = 400  # to a source in one pass
AT_LEAST = 20  # items are settled together
SUSPICIOUS = 20  # items; that all of so many vanished at once is not believed

Batch = Sequence[tuple[int, str]]  # numbers of items, and what their source knows them by


def by_clock() -> str:
    """One pass over all sources that are on; says what it did."""
    began, sources = time.monotonic(), collecting.sources()
    counts: Counter[str] = Counter(checked=0, purged=0)
    for at, source in enumerate(sources, 1):  # what one leaves of its share of the time is the next one's
        counts.update(check(source, began + settings.TIMING.slice * at / len(sources)))
    return " ".join(f"{name}={count}" for name, count in counts.items())


def check(source: str, ends: float = float("inf")) -> Counter[str]:
    """One pass over the items of a source; it stops early where the source does not answer, or after that moment."""
    counts: Counter[str] = Counter()
    try:
        with collecting.connected(source) as asked:
            for batch in batches(source):
                if time.monotonic() > ends:
                    break
                counts += settle(source, batch, gone(asked, [name for _, name in batch]))
    except HttpError as error:
        logger.warning("not_checked", source=source, reason=str(error))
    return counts


def gone(asked: collecting.Source, names: Sequence[str]) -> set[str]:
    """Those that are there no more; one that its source will not speak of counts as there. Raises HttpError."""
    try:
        return asked.gone(names)
    except (Refused, Unreadable) as error:
        if isinstance(error, Refused) and error.everything:
            raise
        found = [each for each in (alone(asked, name) for name in names) if each is not None]
        if not found:  # it speaks of none of them: that is no fault of one
            raise
    return set().union(*found)


def alone(asked: collecting.Source, name: str) -> set[str] | None:
    try:
        return asked.gone([name])
    except (Refused, Unreadable):
        return None


def batches(source: str) -> Iterator[Batch]:
    """What is looked at in one pass."""
    together = collecting.MODULES[source].PER_REQUEST
    since = datetime.now(UTC).date() - timedelta(days=DAYS)
    rows = RawItem.objects.to_check(source, since).values_list("pk", "upstream_id")[: REQUESTS * together]
    found = iter(list(rows))
    while batch := list(islice(found, max(together, AT_LEAST))):
        yield batch


def settle(source: str, batch: Batch, gone: Collection[str]) -> Counter[str]:
    """Forget what is gone, and remember that the others were there."""
    if len(batch) >= SUSPICIOUS and len(gone) == len(batch):
        Anomaly.objects.alarm("purge", source, f"all of {len(batch)} posts vanished at once; they are kept")
        gone = ()
    here = [pk for pk, name in batch if name not in gone]
    purged = forget([pk for pk, name in batch if name in gone])
    RawItem.objects.filter(pk__in=here).update(checked_at=Now())
    return Counter(checked=len(batch), purged=purged)


@transaction.atomic
def forget(items: Collection[int]) -> int:
    """Delete those items with all that is known of them. Days and issues count without them at once.

    What a day was clustered from has changed with it, so the next run of the day groups and labels it anew.
    """
    if not items:
        return 0
    folding.lock()
    found = Assignment.objects.filter(item__in=items)
    issues = {*found.filter(LIVE, issue__isnull=False).values_list("issue", flat=True)}
    clusterings = {*found.values_list("clustering", flat=True)}
    clusters = {*found.filter(cluster__isnull=False).values_list("cluster", flat=True)}
    RawItem.objects.filter(pk__in=items).delete()
    count_again(clusterings, clusters)
    if issues:
        folding.fold(Where(issues=issues), issues)
    return len(items)


def count_again(clusterings: Collection[int], clusters: Collection[int]) -> None:
    """How many items there are in each; a cluster without any is none."""
    with connection.cursor() as cursor:
        cursor.execute(SIZES, [list(clusters)])
        cursor.execute(TOTALS, [list(clusterings)])
    Cluster.objects.filter(pk__in=clusters, size=0).delete()


SIZES = """
UPDATE issues_cluster c SET size = (SELECT count(*) FROM issues_assignment a WHERE a.cluster_id = c.id)
WHERE c.id = ANY(%s)
"""
TOTALS = """
UPDATE issues_clustering c SET items = s.items, outlier_ratio = s.noise / nullif(s.items, 0)
FROM (
    SELECT c.id, count(a.id) AS items, count(a.id) FILTER (WHERE a.cluster_id IS NULL)::float8 AS noise
    FROM issues_clustering c LEFT JOIN issues_assignment a ON a.clustering_id = c.id
    WHERE c.id = ANY(%s) GROUP BY c.id
) s WHERE s.id = c.id
"""

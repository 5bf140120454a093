"""The one loop that collects, whatever the source: question after question, a page a transaction.

A page's records and the step to the next page are committed together, so a process that is killed repeats one page at
most. A fault stays with its question; a server that wants to be left alone makes the whole run wait.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Min, QuerySet
from django.db.models.functions import Coalesce, Now

from engine.gates import PROBE, DatabaseGate, later
from engine.http import PAUSE, Client, HttpError, Limited, Quiet, Refused
from engine.models import Fetch, Source
from engine.pipeline import Later, StageError
from engine.records import Collector, Page

logger = structlog.get_logger(__name__)

Record = TypeVar("Record")

PAGES = 500  # of one question; a source that has more is asked by narrower questions


def client(base: str, **facts: Any) -> Client:
    """A client of a source: through the gate of all processes, to public addresses unless settings allow others."""
    headers = {"User-Agent": settings.USER_AGENT, **facts.pop("headers", {})}
    pause = facts.pop("pause", PAUSE * settings.TIMING.upstream)
    gate = facts.pop("gate", None) or DatabaseGate()
    return Client(base, public=not settings.ALLOW_PRIVATE_UPSTREAMS, gate=gate, pause=pause, headers=headers, **facts)


def sources_on(pipeline: str, usable: Mapping[str, bool] | None = None) -> list[str]:
    """The sources of a pipeline that are switched on; of those, the ones not said to be unusable."""
    names = Source.objects.on(pipeline).values_list("name", flat=True)
    return [name for name in names if (usable or {}).get(name, True)]


def plan(pipeline: str, source: str, day: date | None, queries: Sequence[str]) -> int:
    """Open those questions of the partition that were never asked; returns how many."""
    known = set(Fetch.objects.of(pipeline, source, day).values_list("query", flat=True))
    fresh = [query for query in dict.fromkeys(queries) if query not in known]
    Fetch.objects.bulk_create(
        [Fetch(pipeline=pipeline, source=source, day=day, query=query) for query in fresh], ignore_conflicts=True
    )
    return len(fresh)


def ask_again(pipeline: str, source: str, day: date | None, everything: bool = False) -> int:
    """Open the questions that were left, or all of them, from their first page; returns how many."""
    found = Fetch.objects.of(pipeline, source, day)
    return open_again(found if everything else found.filter(state=Fetch.State.LEFT))


def open_again(fetches: QuerySet[Fetch]) -> int:
    """Those but the ones that narrower questions stand for."""
    return fetches.exclude(state=Fetch.State.SPLIT).update(
        state=Fetch.State.OPEN,
        cursor="",
        reason="",
        pages=0,
        records=0,
        attempts=0,
        rounds=0,
        next_attempt_at=None,
        changed_at=Now(),
    )


def begin(pipeline: str, source: str, day: date | None, queries: Sequence[str], again: bool = False) -> None:
    """Plan those questions. again: ask all of the partition anew, unless an earlier claim is in the middle of that."""
    if again and not Fetch.objects.of(pipeline, source, day).open().exists():
        ask_again(pipeline, source, day, everything=True)
    plan(pipeline, source, day, queries)


def waiting(pipeline: str, source: str, day: date | None, queries: Sequence[str]) -> int:
    """Questions of the partition that are open, and those among the queries that were never asked."""
    fetches = Fetch.objects.of(pipeline, source, day)
    known = set(fetches.values_list("query", flat=True))
    return fetches.open().count() + len(set(queries) - known)


def collect(
    pipeline: str,
    source: str,
    day: date | None,
    collector: Collector[Record],
    store: Callable[[Sequence[Record]], Counter[str]],
) -> Iterator[Counter[str]]:
    """Go through the open questions; yields what became of each page.

    store: writes records in the transaction that it is called in. Raises Later when something has to wait, StageError
    when the source refuses the credentials.
    """
    partition = Fetch.objects.of(pipeline, source, day)
    while fetch := partition.due().first():
        yield ask(fetch, collector, store)
    if partition.open().exists():
        until: datetime = partition.open().aggregate(first=Min(Coalesce("next_attempt_at", Now())))["first"]
        reasons = partition.open().exclude(reason="").values_list("reason", flat=True)
        raise Later(until, f"{source}: {reasons.first()}")
    if left := partition.filter(state=Fetch.State.LEFT).count():
        yield Counter(failed=left)


def ask(fetch: Fetch, collector: Collector[Record], store: Callable[[Sequence[Record]], Counter[str]]) -> Counter[str]:
    """One page of one question."""
    try:
        page = collector.page(fetch.query, fetch.cursor)
    except Quiet as quiet:
        fetch.now(reason=str(quiet)[:400])
        raise Later(quiet.until, str(quiet)) from None
    except Limited as limited:  # more often than the client tries; the gate says for how long when it is asked again
        raise Later(later(PROBE * settings.TIMING.upstream), str(limited)) from None
    except Refused as refusal:
        if refusal.everything:
            raise StageError(str(refusal)) from None
        fetch.now(state=Fetch.State.LEFT, reason=str(refusal)[:400])
        return Counter(faults=1)
    except HttpError as error:
        fault(fetch, str(error))
        return Counter(faults=1)
    with transaction.atomic():
        counts = store(page.records)
        if not advance(fetch, page):
            transaction.set_rollback(True)
            return Counter(superseded=1)
    told = {f"skipped_{reason.replace(' ', '_')}": count for reason, count in page.skipped.items()}
    return counts + Counter(pages=1) + Counter(told)


def fault(fetch: Fetch, reason: str) -> None:
    logger.warning("page_not_read", fetch=fetch.pk, source=fetch.source, reason=reason)
    # a minute at least: StackExchange takes the same question within one for abuse
    fetch.failed(reason, settings.TIMING.wait_after(fetch.attempts + 2), settings.TIMING.attempts)


def advance(fetch: Fetch, page: Page[Any]) -> bool:
    """Keep where the question stands after that page. False: somebody else has gone on with it."""
    done = {"pages": fetch.pages + 1, "records": fetch.records + len(page.records), "attempts": 0, "reason": ""}
    if page.narrower:
        plan(fetch.pipeline, fetch.source, fetch.day, page.narrower)
        return fetch.now(**done, state=Fetch.State.SPLIT)
    if page.left:
        return begin_anew(fetch, page.left, done)
    if page.next and (page.next == fetch.cursor or fetch.pages + 1 >= PAGES):
        why = f"it has more than {PAGES} pages" if page.next != fetch.cursor else "its next page is the same again"
        return fetch.now(**{**done, "reason": why}, state=Fetch.State.LEFT)
    return fetch.now(**done, cursor=page.next, state=Fetch.State.OPEN if page.next else Fetch.State.COMPLETE)


def begin_anew(fetch: Fetch, reason: str, done: dict[str, Any]) -> bool:
    """Its source gave less than it has: ask from the first page again, a few times, with pauses between."""
    rounds = fetch.rounds + 1
    given_up = rounds >= settings.TIMING.attempts
    wait = timedelta(seconds=settings.TIMING.wait_after(rounds + 1))  # a minute at least, as after a fault
    return fetch.now(
        **{**done, "pages": 0, "reason": reason[:400]},
        rounds=rounds,
        cursor="",
        next_attempt_at=None if given_up else Now() + wait,
        state=Fetch.State.LEFT if given_up else Fetch.State.OPEN,
    )

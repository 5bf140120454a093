"""What people were shown, where in the list, and what they did with it.

A process holds both in memory, which no answer waits for, and writes them after one. The same list shown again on the
same day is one showing: its number is made from what it holds, so that a page drawn anew and an answer asked for a
thousand times leave one set of rows, and an answer's bytes stay the same.
"""

import os
import threading
import time
from collections.abc import Collection, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from multiprocessing.util import Finalize
from uuid import NAMESPACE_OID, UUID, uuid5

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

from engine.postgresql import prepared
from engine.recent import Recent
from engine.tallies import Figure
from recommendations.models import Generation, Impression, Interaction, Project, Weights

logger = structlog.get_logger(__name__)

EVERY = 1.0  # seconds: the answers of the API share a writing; a page's list is written at once
MOST = 5_000  # lists, and answers to them, held while the database takes none
KNOWN = 20_000  # lists that a process knows to be written
AT_ONCE = 5_000  # rows that are deleted in one block: Django reads what it deletes
SEEN_DAYS = 3  # shown on so many days and nothing done: it rests now and then
WITHIN = timedelta(days=14)  # then it is as new
SHOWN = Figure("ost_impressions_total", "Recommendations shown to the person they are for", ("source",), most=4)
ANSWERED = Figure("ost_responses_total", "What people did with recommendations they were shown", ("kind",), most=6)
TALLIES = (SHOWN, ANSWERED)


@dataclass(frozen=True)
class List:
    """One list as somebody saw it, the first place first. weights: the version."""

    request: UUID
    user: int
    source: str
    generation: int | None
    weights: int | None
    projects: tuple[int, ...]
    at: datetime


@dataclass(frozen=True)
class Answer:
    """What somebody did with a project of a list."""

    request: UUID
    user: int
    project: int
    kind: str
    at: datetime


def list_of(
    user: int, source: str, projects: Sequence[int], generation: Generation | int | None, weights: Weights | int | None
) -> List | None:
    """The list with its number; None of an empty one."""
    made = generation.pk if isinstance(generation, Generation) else generation
    version = weights.version if isinstance(weights, Weights) else weights
    now = timezone.now()
    if not projects:
        return None
    named = f"ost:list:{user}:{source}:{now.date()}:{made}:{version}:{','.join(map(str, projects))}"
    return List(uuid5(NAMESPACE_OID, named), user, source, made, version, tuple(projects), now)


def really(request: HttpRequest) -> bool:
    """Whether somebody looks: no question for the head alone, and no browser that fetches ahead."""
    told = request.META  # to make `headers` would take longer than the rest of a view that knows its answer
    purpose = f"{told.get('HTTP_SEC_PURPOSE', '')} {told.get('HTTP_PURPOSE', '')}"
    return request.method == "GET" and "prefetch" not in purpose.lower()


def request_id(given: str | None) -> UUID | None:
    """The number of a list as an address, a form or a body gives it; None of anything else."""
    try:
        return UUID(given) if given and len(given) == 36 else None
    except ValueError:
        return None


# Held, and written


class Held:
    """What this process has to write: bounded."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """As a new process, which after a fork has what another holds."""
        self._lock = threading.Lock()
        self._lists: dict[UUID, List] = {}
        self._answers: list[Answer] = []
        self._known: Recent[UUID, bool] = Recent(KNOWN)
        self._due = time.monotonic()
        self._ends = False

    def show(self, shown: List, soon: bool) -> None:
        if self._known.get(shown.request):
            return
        self._known.put(shown.request, True)
        with self._lock:
            self._lists[shown.request] = shown
            self._held(soon)

    def answer(self, answer: Answer) -> None:
        with self._lock:
            self._answers.append(answer)
            self._held(soon=True)

    def _held(self, soon: bool) -> None:
        while len(self._lists) > MOST:
            del self._lists[next(iter(self._lists))]
        del self._answers[:-MOST]
        if soon:
            self._due = time.monotonic()
        if not self._ends:  # registered late: a fork would have forgotten it
            self._ends = True
            Finalize(None, last_words, exitpriority=11)  # before the tallies, which count what it writes

    def is_due(self) -> bool:
        """Whether somebody should write now; then nobody else has to for a while."""
        if not (self._lists or self._answers) or time.monotonic() < self._due:
            return False
        with self._lock:
            mine = time.monotonic() >= self._due
            self._due = time.monotonic() + EVERY
        return mine

    def flush(self) -> None:
        """Write what there is. Never raises: what the database does not take now is written with the next."""
        with self._lock:
            lists, self._lists = self._lists, {}
            answers, self._answers = self._answers, []
        if not (lists or answers):
            return
        try:
            with transaction.atomic() if connection.in_atomic_block else nullcontext():
                write_lists(list(lists.values()))
                write_answers(answers)
        except DatabaseError as error:
            logger.debug("impressions_put_off", error=type(error).__name__)
            with self._lock:
                self._lists = {**lists, **self._lists}
                self._answers = [*answers, *self._answers]
                self._held(soon=False)


HELD = Held()
os.register_at_fork(after_in_child=HELD.begin)


def show(shown: List | None, soon: bool = True) -> None:
    """Note that a list was shown. soon: after this answer; otherwise with those of the same second."""
    if shown:
        HELD.show(shown, soon)


def answered(user: User, project: Project, kind: str, request: UUID | None) -> None:
    """Note what they did with a project of that list; of another's list, or one without it, nothing is kept."""
    if request:
        HELD.answer(Answer(request, user.pk, project.pk, Interaction.Kind(kind).value, timezone.now()))


def flush() -> None:
    """Write what this process holds. Never raises."""
    HELD.flush()


def flush_when_due(**_: object) -> None:
    """The same when it is time: a receiver of Django's `request_finished`, after the answer has gone."""
    if HELD.is_due():
        HELD.flush()


def last_words() -> None:
    with suppress(Exception):  # whatever it is, a process that ends has nobody to tell
        HELD.flush()


# Rows, in one order for all, so that two processes do not wait for each other in a ring. Whoever or whatever is gone
# meanwhile is left out.
LISTS = """
WITH kept AS (
    INSERT INTO recommendations_impression
        (request, user_id, source, generation_id, weights_id, project_id, rank, shown_at)
    SELECT v.request, u.id, v.source, g.id, w.id, p.id, v.rank, v.at
    FROM unnest(%s::uuid[], %s::int4[], %s::text[], %s::int8[], %s::int4[], %s::int8[], %s::int2[], %s::timestamptz[])
        v (request, person, source, generation, weights, project, rank, at)
    JOIN auth_user u ON u.id = v.person
    JOIN recommendations_project p ON p.id = v.project
    LEFT JOIN recommendations_generation g ON g.id = v.generation
    LEFT JOIN recommendations_weights w ON w.version = v.weights
    ORDER BY v.request, v.rank
    ON CONFLICT (request, project_id) DO NOTHING
    RETURNING source
) SELECT source, count(*) FROM kept GROUP BY source
"""
ANSWERS = """
WITH kept AS (
    INSERT INTO recommendations_response (impression_id, kind, at)
    SELECT i.id, v.kind, v.at
    FROM unnest(%s::uuid[], %s::int4[], %s::int8[], %s::text[], %s::timestamptz[])
        v (request, person, project, kind, at)
    JOIN recommendations_impression i
        ON i.request = v.request AND i.user_id = v.person AND i.project_id = v.project
    ORDER BY i.id, v.kind
    ON CONFLICT (impression_id, kind) DO NOTHING
    RETURNING kind
) SELECT kind, count(*) FROM kept GROUP BY kind
"""


def write_lists(lists: Sequence[List]) -> None:
    rows = [
        (each.request, each.user, each.source, each.generation, each.weights, project, rank, each.at)
        for each in lists
        for rank, project in enumerate(each.projects, 1)
    ]
    write(LISTS, rows, SHOWN)


def write_answers(answers: Sequence[Answer]) -> None:
    write(ANSWERS, [(each.request, each.user, each.project, each.kind, each.at) for each in answers], ANSWERED)


def write(statement: str, rows: Sequence[tuple[object, ...]], figure: Figure) -> None:
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])
        for label, count in cursor.fetchall():
            figure.add(label, by=count)


def prune(keep: int) -> int:
    """Delete what was shown longer ago than IMPRESSION_DAYS, with what was done with it; returns how many."""
    old = Impression.objects.filter(shown_at__lt=Now() - timedelta(days=settings.IMPRESSION_DAYS)).values_list("pk")
    gone = 0
    while block := [pk for (pk,) in old[:AT_ONCE]]:
        gone += Impression.objects.filter(pk__in=block).delete()[1].get(Impression._meta.label, 0)
    return gone


# What was seen often


TIRED = """
SELECT i.project_id FROM recommendations_impression i
LEFT JOIN recommendations_response r ON r.impression_id = i.id AND r.at < %(today)s
WHERE i.user_id = %(user)s AND i.shown_at >= %(since)s AND i.shown_at < %(today)s
GROUP BY i.project_id
HAVING count(r.id) = 0 AND count(DISTINCT (i.shown_at AT TIME ZONE 'UTC')::date) >= %(days)s
"""


def today() -> date:
    """The day by which lists rotate, in UTC."""
    return timezone.now().date()


def tired(user: int, day: date) -> Collection[int]:
    """The projects that they saw on several of the days before that day and did nothing with."""
    start = datetime(day.year, day.month, day.day, tzinfo=timezone.get_default_timezone())
    with prepared() as cursor:
        cursor.execute(TIRED, {"user": user, "since": start - WITHIN, "today": start, "days": SEEN_DAYS})
        return {pk for (pk,) in cursor}

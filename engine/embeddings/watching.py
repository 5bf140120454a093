"""The loop that embeds whatever waits: a thread for each provider, so that a dead or slow one delays no other.

Inside a provider one batch of each model and subject goes in turn, the live model first, the newest texts first.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from engine.embeddings import filling
from engine.embeddings.base import EmbedderError, PutOff
from engine.logs import scrubbed
from engine.models import Embedding, EmbeddingModel
from engine.owner import claimant

logger = structlog.get_logger(__name__)

FINISHING = 0.75  # of the worker's grace, for batches under way; the rest is for handing back what did not end in it
ALL = 0  # in place of a model's id: the whole provider
_lingering: set[threading.Thread] = set()


class Told:
    """What is out of order, each thing said once until it is over."""

    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}

    def tell(self, key: int, error: Exception, **facts: str) -> None:
        reason = scrubbed(str(error)).split("\n")[0][:200]
        if reason != self.reasons.get(key):
            logger.warning("embedding_put_off", reason=reason, **facts)
        self.reasons[key] = reason

    def over(self, key: int) -> None:
        self.reasons.pop(key, None)


class Lane(threading.Thread):
    """The texts of one provider, on a connection of its own.

    only: what the models are to be, as for a query. idle: seconds between turns that find nothing; `away` between
    two tries of what does not answer.
    """

    def __init__(
        self, provider: str, tables: Sequence[type[Embedding]], batch: int, idle: float, only: Mapping[str, object]
    ) -> None:
        super().__init__(name=f"embed {provider}", daemon=True)
        self.provider, self.tables, self.batch = provider, tables, batch
        self.idle, self.away, self.only = idle, 2.5 * idle, only
        self.told = threading.Event()  # to end: no new claims
        self.came_round = threading.Event()  # a sign of life; the loop takes it down
        self.fault: BaseException | None = None
        self.claims = ""  # what those of this thread begin with
        self.cut_off = False  # the database went away, perhaps in the middle of a batch
        self.rests: dict[int, float] = {}  # until when a model is left alone, by time.monotonic()
        self.trouble = Told()

    def run(self) -> None:
        self.claims = claimant()
        try:
            while not self.told.is_set():
                self.told.wait(self.turn())
        except BaseException as error:  # noqa: BLE001  it is no outage but a fault of ours, which the loop raises
            self.fault = error
        finally:
            connection.close()

    def turn(self) -> float:
        """One batch of each model and subject; returns the seconds until the next turn."""
        self.came_round.set()
        try:
            if self.cut_off:
                self.hand_back()
            done = [self.one(model, table) for model in self.models() for table in self.tables]
        except DatabaseError as error:
            self.trouble.tell(ALL, error, provider=self.provider)
            connection.close()
            self.cut_off = True
            return self.away
        if not self.resting(ALL):
            self.trouble.over(ALL)
        return 0 if any(done) else self.idle

    def models(self) -> list[EmbeddingModel]:
        """Looked at in each turn, so that a new or resumed one joins the next."""
        return list(EmbeddingModel.objects.fresh().filter(provider=self.provider, paused_at=None, **self.only))

    def one(self, model: EmbeddingModel, table: type[Embedding]) -> bool:
        """A batch, if there is one and the model may be asked; whether it came to anything."""
        if self.told.is_set() or self.resting(ALL) or self.resting(model.pk):
            return False
        try:
            counts = filling.one_batch(table, model, self.batch)
        except EmbedderError as error:
            self.leave_alone(model, error)
            return False
        finally:
            self.came_round.set()
        if counts is None:
            return False
        logger.info("batch_embedded", model=model.name, subject=table.subject_name, **counts)
        self.trouble.over(model.pk)
        return True

    def leave_alone(self, model: EmbeddingModel, error: EmbedderError) -> None:
        """A model that cannot be used for a while, the whole provider until it may be asked again."""
        key, seconds = model.pk, self.away
        if isinstance(error, PutOff):
            key, seconds = ALL, (error.until - timezone.now()).total_seconds()
        self.rests[key] = time.monotonic() + seconds
        self.trouble.tell(key, error, provider=self.provider, model=model.name)

    def resting(self, key: int) -> bool:
        return time.monotonic() < self.rests.get(key, 0)

    def hand_back(self) -> None:
        """What this thread claimed, un-counted; also called for it by the thread that ended it."""
        for table in self.tables:
            table.objects.release_own(self.claims)
        self.cut_off = False


def watch(
    tables: Sequence[type[Embedding]],
    batch: int,
    idle: float,
    beat: Callable[[], None],
    only: Mapping[str, object] | None = None,
) -> NoReturn:
    """Fill for ever, for every model that is live or filling and not paused. A turn that finds nothing writes nothing.

    idle: seconds between turns while nothing waits. beat: called when every provider's thread has come round since the
    last time, so one that stands still in a call is not hidden by others. Ends by what is raised in this thread, as a
    signal does, or by a fault of ours in another.
    """
    lanes: dict[str, Lane] = {}
    trouble = Told()
    try:
        while True:
            with outages_told(trouble):
                for provider in providers(only or {}) - lanes.keys():
                    lanes[provider] = Lane(provider, tables, batch, idle, only or {})
                    lanes[provider].start()
            look_at(lanes.values(), beat)
            time.sleep(idle)
    finally:
        end(lanes.values())


def providers(only: Mapping[str, object]) -> set[str]:
    """Those whose thread is wanted. Without any model the one that settings name becomes the live one."""
    EmbeddingModel.objects.live()
    return set(EmbeddingModel.objects.fresh().filter(**only).values_list("provider", flat=True))


def look_at(lanes: Collection[Lane], beat: Callable[[], None]) -> None:
    """Raise a thread's fault; beat when all of them have come round."""
    for lane in lanes:
        if lane.fault:
            raise lane.fault
    if all(lane.came_round.is_set() for lane in lanes):
        for lane in lanes:
            lane.came_round.clear()
        beat()


@contextmanager
def outages_told(trouble: Told) -> Iterator[None]:
    """A database that is away is told once, and tried again with the next pass."""
    try:
        yield
        trouble.over(ALL)
    except DatabaseError as error:
        trouble.tell(ALL, error)
        connection.close()


def end(lanes: Collection[Lane]) -> None:
    """No new claims; a batch under way may end within the worker's grace, else it is handed back un-counted."""
    deadline = time.monotonic() + FINISHING * settings.TIMING.grace
    for lane in lanes:
        lane.told.set()
    with suppress(KeyboardInterrupt, SystemExit):  # told twice: at once
        for lane in lanes:
            lane.join(max(0.0, deadline - time.monotonic()))
    _lingering.update(lane for lane in lanes if lane.is_alive())
    if _lingering:
        connection.close()  # a signal may have come in the middle of a question
    with suppress(DatabaseError):  # without one the leases end by themselves
        for lane in lanes:
            if lane.is_alive():
                lane.hand_back()


def lingering() -> bool:
    """Whether a thread of the loop still is in a call that did not end in time."""
    return any(lane.is_alive() for lane in _lingering)

"""The models inside a web process: texts that people type become vectors, and are neither stored nor logged.

Loading takes seconds, so it happens in a thread of its own. Until then, or while the model fails, a text has no vector,
and whoever asks goes on without one.
"""

import threading
import time
from enum import Enum

import structlog
from django.conf import settings

from engine.embeddings.base import Embedder, EmbedderError
from engine.embeddings.counting import counted
from engine.embeddings.filling import TEXT_FAULTS, embedder, spent
from engine.ledger import reason_of
from engine.models import EmbeddingModel
from engine.recent import Recent
from engine.text import clip, text_hash
from engine.vectors import Matrix

logger = structlog.get_logger(__name__)

AGAIN = 60.0  # seconds after a failure before the model is loaded once more


class State(Enum):
    OFF = "off"
    COLD = "cold"
    WARMING = "warming"
    READY = "ready"
    FAILED = "failed"


class Reader:
    """The models of this process, each as far as it has come. Two are held: one, and the one that is to follow it."""

    HELD = 2

    def __init__(self) -> None:
        self._lock = threading.Lock()  # one text at a time: two would share the same cores
        self._change = threading.Lock()
        self._ready: dict[int, Embedder] = {}  # the one used longest ago first
        self._warming: set[int] = set()
        self._failed: dict[int, float] = {}
        self._vectors: Recent[tuple[int, str], Matrix] = Recent(256)

    def state(self, model: EmbeddingModel) -> State:
        # What people type goes to no provider that the settings do not name, whatever model is live.
        if not settings.READ_TEXTS or model.provider not in ("local", settings.EMBEDDING_PROVIDER):
            return State.OFF
        if model.pk in self._ready:
            return State.READY
        if model.pk in self._warming:
            return State.WARMING
        return State.FAILED if model.pk in self._failed else State.COLD

    def warm(self, model: EmbeddingModel) -> None:
        """Begin to load the model, unless it is loaded, being loaded, or failed a moment ago."""
        with self._change:
            lately = time.monotonic() - self._failed.get(model.pk, -AGAIN) < AGAIN
            if self.state(model) in (State.OFF, State.READY, State.WARMING) or lately:
                return
            self._warming.add(model.pk)
        threading.Thread(target=self._load, args=[model], name="reader", daemon=True).start()

    def follow(self, model: EmbeddingModel, other: EmbeddingModel) -> None:
        """Begin to load the other where the one is in use: it is about to take its place."""
        if self.state(model) is State.READY:
            self.warm(other)

    def _load(self, model: EmbeddingModel) -> None:
        begun = time.monotonic()
        try:
            found = embedder(model)
            found.embed(["ready"])
        except (EmbedderError, KeyError, ImportError, OSError, *TEXT_FAULTS) as error:
            self._fail(model, error)
            return
        with self._change:
            self._warming.discard(model.pk)
            self._failed.pop(model.pk, None)
            self._ready[model.pk] = found
            for oldest in list(self._ready)[: -self.HELD]:
                del self._ready[oldest]
        logger.info("model_ready", model=model.name, seconds=round(time.monotonic() - begun, 1))

    def _fail(self, model: EmbeddingModel, error: Exception) -> None:
        # A message of ours is safe to show; another's may quote the text that it failed on.
        reason = reason_of(error) if isinstance(error, EmbedderError) else type(error).__name__
        logger.warning("model_failed", reason=reason)
        with self._change:
            self._warming.discard(model.pk)
            self._ready.pop(model.pk, None)
            self._failed[model.pk] = time.monotonic()

    def forget(self) -> None:
        """As if the process had just begun."""
        with self._change:
            self._ready, self._warming, self._failed = {}, set(), {}
        self._vectors.clear()

    def _held(self, model: EmbeddingModel) -> Embedder | None:
        """Its embedder, which is now the one used last; None when it went meanwhile."""
        with self._change:
            found = self._ready.pop(model.pk, None)
            if found is not None:
                self._ready[model.pk] = found
            return found

    def vector(self, model: EmbeddingModel, text: str) -> Matrix | None:
        """The unit vector of a text, (d,), or None while there is nobody to read it; then loading begins."""
        text = clip(text)
        known = (model.pk, text_hash(text))
        if self.state(model) is not State.READY:
            self.warm(model)
            return None
        found = self._vectors.get(known)
        if found is None:
            held = self._held(model)
            if held is None:  # another thread has met a failure meanwhile
                return None
            try:
                with self._lock, counted(model, 1):
                    found = held.embed([text])[0]
                spent(model)
            except (EmbedderError, *TEXT_FAULTS) as error:
                self._fail(model, error)
                return None
            self._vectors.put(known, found)
        return found


READER = Reader()


def by_the_live(text: str) -> tuple[EmbeddingModel, Matrix] | None:
    """The model to search with, and the unit vector of a text by it; None for no text, or while nobody reads it.

    While a model that was just put live is being loaded, the one that it replaced is asked, whose vectors are kept
    fresh: what is compared is always of one model.
    """
    live = EmbeddingModel.objects.filter(state=EmbeddingModel.State.LIVE).select_related("replaced").first()
    if live is None or not text.strip():
        return None
    vector, before = READER.vector(live, text), live.replaced
    if vector is not None:
        return live, vector
    if before is None or before.state != EmbeddingModel.State.FILLING or READER.state(before) is not State.READY:
        return None
    vector = READER.vector(before, text)
    return None if vector is None else (before, vector)

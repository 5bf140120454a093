"""The live model inside a web process: texts that people type become vectors, and are neither stored nor logged.

Loading takes seconds, so it happens in a thread of its own. Until then, or while the model fails, a text has no vector,
and whoever asks goes on without one.
"""

import threading
import time
from enum import Enum

import structlog
from django.conf import settings

from engine.embeddings.base import Embedder, EmbedderError
from engine.embeddings.filling import TEXT_FAULTS, embedder
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
    """One model of this process, and how far it has come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # one text at a time: two would share the same cores
        self._change = threading.Lock()
        self._ready: dict[int, Embedder] = {}
        self._state, self._failed_at = State.COLD, 0.0
        self._vectors: Recent[tuple[int, str], Matrix] = Recent(256)

    def state(self, model: EmbeddingModel) -> State:
        if not settings.READ_TEXTS:
            return State.OFF
        return State.READY if model.pk in self._ready else self._state

    def warm(self, model: EmbeddingModel) -> None:
        """Begin to load the model, unless it is loaded, being loaded, or failed a moment ago."""
        with self._change:
            lately = self._state is State.FAILED and time.monotonic() - self._failed_at < AGAIN
            if self.state(model) in (State.OFF, State.READY, State.WARMING) or lately:
                return
            self._state = State.WARMING
        threading.Thread(target=self._load, args=[model], name="reader", daemon=True).start()

    def _load(self, model: EmbeddingModel) -> None:
        begun = time.monotonic()
        try:
            found = embedder(model)
            found.embed(["ready"])
        except (EmbedderError, KeyError, ImportError, OSError, *TEXT_FAULTS) as error:
            self._fail(error)
            return
        with self._change:
            self._ready, self._state = {model.pk: found}, State.COLD
        logger.info("model_ready", model=model.name, seconds=round(time.monotonic() - begun, 1))

    def _fail(self, error: Exception) -> None:
        # A message of ours is safe to show; another's may quote the text that it failed on.
        reason = reason_of(error) if isinstance(error, EmbedderError) else type(error).__name__
        logger.warning("model_failed", reason=reason)
        with self._change:
            self._ready, self._state, self._failed_at = {}, State.FAILED, time.monotonic()

    def forget(self) -> None:
        """As if the process had just begun."""
        with self._change:
            self._ready, self._state, self._failed_at = {}, State.COLD, 0.0
        self._vectors.clear()

    def vector(self, model: EmbeddingModel, text: str) -> Matrix | None:
        """The unit vector of a text, (d,), or None while there is nobody to read it; then loading begins."""
        text = clip(text)
        known = (model.pk, text_hash(text))
        if self.state(model) is not State.READY:
            self.warm(model)
            return None
        found = self._vectors.get(known)
        if found is None:
            try:
                with self._lock:
                    found = self._ready[model.pk].embed([text])[0]
            except KeyError:  # another thread has met a failure meanwhile
                return None
            except (EmbedderError, *TEXT_FAULTS) as error:
                self._fail(error)
                return None
            self._vectors.put(known, found)
        return found


READER = Reader()

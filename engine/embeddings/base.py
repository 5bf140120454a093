"""What an embedder is. Providers are made by engine.embeddings.filling, so that none knows of tables."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from engine.pipeline import StageError
from engine.vectors import Matrix


class Embedder(Protocol):
    """Texts in, vectors out. Loading is left to the first call, so that naming an embedder costs nothing."""

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(n,) texts -> (n, d) float32, in order. Raises EmbedderError when the model itself is at fault."""
        ...


class EmbedderError(StageError):
    """The model cannot be loaded or used at all; the message says what to do."""


class PutOff(EmbedderError):
    """Nobody is to ask the provider before then, which is no failure of a text."""

    def __init__(self, until: datetime, reason: str) -> None:
        super().__init__(reason)
        self.until = until


@runtime_checkable
class Metered(Protocol):
    """An embedder whose calls are counted, because they cost something."""

    def take_spent(self) -> Counter[str]:
        """`calls`, `tokens` and `microdollars` since it was last asked; the last only where a price is known."""
        ...


@runtime_checkable
class Described(Protocol):
    """An embedder that knows what makes its vectors."""

    def facts(self) -> dict[str, Any]:
        """`checksum` of the weights, `precision`, `runtime`, `tokens` at most; empty before the first vector."""
        ...

"""Texts become vectors, and no text is asked for twice: not within a batch, and never where each answer costs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.embeddings.base import Embedder, Metered
from engine.embeddings.counting import REUSED, counted
from engine.models import EmbeddingModel, PaidVector
from engine.text import text_hash
from engine.vectors import Matrix, checked


class Vectors(NamedTuple):
    """rows: (n, d), one for each text. paid: those just paid for, by the text's hash. used: paid for before."""

    rows: Matrix
    asked: int
    paid: dict[str, Matrix]
    used: list[str]

    @property
    def reused(self) -> int:
        """How many texts needed no asking."""
        return len(self.rows) - self.asked


def vectors_of(embedder: Embedder, model: EmbeddingModel, texts: Sequence[str]) -> Vectors:
    """Raises what the embedder raises, and ValueError for vectors that are none."""
    hashes = [text_hash(text) for text in texts]
    distinct = dict(zip(hashes, texts, strict=True))
    metered = isinstance(embedder, Metered)
    known = PaidVector.objects.known(model, list(distinct)) if metered else {}
    missing = [each for each in distinct if each not in known]
    fresh = dict(zip(missing, asked(embedder, model, [distinct[each] for each in missing]), strict=True))
    found = known | fresh
    REUSED.add(model.provider, model.name, by=len(texts) - len(missing))
    return Vectors(np.stack([found[each] for each in hashes]), len(missing), fresh if metered else {}, list(known))


def asked(embedder: Embedder, model: EmbeddingModel, texts: Sequence[str]) -> Matrix:
    """The vectors of texts that have none yet, checked and counted."""
    if not texts:
        return np.empty((0, model.dimensions), dtype=np.float32)
    with counted(model, len(texts)):
        return checked(embedder.embed(texts), len(texts), model.dimensions)


def remember(model: EmbeddingModel, vectors: Vectors) -> None:
    """To be called in the transaction that keeps the vectors of the texts."""
    if vectors.paid:
        PaidVector.objects.keep(model, list(vectors.paid), np.stack(list(vectors.paid.values())))
    if vectors.used:
        PaidVector.objects.use(model, vectors.used)

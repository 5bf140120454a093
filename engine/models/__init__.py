"""The tables of the machinery: texts and vectors, runs, workers."""

from engine.models.embedding import Claimed, Embedding, EmbeddingModel, EmbeddingQuerySet
from engine.models.run import Audit, Run, Step
from engine.models.worker import Anomaly, WorkerGroup

__all__ = [
    "Anomaly",
    "Audit",
    "Claimed",
    "Embedding",
    "EmbeddingModel",
    "EmbeddingQuerySet",
    "Run",
    "Step",
    "WorkerGroup",
]

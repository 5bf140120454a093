"""The tables of the machinery: texts and vectors, runs, workers, keys of the API."""

from engine.models.access import Allowance, ApiKey, IdempotentReply
from engine.models.embedding import Claimed, Embedding, EmbeddingQuerySet
from engine.models.embedding_model import EmbeddingModel
from engine.models.paid import PaidVector
from engine.models.run import Audit, Run, Step
from engine.models.snapshot import Snapshot
from engine.models.source import Fetch, Source, Upstream
from engine.models.tally import Daily, Tally
from engine.models.worker import Anomaly, WorkerGroup

__all__ = [
    "Allowance",
    "Anomaly",
    "ApiKey",
    "Audit",
    "Claimed",
    "Daily",
    "Embedding",
    "EmbeddingModel",
    "EmbeddingQuerySet",
    "Fetch",
    "IdempotentReply",
    "PaidVector",
    "Run",
    "Snapshot",
    "Source",
    "Step",
    "Tally",
    "Upstream",
    "WorkerGroup",
]

"""The admin of the machinery: the ledger, the queue, texts, keys; and what every admin page of ours shares."""

from engine.admin import anomalies, embeddings, keys, models, queue, runs, sources
from engine.admin.base import Admin, Guarded, ReadOnly, note

__all__ = [
    "Admin",
    "Guarded",
    "ReadOnly",
    "anomalies",
    "embeddings",
    "keys",
    "models",
    "note",
    "queue",
    "runs",
    "sources",
]

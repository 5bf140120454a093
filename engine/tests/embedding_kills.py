"""Processes that embed by a server on loopback and are killed around a request, and a provider as settings name it."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import numpy as np
from django.test.utils import override_settings
from django.utils import timezone

from engine.embeddings import filling
from engine.models import EmbeddingModel, Upstream
from engine.models.embedding import Embedding
from engine.testing.embeddings import OpenAI, vector
from engine.testing.serving import Server
from engine.tests.fetch_kills import Killer, forked

WIDTH = 8


def by_openai(server: Server) -> override_settings:
    """The settings of this process and of its forks, with that server as OpenAI."""
    return override_settings(
        EMBEDDING_PROVIDER="openai",
        EMBEDDING_MODEL="tiny",
        MODEL_DIMENSIONS=WIDTH,
        OPENAI_BASE_URL=f"{server.url}/v1",
        OPENAI_API_KEY="sk-not-a-real-key",
    )


def embed(table: type[Embedding], batch: int) -> Counter[str]:
    filling.made.cache_clear()
    return sum(filling.fill([table], EmbeddingModel.objects.live(), batch), Counter())


def killed(table: type[Embedding], batch: int, server: Server, number: int, after: float | None) -> bool:
    """Embed in a process that is killed around that request; whether it was. Its claims have run out by then."""
    begun = Killer(server, number, after)
    was: Callable[[], int] = partial(forked, partial(embed, table, batch))
    found = begun.killed(was)
    table.objects.exclude(lease="").update(lease_until=timezone.now() - timedelta(seconds=1))
    Upstream.objects.update(busy_until=None)
    return found


def faults(table: type[Embedding], server: Server, batch: int) -> list[str]:
    """What went wrong when one process was killed and another embedded the rest."""
    api = server.upstream
    assert isinstance(api, OpenAI)
    again = sum(count - 1 for count in api.embedded.values())
    rows = list(table.objects.all())
    wrong = [
        row for row in rows if row.vector is None or not np.allclose(row.vector, vector(row.text, WIDTH), atol=1e-6)
    ]
    found = [f"{len(wrong)} texts without their vector"] * bool(wrong)
    found += [f"{again} texts asked for again"] * (again > batch)
    found += ["a lease is left"] * any(row.lease for row in rows)
    subjects = {(row.subject_id, row.model_id) for row in rows}
    return found + [f"{len(rows) - len(subjects)} rows twice"] * (len(subjects) < len(rows))

"""What several tests of the machinery need."""

from collections.abc import Iterator

import psycopg
import pytest
from django.utils import timezone

from engine.bulk import raw_connection
from engine.models import EmbeddingModel


@pytest.fixture
def elsewhere(db: None) -> Iterator[psycopg.Connection]:
    """A connection that another process has to the test's database."""
    info = raw_connection().info
    with psycopg.connect(info.dsn, password=info.password, autocommit=True) as connection:
        yield connection


@pytest.fixture
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """django-q's scheduler closes a connection that is in a transaction; that of a test always is."""
    monkeypatch.setattr("django_q.scheduler.close_old_django_connections", lambda: None)


@pytest.fixture
def live() -> EmbeddingModel:
    """The live model, in use."""
    model = EmbeddingModel.objects.live()
    EmbeddingModel.objects.filter(pk=model.pk).update(used_at=timezone.now())
    return model

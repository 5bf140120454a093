"""What several tests here need."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from engine.tests.calling import lines, ost
from issues.tests.live_store import EMAIL, PASSWORD, PocketBase, Proxy

__all__ = ["lines", "ost"]


@pytest.fixture(scope="session")
def pocketbase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    """A real one, for the whole session."""
    server = PocketBase(tmp_path_factory.mktemp("pocketbase"))
    yield server
    server.stop()


@pytest.fixture
def live(pocketbase: PocketBase, monkeypatch: pytest.MonkeyPatch) -> Iterator[PocketBase]:
    """The live store of the settings, with empty collections."""
    monkeypatch.setattr("issues.pocketbase.PAUSE", 0.01)
    pocketbase.make_anew()
    with override_settings(POCKETBASE_URL=pocketbase.url, POCKETBASE_EMAIL=EMAIL, POCKETBASE_PASSWORD=PASSWORD):
        yield pocketbase


@pytest.fixture
def proxy(live: PocketBase, settings: Any) -> Iterator[Proxy]:
    """What stands between the settings and the live store."""
    with Proxy(live.url) as between:
        settings.POCKETBASE_URL = between.url
        yield between

"""What several tests of the whole site need."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from ostsite.tests.world import UNHURRIED, World, undone


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[World]:
    """Made once for a file of tests; they leave it as they found it."""
    with django_db_blocker.unblock(), override_settings(**UNHURRIED), undone():  # type: ignore[attr-defined]
        yield World()

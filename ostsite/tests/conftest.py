"""What several tests of the whole site need."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import override_settings

from ostsite.tests.world import World, undone

PLAIN = {
    "METRICS_TOKEN": "for-tests",
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "REST_FRAMEWORK": {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": dict.fromkeys(("anon", "user", "try"), 10**9),  # who asks for all asks often
    },
}


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[World]:
    """Made once for a file of tests; they leave it as they found it."""
    with django_db_blocker.unblock(), override_settings(**PLAIN), undone():  # type: ignore[attr-defined]
        yield World()

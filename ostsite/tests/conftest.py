"""What several tests of the whole site need."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from ostsite.tests.world import UNHURRIED, World


@pytest.fixture(scope="module")
def world(kept_for_the_file: None) -> Iterator[World]:
    """Made once for a file of tests; they leave it as they found it."""
    with override_settings(**UNHURRIED):
        yield World()

"""What `./ost demo --live-like` is told to collect, and how fast its sources' clocks run."""

from pathlib import Path

import pytest
from django.core.management import call_command

from issues.models import Feed, Keyword
from ostsite import live_like, settings
from recommendations.models import NamedRepository, RepositoryQuery

ROWS = Path(__file__).parents[2] / "sample" / "collecting.json"
MODELS = (Feed, Keyword, NamedRepository, RepositoryQuery)


@pytest.mark.django_db
def test_what_is_collected_is_named_once_however_often_it_is_loaded():
    call_command("loaddata", ROWS, verbosity=0)
    named = [model.objects.count() for model in MODELS]
    call_command("loaddata", ROWS, verbosity=0)
    assert [model.objects.count() for model in MODELS] == named


@pytest.mark.django_db
def test_what_is_collected_could_have_been_typed_in_the_admin():
    call_command("loaddata", ROWS, verbosity=0)
    for model in MODELS:
        for row in model.objects.all():
            row.full_clean()


def test_only_the_clock_of_the_sources_is_another():
    assert live_like.TIMING.upstream * 60 == pytest.approx(1)
    assert live_like.TIMING.attempts == settings.TIMING.attempts

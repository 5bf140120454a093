"""Keywords and feeds in the admin."""

import pytest
from django.urls import reverse

from engine.models import Audit
from engine.tests.staff import sign_in, staff
from issues.models import Feed, Keyword

pytestmark = pytest.mark.django_db

KEYWORDS = reverse("admin:issues_keyword_changelist")
RIGHTS = [f"issues.{verb}_{model}" for verb in ("view", "add", "change") for model in ("keyword", "feed")]


@pytest.fixture
def curator():
    return sign_in(staff("carla", *RIGHTS))


def test_a_keyword_is_added(curator):
    page = reverse("admin:issues_keyword_add")
    curator.post(page, {"text": "  over   budget ", "group": "pricing", "weight": "1", "on": "on"})
    assert Keyword.objects.filter(text="over budget").exists()


def test_the_same_keyword_in_another_case_is_refused(curator):
    page = reverse("admin:issues_keyword_add")
    answer = curator.post(page, {"text": "Too EXPENSIVE", "group": "pricing", "weight": "1"})
    assert "There is this keyword already." in answer.content.decode()


def test_a_feed_that_its_source_would_not_know_is_refused(curator):
    page = reverse("admin:issues_feed_add")
    answer = curator.post(page, {"source": "stackoverflow", "name": "csv;excel", "gated": "on"})
    assert "A tag has letters" in answer.content.decode()


def test_many_are_switched_off_and_it_is_noted(curator):
    chosen = list(Keyword.objects.values_list("pk", flat=True)[:3])
    curator.post(KEYWORDS, {"action": "switch_off", "_selected_action": chosen})
    assert Keyword.objects.filter(on=False).count() == 3
    assert Audit.objects.get().action == "switch off"


def test_who_may_only_look_switches_nothing():
    client = sign_in(staff("vera", "issues.view_feed"))
    page = reverse("admin:issues_feed_changelist")
    assert client.get(page).status_code == 200
    client.post(page, {"action": "switch_off", "_selected_action": [Feed.objects.first().pk]})
    assert not Feed.objects.filter(on=False).exists()


@pytest.mark.parametrize("query", ["?group__exact=pain", "?q=hand", "?on__exact=0", "?o=-3"])
def test_the_list_is_filtered_and_searched(curator, query):
    assert curator.get(KEYWORDS + query).status_code == 200

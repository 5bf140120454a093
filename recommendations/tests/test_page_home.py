"""The first page, for a stranger and for a member."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.embeddings.reading import READER, State
from recommendations import holding, serving
from recommendations.models import Generation
from recommendations.tests.factories import give_vector, make_project, make_projects, make_user, make_weights, score

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client):
    make_weights()
    make_projects(12)
    user = make_user()
    give_vector(user, [1, 0.5, 0])
    score()
    client.force_login(user)
    return user


def page(client):
    return " ".join(client.get("/").content.decode().split())


# A stranger


def test_a_stranger_can_try_at_once(client):
    found = page(client)
    assert 'id="try-form"' in found
    assert 'action="/try/#results"' in found
    assert 'id="results"' in found


def test_five_that_are_trending_stand_beside_it(client):
    for number in range(7):
        make_project(f"octo{number}/tool", stars=number, created_at=timezone.now() - timedelta(days=30))
    names = [project.full_name for project in client.get("/").context["trending"]]
    assert names == ["octo6/tool", "octo5/tool", "octo4/tool", "octo3/tool", "octo2/tool"]


def test_what_its_owners_gave_up_is_not_trending(client):
    make_project(stars=5, is_archived=True)
    assert not client.get("/").context["trending"]


def test_an_empty_site_has_a_first_page(client):
    assert client.get("/").status_code == 200


def test_hostile_text_is_shown_as_it_is(client):
    make_project(description="<script>alert(1)</script>{{7*7}}", stars=5, created_at=timezone.now())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in page(client)


def test_a_strangers_page_takes_few_queries(client):
    make_projects(12)
    client.get("/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/")
    assert len(queries) <= 12


def test_a_text_box_wakes_the_model(client, settings):
    settings.READ_TEXTS, settings.EMBEDDING_PROVIDERS = True, {}
    make_weights()
    make_projects(3)
    client.get("/")
    assert READER.state(holding.catalogue().model) is not State.COLD


def test_it_is_only_read(client):
    assert client.post("/").status_code == 405


# A member


def test_a_member_sees_the_first_five(client, alice):
    shown = [line.project.full_name for line in client.get("/").context["lines"]]
    assert shown == [row.project.full_name for row in serving.for_user(alice).rows[:5]]
    assert 'href="/for-you/"' in page(client)


def test_a_member_without_a_project_sees_what_to_do(client):
    client.force_login(make_user())
    assert "import_projects" in page(client)


def test_what_is_new_since_the_last_generation_is_named(client, alice):
    Generation.objects.update(published_at=datetime(2024, 5, 7, tzinfo=UTC))
    give_vector(make_project("octo/fresh"), [1, 0.5, 0])
    score()
    context = client.get("/").context
    assert [row.project.full_name for row in context["fresh"]] == ["octo/fresh"]
    assert "New in your list since 7 May" in page(client)


def test_without_an_earlier_generation_nothing_is_new(client, alice):
    assert "New in your list" not in page(client)


def test_only_the_last_generation_is_compared_with(client, alice):
    give_vector(make_project("octo/fresh"), [1, 0.5, 0])
    score()
    give_vector(make_project("octo/fresher"), [1, 0.5, 0])
    score()
    assert [row.project.full_name for row in client.get("/").context["fresh"]] == ["octo/fresher"]


def test_a_members_page_takes_few_queries_however_long_the_list(client, alice):
    client.get("/")
    with CaptureQueriesContext(connection) as few:
        client.get("/")
    for number in range(10):
        give_vector(make_project(f"more{number}/tool"), [1, 0.5, 0])
    score()
    with CaptureQueriesContext(connection) as many:
        client.get("/")
    assert len(many) == len(few) <= 12

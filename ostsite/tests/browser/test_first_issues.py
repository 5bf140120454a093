"""First issues and stars before a real browser, and a GitHub of our own behind the site."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import expect

from engine.models import Source
from engine.testing.github import GitHub, Issue, Repo
from engine.testing.serving import Reply, Server
from ostsite.tests.people import person
from recommendations import stars
from recommendations.models import StarImport
from recommendations.tests.factories import make_project
from recommendations.tests.first_issue_rows import make_first_issue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def github(settings):
    """With a project whose only first issue was assigned since it was looked at."""
    cache.clear()
    world = GitHub(repositories=[Repo(id=1, full_name="octo/tool")])
    world.open_issue(Issue("octo/tool", 1, "Mend the door", labels=["easy"], assignees=["bob"]))
    Source.objects.create(pipeline="recommendations", name="github", on=True)
    with Server(world) as server:
        settings.GITHUB_API_URL, settings.GITHUB_GRAPHQL_URL = server.url, f"{server.url}/graphql"
        settings.GITHUB_ACCESS_TOKEN, settings.ALLOW_PRIVATE_UPSTREAMS = "sample-token", True
        world.server = server
        node = world.issue("octo/tool", 1).node_id
        stale = timezone.now() - timedelta(hours=1)
        make_first_issue(make_project(), 1, title="Mend the door", node_id=node, checked_at=stale)
        yield world


@pytest.mark.parametrize("path", ["/first-issues/", "/projects/octo/tool/"])
def test_what_is_stale_is_looked_at_under_the_readers_eyes(visit, github, path):
    visitor = visit()
    page = visitor.go(path)
    expect(page.locator(".first-issues")).to_contain_text("Somebody is assigned.")
    expect(page.locator(".first-issues")).to_contain_text("checked just now")
    assert (visitor.complaints, len(github.server.asked)) == ([], 1)


def test_without_script_the_stored_ones_stay_with_their_age(visit, github):
    page = visit(script=False).go("/first-issues/")
    expect(page.locator(".first-issues")).to_contain_text("checked 1 hour ago")


def test_when_github_is_away_the_stored_ones_stay_without_a_complaint(visit, github):
    github.server.faults.script("/graphql", Reply({}, 503), times=None)
    visitor = visit()
    with visitor.page.expect_response("**/first-issues/look/**"):
        page = visitor.go("/first-issues/")
    expect(page.locator(".first-issues")).to_contain_text("checked 1 hour ago")
    assert visitor.complaints == []


def test_a_list_of_stars_shows_its_end_by_itself(visit, github):
    github.star("ada", "octo/tool")
    alice = person("alice")
    visitor = visit()
    visitor.sign_in(alice)
    page = visitor.go("/profile/")
    page.locator("#stars [name=login]").fill("ada")
    page.get_by_role("button", name="Import").click()
    expect(page.locator("#stars")).to_contain_text("as soon as there is time")
    stars.by_clock()
    expect(page.locator("#stars")).to_contain_text("1 of 1")
    assert (StarImport.objects.get().state, visitor.complaints) == ("done", [])

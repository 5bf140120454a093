"""A curator's way: an issue found, renamed, merged, the merge undone; and what the live store shows afterwards."""

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from issues import relaying
from issues.models import Issue
from issues.tests.conftest import live, pocketbase  # noqa: F401  fixtures of a real PocketBase
from issues.tests.factories import TOPICS, make_topic, publish
from ostsite.roles import make_roles
from ostsite.tests.people import staff

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "Customers are billed two times"


def titles(store) -> set[str]:
    relaying.relay()
    return {record["title"] for record in store.records("issues")}


def visible() -> set[str]:
    return set(Issue.objects.visible().values_list("title", flat=True))


def found(page: Page, words: str) -> None:
    page.locator("main [name=q]").first.fill(words)
    page.locator("main").get_by_role("button", name="Search").first.click()


def test_a_curator_finds_renames_merges_undoes_and_publishes(visit, live):  # noqa: F811
    for topic in (0, 1, 2):
        make_topic(topic)
    publish()
    make_roles()
    curator = staff("dora_curator")
    curator.groups.add(Group.objects.get(name="curator"))
    assert titles(live) == visible()

    visitor = visit()
    visitor.sign_in(curator)
    page = visitor.go("/issues/")
    found(page, "invoices")
    page.locator(".problem .row-title a").first.click()
    page.get_by_role("link", name="Rename, merge").click()
    page.locator("[name=title]").first.fill(NAME)
    page.get_by_role("button", name="Save these words").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    assert NAME in titles(live)

    found(page, TOPICS[2])
    page.get_by_role("button", name="Merge into it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(TOPICS[2])
    visitor.picture("curating-merged")
    assert titles(live) == visible()
    assert len(visible()) == 2

    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    assert titles(live) == visible()
    assert len(visible()) == 3
    assert visitor.complaints == []

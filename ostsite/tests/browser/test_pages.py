"""Every page in a real browser: nothing for axe to find, nothing in the console, nothing wider than the window."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib.auth.models import User
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import Page

from ostsite.tests.browser.conftest import NARROW, WIDE, Visitor
from ostsite.tests.browser.furniture import fill_the_admin, furnish
from ostsite.tests.people import staff
from recommendations.models import Recommendation

pytestmark = pytest.mark.django_db(transaction=True)

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
BY_LOOK = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]  # all others: once
STAFF_RULES = RULES[:-1]  # Django's own pages keep the law, not every custom
NOT_OURS = [".selector .help-tooltip"]  # Django's script gives a span a name that nobody reads
LOOKS = [("light", WIDE, RULES), ("dark", NARROW, BY_LOOK)]
if "OST_SCREENSHOTS" in os.environ:
    LOOKS += [("dark", WIDE, BY_LOOK), ("light", NARROW, BY_LOOK)]


@dataclass(frozen=True)
class Stop:
    """A page to look at. then: what is done there before; status: what it answers when it is opened."""

    name: str
    path: str
    then: Callable[[Page], Any] | None = None
    status: int = 200


def faults(visitor: Visitor, stop: Stop) -> Iterator[str]:
    """What is wrong with a page, in each look."""
    visitor.complaints.clear()
    answer = visitor.page.goto(visitor.address + stop.path)
    if answer.status != stop.status:
        yield f"answers {answer.status}"
    if stop.then:
        stop.then(visitor.page)
    expected = f"status of {stop.status} " if stop.status >= 400 else "\n"
    yield from (said for said in visitor.complaints if expected not in said)  # axe itself breaks the policy later
    visitor.page.evaluate(AXE_SCRIPT)
    for theme, size, rules in LOOKS:
        visitor.page.emulate_media(color_scheme=theme)
        visitor.page.set_viewport_size(size)
        visitor.picture(f"{stop.name}-{theme}-{size['width']}")
        yield from (f"{theme}, {size['width']}: {fault}" for fault in seen(visitor.page, size["width"], rules))


def seen(page: Page, width: int, rules: list[str]) -> Iterator[str]:
    if not page.title().strip():
        yield "no title"
    if (heads := page.locator("h1:visible").count()) != 1:
        yield f"{heads} times h1"
    if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
        yield f"{wide} px wide"
    found = page.evaluate("options => axe.run(options)", {"resultTypes": ["violations"], "runOnly": rules})
    for rule in found["violations"]:
        yield from (f"{rule['id']}: {node['html'][:300]}" for node in rule["nodes"])


def walked(visitor: Visitor, stops: Iterable[Stop]) -> list[str]:
    told = [f"{stop.name}: {fault}" for stop in stops for fault in faults(visitor, stop)]
    open("/tmp/w/axe/told.txt", "a").write("\n".join(told) + "\n")
    return told


@pytest.fixture(autouse=True)
def quick(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


ATLAS = "/projects/octo/atlas/"


def choose(page: Page) -> None:
    page.locator("label.chip").first.click()
    page.locator("[name=text]").fill("A map of the stars")
    page.get_by_role("button", name="Show projects").click()
    page.locator("#results .row").first.wait_for()


def fail(page: Page) -> None:
    page.locator("[name=login]").fill("nobody")
    page.locator("[name=password]").fill("a wrong password")
    send(page)


def send(page: Page) -> None:
    page.locator("main form").first.get_by_role("button").first.click()
    page.wait_for_load_state()


def issue(page: Page) -> None:
    page.locator("main [name=name]").fill("laptop")
    page.get_by_role("button", name="Make the key").click()
    page.get_by_text("Your new key").wait_for()


STRANGERS = [
    Stop("home", "/"),
    Stop("home-tried", "/", choose),
    Stop("try", "/try/"),
    Stop("try-results", "/try/", choose),
    Stop("projects", "/projects/"),
    Stop("projects-filtered", "/projects/?language=Python&stars_min=10&active=30&newcomers=1"),
    Stop("projects-second", "/projects/?page=2"),
    Stop("search", "/projects/?q=python"),
    Stop("search-nothing", "/projects/?q=zzzzqqqq"),
    Stop("projects-fault", "/projects/?stars_min=many", status=400),
    Stop("project", ATLAS),
    Stop("project-strange", "/projects/octo/archive/"),
    Stop("trending", "/trending/"),
    Stop("new", "/new/"),
    Stop("sign-in", "/accounts/login/"),
    Stop("sign-in-wrong", "/accounts/login/", fail),
    Stop("sign-up", "/accounts/signup/"),
    Stop("password-reset", "/accounts/password/reset/"),
    Stop("password-reset-done", "/accounts/password/reset/done/"),
    Stop("password-reset-old", "/accounts/password/reset/key/1-old/"),
    Stop("email-key-old", "/accounts/confirm-email/old/"),
    Stop("404", "/nothing/here/", status=404),
    Stop("api-docs", "/api/docs/"),
]
MEMBERS = [
    Stop("member-home", "/"),
    Stop("for-you", "/for-you/"),
    Stop("for-you-all", "/for-you/?show=50"),
    Stop("for-you-filtered", "/for-you/?newcomers=1&small=1"),
    Stop("member-project", ATLAS),
    Stop("member-projects", "/projects/"),
    Stop("why", ATLAS + "why/"),
    Stop("why-not", "/projects/octo/archive/why/"),
    Stop("welcome", "/welcome/"),
    Stop("profile", "/profile/"),
    Stop("profile-hidden", "/profile/?kind=dismiss"),
    Stop("keys", "/profile/keys/"),
    Stop("key-issued", "/profile/keys/", issue),
    Stop("delete", "/profile/delete/"),
    Stop("password", "/accounts/password/change/"),
    Stop("email", "/accounts/email/"),
    Stop("factor", "/accounts/2fa/"),
    Stop("factor-activate", "/accounts/2fa/totp/activate/"),
    Stop("reauthenticate", "/accounts/reauthenticate/"),
    Stop("sign-out", "/accounts/logout/"),
]


def test_every_page_of_a_stranger(visit):
    furnish()
    assert walked(visit(), STRANGERS) == []


def test_every_page_of_a_member(visit):
    visitor = visit()
    visitor.sign_in(furnish())
    assert walked(visitor, MEMBERS) == []


def admin_stops() -> Iterator[Stop]:
    """The first page, each list and the form of its first row."""
    yield Stop("admin", "/admin/")
    for table in admin.site._registry:
        name = f"{table._meta.app_label}_{table._meta.model_name}"
        row = table._default_manager.order_by("pk").first()
        assert row, f"no row of {name}"
        asked = f"?person={row.user_id}" if table is Recommendation else ""
        yield Stop(f"admin-{name}", reverse(f"admin:{name}_changelist") + asked)
        yield Stop(f"admin-{name}-form", reverse(f"admin:{name}_change", args=[row.pk]))


STAFF = [
    Stop("admin-weights-editor", "/admin/recommendations/weights/add/"),
    Stop("admin-category-add", "/admin/recommendations/category/add/"),
    Stop("admin-category-import", "/admin/recommendations/category/import/"),
    Stop("admin-category-export", "/admin/recommendations/category/export/"),
]


def test_every_page_of_the_staff(visit):
    fill_the_admin(furnish())
    visitor = visit()
    visitor.sign_in(staff(is_superuser=True))
    assert walked(visitor, [*admin_stops(), *STAFF]) == []

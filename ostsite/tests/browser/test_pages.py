"""Every page in a real browser: nothing for axe to find, nothing in the console, nothing wider than the window."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib import admin
from django.core.cache import cache
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import Page, expect

from engine.models import EmbeddingModel, Run
from engine.tests.sixty_days import make_sixty_days
from issues.models import Clustering, Issue, IssueEdit
from ostsite.tests.browser.conftest import NARROW, WIDE, Theme, Visitor
from ostsite.tests.browser.furniture import fill_the_admin, furnish
from ostsite.tests.people import PASSWORD, person, staff
from recommendations.models import Recommendation

pytestmark = pytest.mark.django_db(transaction=True)

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RULES = [*WCAG, "best-practice"]
BY_LOOK = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]  # the others: once
NOT_OURS = [[".selector .help-tooltip"]]  # a script of Django's admin gives a span a name that nobody reads
REFUSED = (400, 422)  # a form that was filled in wrongly comes back with one of them
LOOKS: list[tuple[Theme, Any]] = [("light", WIDE), ("dark", NARROW)]
if os.environ.get("OST_SCREENSHOTS"):
    LOOKS += [("dark", WIDE), ("light", NARROW)]


@dataclass(frozen=True)
class Stop:
    """A page to look at. then: what is done there before; status: what it answers when it is opened."""

    name: str
    path: str
    then: Callable[[Page], Any] | None = None
    status: int = 200


def walk(visitor: Visitor, stops: Iterable[Stop], rules: list[str] = RULES) -> None:
    told = [f"{stop.name}: {fault}" for stop in stops for fault in faults(visitor, stop, rules)]
    assert told == [], "\n".join(told)


def faults(visitor: Visitor, stop: Stop, rules: list[str]) -> Iterator[str]:
    """What is wrong with a page, in each look."""
    page = visitor.page
    visitor.complaints.clear()
    answer = page.goto(visitor.address + stop.path)
    if answer.status != stop.status:
        yield f"answers {answer.status}"
    if stop.then:
        stop.then(page)
    answers = [f"status of {status}" for status in (stop.status, *REFUSED)]
    yield from (said for said in visitor.complaints if not any(answer in said for answer in answers))
    page.evaluate(AXE_SCRIPT)  # from here on axe itself breaks the policy
    for theme, size in LOOKS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size(size)
        visitor.picture(f"{stop.name}-{theme}-{size['width']}")
        yield from (f"{theme}, {size['width']}: {fault}" for fault in seen(page, size["width"], rules))
        rules = BY_LOOK


def seen(page: Page, width: int, rules: list[str]) -> Iterator[str]:
    if not page.title().strip():
        yield "no title"
    if (heads := page.locator("h1:visible").count()) != 1:
        yield f"{heads} times h1"
    if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
        yield f"{wide} px wide"
    options = {"resultTypes": ["violations"], "runOnly": rules, "preload": False}
    found = page.evaluate("([exclude, options]) => axe.run({exclude}, options)", [NOT_OURS, options])
    for rule in found["violations"]:
        yield from (f"{rule['id']}: {node['html'][:300]}" for node in rule["nodes"])


@pytest.fixture(autouse=True)
def with_github(settings, transactional_db):
    """Signing in with GitHub is set up; passwords cost no time; nothing is kept of the test before."""
    cache.clear()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.GITHUB_OAUTH_CLIENT_ID = "ost"
    ours, app = settings.SOCIALACCOUNT_PROVIDERS["github"], {"client_id": "ost", "secret": "hush"}
    settings.SOCIALACCOUNT_PROVIDERS = {"github": {**ours, "APPS": [app]}}


# What is done on a page before it is looked at


def register_wrongly(page: Page) -> None:
    page.locator("[name=name]").fill("nobody-knows-it")
    page.get_by_role("button", name="Register").click()
    page.get_by_text("say how many").wait_for()


def choose(page: Page) -> None:
    page.locator("label.chip").first.click()
    page.locator("[name=text]").fill("A map of the stars")
    page.get_by_role("button", name="Show projects").click()
    page.locator("#results .row").first.wait_for()


def compare(page: Page) -> None:
    page.locator("main [name=title]").fill("Exports stop")
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("not read yet").wait_for()


def sign_in(name: str, password: str) -> Callable[[Page], None]:
    def done(page: Page) -> None:
        page.locator("[name=login]").fill(name)
        page.locator("[name=password]").fill(password)
        page.locator("main").get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_load_state()

    return done


def hide(page: Page) -> None:
    page.locator(".row").first.get_by_role("button", name="Hide").click()
    page.get_by_role("button", name="Undo").wait_for()


def forget_fact(page: Page) -> None:
    page.locator("#heard .row").first.get_by_role("button", name="Delete").click()
    page.locator("#heard").get_by_role("button", name="Undo").wait_for()


def refuse(page: Page) -> None:
    page.locator("summary", has_text="Not my stack").first.click()


def filters(page: Page) -> None:
    page.set_viewport_size(NARROW)
    page.locator("summary", has_text="Filters").click()


def issue(page: Page) -> None:
    page.locator("main [name=name]").fill("laptop")
    page.get_by_role("button", name="Make the key").click()
    page.get_by_text("Your new key").wait_for()


def say_wrongly(page: Page) -> None:
    page.locator("main [name=interest]").fill("teaching")
    page.locator("#interests").get_by_role("button", name="Add").click()
    page.get_by_text("on your list already").first.wait_for()


def make_codes(page: Page) -> None:
    page.locator("main").get_by_role("button", name="Make new codes").click()
    page.wait_for_load_state()


def place(page: Page) -> None:
    page.locator("#result_list input[type=checkbox]").nth(1).check()
    page.locator("select[name=action]").select_option(index=1)
    page.get_by_role("button", name="Go").click()
    page.wait_for_load_state()


def more(page: Page) -> None:
    if page.get_by_role("link", name="More posts").count():
        page.get_by_role("link", name="More posts").click()
        expect(page.locator(".proofs > li.row").nth(10)).to_be_visible()


def light_up(page: Page) -> None:
    page.locator("#map-search input").fill("post 1")
    expect(page.locator("#lit")).to_contain_text("light up")


def reasons(page: Page) -> None:
    page.locator(".why-ready summary").first.click()


# Every page

ATLAS = "/projects/octo/atlas/"
STRANGERS = [
    Stop("home", "/"),
    Stop("home-tried", "/", choose),
    Stop("try", "/try/"),
    Stop("try-results", "/try/", choose),
    Stop("projects", "/projects/"),
    Stop("projects-drawer", "/projects/", filters),
    Stop("projects-filtered", "/projects/?language=Python&stars_min=10&active=30&newcomers=1"),
    Stop("projects-second", "/projects/?page=2"),
    Stop("search", "/projects/?q=python"),
    Stop("search-nothing", "/projects/?q=zzzzqqqq"),
    Stop("projects-fault", "/projects/?stars_min=many", status=400),
    Stop("project", ATLAS),
    Stop("project-strange", "/projects/octo/archive/"),
    Stop("trending", "/trending/"),
    Stop("new", "/new/"),
    Stop("first-issues", "/first-issues/", reasons),
    Stop("first-issues-drawer", "/first-issues/", filters),
    Stop("first-issues-filtered", "/first-issues/?label=easy&language=Python&q=failed"),
    Stop("first-issues-nothing", "/first-issues/?q=zzzzqqqq"),
    Stop("first-issues-fault", "/first-issues/?stack=none", status=400),
    Stop("problems", "/issues/"),
    Stop("problems-drawer", "/issues/", filters),
    Stop("problems-filtered", "/issues/?category=devtools&pay=yes&source=github&days=7"),
    Stop("problems-second", "/issues/?page=2"),
    Stop("problems-search", "/issues/?q=exports+stop"),
    Stop("problems-nothing", "/issues/?q=zzzzqqqq"),
    Stop("problems-fault", "/issues/?q=colour:red", status=400),
    Stop("similar", "/issues/similar/"),
    Stop("similar-unread", "/issues/similar/", compare),
    Stop("sign-in", "/accounts/login/"),
    Stop("sign-in-wrong", "/accounts/login/", sign_in("nobody", "a wrong password")),
    Stop("sign-in-code", "/accounts/login/", sign_in("carol_ops", PASSWORD)),
    Stop("sign-up", "/accounts/signup/"),
    Stop("github", "/accounts/github/login/"),
    Stop("github-cancelled", "/accounts/3rdparty/login/cancelled/"),
    Stop("github-error", "/accounts/3rdparty/login/error/", status=401),
    Stop("closed", "/accounts/inactive/"),
    Stop("password-reset", "/accounts/password/reset/"),
    Stop("password-reset-done", "/accounts/password/reset/done/"),
    Stop("password-reset-old", "/accounts/password/reset/key/1-old/"),
    Stop("password-reset-key-done", "/accounts/password/reset/key/done/"),
    Stop("address-old", "/accounts/confirm-email/old/"),
    Stop("404", "/nothing/here/", status=404),
    Stop("api-docs", "/api/docs/"),
]
MEMBERS = [
    Stop("member-home", "/"),
    Stop("for-you", "/for-you/"),
    Stop("for-you-refuse", "/for-you/", refuse),
    Stop("for-you-filtered", "/for-you/?newcomers=1"),
    Stop("for-you-none", "/for-you/?newcomers=1&small=1"),
    Stop("member-project", ATLAS),
    Stop("member-projects", "/projects/"),
    Stop("why", f"{ATLAS}why/"),
    Stop("why-not", "/projects/octo/archive/why/"),
    Stop("welcome", "/welcome/"),
    Stop("profile", "/profile/"),
    Stop("profile-wrong", "/profile/", say_wrongly),
    Stop("profile-heard-second", "/profile/?heard=2"),
    Stop("profile-heard-deleted", "/profile/", forget_fact),
    Stop("profile-hidden", "/profile/?kind=dismiss"),
    Stop("keys", "/profile/keys/"),
    Stop("key-issued", "/profile/keys/", issue),
    Stop("delete", "/profile/delete/"),
    Stop("password", "/accounts/password/change/"),
    Stop("email", "/accounts/email/"),
    Stop("factor", "/accounts/2fa/"),
    Stop("factor-activate", "/accounts/2fa/totp/activate/"),
    Stop("github-account", "/accounts/3rdparty/"),
    Stop("reauthenticate", "/accounts/reauthenticate/"),
    Stop("sign-out", "/accounts/logout/"),
    Stop("for-you-hidden", "/for-you/", hide),
]
STAFF = [
    Stop("admin", "/admin/"),
    Stop("admin-app", "/admin/recommendations/"),
    Stop("admin-weights-editor", "/admin/recommendations/weights/add/"),
    Stop("admin-category-add", "/admin/recommendations/category/add/"),
    Stop("admin-category-import", "/admin/recommendations/category/import/"),
    Stop("admin-category-export", "/admin/recommendations/category/export/"),
    Stop("admin-place", "/admin/recommendations/project/", place),
]
SECOND_FACTOR = [
    Stop("staff-factor", "/accounts/2fa/"),
    Stop("staff-factor-without", "/accounts/2fa/totp/deactivate/"),
    Stop("staff-codes-make", "/accounts/2fa/recovery-codes/generate/"),
    Stop("staff-codes", "/accounts/2fa/recovery-codes/generate/", make_codes),
    Stop("staff-reauthenticate", "/accounts/2fa/reauthenticate/"),
    Stop("staff-delete", "/profile/delete/", status=403),
]


def letters(username: str) -> Iterator[Stop]:
    """Where the links in mails lead."""
    address = EmailAddress.objects.get(user__username=username)
    yield Stop("address", reverse("account_confirm_email", args=[EmailConfirmationHMAC(address).key]))
    printed = StringIO()
    call_command("reset_link", username, stdout=printed)
    yield Stop("password-reset-key", urlsplit(printed.getvalue().strip()).path)


def problems() -> Iterator[Stop]:
    """Pages of problems and days, each at the address of a row."""
    issues = list(Issue.objects.visible().order_by("pk"))
    day = f"/issues/days/{Clustering.objects.filter(state='live').latest('day').day}/"
    yield Stop("days", "/issues/days/")
    yield Stop("problem", f"/issues/{issues[3].pk}/", more)
    yield Stop("problem-strange", f"/issues/{issues[-2].pk}/")
    yield Stop("problem-bare", f"/issues/{issues[-1].pk}/")
    yield Stop("day", day)
    yield Stop("day-second", f"{day}?page=2&shelf=2")
    yield Stop("map", f"{day}map/", light_up)
    yield Stop("map-searched", f"{day}map/?q=post+1")


def curating() -> Iterator[Stop]:
    """A curator's pages, with something to decide and something done."""
    yield Stop("curate", reverse("issue_curate", args=[IssueEdit.objects.earliest("pk").issue_id]))
    yield Stop("inbox", "/issues/inbox/")
    yield Stop("log", "/issues/log/")
    yield Stop("log-runs", "/issues/log/?by=runs")


def models() -> Iterator[Stop]:
    """The page of the models, and what is asked before one is put live."""
    pk = EmbeddingModel.objects.get(dimensions=1024).pk
    yield Stop("models", reverse("admin:engine_embeddingmodel_changelist"))
    yield Stop("models-live", reverse("admin:engine_embeddingmodel_act", args=[pk, "live"]))
    yield Stop("engagement", reverse("admin:recommendations_impression_engagement"))
    yield Stop("models-wrong", reverse("admin:engine_embeddingmodel_changelist"), register_wrongly)


def operating() -> Iterator[Stop]:
    """The operator's pages, over sixty days where they go over time, and runs in each state."""
    for name in ("overview", "assets"):
        yield Stop(f"operate-{name}", reverse(f"admin:engine_run_{name}"))
    for name in ("latency", "embeddings", "calls", "sizes"):
        yield Stop(f"operate-{name}", reverse(f"admin:engine_run_{name}") + "?days=60")
    for state in ("done", "running", "quarantined"):
        run = Run.objects.filter(state=state).latest("pk")
        yield Stop(f"operate-run-{state}", reverse("admin:engine_run_change", args=[run.pk]))
    yield Stop("operate-sizes-table", reverse("admin:engine_run_sizes") + "?days=60&table=engine_run")
    asked = {"days": 60, "figure": "ost_recommendation_latency_seconds", "labels": '{"kind":"live"}'}
    yield Stop("operate-series", f"{reverse('admin:engine_run_series')}?{urlencode(asked)}")


def tables() -> Iterator[Stop]:
    """A list of each kind in the admin, and the form of its first row."""
    kinds = {type(kind): table for table, kind in admin.site._registry.items()}
    for table in kinds.values():
        name = f"{table._meta.app_label}_{table._meta.model_name}"
        row: Any = table._default_manager.order_by("pk").first()
        assert row, f"no row of {name}"
        asked = f"?person={row.user_id}" if table is Recommendation else ""
        yield Stop(f"admin-{name}", reverse(f"admin:{name}_changelist") + asked)
        yield Stop(f"admin-{name}-form", reverse(f"admin:{name}_change", args=[row.pk]))


def test_every_page_of_a_stranger(visit):
    furnish()
    EmailAddress.objects.create(user=person("bob_webdev"), email="bob_webdev@ost.example")
    staff()
    walk(visit(), [*STRANGERS, *problems(), *letters("bob_webdev")])


def test_every_page_of_a_member(visit):
    visitor = visit()
    visitor.sign_in(furnish())
    walk(visitor, MEMBERS)


def test_every_page_of_the_staff(visit):
    fill_the_admin(furnish())
    visitor = visit()
    visitor.sign_in(staff(is_superuser=True))
    walk(visitor, SECOND_FACTOR)
    walk(visitor, curating())
    walk(visitor, models(), WCAG)
    make_sixty_days()
    walk(visitor, operating(), WCAG)
    walk(visitor, STAFF, WCAG)
    visitor.page.set_viewport_size(WIDE)
    visitor.page.locator("#toggle-nav-sidebar").click()  # it was looked at, and would take half of the time
    walk(visitor, tables(), WCAG)


# With nothing

EMPTY_TO_STRANGERS = [  # with what fills it
    (Stop("empty-home", "/"), "seed_taxonomy"),
    (Stop("empty-try", "/try/"), "seed_taxonomy"),
    (Stop("empty-projects", "/projects/"), "import_projects"),
    (Stop("empty-search", "/projects/?q=maps"), "fewer words"),
    (Stop("empty-trending", "/trending/"), "import_projects"),
    (Stop("empty-problems", "/issues/"), "run_pipeline issues"),
    (Stop("empty-days", "/issues/days/"), "run_pipeline issues"),
    (Stop("empty-new", "/new/"), "import_projects"),
    (Stop("empty-first-issues", "/first-issues/"), "run_pipeline recommendations"),
]
EMPTY_TO_MEMBERS = [
    (Stop("empty-for-you", "/for-you/"), "import_projects"),
    (Stop("empty-member-home", "/"), "import_projects"),
    (Stop("empty-welcome", "/welcome/"), "seed_taxonomy"),
    (Stop("empty-profile", "/profile/"), "seed_taxonomy"),
    (Stop("empty-keys", "/profile/keys/"), "Make one below"),
    (Stop("empty-email", "/accounts/email/"), "No address yet"),
]


EMPTY_TO_CURATORS = [
    (Stop("empty-inbox", "/issues/inbox/"), "Nothing to decide"),
    (Stop("empty-log", "/issues/log/"), "Nothing yet"),
]


def test_every_page_of_a_site_with_nothing_in_it_says_what_fills_it(visit):
    visitor = visit()
    for stop, told in EMPTY_TO_STRANGERS:
        walk(visitor, [stop])
        expect(visitor.page.locator("main")).to_contain_text(told)
    visitor.sign_in(staff("dave_db", is_superuser=True))
    for stop, told in [*EMPTY_TO_MEMBERS, *EMPTY_TO_CURATORS]:
        walk(visitor, [stop])
        expect(visitor.page.locator("main")).to_contain_text(told)
    walk(visitor, [Stop("empty-engagement", reverse("admin:recommendations_impression_engagement"))], WCAG)
    lists = [stop for stop in STAFF if stop.then is None]
    walk(visitor, lists, WCAG)
    for name in ("overview", "assets", "latency", "embeddings", "calls", "sizes"):
        walk(visitor, [Stop(f"empty-{name}", reverse(f"admin:engine_run_{name}"))], WCAG)


# Ways to use it


def test_without_script_a_list_is_tried_steered_and_filtered(visit):
    visitor = visit(script=False)
    alice = furnish()
    page = visitor.go("/")
    page.locator("label.chip", has_text="Python").first.click()
    page.get_by_role("button", name="Show projects").click()
    expect(page.locator("#results .row").first).to_be_visible()

    visitor.sign_in(alice)
    visitor.go("/for-you/")
    hidden = page.locator(".row-title a").first.get_attribute("href")
    page.locator(".row").first.get_by_role("button", name="Hide").click()
    expect(page.locator(".row").first).to_be_visible()
    assert page.locator(f".row-title a[href='{hidden}']").count() == 0

    visitor.go("/projects/")
    page.locator("#language").select_option("Python")
    page.get_by_role("button", name="Show", exact=True).click()
    shown = page.locator(".row .language").all_text_contents()
    assert set(shown) == {"Python"}
    assert "language=Python" in page.url


FOCUS = """() => {
  const now = document.activeElement, around = now.closest(".chip") || now;
  const style = [now, around].map((each) => getComputedStyle(each));
  const ring = style.some((each) => each.outlineStyle !== "none" && each.outlineWidth !== "0px");
  return {id: now.id, text: now.textContent.trim(), ring};
}"""


def tabbed(page: Page, until: str, most: int = 60) -> list[dict[str, Any]]:
    """Where the focus goes, Tab by Tab, until it is on the element with that id."""
    way: list[dict[str, Any]] = []
    while len(way) < most and (not way or way[-1]["id"] != until):
        page.keyboard.press("Tab")
        way.append(page.evaluate(FOCUS))
    return way


def test_the_keyboard_reaches_everything_and_the_focus_is_seen(visit):
    visitor = visit()
    visitor.sign_in(furnish())
    page = visitor.go("/for-you/")
    first = page.locator(".row").first.get_attribute("id").removeprefix("project-")
    way = tabbed(page, f"hide-{first}")
    assert way[0]["text"] == "Skip to the content"
    assert [place["id"] for place in way[-3:]] == [f"like-{first}", f"save-{first}", f"hide-{first}"]
    assert [place for place in way if not place["ring"]] == []

    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#site-search")).to_be_focused()
    page.keyboard.type("a/b")
    assert page.locator("#site-search").input_value() == "a/b"

    visitor.go("/for-you/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


PAPER = "getComputedStyle(document.documentElement).backgroundColor"
LONGEST_MOVE = """Math.max(...[...document.querySelectorAll("*")].map(
  (each) => parseFloat(getComputedStyle(each).transitionDuration)))"""  # seconds


def test_the_colours_that_were_chosen_stay_and_nothing_moves_for_whom_motion_is_too_much(visit):
    visitor = visit()
    page = visitor.go("/")
    light = page.evaluate(PAPER)
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(PAPER)
    assert dark != light
    page.reload()
    assert page.evaluate(PAPER) == dark
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="System").click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(PAPER) == light
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(PAPER) == dark
    assert page.evaluate(LONGEST_MOVE) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert 0 < page.evaluate(LONGEST_MOVE) <= 0.15

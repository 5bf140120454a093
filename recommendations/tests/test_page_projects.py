"""The list of projects, what is trending, what is new."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recommendations import serving
from recommendations.tests.factories import (
    act,
    belongs,
    make_category,
    make_project,
    make_projects,
    make_stack,
    make_user,
)

pytestmark = pytest.mark.django_db
LISTS = ["/projects/", "/trending/", "/new/"]
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def nothing_held():
    """The catalogue that a test before this one held is not ours."""
    serving.forget()
    yield
    serving.forget()


def days_ago(days):
    return timezone.now() - timedelta(days=days)


def shown(response):
    return [row.project.full_name for row in response.context["rows"]]


def listed(client, **asked):
    return shown(client.get("/projects/", asked))


# Filters and orders


def test_most_stars_come_first_and_unknown_ones_last(client):
    for name, stars in (("few", 5), ("unknown", None), ("many", 50)):
        make_project(f"octo/{name}", stars=stars)
    assert listed(client) == ["octo/many", "octo/few", "octo/unknown"]


@pytest.mark.parametrize(
    ("order", "first"), [("trending", "b"), ("newest", "b"), ("active", "a"), ("name", "a"), ("stars", "a")]
)
def test_each_order_begins_with_another_project(client, order, first):
    make_project("octo/a", stars=100, created_at=days_ago(900), pushed_at=days_ago(1))
    make_project("octo/b", stars=50, created_at=days_ago(9), pushed_at=days_ago(5))
    assert listed(client, order=order)[0] == f"octo/{first}"


@pytest.mark.parametrize(
    "asked",
    [
        {"category": "Games"},
        {"stack": "Rust"},
        {"language": "zig"},
        {"stars_min": "100"},
        {"active": "30"},
        {"newcomers": "1"},
        {"q": "parser"},
        {"q": "tool", "stars_min": "100"},
        {"category": "Games", "stack": ["Rust", "Vue.js"], "language": "Zig"},
    ],
)
def test_a_filter_leaves_what_fits(client, asked):
    fits = make_project(
        "octo/fits",
        language="Zig",
        stars=500,
        pushed_at=days_ago(3),
        topics=["good-first-issue"],
        description="parser tool",
    )
    belongs(fits, make_category("Games"), make_stack("Rust"), make_stack("Vue.js"))
    make_project("octo/other", language="C", stars=5, pushed_at=days_ago(300), description="tool")
    assert listed(client, **asked) == ["octo/fits"]


def test_what_a_curator_took_away_does_not_count(client):
    belongs(make_project(), make_category("Games"), source="curated", applies=False)
    assert listed(client, category="Games") == []


def test_archived_projects_are_left_out(client):
    make_project(is_archived=True)
    assert listed(client) == []


def test_the_answers_to_a_search_can_be_ordered_otherwise(client):
    make_project("octo/parser", stars=1)
    make_project("octo/other", description="parser", stars=9)
    assert listed(client, q="parser") == ["octo/parser", "octo/other"]
    assert listed(client, q="parser", order="stars") == ["octo/other", "octo/parser"]


def test_each_filter_is_a_chip_that_takes_it_away(client):
    make_stack("Rust"), make_stack("Go")
    response = client.get("/projects/", {"stack": ["Rust", "Go"], "stars_min": "1000", "page": "1"})
    assert [chip.text for chip in response.context["chips"]] == ["Rust", "Go", "at least 1,000 stars"]
    assert response.context["chips"][0].href == "?stack=Go&stars_min=1000"


def test_a_form_with_empty_fields_leads_to_the_address_without_them(client):
    response = client.get("/projects/?q=&category=&stars_min=5&stack=&page=")
    assert (response.status_code, response["Location"]) == (302, "/projects/?stars_min=5")


def test_only_languages_that_are_spoken_are_offered(client):
    cache.delete("projects:languages")  # a test whose rows were committed may have asked
    make_project("octo/a", language="Zig"), make_project("octo/b", language="Zig"), make_project("octo/c", language="C")
    assert client.get("/projects/").context["languages"] == [("Zig", 2), ("C", 1)]


def test_languages_are_counted_once_in_a_while(client):
    cache.set("projects:languages", [("Zig", 7)])
    assert client.get("/projects/").context["languages"] == [("Zig", 7)]


@pytest.mark.parametrize("error", [DatabaseError, ConnectionError])
def test_a_cache_that_is_away_breaks_no_page(client, settings, error):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Away", "LOCATION": "", "OPTIONS": {"error": error}}}
    make_project(language="Zig")
    assert client.get("/projects/").context["languages"] == [("Zig", 1)]


class Away:
    """A cache that cannot be reached."""

    def __init__(self, location, params):
        self.error = params["OPTIONS"]["error"]

    def get(self, key):
        raise self.error

    def set(self, *arguments):
        raise self.error

    def close(self, **kwargs):
        pass


# What the page says


def test_without_any_project_the_command_is_named(client):
    assert b"./ost manage import_projects FILE" in client.get("/projects/").content


def test_when_nothing_fits_it_says_what_to_change(client):
    make_project()
    assert b"No project fits all of it" in client.get("/projects/?stars_min=5").content


def test_a_search_by_words_only_says_so_and_asks_again(client):
    make_project()
    content = client.get("/projects/?q=tool").content.decode()
    assert "By words only: the model is still loading" in content
    assert '"X-Tries": "1"' in content


@pytest.mark.parametrize(("tries", "asks"), [("9", True), ("10", False), ("99", False), ("abc", True), ("-1", True)])
def test_it_does_not_ask_for_ever(client, tries, asks):
    make_project()
    content = client.get("/projects/?q=tool", headers={**HTMX, "X-Tries": tries}).content
    assert (b"load delay:2s" in content) is asks


def test_a_stranger_has_no_buttons(client):
    make_project()
    assert client.get("/projects/").context["rows"][0].done is None


def test_what_somebody_did_is_marked(client):
    alice, liked, hidden = make_user(), make_project("octo/liked", stars=2), make_project("octo/hidden", stars=1)
    act(alice, liked, "like"), act(alice, hidden, "dismiss")
    client.force_login(alice)
    rows = client.get("/projects/").context["rows"]
    assert [(row.done, row.hidden) for row in rows] == [({"like"}, False), ({"dismiss"}, True)]


# With HTMX


def test_htmx_gets_the_results_what_changes_in_the_form_and_a_clean_address(client):
    make_project()
    response = client.get("/projects/?q=&stars_min=0&category=", headers=HTMX)
    assert response.status_code == 200
    assert b"<html" not in response.content
    assert response.content.count(b"hx-swap-oob") == 2  # the stacks and the orders
    assert response["HX-Push-Url"] == "/projects/?stars_min=0"
    assert "HX-Request" in response["Vary"]


def test_asking_again_is_no_step_in_the_history(client):
    make_project()
    assert "HX-Push-Url" not in client.get("/projects/?q=tool", headers={**HTMX, "X-Tries": "1"})


# Bad input


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("page", ["abc", "-1", "0", "1.5", "١", str(10**24), "9" * 5000, "2", "+1", " 1"])
def test_a_page_that_is_not_there_is_not_found(client, path, page):
    make_project(created_at=days_ago(3), stars=1)
    assert client.get(path, {"page": page}).status_code == 404


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("category=abc", "category"),
        ("stack=abc", "stack"),
        ("stars_min=abc", "stars_min"),
        (f"stars_min={10**30}", "stars_min"),
        ("stars_max=-1", "stars_max"),
        ("stars_max=1.5", "stars_max"),
        ("stars_max=%D9%A1", "stars_max"),
        ("active=8", "active"),
        ("newcomers=maybe", "newcomers"),
        ("order=pid;drop table", "order"),
        ("order=user__password", "order"),
        ("order=-", "order"),
        ("order=stars&order=name", "order"),
        ("q=a&q=b", "q"),
        ("page=1&page=2", "page"),
        ("_connector=OR 1=1", "_connector"),
        ("utm_source=x", "utm_source"),
        ("unknown=", "unknown"),
        ("q=" + "a" * 201, "q"),
        ("language=" + "a" * 61, "language"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(client, query, named):
    response = client.get(f"/projects/?{query}")
    assert response.status_code == 400
    assert list(response.context["faults"]) == [named]


def test_an_unknown_parameter_is_answered_with_those_that_there_are(client):
    content = client.get("/projects/?sort=x").content.decode()
    assert all(name in content for name in ("category", "stars_min", "newcomers", "order", "page"))


@pytest.mark.parametrize("path", ["/trending/", "/new/"])
@pytest.mark.parametrize("query", ["q=a", "page=1&page=1", "category=Games"])
def test_lists_without_filters_take_no_filter(client, path, query):
    assert client.get(f"{path}?{query}").status_code == 400


@pytest.mark.parametrize(
    "q", ["a & ", '" ( !', "%_\\", "(a+)+$", "<script>alert(1)</script>", "{{7919*7907}}", "'; drop table"]
)
def test_any_short_text_is_searched(client, q):
    make_project()
    response = client.get("/projects/", {"q": q})
    assert response.status_code == 200
    assert b"<script>alert" not in response.content
    assert b"62615533" not in response.content  # what 7919*7907 is, and nothing else on the page


def test_a_megabyte_is_refused_and_not_said_back(client):
    response = client.get("/projects/", {"q": "a" * 1_000_000})
    assert response.status_code == 400
    assert b"aaaaaaaaaa" not in b"".join(response.content.split(b"site-search")[:1])


@pytest.mark.parametrize("path", [*LISTS, "/projects/a/b/"])
@pytest.mark.parametrize("query", ["q=%00", "page=%00", "category=a%00", "q=%ff%fe"])
def test_what_no_text_holds_is_refused(client, path, query):
    assert client.get(f"{path}?{query}").status_code == 400


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
@pytest.mark.parametrize("path", [*LISTS, "/projects/octo/tool/"])
def test_pages_are_only_read(client, path, method):
    make_project()
    assert getattr(client, method)(path).status_code == 405


def test_hostile_facts_are_shown_as_they_are_written(client):
    make_project(description="<img src=x onerror=alert(1)>{{7*7}}", language='"><script>alert(1)</script>')
    content = client.get("/projects/").content
    assert b"<img src=x" not in content
    assert b"<script>alert" not in content
    assert b"{{7*7}}" in content


# Queries


def queries(client, address, **headers):
    client.get(address)  # what is kept by the process or the cache is there
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address, headers=headers).status_code == 200
    return len(captured)


@pytest.mark.parametrize("address", [*LISTS, "/projects/?q=tool&category=Games&stack=Rust&order=stars"])
def test_ten_more_rows_cost_no_more_queries(client, address):
    client.force_login(make_user())
    terms = make_category("Games"), make_stack("Rust")
    for project in make_projects(5, created_at=days_ago(5), language="Zig"):
        belongs(project, *terms)
    few = queries(client, address)
    for number in range(10):
        belongs(make_project(f"more{number}/tool", created_at=days_ago(5), stars=number, language="Zig"), *terms)
    assert queries(client, address) == few <= 12


# Trending and new


def test_trending_shows_ranks_by_stars_a_day(client):
    make_project("octo/slow", stars=1_000, created_at=days_ago(1_000))
    make_project("octo/fast", stars=500, created_at=days_ago(10))
    rows = client.get("/trending/").context["rows"]
    assert [(row.rank, row.project.full_name) for row in rows] == [(1, "octo/fast"), (2, "octo/slow")]


def test_new_shows_the_youngest_first_and_none_of_unknown_age(client):
    for name, at in (("old", days_ago(50)), ("young", days_ago(5)), ("unknown", None), ("future", days_ago(-5))):
        make_project(f"octo/{name}", created_at=at)
    assert shown(client.get("/new/")) == ["octo/young", "octo/old"]


def test_the_second_page_goes_on_with_the_ranks(client):
    for number in range(25):
        make_project(f"octo{number}/tool", stars=100 - number, created_at=days_ago(50))
    assert [row.rank for row in client.get("/trending/?page=2").context["rows"]] == [21, 22, 23, 24, 25]


@pytest.mark.parametrize("path", LISTS)
def test_without_projects_each_list_still_answers(client, path):
    assert client.get(path).status_code == 200

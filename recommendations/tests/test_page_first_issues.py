"""The list of first issues, their section on a project's page, and the look at them."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.models import Source
from engine.testing.github import GitHub, Issue, Repo
from engine.testing.serving import Reply, Server
from recommendations.models import FirstIssue
from recommendations.tests.factories import belongs, make_category, make_project, make_stack
from recommendations.tests.first_issue_rows import make_first_issue

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def nothing_cached():
    cache.clear()


def shown(client, **asked):
    return [row.number for row in client.get("/first-issues/", asked).context["rows"]]


def text(answer):
    return " ".join(answer.content.decode().split())


def ago(**age):
    return timezone.now() - timedelta(**age)


# The list


def test_the_readiest_come_first(client):
    project = make_project(pushed_at=timezone.now())
    make_first_issue(project, 1, claimed_at=ago(days=1))
    make_first_issue(project, 2)
    make_first_issue(project, 3, body=0)
    assert shown(client) == [2, 3, 1]


@pytest.mark.parametrize(
    "facts", [{"state": "closed"}, {"assignees": 1}, {"pulls": 1}, {"locked": True}, {"checked_at": ago(days=3)}]
)
def test_what_cannot_be_taken_or_is_not_known_is_not_listed(client, facts):
    make_first_issue(make_project(), **facts)
    assert shown(client) == []


def test_what_is_of_an_archived_project_is_not_listed(client):
    make_first_issue(make_project(is_archived=True))
    assert shown(client) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"stack": "Rust"},
        {"stack": ["Rust", "Vue.js"]},
        {"category": "Games"},
        {"language": "zig"},
        {"label": "documentation"},
        {"label": "Documentation 📚"},
        {"q": "parser"},
        {"q": "telescopes"},
        {"project": "Octo/Fits"},
        {"stack": "Rust", "language": "Zig", "label": "documentation", "q": "parser"},
    ],
)
def test_a_filter_leaves_what_fits(client, asked):
    fits = make_project("octo/fits", language="Zig", description="A list of telescopes")
    belongs(fits, make_stack("Rust"), make_stack("Vue.js"), make_category("Games"))
    make_first_issue(fits, 7, title="Mend the parser", labels=["good first issue", "Documentation"])
    make_first_issue(make_project("octo/other", language="Go"), 8, title="Paint the door")
    assert shown(client, **asked) == [7]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("stack=Nonsense", "stack"),
        ("q=" + "a" * 201, "q"),
        ("q=a&q=b", "q"),
        ("label=" + "a" * 101, "label"),
        ("project=../../etc", "project"),
        ("order=stars", "order"),
    ],
)
def test_a_wrong_filter_is_named(client, query, name):
    answer = client.get(f"/first-issues/?{query}")
    assert (answer.status_code, list(answer.context["faults"])) == (400, [name])


@pytest.mark.parametrize("q", ["a & ", '" ( !', r"%_\\", "(a+)+$", "'; --", "::tsquery", "the"])
def test_any_words_may_be_searched(client, q):
    assert client.get("/first-issues/", {"q": q}).status_code == 200


def test_the_empty_fields_of_the_form_leave_the_address(client):
    assert client.get("/first-issues/?q=&language=Go").url == "/first-issues/?language=Go"


def test_htmx_gets_the_results_and_an_address_for_the_history(client):
    answer = client.get("/first-issues/?language=Go&q=", headers=HTMX)
    assert (answer["HX-Push-Url"], "<html" in text(answer)) == ("/first-issues/?language=Go", False)


def test_filters_in_use_are_links_to_the_list_without_them(client):
    make_stack("Rust")
    chips = client.get("/first-issues/?stack=Rust&label=easy&page=1").context["chips"]
    assert [(chip.text, chip.href) for chip in chips] == [("Rust", "?label=easy"), ("labelled easy", "?stack=Rust")]


def test_a_page_that_there_is_not_is_404(client):
    assert client.get("/first-issues/?page=2").status_code == 404


def test_languages_and_labels_are_offered_with_how_many(client):
    make_first_issue(make_project(language="Go"), labels=["Good First Issue", "bug"])
    context = client.get("/first-issues/").context
    assert (context["languages"], sorted(context["labels"])) == ([("Go", 1)], [("bug", 1), ("good first issue", 1)])


def test_ten_more_rows_cost_no_query(client):
    project = make_project()

    def queries():
        with CaptureQueriesContext(connection) as seen:
            assert client.get("/first-issues/").status_code == 200
        return len(seen)

    make_first_issue(project, 1)
    queries()
    before = queries()
    for number in range(2, 12):
        make_first_issue(make_project(f"octo/tool{number}"), number)
    assert queries() == before


def test_a_row_says_how_ready_it_is_why_and_how_old_that_is(client):
    make_first_issue(make_project(), checked_at=ago(minutes=3))
    said = text(client.get("/first-issues/"))
    assert all(words in said for words in ("Ready to take", "Free 30%", "Nobody says", "checked 3 minutes ago"))


def test_a_hostile_title_stays_words(client):
    make_first_issue(make_project(), title="<script>alert(1)</script>", labels=["<b>easy</b>"])
    said = text(client.get("/first-issues/"))
    assert ("<script>alert" in said, "<b>easy" in said) == (False, False)


def test_without_any_it_says_what_to_do(client):
    assert "No first issue yet" in text(client.get("/first-issues/"))


# On the page of a project


def test_a_project_shows_its_readiest(client):
    project = make_project()
    for number in range(1, 8):
        make_first_issue(project, number)
    answer = client.get("/projects/octo/tool/")
    assert (len(answer.context["first_issues"]["rows"]), "All 7 of them" in text(answer)) == (5, True)


def test_a_project_that_asks_for_newcomers_leads_to_github(client):
    make_project(topics=["good-first-issue"])
    assert "https://github.com/octo/tool/contribute" in text(client.get("/projects/octo/tool/"))


def test_a_project_that_offers_nothing_says_nothing(client):
    make_project()
    assert 'id="first-issues"' not in text(client.get("/projects/octo/tool/"))


# The look


@pytest.fixture
def github(settings):
    world = GitHub()
    Source.objects.create(pipeline="recommendations", name="github", on=True)
    with Server(world) as server:
        settings.GITHUB_GRAPHQL_URL = f"{server.url}/graphql"
        settings.GITHUB_ACCESS_TOKEN, settings.ALLOW_PRIVATE_UPSTREAMS = "sample-token", True
        world.server = server
        yield world


@pytest.fixture
def stale(github):
    """An issue that was last looked at an hour ago, and was assigned since."""
    repo = Repo(id=1, full_name="octo/tool")
    github.add(repo)
    issue = Issue("octo/tool", 1, "Mend part 1", labels=["good first issue"], assignees=["bob"])
    github.open_issue(issue)
    return make_first_issue(make_project(), node_id=issue.node_id, checked_at=ago(hours=1))


def test_what_is_stale_comes_at_once_and_asks_to_be_looked_at(client, github, stale):
    said = text(client.get("/first-issues/"))
    assert f'hx-get="/first-issues/look/?id={stale.pk}"' in said
    assert ("checked 1 hour ago" in said, github.server.asked) == (True, [])


def test_the_look_says_how_it_stands_now(client, stale):
    said = text(client.get(f"/first-issues/look/?id={stale.pk}", headers=HTMX))
    assert all(words in said for words in ("Somebody is assigned.", "Not to be taken", "checked just now"))
    assert "hx-get" not in said


def test_what_was_looked_at_is_not_listed_when_it_is_taken(client, stale):
    client.get(f"/first-issues/look/?id={stale.pk}")
    assert shown(client) == []


def test_what_is_fresh_asks_for_nothing(client, github):
    make_first_issue(make_project())
    assert 'hx-get="/first-issues/look' not in text(client.get("/first-issues/"))


def test_without_a_token_nothing_asks(client, stale, settings):
    settings.GITHUB_ACCESS_TOKEN = ""
    assert "first-issues/look" not in text(client.get("/first-issues/"))


def test_when_github_is_away_the_stored_ones_stay_with_their_age(client, github, stale):
    github.server.faults.script("/graphql", Reply({}, 503), times=None)
    assert "checked 1 hour ago" in text(client.get(f"/first-issues/look/?id={stale.pk}"))


def test_on_a_projects_page_the_look_keeps_its_form(client, stale):
    assert f"look/?id={stale.pk}&amp;bare=1" in text(client.get("/projects/octo/tool/"))
    assert "<h3" in text(client.get(f"/first-issues/look/?id={stale.pk}&bare=1"))


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("id=x", 404),
        ("id=-1", 404),
        ("id=99999999999999999999", 404),
        ("id=1&next=http://elsewhere", 400),
        ("&".join(f"id={n}" for n in range(1, 22)), 400),
        ("", 200),
        ("id=12345", 200),
    ],
)
def test_only_a_page_of_ids_is_looked_at(client, query, status):
    assert client.get(f"/first-issues/look/?{query}").status_code == status


def test_a_look_is_kept_by_no_cache(client):
    assert "no-store" in client.get("/first-issues/look/")["Cache-Control"]


def test_a_row_that_the_look_may_write_is_written_once(client, github, stale):
    for _ in range(3):
        client.get(f"/first-issues/look/?id={stale.pk}")
    assert (len(github.server.asked), FirstIssue.objects.count()) == (1, 1)

"""The page of one project."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.urls import web_address
from recommendations import serving
from recommendations.models import NamedRepository, ProjectActivity
from recommendations.pages.project import answered, beginning, shares
from recommendations.tests.factories import (
    act,
    belongs,
    give_vector,
    knows,
    make_category,
    make_project,
    make_projects,
    make_stack,
    make_user,
    make_weights,
)  # fmt: skip

ADDRESS = "/projects/octo/tool/"


@pytest.fixture(autouse=True)
def nothing_held():
    """The catalogue that a test before this one held is not ours."""
    serving.forget()
    yield
    serving.forget()


def text(client, address=ADDRESS):
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/projects/OCTO/tool/", "/projects/octo/TOOL/"])
def test_any_case_leads_to_the_one_address(client, address):
    make_project("octo/tool")
    assert client.get(address)["Location"] == ADDRESS


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        "/projects/octo/none/",
        "/projects/octo/%25/",
        "/projects/_cto/tool/",
        "/projects/%2e%2e%2f/tool/",
        "/projects/../tool/",
        "/projects//evil.com/",
        "/projects/octo/tool%20/",
        "/projects/octo/%ff%fe/",
        "/projects/octo/" + "a" * 8_000 + "/",
        "/projects/'; drop table x/1 or 1=1/",
    ],
)
def test_what_is_no_project_is_not_found(client, path):
    make_project("octo/tool")
    assert client.get(path).status_code == 404


@pytest.mark.django_db
def test_what_no_text_holds_is_refused(client):
    assert client.get("/projects/oc%00to/tool/").status_code == 400


@pytest.mark.django_db
def test_what_is_not_known_is_called_unknown(client):
    make_project("octo/tool")
    page = client.get(ADDRESS)
    assert [fact.value for fact in page.context["facts"]["counts"]] == [None] * 4
    assert page.content.decode().count("unknown") >= 7  # four counts, the licence, two dates


@pytest.mark.django_db
def test_no_stars_is_not_unknown(client):
    make_project("octo/tool", stars=0)
    assert "<dt>Stars</dt><dd>0</dd>" in text(client)


@pytest.mark.django_db
def test_each_term_says_by_whose_word_it_is_there(client):
    project = make_project("octo/tool")
    belongs(project, make_category("Games"), confidence=0.91)
    belongs(project, make_category("Security"), confidence=0.4, by_vector=True)
    belongs(project, make_stack("Rust"), source="curated")
    context = client.get(ADDRESS).context
    assert [(term.name, term.source) for term in context["categories"]] == [
        ("Games", "by words 0.91"),
        ("Security", "by meaning 0.40"),
    ]
    assert context["stacks"][0].source == "by a curator"


@pytest.mark.django_db
def test_what_a_curator_took_away_is_not_shown(client):
    belongs(make_project("octo/tool"), make_category("Games"), source="curated", applies=False)
    assert client.get(ADDRESS).context["categories"] == []


@pytest.mark.django_db
def test_the_links_of_topics_and_terms_lead_to_lists_that_hold_it(client):
    project = make_project("octo/tool", topics=["machine-learning", "-java"])
    belongs(project, make_category("AI & Machine Learning"), make_stack("C++"))
    context = client.get(ADDRESS).context
    hrefs = [
        *(href for _, href in context["topics"]),
        *(term.href for term in context["categories"] + context["stacks"]),
    ]
    for href in hrefs:
        assert project in [row.project for row in client.get(href).context["rows"]]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("facts", "word"), [("is_archived", "Archived"), ("is_disabled", "Disabled"), ("is_fork", "A fork")]
)
def test_what_a_contributor_must_know_is_said(client, facts, word):
    make_project("octo/tool", **{facts: True})
    assert word in text(client)


@pytest.mark.django_db
def test_hostile_facts_are_inert(client):
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}{% load x %}'
    make_project(
        "octo/tool", description=hostile, topics=[hostile], license=hostile[:90], readme=f"{hostile} end",
        language=hostile[:50], languages={hostile: 5}, homepage="javascript:alert(1)",
    )  # fmt: skip
    page = text(client)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "javascript:" not in page
    assert "{{7*7}}" in page


@pytest.mark.django_db
def test_links_to_other_sites_vouch_for_nothing(client):
    make_project("octo/tool", homepage="https://tool.example/a?b=1&c=2", readme="Hello")
    page = text(client)
    outside = [piece.split(">")[0] for piece in page.split("<a ")[1:] if 'href="http' in piece.split(">")[0]]
    assert outside
    assert all('rel="nofollow ugc noopener noreferrer"' in tag for tag in outside)


@pytest.mark.django_db
def test_the_nearest_in_meaning_are_named(client):
    near = make_projects(4)
    project = make_project("octo/tool")
    give_vector(project, [1, 0.1, 0])
    make_weights()
    assert {other for other, _ in client.get(ADDRESS).context["similar"]} == set(near)


@pytest.mark.django_db
def test_somebody_signed_in_sees_how_it_stands_with_them(client):
    make_projects(4)
    project, alice = make_project("octo/tool", stars=50), make_user()
    give_vector(project, [1, 0.1, 0])
    stack = make_stack("Rust")
    belongs(project, stack)
    knows(alice, stack)
    make_weights()
    client.force_login(alice)
    page = text(client)
    assert "Why for you" in page
    assert f"{ADDRESS}why/" in page


@pytest.mark.django_db
def test_a_stranger_sees_no_reasons_and_no_buttons(client):
    make_projects(2)
    context = client.get("/projects/octo0/tool/").context
    assert (context["place"], context["done"]) == (None, None)


@pytest.mark.django_db
def test_what_they_did_is_marked(client):
    alice, project = make_user(), make_project("octo/tool")
    act(alice, project, "save")
    client.force_login(alice)
    assert client.get(ADDRESS).context["done"] == {"save"}


@pytest.mark.django_db
def test_more_links_and_neighbours_cost_no_more_queries(client):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            text(client)
        return len(captured)

    project = make_project("octo/tool")
    give_vector(project, [1, 0.1, 0])
    make_projects(2)
    text(client)
    few = queries()
    belongs(project, *(make_stack(f"stack {number}") for number in range(10)))
    assert queries() == few <= 12


@pytest.mark.django_db
def test_what_somebody_did_elsewhere_costs_no_more_queries(client):
    project, alice = make_project("octo/tool"), make_user()
    give_vector(project, [1, 0.1, 0])
    near = make_projects(12)
    act(alice, near[0], "like")
    client.force_login(alice)
    text(client)
    with CaptureQueriesContext(connection) as few:
        text(client)
    for other in near[1:]:
        act(alice, other, "like")
    with CaptureQueriesContext(connection) as many:
        text(client)
    assert len(many) <= len(few)


@pytest.mark.parametrize("address", ["https://a.example", "http://a.example:8080/b?c=d#e", "https://münchen.example/ü"])
def test_a_web_address_is_one(address):
    assert web_address(f" {address}\n") == address


@pytest.mark.parametrize(
    "address",
    [
        "", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "//evil.com", "ftp://a.b",
        "http://[::1", "http://a:99999/", "http://u:p@h/", "https://", "https:evil", "a.example", "http://a b/", "http://a\\b",
        "http://a\u202eb/", "http://a\u2100b/", "https://a/" + "b" * 3_000, "http://a:0/",
    ],
)  # fmt: skip
def test_what_is_no_web_address_is_not_linked(address):
    assert web_address(address) == ""


def test_the_marks_of_a_readme_are_left_out():
    readme = (
        '<h1 align="center">Tool</h1>\n\n[![build](https://a/b.svg)](https://a)\n# Tool\n\n'
        "A **[parser](https://x)** for `text`.\n```sh\npip install tool\n```\n\n\n\n---\nEnd"
    )
    assert beginning(readme) == "Tool\n\nTool\n\nA parser for text.\n\npip install tool\n\nEnd"


@pytest.mark.parametrize("part", ["[", "![", "[](", "<", "<a ", "```", "#", "> ", "\n \n", "]("])
def test_a_hostile_readme_is_read_at_once(part):
    assert len(beginning(part * 300_000)) <= 1_002


def test_a_bar_of_languages_is_full_and_names_the_largest():
    found = shares({"C": 10, **{f"L{number}": 100 - number for number in range(7)}})
    assert [share.name for share in found] == ["L0", "L1", "L2", "L3", "L4", "L5", "other"]
    assert round(sum(share.width for share in found), 6) == 100


@pytest.mark.parametrize("languages", [{}, {"C": 0}])
def test_unknown_sizes_draw_no_bar(languages):
    assert shares(languages) == []


# What collecting found


@pytest.mark.django_db
def test_what_is_there_no_more_says_so(client):
    make_project("octo/tool", gone_at=timezone.now(), gone_reason="not found")
    assert "there no more" in text(client)


@pytest.mark.django_db
def test_how_alive_it_is_is_said_as_far_as_it_was_measured(client):
    measured = {"commits_month": 12, "response_hours": 5.4, "measured_at": timezone.now()}
    ProjectActivity.objects.create(project=make_project("octo/tool"), **measured)
    facts = client.get(ADDRESS).context["facts"]["alive"]
    assert [(fact.label, fact.value) for fact in facts] == [
        ("Commits in 30 days", 12),
        ("Maintainers answer", "in 5 hours, half of the time sooner"),
    ]


@pytest.mark.django_db
def test_the_last_commits_of_a_named_one_are_shown(client):
    project = make_project("octo/tool")
    NamedRepository.objects.create(full_name="octo/tool", project=project)
    files = [[f"src/<b>{at}.py", 1, 2] for at in range(5)]
    project.commits.create(sha="a" * 40, committed_at=timezone.now(), files=files)
    page = text(client)
    assert "src/&lt;b&gt;0.py" in page
    assert "and 2 others" in page


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0.2, "within the hour"),
        (1.0, "in 1 hour, half of the time sooner"),
        (72.0, "in 3 days, half of the time sooner"),
    ],
)
def test_an_answers_time_is_said_in_words(hours, words):
    assert answered(hours) == words

"""Problems beside projects: on the pages of both apps, on the first page, and in the API."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.text import text_hash
from issues.models import Assignment, Cluster, Clustering, Issue, IssueDay, IssueEmbedding, RawItem
from ostsite import bridge
from recommendations.tests.factories import (
    act,
    belongs,
    give_vector,
    knows,
    make_category,
    make_model,
    make_project,
    make_stack,
    make_user,
    make_weights,
    score,
)

pytestmark = pytest.mark.django_db

DAY = date(2026, 9, 1)
SHOP, GAME, AWAY = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]


@pytest.fixture(autouse=True)
def catalogue():
    """Projects of two areas, and some of none."""
    make_weights()
    projects = {
        name: make_project(f"octo/{name}", description=text, stars=stars)
        for name, text, stars in (
            ("billing", "Sends invoices and matches payments", 40),
            ("ledger", "Payments and invoices in plain text", 900),
            ("arcade", "An engine for racing games", 70),
            ("atlas", "Maps of old towns", 5),
        )
    }
    for name, vector in zip(projects, ([0.9, 0.1, 0], [0.8, 0.2, 0], GAME, AWAY), strict=True):
        give_vector(projects[name], vector)
    return projects


def live(day=DAY):
    given = {"model": make_model(), "method": "graph", "inputs": "x", "items": 1, "finished": True}
    return Clustering.objects.get_or_create(day=day, state="live", defaults=given)[0]


def make_issue(title="Invoices do not match payments", vector=SHOP, posts=(), state="growing", items=3, **facts):
    """A visible issue seen on one day, with its vector; posts: (title, url) of those that speak for it."""
    plain = {"title": title, "label_state": "labelled", "state": state, "first_seen": DAY, "last_seen": DAY}
    issue = Issue.objects.create(**{**plain, **facts})
    IssueDay.objects.create(issue=issue, day=DAY, items=items, authors=1)
    known = {"text": title, "text_hash": text_hash(title), "vector_hash": text_hash(title)}
    IssueEmbedding.objects.create(subject=issue, model=make_model(), vector=vector, **known)
    number = Cluster.objects.count()
    cluster = Cluster.objects.create(
        clustering=live(), number=number, size=5, mean_distance=0, membership=1, centroid=vector, issue=issue
    )
    for place, (said, url) in enumerate(posts, start=1):
        speak(issue, cluster, place, said, url)
    return issue


def speak(issue, cluster, place, title, url):
    key = f"{issue.pk}-{place}"
    address = url or f"https://example.org/{key}"
    item = RawItem.objects.create(source="github", url=address, url_hash=key, title=title, collected_on=DAY)
    Assignment.objects.create(clustering=cluster.clustering, item=item, cluster=cluster, exemplar=place, issue=issue)


def names(issue):
    return [solver.name for solver in bridge.solvers([issue.pk]).get(issue.pk, [])]


# A problem's projects


def test_a_problem_lists_the_projects_that_could_solve_it_with_the_reason():
    issue = make_issue()
    first, second = bridge.solvers([issue.pk])[issue.pk]
    assert {first.name, second.name} == {"octo/billing", "octo/ledger"}
    assert first.why == "Speaks of “matches”, “invoices” and “payments”, as the posts do."
    assert not first.about


def test_where_nothing_fits_nothing_is_shown():
    assert names(make_issue("Parcels are late", AWAY)) == []
    assert names(make_issue("Racing games stutter", SHOP)) == []


@pytest.mark.parametrize(
    ("share", "categories", "telling"), [(0.15, [], False), (0.15, ["Shops"], True), (0.2, [], True)]
)
def test_one_faint_word_in_common_is_not_enough(share, categories, telling):
    found = bridge.Pick(1, 0.6, share, ["label"], categories, [], named=0, posts=3)
    assert found.telling is telling


def test_of_copies_of_a_project_one_is_enough():
    copy = make_project("fork/billing", description="Sends invoices and matches payments")
    give_vector(copy, [0.9, 0.1, 0])
    assert "fork/billing" not in names(make_issue())


def test_an_archived_project_solves_nothing(catalogue):
    issue = make_issue()
    assert "octo/ledger" in names(issue)
    catalogue["ledger"].is_archived = True
    catalogue["ledger"].save()
    assert names(issue) == ["octo/billing"]


def test_a_project_that_the_posts_name_is_what_the_problem_is_about():
    posts = [("Payments lost", "https://github.com/octo/billing/issues/1"), ("octo/billing stops", ""), ("Help", "")]
    first, second = bridge.solvers([(issue := make_issue(posts=posts)).pk])[issue.pk]
    assert (first.name, first.about, second.about) == ("octo/billing", True, False)
    assert first.why == "2 of the 3 posts that speak for it name this project."


def test_a_field_and_a_stack_in_common_are_part_of_the_reason(catalogue):
    shops = make_category("Shops", words=["invoice", "invoices"])
    python = make_stack("Python", words=["python"])
    belongs(catalogue["billing"], shops, python)
    issue = make_issue("Invoices from Python do not match payments")
    why = {solver.name: solver.why for solver in bridge.solvers([issue.pk])[issue.pk]}["octo/billing"]
    assert why.endswith("Serves Shops. Made with Python, which the posts name.")


def test_a_problem_without_a_vector_yet_has_no_projects():
    issue = make_issue()
    IssueEmbedding.objects.update(vector=None, vector_hash="")
    assert bridge.solvers([issue.pk]) == {}


def test_without_projects_there_is_nothing_to_say(catalogue):
    for project in catalogue.values():
        project.delete()
    assert bridge.solvers([make_issue().pk]) == {}


def queries_of(work):
    work()
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


def test_twenty_rows_take_as_many_queries_as_two():
    ids = [make_issue(f"Invoices {number} do not match payments", posts=[("Help", "")]).pk for number in range(20)]
    assert queries_of(lambda: bridge.solvers(ids[:2])) == queries_of(lambda: bridge.solvers(ids)) <= 5


def test_the_page_of_a_problem_shows_its_projects_and_why(client):
    found = client.get(f"/issues/{make_issue().pk}/").content.decode()
    assert 'href="/projects/octo/billing/"' in found
    assert "could solve it" in found
    assert "Speaks of “matches”, “invoices” and “payments”, as the posts do." in found


def test_the_list_of_problems_shows_projects_by_a_constant_number_of_queries(client):
    make_issue()
    few = queries_of(lambda: client.get("/issues/"))
    for number in range(10):
        make_issue(f"Payments {number} do not match invoices")
    assert client.get("/issues/").content.decode().count('href="/projects/octo/billing/"') == 11
    assert queries_of(lambda: client.get("/issues/")) == few <= 12


# A project's problems


def project_page(client, name="billing"):
    return client.get(f"/projects/octo/{name}/")


def test_a_project_lists_the_problems_of_its_area(client):
    issue = make_issue()
    make_issue("Racing games stutter", GAME)
    (hurt,) = project_page(client).context["problems"]
    assert (hurt.issue, hurt.posts) == (issue, 3)
    assert "invoices" in hurt.why


def test_a_hidden_problem_is_on_no_project(client):
    make_issue(hidden=True)
    assert project_page(client).context["problems"] == []


def test_a_project_without_problems_says_nothing_of_any(client):
    make_issue()
    assert "Problems in its area" not in project_page(client, "atlas").content.decode()


def test_a_page_of_a_project_takes_few_queries_however_many_problems(client):
    make_issue()
    few = queries_of(lambda: project_page(client))
    for number in range(10):
        make_issue(f"Payments {number} do not match invoices")
    assert queries_of(lambda: project_page(client)) == few <= 12


def test_hostile_words_are_shown_as_they_are(client):
    make_issue("<script>alert(1)</script> invoices {{7*7}} do not match payments")
    for path in ("/", "/projects/octo/billing/"):
        found = client.get(path).content.decode()
        assert "&lt;script&gt;alert(1)&lt;/script&gt; invoices {{7*7}}" in found


# The first page


def growing(client):
    return client.get("/").context["growing"]


def titles(found):
    return [hurt.title for hurt in found.problems]


def test_a_stranger_sees_what_grows_before_what_is_new(client):
    make_issue("A new one", state="new", items=9)
    make_issue("A small one", items=4)
    make_issue("A large one", items=8)
    make_issue("An old one", state="steady", items=20)
    found = growing(client)
    assert titles(found) == ["A large one", "A small one", "A new one"]
    assert not found.theirs


def test_a_member_sees_what_grows_in_their_areas(client, catalogue):
    make_issue()
    make_issue("Racing games stutter", GAME, items=30)
    user = make_user()
    act(user, catalogue["ledger"], "like")
    client.force_login(user)
    found = growing(client)
    assert found.theirs
    assert titles(found) == ["Invoices do not match payments"]
    assert found.problems[0].why == "Close to what you like."


def test_a_stack_that_a_problem_names_is_an_area_of_who_knows_it(client):
    python = make_stack("Python", words=["python"])
    make_issue("Python builds hang", AWAY)
    user = make_user()
    knows(user, python)
    client.force_login(user)
    assert [hurt.why for hurt in growing(client).problems] == ["About Python."]


def test_a_member_nothing_is_known_of_sees_what_grows_anywhere(client):
    make_issue()
    client.force_login(make_user())
    found = growing(client)
    assert not found.theirs
    assert titles(found) == ["Invoices do not match payments"]


def test_a_site_without_problems_says_so(client):
    assert "No problem grows at present." in client.get("/").content.decode()


@pytest.mark.parametrize("signed_in", [False, True])
def test_the_first_page_takes_few_queries_however_many_problems(client, catalogue, signed_in):
    make_issue()
    if signed_in:
        user = make_user(changed_at=timezone.now())
        act(user, catalogue["ledger"], "like")
        score()
        client.force_login(user)
    few = queries_of(lambda: client.get("/"))
    for number in range(10):
        make_issue(f"Payments {number} do not match invoices")
    assert queries_of(lambda: client.get("/")) == few <= 12


# The API


def test_the_api_tells_the_projects_of_a_problem(client):
    issue = make_issue()
    results = client.get(f"/api/v1/issues/{issue.pk}/projects/").json()["results"]
    assert {row["project"]["full_name"] for row in results} == {"octo/billing", "octo/ledger"}
    assert all(row["why"] and row["about"] is False for row in results)


def test_the_api_tells_the_problems_of_a_project(client):
    issue = make_issue()
    (row,) = client.get("/api/v1/projects/octo/billing/issues/").json()["results"]
    assert row["issue"]["id"] == issue.pk
    assert row["why"]


def test_the_api_knows_no_hidden_problem_and_no_unknown_project(client):
    issue = make_issue(hidden=True)
    assert client.get(f"/api/v1/issues/{issue.pk}/projects/").status_code == 404
    assert client.get("/api/v1/projects/octo/nothing/issues/").status_code == 404

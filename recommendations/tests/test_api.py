"""The API: who reads what, what is written, what is listed."""

import json

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.models import ApiKey, Audit, Run
from recommendations import serving
from recommendations.api.recommendations import RENDERED
from recommendations.models import Category, Interaction, Profile
from recommendations.tests.factories import (
    act,
    belongs,
    knows,
    make_category,
    make_project,
    make_projects,
    make_stack,
    make_user,
    make_weights,
    score,
)
from recommendations.tests.first_issue_rows import make_first_issue

pytestmark = pytest.mark.django_db
V1 = "/api/v1/"
BORN = "2026-01-01T00:00Z"


@pytest.fixture(autouse=True)
def fresh():
    """No list of another test is kept in the process, and no model is loaded."""
    serving.forget()
    RENDERED.clear()


@pytest.fixture
def alice(client):
    """Alice, signed in."""
    user = make_user("alice_ml")
    client.force_login(user)
    return user


def make_key(user, *scopes):
    _, text = ApiKey.objects.issue(user, "a program", list(scopes or ("read", "write")), 30)
    return {"HTTP_AUTHORIZATION": f"Bearer {text}"}


def permit(user, codename):
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename=codename))
    return user


def names(answer):
    return [each["full_name"] for each in answer.json()["results"]]


def send(client, method, path, body=None, **headers):
    return client.generic(method, f"{V1}{path}", "" if body is None else json.dumps(body),
                          "application/json" if body is not None else "", **headers)  # fmt: skip


# Recommendations


@pytest.fixture
def listed(client, alice):
    """Alice likes one project; two others are listed for her."""
    make_weights()
    act(alice, make_projects(3)[0], "like")
    score()
    return alice


MINE = f"{V1}recommendations/alice_ml/"


def test_a_person_reads_their_own(client, listed):
    body = client.get(MINE).json()
    assert (list(body), body["user_id"], body["weights"]) == (
        ["user_id", "recommendations", "generated_at", "weights", "request"], "alice_ml", 1)  # fmt: skip
    assert [row["full_name"] for row in body["recommendations"]] == ["octo1/tool", "octo2/tool"]


@pytest.mark.parametrize("path", ["/recommendations/alice_ml", "/recommendations/alice_ml/"])
def test_the_address_of_the_system_before_gives_the_same(client, listed, path):
    assert client.get(f"{path}?top=5").content == client.get(f"{MINE}?top=5").content


def test_as_many_as_asked_for(client, listed):
    assert len(client.get(f"{MINE}?top=1").json()["recommendations"]) == 1


@pytest.mark.parametrize("top", ["0", "-1", "51", "1000000000", "1.5", "NaN", "%D9%A1", "", "1&top=2", "1%00"])
def test_a_wrong_top_is_refused(client, listed, top):
    answer = client.get(f"{MINE}?top={top}")
    assert (answer.status_code, set(answer.json())) == (400, {"code", "message", "field"})


def test_parts_sum_to_the_score(client, listed):
    for row in client.get(MINE).json()["recommendations"]:
        assert sum(row["parts"].values()) == pytest.approx(row["score"], abs=1e-9)


def test_their_own_key_reads_it(client, listed):
    client.logout()
    assert client.get(MINE, **make_key(listed, "read")).status_code == 200


def test_nobody_gets_401(client, listed):
    client.logout()
    assert client.get(MINE).status_code == 401


@pytest.mark.parametrize("who", ["alice_ml", "nobody", "0", "1 or 1=1", "é", "x" * 200])
def test_others_get_the_same_404_as_for_nobody(client, listed, who):
    client.force_login(make_user("bob_webdev"))
    answer = client.get(f"{V1}recommendations/{who}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_staff_without_the_permission_get_404(client, listed):
    client.force_login(permit(make_user("bob_webdev"), "view_run"))
    assert client.get(MINE).status_code == 404


def test_the_permission_alone_makes_nobody_staff(client, listed):
    bob = make_user("bob_webdev")
    bob.user_permissions.add(Permission.objects.get(codename="view_recommendation"))
    client.force_login(bob)
    assert client.get(MINE).status_code == 404


def test_what_staff_read_is_written_down(client, listed):
    client.force_login(permit(make_user("bob_webdev"), "view_recommendation"))
    assert client.get(MINE).status_code == 200
    assert list(Audit.objects.values_list("actor", "action", "subject")) == [
        ("bob_webdev", "read recommendations", "alice_ml")]  # fmt: skip


def test_what_a_person_reads_of_themselves_is_not(client, listed):
    client.get(MINE)
    assert not Audit.objects.exists()


def test_a_list_that_was_read_before_costs_one_query(client, listed, django_assert_num_queries):
    client.logout()
    key = make_key(listed)
    client.get(MINE, **key)
    with django_assert_num_queries(1):  # the key, and along with it what the list depends on
        client.get(MINE, **key)


def test_an_act_is_in_the_next_list(client, listed):
    client.get(MINE)
    send(client, "POST", "feedback/", {"project": "octo1/tool", "kind": "dismiss"})
    assert [row["full_name"] for row in client.get(MINE).json()["recommendations"]] == ["octo2/tool"]


def test_a_new_generation_is_in_the_next_list(client, listed):
    before = client.get(MINE).json()["generated_at"]
    make_project("octo9/tool")
    score()
    assert client.get(MINE).json()["generated_at"] != before


def test_without_any_project_the_list_is_empty(client, alice):
    assert client.get(MINE).json() == {
        "user_id": "alice_ml",
        "recommendations": [],
        "generated_at": None,
        "weights": None,
        "request": None,
    }


# Feedback


@pytest.mark.parametrize("kind", ["like", "save", "dismiss"])
def test_feedback_is_kept_once(client, alice, kind):
    make_project()
    said = {"project": "Octo/Tool", "kind": kind}
    answers = [send(client, "POST", "feedback/", said) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert list(Interaction.objects.values_list("user__username", "kind", "count")) == [("alice_ml", kind, 1)]


@pytest.mark.parametrize(
    ("said", "status", "field"),
    [
        ({"project": "octo/none", "kind": "like"}, 404, None),
        ({"project": "octo/tool", "kind": "star"}, 400, "kind"),
        ({"project": "octo", "kind": "like"}, 400, "project"),
        ({"project": "octo/tool/x", "kind": "like"}, 400, "project"),
        ({"project": "x" * 1_000_000, "kind": "like"}, 400, "project"),
        ({"project": "octo/\u202etool", "kind": "like"}, 400, "project"),
        ({"project": "octo/tool"}, 400, "kind"),
        ({"project": "octo/tool", "kind": "like", "user": "bob_webdev"}, 400, "user"),
        ({"project": "octo/tool", "kind": ["like"]}, 400, "kind"),
    ],
)
def test_wrong_feedback_is_refused(client, alice, said, status, field):
    make_project()
    answer = send(client, "POST", "feedback/", said)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert not Interaction.objects.exists()


def test_a_key_that_only_reads_gives_no_feedback(client):
    make_project()
    key = make_key(make_user("alice_ml"), "read")
    assert send(client, "POST", "feedback/", {"project": "octo/tool", "kind": "like"}, **key).status_code == 403


def test_people_read_only_their_own_feedback(client, alice):
    project = make_project()
    act(alice, project, "save")
    act(make_user("bob_webdev"), project, "like")
    assert [(each["project"], each["kind"]) for each in client.get(f"{V1}feedback/").json()["results"]] == [
        ("octo/tool", "save")]  # fmt: skip


def test_feedback_of_one_kind(client, alice):
    project = make_project()
    act(alice, project, "save")
    act(alice, project, "like")
    assert [each["kind"] for each in client.get(f"{V1}feedback/?kind=like").json()["results"]] == ["like"]


def test_feedback_is_taken_back_once(client, alice):
    act(alice, make_project(), "save")
    answers = [send(client, "DELETE", "feedback/octo/tool/save/") for _ in range(2)]
    assert [each.status_code for each in answers] == [204, 404]
    assert not Interaction.objects.exists()


@pytest.mark.parametrize("path", ["octo/tool/star", "octo/tool/x", "octo/none/like"])
def test_only_feedback_is_taken_back(client, alice, path):
    act(alice, make_project(), "star")
    assert send(client, "DELETE", f"feedback/{path}/").status_code == 404
    assert Interaction.objects.count() == 1


def test_nobody_takes_back_what_another_said(client, alice):
    act(make_user("bob_webdev"), make_project(), "save")
    assert send(client, "DELETE", "feedback/octo/tool/save/").status_code == 404


# Projects


@pytest.fixture
def some(client):
    """Three projects with stars 1, 2, 3; the last asks for newcomers and is placed."""
    first, second, third = (
        make_project(f"octo{n}/tool", stars=n, topics=["help-wanted"] if n == 3 else []) for n in (1, 2, 3)
    )
    belongs(third, make_category("Games"), make_stack("Rust"))
    belongs(second, make_stack("Go"))
    return first, second, third


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "321"),
        ("order=name", "123"),
        ("stars_min=2", "32"),
        ("stars_max=2&stars_min=2", "2"),
        ("category=Games", "3"),
        ("stack=Rust", "3"),
        ("stack=Rust&stack=Go", ""),
        ("newcomers=true", "3"),
        ("newcomers=false", "21"),
        ("q=octo2", "2"),
        ("q=tool&order=name", "123"),
        ("q=tool&stars_min=3", "3"),
        ("q=%20", "321"),
        ("order=trending", "321"),
    ],
)
def test_projects_are_filtered_and_ordered(client, some, query, found):
    assert names(client.get(f"{V1}projects/?{query}")) == [f"octo{n}/tool" for n in found]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("category=Nonsense", "category"),
        ("category=a%00", None),
        ("stack=%27", "stack"),
        ("stars_min=abc", "stars_min"),
        ("stars_min=" + "1" * 30, "stars_min"),
        ("stars_min=", "stars_min"),
        ("newcomers=maybe", "newcomers"),
        ("active=8", "active"),
        ("order=pid;drop table", "order"),
        ("order=user__password", "order"),
        ("order=-", "order"),
        ("order=" + ",".join(["name"] * 50), "order"),
        ("q=" + "a" * 201, "q"),
        ("q=a&q=b", "q"),
        ("_connector=OR 1=1", "_connector"),
        ("language=" + "a" * 61, "language"),
        ("page=1", "page"),
    ],
)
def test_a_wrong_filter_is_named(client, some, query, field):
    answer = client.get(f"{V1}projects/?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_the_words_that_an_order_may_be_are_said(client):
    assert "stars, trending, newest" in client.get(f"{V1}projects/?order=size").json()["message"]


@pytest.mark.parametrize("q", ["a & ", '" ( !', r"%_\\", "(a+)+$", "a" * 200, "'; --", "::tsquery", "<->"])
def test_any_text_may_be_searched(client, some, q):
    assert client.get(f"{V1}projects/", {"q": q}).status_code == 200


@pytest.mark.parametrize("order", ["stars", "newest", "active", "name", "trending", "relevance"])
def test_every_order_has_pages_that_hold_each_project_once(client, order):
    make_projects(7)
    found, address = [], f"{V1}projects/?order={order}&page_size=3"
    while address:
        answer = client.get(address)
        found += names(answer)
        address = answer.json()["next"]
    assert sorted(found) == [f"octo{n}/tool" for n in range(7)]


def test_a_search_has_pages(client):
    make_projects(7)
    first = client.get(f"{V1}projects/?q=tool&page_size=4")
    assert len({*names(first), *names(client.get(first.json()["next"]))}) == 7


@pytest.mark.parametrize(
    "path",
    [
        "projects/?page_size=100",
        "projects/?q=tool&page_size=100",
        "trending/",
        "good-first-issues/",
        "categories/",
        "tech-stacks/",
    ],
)
def test_ten_more_rows_cost_no_query(client, path):
    def more(start):
        for n in range(start, start + 10):
            project = make_project(f"octo{n}/tool", stars=n, created_at=BORN, topics=["help-wanted"])
            belongs(project, make_category(f"C{n}"), make_stack(f"S{n}"))
            make_first_issue(project)

    def queries():
        with CaptureQueriesContext(connection) as seen:
            assert client.get(f"{V1}{path}").status_code == 200
        return len(seen)

    more(0)
    before = queries()
    more(10)
    assert (queries(), before <= 12) == (before, True)


def test_archived_projects_are_not_listed(client):
    make_project(is_archived=True)
    assert names(client.get(f"{V1}projects/")) == []


@pytest.mark.parametrize("path", ["projects/octo3/tool/", "projects/OCTO3/Tool/"])
def test_one_project_is_shown(client, some, path):
    body = client.get(f"{V1}{path}").json()
    assert (body["full_name"], body["categories"], body["tech_stacks"]) == ("octo3/tool", ["Games"], ["Rust"])


@pytest.mark.parametrize("path", ["a/b/", "octo3/tool2/", "%2e%2e/tool/", "octo3/%25/", "octo3/" + "x" * 8000 + "/"])
def test_a_project_that_is_not_there_is_404(client, some, path):
    for below in ("", "similar/"):
        answer = client.get(f"{V1}projects/{path}{below}")
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("homepage", "shown"),
    [
        ("https://a.example", "https://a.example"),
        ("https://me:secret@a.example", ""),
        ("javascript:alert(1)", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_only_a_web_address_is_a_homepage(client, homepage, shown):
    make_project(homepage=homepage)
    assert client.get(f"{V1}projects/octo/tool/").json()["homepage"] == shown


def test_similar_projects_come_nearest_first(client):
    make_projects(4)
    body = client.get(f"{V1}projects/octo0/tool/similar/?count=2").json()
    assert [each["project"]["full_name"] for each in body["results"]] == ["octo1/tool", "octo2/tool"]


def test_trending_are_the_young_by_stars_a_day(client):
    make_project("octo/slow", stars=10, created_at=BORN)
    make_project("octo/fast", stars=900, created_at=BORN)
    make_project("octo/old", stars=90_000, created_at="2010-01-01T00:00Z")
    assert names(client.get(f"{V1}trending/")) == ["octo/fast", "octo/slow"]


# First issues


def numbers(answer):
    return [each["number"] for each in answer.json()["results"]]


def test_the_readiest_first_issues_come_first(client):
    project = make_project()
    for number, facts in ((1, {"body": 0}), (2, {}), (3, {"assignees": 1})):
        make_first_issue(project, number, **facts)
    assert numbers(client.get(f"{V1}good-first-issues/")) == [2, 1]


def test_a_first_issue_says_how_ready_it_is_and_why(client):
    make_first_issue(make_project(), body=150)
    (found,) = client.get(f"{V1}good-first-issues/").json()["results"]
    ready = found["readiness"]
    assert sum(part["adds"] for part in ready["parts"]) == pytest.approx(ready["score"], abs=1e-9)
    assert all(part["says"].endswith(".") for part in ready["parts"])
    assert (found["url"], found["project"]["full_name"]) == ("https://github.com/octo/tool/issues/1", "octo/tool")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("stack=Rust", [3]),
        ("category=Games", [3]),
        ("language=zig", [1]),
        ("label=Easy", [2]),
        ("q=paint", [2]),
        ("project=octo3/Tool", [3]),
        ("label=nothing", []),
    ],
)
def test_first_issues_are_filtered(client, some, query, found):
    first, second, third = some
    first.language = "Zig"
    first.save()
    make_first_issue(first, 1)
    make_first_issue(second, 2, title="Paint the door", labels=["E-easy"])
    make_first_issue(third, 3)
    assert numbers(client.get(f"{V1}good-first-issues/?{query}")) == found


def test_first_issues_have_pages_that_hold_each_once(client):
    project = make_project()
    for number in range(7):
        make_first_issue(project, number, body=number % 3 * 100)
    found, address = [], f"{V1}good-first-issues/?page_size=3"
    while address:
        answer = client.get(address)
        found += numbers(answer)
        address = answer.json()["next"]
    assert sorted(found) == list(range(7))


@pytest.mark.parametrize(
    ("query", "field"),
    [("stack=None", "stack"), ("project=a", "project"), ("order=stars", "order"), ("page=2", "page")],
)
def test_a_wrong_filter_of_first_issues_is_named(client, query, field):
    answer = client.get(f"{V1}good-first-issues/?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize(("path", "name", "count"), [("categories/", "Games", 1), ("tech-stacks/", "Rust", 1)])
def test_terms_are_listed_with_how_many_projects_they_have(client, some, path, name, count):
    body = client.get(f"{V1}{path}").json()
    assert {each["name"]: each["projects"] for each in body["results"]}[name] == count


def test_what_a_curator_took_away_is_not_counted(client, some):
    belongs(some[0], Category.objects.get(), applies=False)
    assert client.get(f"{V1}categories/").json()["results"][0]["projects"] == 1


# Runs


def test_staff_who_may_see_runs_list_them(client):
    client.force_login(permit(make_user("bob_webdev"), "view_run"))
    Run.objects.create(pipeline="recommendations", state="done")
    Run.objects.create(pipeline="other", state="waiting")
    assert [each["pipeline"] for each in client.get(f"{V1}runs/?state=done").json()["results"]] == ["recommendations"]


def test_runs_are_hidden_from_others(client, alice):
    assert client.get(f"{V1}runs/").status_code == 404
    client.logout()
    assert client.get(f"{V1}runs/").status_code == 401


# The caller


def test_what_is_known_of_somebody_is_told(client, alice):
    knows(alice, make_stack("Rust"), make_category("Games"))
    act(alice, make_project(), "star")
    body = client.get(f"{V1}me/").json()
    assert (body["username"], body["tech_stacks"], body["categories"], body["acts"]) == (
        "alice_ml", ["Rust"], ["Games"], {"star": 1})  # fmt: skip


def test_somebody_without_a_profile_is_known_by_name(client):
    client.force_login(User.objects.create(username="bob_webdev"))
    assert client.get(f"{V1}me/").json()["username"] == "bob_webdev"


def test_what_somebody_says_replaces_what_was_there(client, alice):
    make_stack("Rust")
    knows(alice, make_stack("Go"))
    said = {"bio": "Games.", "tech_stacks": ["rust"], "interests": ["physics"]}
    body = send(client, "PATCH", "me/", said).json()
    assert (body["bio"], body["tech_stacks"], body["interests"]) == ("Games.", ["Rust"], ["physics"])


def test_what_is_not_said_stays(client, alice):
    knows(alice, make_stack("Go"))
    send(client, "PATCH", "me/", {"bio": "Games."})
    assert send(client, "PATCH", "me/", {"company": "Octo"}).json()["bio"] == "Games."


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"tech_stacks": []}, "tech_stacks"),
        ({"tech_stacks": [f"S{n}" for n in range(11)]}, "tech_stacks"),
        ({"categories": [f"C{n}" for n in range(7)]}, "categories"),
        ({"tech_stacks": ["S1", "Nonsense"]}, "tech_stacks.1"),
        ({"categories": "C1"}, "categories"),
        ({"bio": "x" * 2001}, "bio"),
        ({"bio": "a\u202eb"}, "bio"),
        ({"bio": None}, "bio"),
        ({"interests": [" "]}, "interests.0"),
        ({"interests": ["x"] * 21}, "interests"),
        ({"username": "root"}, "username"),
        ({"is_staff": True}, "is_staff"),
        ({"email": "a@b.example"}, "email"),
        ({"changed_at": "2020-01-01"}, "changed_at"),
    ],
)
def test_a_wrong_word_changes_nothing(client, alice, said, field):
    for n in range(11):
        make_stack(f"S{n}")
        make_category(f"C{n}")
    before = Profile.objects.values().get()
    answer = send(client, "PATCH", "me/", {"company": "Octo", **said})
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert Profile.objects.values().get() == before


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_key_that_only_reads_changes_nothing(client, method):
    user = make_user("alice_ml")
    body = {"confirm": "alice_ml"} if method == "DELETE" else {}
    assert send(client, method, "me/", body, **make_key(user, "read")).status_code == 403


def test_an_account_goes_with_all_that_is_its_own(client, alice):
    act(alice, make_project(), "star")
    key = make_key(alice)
    client.logout()
    assert send(client, "DELETE", "me/", {"confirm": "alice_ml"}, **key).status_code == 204
    assert (User.objects.count(), Interaction.objects.count(), ApiKey.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize(
    ("body", "status"), [({"confirm": "bob"}, 403), ({}, 400), ({"confirm": True}, 400), ({"confirm": ""}, 400)]
)
def test_an_unconfirmed_account_stays(client, alice, body, status):
    assert send(client, "DELETE", "me/", body).status_code == status
    assert User.objects.count() == 1


def test_a_staff_account_stays(client):
    client.force_login(permit(make_user("bob_webdev"), "view_run"))
    assert send(client, "DELETE", "me/", {"confirm": "bob_webdev"}).json()["code"] == "staff_account"
    assert User.objects.count() == 1


def test_all_of_it_is_exported(client, alice):
    act(alice, make_project(), "star")
    answer = client.get(f"{V1}me/export/")
    assert answer.json()["Interaction"][0]["project_full_name"] == "octo/tool"
    assert answer["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("path", ["feedback/", "me/", "me/export/", "runs/", "recommendations/alice_ml/"])
def test_what_is_private_needs_somebody(client, path):
    assert client.get(f"{V1}{path}").status_code == 401

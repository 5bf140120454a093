import json
import time

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from recommendations import serving
from recommendations.models import Interaction, Profile
from recommendations.tests.factories import (
    act,
    belongs,
    give_vector,
    knows,
    make_category,
    make_model,
    make_project,
    make_projects,
    make_stack,
    make_user,
    make_weights,
    score,
    star,
)

pytestmark = pytest.mark.django_db
PAGE = "/profile/"


@pytest.fixture
def alice(client):
    user = make_user("alice_ml")
    client.force_login(user)
    return user


def page(client, query=""):
    response = client.get(f"{PAGE}{query}")
    assert response.status_code == 200
    return response.content.decode()


def do(client, verb, query="", **data):
    return client.post(f"{PAGE}{query}", {"do": verb, **data})


def stacks(user, applies=True):
    return set(user.profile.stack_links.filter(applies=applies).values_list("stack__name", flat=True))


def categories(user, applies=True):
    return set(user.profile.category_links.filter(applies=applies).values_list("category__name", flat=True))


def password(user, client):
    """Give a person a password and sign them in with it."""
    user.set_password("correct-horse-battery")
    user.save()
    client.post("/accounts/login/", {"login": user.username, "password": "correct-horse-battery"})


# What is shown


@pytest.mark.parametrize("name", ["profile", "profile_export", "profile_delete"])
def test_a_stranger_is_sent_to_sign_in(client, name):
    response = client.get(reverse(name))
    assert response.status_code == 302
    assert response.url == f"/accounts/login/?next={reverse(name)}"


def test_somebody_of_whom_nothing_is_known_gets_a_page(client):
    client.force_login(User.objects.create(username="carol_new"))
    assert "Nothing to ask" in page(client)


def test_what_was_said_is_shown_with_its_source(client, alice):
    knows(alice, make_stack("Rust"))
    assert "you said" in page(client)


def test_what_a_run_inferred_is_shown_with_its_confidence(client, alice):
    alice.profile.stack_links.create(stack=make_stack("Rust"), source="auto", confidence=0.8)
    assert "inferred, 80%" in page(client)


def test_what_is_inferred_is_shown_with_its_reason(client, alice):
    rust = make_stack("Rust")
    for number in range(3):
        project = make_project(f"octo{number}/tool")
        belongs(project, rust)
        star(alice, project)
    assert "3 of the 3 projects you care for are made with Rust" in page(client)


def test_a_refused_stack_is_shown_and_not_proposed(client, alice):
    Profile.objects.filter(pk=alice.pk).update(bio="Rust.")
    alice.profile.stack_links.create(stack=make_stack("Rust"), source="curated", applies=False)
    text = page(client)
    assert "take back" in text
    assert "Not mine" not in text


def test_the_links_that_belong_to_an_account_are_there(client, alice):
    text = page(client)
    names = ("keys", "account_change_password", "mfa_index", "profile_export", "profile_delete", "for_you")
    assert [name for name in names if f'href="{reverse(name)}"' not in text] == []


def test_the_age_of_the_list_is_told(client, alice):
    make_projects(2)
    make_weights()
    score()
    assert "Your list was computed from this page just now" in page(client)


def test_a_change_since_the_list_was_computed_is_told(client, alice):
    make_projects(2)
    make_weights()
    score()
    do(client, "words", bio="New words.")
    assert "This page changed since" in page(client)


# What can be changed


def test_words_are_kept(client, alice):
    said = {"job_title": "Engineer", "location": "Lyon", "company": "Octo", "bio": "One line.\r\nAnother."}
    assert do(client, "words", **said).status_code == 302
    profile = Profile.objects.get(pk=alice.pk)
    assert (profile.job_title, profile.location, profile.company) == ("Engineer", "Lyon", "Octo")
    assert profile.bio == "One line.\nAnother."


def test_words_can_be_emptied(client, alice):
    Profile.objects.filter(pk=alice.pk).update(bio="Old.")
    do(client, "words", bio="")
    assert Profile.objects.get(pk=alice.pk).bio == ""


@pytest.mark.parametrize(
    "bio",
    ["x" * 2_001, "💥" * 10_000, "a\0b", "a\x1b[31mb", "evil \u202etxt.exe", "a\u2066b"],
    ids=["too long", "emoji", "NUL", "escape", "override", "isolate"],
)
def test_a_bio_that_cannot_be_kept_is_an_error(client, alice, bio):
    response = do(client, "words", bio=bio, company="Octo")
    assert response.status_code == 422
    assert "Nothing was saved" in response.content.decode()
    assert Profile.objects.get(pk=alice.pk).bio == ""


def test_after_an_error_what_was_typed_is_still_there(client, alice):
    assert 'value="Octo"' in do(client, "words", bio="x" * 2_001, company="Octo").content.decode()


@pytest.mark.parametrize(
    "bio",
    ["x" * 2_000, "e" + "\u0301" * 1_000, "💥" * 2_000, "<script>alert(1)</script>", "{{ request }}", "\ufdfd مرحبا"],
    ids=["longest", "zalgo", "emoji", "script", "template", "arabic"],
)
def test_an_odd_bio_is_kept_and_inert(client, alice, bio):
    assert do(client, "words", bio=bio).status_code == 302
    assert Profile.objects.get(pk=alice.pk).bio == bio
    assert "<script>alert" not in page(client)


def test_bytes_that_are_no_text_do_no_harm(client, alice):
    body = b"do=words&bio=%ED%A0%80&job_title=%FF%FE"
    response = client.post(PAGE, body, content_type="application/x-www-form-urlencoded")
    assert response.status_code in (302, 400, 422)


def test_an_interest_is_added(client, alice):
    do(client, "interest", interest="  static   analysis ")
    assert Profile.objects.get(pk=alice.pk).interests == ["static analysis"]


@pytest.mark.parametrize("interest", ["", "Games", "x" * 61, "a\0b", "a\u202eb"])
def test_an_interest_that_cannot_be_added_is_an_error(client, alice, interest):
    Profile.objects.filter(pk=alice.pk).update(interests=["games"])
    assert do(client, "interest", interest=interest).status_code == 422
    assert Profile.objects.get(pk=alice.pk).interests == ["games"]


def test_a_twenty_first_interest_is_an_error(client, alice):
    Profile.objects.filter(pk=alice.pk).update(interests=[f"interest {number}" for number in range(20)])
    response = do(client, "interest", interest="one more")
    assert (response.status_code, "at most 20" in response.content.decode()) == (422, True)


def test_an_interest_is_removed(client, alice):
    Profile.objects.filter(pk=alice.pk).update(interests=["games", "<b>maps</b>"])
    assert "<b>maps" not in page(client)
    do(client, "drop-interest", value="<b>maps</b>")
    assert Profile.objects.get(pk=alice.pk).interests == ["games"]


def test_a_stack_is_added_by_their_own_word(client, alice):
    do(client, "add", kind="stack", id=make_stack("Rust").pk)
    link = alice.profile.stack_links.get()
    assert (link.source, link.applies, link.confidence) == ("curated", True, 1.0)


def test_a_category_is_added(client, alice):
    do(client, "add", kind="category", id=make_category("Games").pk)
    assert categories(alice) == {"Games"}


@pytest.mark.parametrize(("kind", "make", "most"), [("stack", make_stack, 10), ("category", make_category, 6)])
def test_no_more_than_the_limit_are_kept(client, alice, kind, make, most):
    terms = [make(f"term {number}") for number in range(most + 1)]
    knows(alice, *terms[:most])
    response = do(client, "add", kind=kind, id=terms[most].pk)
    assert (response.status_code, f"at most {most}" in response.content.decode()) == (422, True)
    assert len(stacks(alice) | categories(alice)) == most


def test_refusals_do_not_count_for_the_limit(client, alice):
    terms = [make_stack(f"term {number}") for number in range(11)]
    for term in terms[:10]:
        alice.profile.stack_links.create(stack=term, source="curated", applies=False)
    do(client, "add", kind="stack", id=terms[10].pk)
    assert stacks(alice) == {"term 10"}


def test_what_was_said_is_removed(client, alice):
    rust = make_stack("Rust")
    knows(alice, rust)
    do(client, "drop", kind="stack", id=rust.pk)
    assert not alice.profile.stack_links.exists()


def test_what_a_run_inferred_is_refused_when_removed(client, alice):
    rust = make_stack("Rust")
    alice.profile.stack_links.create(stack=rust, source="auto", confidence=0.8)
    do(client, "drop", kind="stack", id=rust.pk)
    assert stacks(alice, applies=False) == {"Rust"}


@pytest.mark.parametrize(
    ("kind", "make", "held"), [("stack", make_stack, stacks), ("category", make_category, categories)]
)
def test_a_suggestion_is_refused_and_taken_back(client, alice, kind, make, held):
    term = make("Rust")
    do(client, "refuse", kind=kind, id=term.pk)
    assert (held(alice), held(alice, applies=False)) == (set(), {"Rust"})
    do(client, "forget", kind=kind, id=term.pk)
    assert (held(alice), held(alice, applies=False)) == (set(), set())


def test_what_is_inferred_counts_for_nothing_until_added(client, alice):
    make_stack("Rust", words=["rust"])
    do(client, "words", bio="I write Rust.")
    page(client)
    assert not alice.profile.stack_links.exists()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 400), ({"do": "conquer"}, 400), ({"do": "add"}, 400), ({"do": "add", "kind": "planet", "id": 1}, 400),
        ({"do": "add", "kind": "stack"}, 404), ({"do": "add", "kind": "stack", "id": 999}, 404),
        ({"do": "add", "kind": "stack", "id": "-1"}, 404), ({"do": "add", "kind": "stack", "id": "1" * 40}, 404),
        ({"do": "add", "kind": "stack", "id": str(2**63)}, 404), ({"do": "add", "kind": "stack", "id": "²"}, 404),
        ({"do": "undo", "kind": "stare", "project": 1}, 400), ({"do": "undo", "kind": "star", "project": "x\0"}, 404),
        ({"do": "undo", "kind": "star", "project": 999}, 404), ({"do": "words\0"}, 400),
        ({"do": "drop-interest"}, 302), ({"do": "drop-interest", "value": "\0"}, 302),
    ],
)  # fmt: skip
def test_bad_input_gets_a_clear_answer(client, alice, data, status):
    assert client.post(PAGE, data).status_code == status


def test_another_method_is_refused(client, alice):
    assert client.put(PAGE).status_code == 405


def test_a_change_without_the_token_is_refused(alice, client):
    client.handler.enforce_csrf_checks = True
    assert do(client, "words", bio="x").status_code == 403


def test_a_change_goes_back_to_where_it_was_made(client, alice):
    response = do(client, "words", "?kind=like&page=2", bio="x")
    assert response.url == "/profile/?kind=like&page=2#words"


# What it does to the list


@pytest.fixture
def two_projects():
    """One with Rust and one with Go, the same otherwise."""
    made = [make_project(f"octo/{name}", stars=10) for name in ("oxide", "gopher")]
    for project, name in zip(made, ("Rust", "Go"), strict=True):
        belongs(project, make_stack(name))
        give_vector(project, [1, 1, 0])
    make_model()
    make_weights()
    return made


def first(user):
    return serving.for_user(user).rows[0].project.name


@pytest.mark.parametrize(("name", "expected"), [("Rust", "oxide"), ("Go", "gopher")])
def test_the_list_follows_an_added_stack_at_once(client, alice, two_projects, name, expected):
    score()
    do(client, "add", kind="stack", id=two_projects[name == "Go"].stack_links.get().stack_id)
    assert first(alice) == expected


def test_the_list_follows_a_refused_stack_at_once(client, alice, two_projects):
    oxide, gopher = two_projects
    do(client, "add", kind="stack", id=oxide.stack_links.get().stack_id)
    score()
    do(client, "refuse", kind="stack", id=gopher.stack_links.get().stack_id)
    assert [row.project.name for row in serving.for_user(alice).rows] == ["oxide"]


def test_a_project_comes_back_at_once_when_hiding_it_is_undone(client, alice, two_projects):
    oxide, _ = two_projects
    do(client, "add", kind="stack", id=oxide.stack_links.get().stack_id)
    act(alice, oxide, "dismiss")
    score()
    do(client, "undo", kind="dismiss", project=oxide.pk)
    assert first(alice) == "oxide"


# What they did


def test_acts_are_shown_a_kind_at_a_time_with_their_counts(client, alice):
    for number, project in enumerate(make_projects(3)):
        act(alice, project, ("star", "like", "save")[number])
    text = page(client, "?kind=like")
    assert "octo1" in text
    assert "octo0" not in text


def test_the_first_kind_that_there_is_any_of_is_shown(client, alice):
    act(alice, make_project("octo/tool"), "save")
    assert "saved" in page(client)


def test_twenty_acts_a_page(client, alice):
    for project in make_projects(21):
        star(alice, project)
    assert page(client).count('name="project"') == 20
    assert page(client, "?page=2").count('name="project"') == 1


@pytest.mark.parametrize("number", ["0", "-1", "99", "x", "9" * 400])
def test_a_page_that_is_not_there_is_the_nearest(client, alice, number):
    star(alice, make_project())
    assert page(client, f"?page={number}").count('name="project"') == 1


def test_an_unknown_kind_is_not_found(client, alice):
    assert client.get(f"{PAGE}?kind=stare").status_code == 404


@pytest.mark.parametrize("kind", ["star", "like", "save", "dismiss"])
def test_an_act_is_undone(client, alice, kind):
    project = make_project()
    act(alice, project, kind)
    response = do(client, "undo", f"?kind={kind}", kind=kind, project=project.pk)
    assert response.url == f"/profile/?kind={kind}#acts"
    assert not alice.interactions.exists()


def test_acts_of_others_stay(client, alice):
    project = make_project()
    star(make_user("bob_webdev"), project)
    do(client, "undo", kind="star", project=project.pk)
    assert Interaction.objects.count() == 1


def test_a_hostile_description_is_inert(client, alice):
    star(alice, make_project(description="<script>alert(1)</script>", language="<b>x"))
    assert "<script>alert" not in page(client)


def test_more_of_everything_costs_no_more_queries(client, alice):
    def fill(start, count):
        for number in range(start, start + count):
            project, stack, category = (
                make_project(f"octo{number}/tool"),
                make_stack(f"s{number}"),
                make_category(f"c{number}"),
            )
            belongs(project, stack, category)
            star(alice, project)
            knows(alice, make_stack(f"own {number}"), make_category(f"own {number}"))

    fill(0, 2)
    page(client)
    with CaptureQueriesContext(
        connection,
    ) as few:
        page(client)
    fill(2, 10)
    with CaptureQueriesContext(connection) as many:
        page(client)
    assert len(few) == len(many) <= 14


# The export


def test_the_export_is_a_file(client, alice):
    response = client.get("/profile/export/")
    assert response["Content-Disposition"] == 'attachment; filename="ost-alice_ml.json"'
    assert response["Content-Type"] == "application/json"
    assert json.loads(response.content)["account"]["username"] == "alice_ml"


def test_the_export_keeps_letters_readable(client, alice):
    Profile.objects.filter(pk=alice.pk).update(bio="Zürich ❤")
    assert "Zürich ❤" in client.get("/profile/export/").content.decode()


@pytest.mark.parametrize("username", ['a"b', "a@b.org", "+", "ünicode"])
def test_the_name_of_the_file_is_plain(client, username):
    client.force_login(make_user(username))
    header = client.get("/profile/export/")["Content-Disposition"]
    assert (header.isascii(), header.count(chr(34))) == (True, 2)


def test_the_export_is_only_read(client, alice):
    assert client.post("/profile/export/").status_code == 405


# The deletion


def test_the_page_says_what_will_go(client, alice):
    star(alice, make_project())
    text = client.get("/profile/delete/").content.decode()
    assert "stars, likes, saves and other acts: 1" in text
    assert User.objects.count() == 1


def test_somebody_without_a_password_only_types_their_name(client, alice):
    response = client.post("/profile/delete/", {"username": "alice_ml"})
    assert (response.status_code, response.url) == (302, "/")
    assert not User.objects.exists()


def test_afterwards_they_are_signed_out_and_told(client, alice):
    client.post("/profile/delete/", {"username": "alice_ml"})
    response = client.get("/profile/")
    assert response.status_code == 302
    assert "Your data are deleted." in client.get(response.url).content.decode()


@pytest.mark.parametrize("typed", ["", "bob_webdev", "ALICE_ML", "alice_ml\0", "x" * 10_000])
def test_another_name_deletes_nothing(client, alice, typed):
    response = client.post("/profile/delete/", {"username": typed})
    assert (response.status_code, User.objects.count()) == (422, 1)


def test_a_password_is_asked_for_before_the_deletion(client):
    user = make_user("alice_ml")
    password(user, client)
    response = client.post("/profile/delete/", {"username": "alice_ml"})
    assert (response.status_code, User.objects.count()) == (302, 1)
    assert response.url.startswith("/accounts/reauthenticate/")


def test_the_right_password_goes_on_with_the_deletion(client):
    user = make_user("alice_ml")
    password(user, client)
    asked = client.post("/profile/delete/", {"username": "alice_ml"}).url
    client.post(asked, {"password": "correct-horse-battery", "next": "/profile/delete/"})
    assert not User.objects.exists()


def test_a_wrong_password_deletes_nothing(client):
    user = make_user("alice_ml")
    password(user, client)
    asked = client.post("/profile/delete/", {"username": "alice_ml"}).url
    client.post(asked, {"password": "wrong", "next": "/profile/delete/"})
    assert User.objects.count() == 1


def test_a_password_given_a_while_ago_does_not_do(client, settings):
    user = make_user("alice_ml")
    password(user, client)
    session = client.session
    session["account_authentication_methods"] = [
        {
            "method": "password",
            "at": time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT - 1,
            "reauthenticated": True,
        }
    ]
    session.save()
    assert client.post("/profile/delete/", {"username": "alice_ml"}).url.startswith("/accounts/reauthenticate/")


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_administrator_is_not_deleted_here(client, alice, method):
    User.objects.update(is_superuser=True, is_staff=True)
    response = getattr(client, method)("/profile/delete/", {"username": "alice_ml"})
    assert (response.status_code, User.objects.count()) == (403, 1)


def test_a_deletion_without_the_token_is_refused(client, alice):
    client.handler.enforce_csrf_checks = True
    assert client.post("/profile/delete/", {"username": "alice_ml"}).status_code == 403


def test_the_pages_hold_no_inline_script_or_style(client, alice):
    texts = [page(client), client.get("/profile/delete/").content.decode()]
    assert not [text for text in texts if " style=" in text or " onclick=" in text or "<script>" in text]

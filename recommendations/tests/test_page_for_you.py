"""The list of somebody signed in, and what they do with it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recommendations import profiles, serving
from recommendations.models import Interaction, Profile
from recommendations.tests.factories import (
    belongs,
    give_vector,
    knows,
    make_category,
    make_project,
    make_projects,
    make_stack,
    make_user,
    make_weights,
    score,
    star,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alice(client):
    """Signed in, with a text, over thirty projects and a live generation."""
    make_weights()
    make_projects(30)
    user = make_user(interests=["search"])
    give_vector(user, [1, 0.5, 0])
    score()
    client.force_login(user)
    return user


def first(user):
    return serving.for_user(user).rows[0].project


def shown(client, path="/for-you/"):
    return [line.project.full_name for line in client.get(path).context["lines"]]


def page(client, path="/for-you/"):
    return client.get(path).content.decode()


def act(client, project, do, **more):
    """Press a button; headers make it a request of HTMX."""
    headers = more.pop("headers", None)
    return client.post("/act/", {"project": project.pk, "do": do, "next": "/for-you/", **more}, headers=headers)


# The list


def test_a_stranger_signs_in_first(client):
    assert client.get("/for-you/").url == "/accounts/login/?next=/for-you/"


def test_a_fragment_is_not_replaced_by_the_sign_in_page(client):
    answer = client.get("/for-you/", headers=HTMX)
    assert answer["HX-Redirect"] == "/accounts/login/?next=/for-you/"


def test_the_first_page_is_the_first_twenty_in_order(client, alice):
    assert shown(client) == [row.project.full_name for row in serving.for_user(alice).rows[:20]]


def test_all_of_it_comes_on_demand(client, alice):
    assert 'href="/for-you/?show=50"' in page(client)
    assert len(shown(client, "/for-you/?show=50")) == 30


def test_the_page_says_what_the_list_is_made_from(client, alice):
    knows(alice, make_stack("Rust"), make_stack("Go"), make_category("Games"))
    star(alice, make_project("octo/starred"))
    assert "From 2 stacks, 1 category, 1 interest and 1 star." in page(client)


def test_what_they_said_stands_beside_it(client, alice):
    knows(alice, make_stack("Rust"), make_category("Games"))
    assert client.get("/for-you/").context["said"].named == ["Rust", "Games", "search"]


def test_what_they_refused_is_not_what_they_said(client, alice):
    alice.profile.stack_links.create(stack=make_stack("Rust"), applies=False)
    assert client.get("/for-you/").context["said"].stacks == []


def test_a_list_of_the_generation_says_when_it_was_computed(client, alice):
    assert "Computed just now." in page(client)


def test_after_a_change_the_page_says_that_it_was_computed_from_it(client, alice):
    profiles.touch([alice.pk], told=False)
    assert "Computed just now, from what you changed." in page(client)


def test_each_row_shows_its_score_and_why(client, alice):
    row = serving.for_user(alice).rows[0]
    assert f"{row.score:.0%}" in page(client)
    assert f'href="{row.project.get_absolute_url()}why/"' in page(client)


def test_a_row_offers_the_stacks_of_its_project(client, alice):
    rust = make_stack("Rust")
    belongs(first(alice), rust)
    assert f'value="refuse-{rust.pk}"' in page(client)


def test_a_stack_that_they_named_is_not_offered_as_not_theirs(client, alice):
    rust, go = make_stack("Rust"), make_stack("Go")
    belongs(first(alice), rust, go)
    knows(alice, rust)
    (line, *_) = client.get("/for-you/").context["lines"]
    assert line.stacks == [(go.pk, "Go")]


def test_somebody_of_whom_nothing_is_known_is_sent_to_say_something(client, alice):
    client.force_login(make_user("new"))
    found = page(client)
    assert "popular or new" in found
    assert 'href="/welcome/"' in found


def test_without_a_project_the_page_names_the_command(client):
    client.force_login(make_user())
    assert "import_projects" in page(client)


def test_a_user_without_a_profile_gets_a_list(client, alice, django_user_model):
    client.force_login(django_user_model.objects.create(username="bare"))
    assert len(shown(client)) == 20


def test_words_that_wait_to_be_read_are_asked_for_again(client, alice, settings):
    settings.READ_TEXTS, settings.EMBEDDING_PROVIDERS = True, {}
    profiles.say(alice, bio="other words")
    found = page(client)
    assert "still being read" in found
    assert 'hx-trigger="load delay:2s"' in found


def test_each_time_it_waits_longer(client, alice, settings):
    settings.READ_TEXTS, settings.EMBEDDING_PROVIDERS = True, {}
    profiles.say(alice, bio="other words")
    waits = [client.get("/for-you/", headers={"X-Tries": str(tries)}).context["wait"].seconds for tries in (1, 3, 50)]
    assert waits == [4, 16, 30]


@pytest.mark.parametrize("tries", ["-1", "abc", "9" * 5000, "١"])
def test_a_wrong_count_of_tries_is_none(client, alice, tries):
    assert client.get("/for-you/", headers={"X-Tries": tries}).context["wait"].seconds == 2


def test_hostile_text_is_shown_as_it_is(client, alice):
    project = first(alice)
    project.description = "<script>alert(1)</script>{{7*7}}"
    project.save()
    found = page(client)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in found
    assert "<script>alert(1)" not in found


def test_ten_more_rows_cost_no_more_queries(client, alice):
    for project in serving.for_user(alice).rows:
        belongs(project.project, make_stack(f"stack {project.rank}"))
    client.get("/for-you/")
    with CaptureQueriesContext(connection) as few:
        client.get("/for-you/")
    with CaptureQueriesContext(connection) as many:
        client.get("/for-you/?show=50")
    assert len(many) == len(few) <= 12


# Filters


@pytest.mark.parametrize("asked", ["newcomers=1", "active=30", "small=1", "newcomers=1&active=30&small=1"])
def test_a_filter_keeps_what_fits(client, alice, asked):
    fits = make_project("octo/fits", topics=["good-first-issue"], pushed_at=timezone.now(), stars=5)
    plain = make_project("octo/plain", stars=5_000, pushed_at=timezone.now() - timedelta(days=31))
    for project in (fits, plain):
        give_vector(project, [1, 0.5, 0])
    score()
    found = shown(client, f"/for-you/?{asked}&show=50")
    assert "octo/fits" in found
    assert "octo/plain" not in found


def test_a_filter_keeps_the_rank(client, alice):
    make_project("octo/fits", topics=["good-first-issue"])
    give_vector(make_project("octo/also", topics=["help-wanted"]), [0.1, 0.5, 0])
    score()
    (line,) = [each for each in client.get("/for-you/?newcomers=1").context["lines"] if each.project.name == "also"]
    assert line.row.rank > 1


def test_a_filter_is_a_link_that_keeps_the_others(client, alice):
    switches = {label: (address, on) for label, address, on in client.get("/for-you/?small=1").context["switches"]}
    assert switches["asks for newcomers"] == ("/for-you/?newcomers=1&small=1", False)
    assert switches["under 1k stars"] == ("/for-you/", True)


def test_when_nothing_fits_the_page_says_so(client, alice):
    assert "Nothing on your list fits" in page(client, "/for-you/?newcomers=1")


@pytest.mark.parametrize(
    "asked",
    [
        "page=1",
        f"page={'9' * 5000}",
        "show=abc",
        "show=-1",
        f"show={'9' * 5000}",
        "show=100",
        "newcomers=maybe",
        "newcomers=",
        "small=1&small=2",
        "active=%ED%A0%80",
        "active=%00",
        "_connector=OR+1=1",
        "x" * 5000,
    ],
)
def test_another_parameter_or_value_is_refused(client, alice, asked):
    assert client.get(f"/for-you/?{asked}").status_code == 400


def test_the_same_value_twice_is_that_value(client, alice):
    assert client.get("/for-you/?small=1&small=1").status_code == 200


def test_the_list_is_only_read(client, alice):
    assert client.post("/for-you/").status_code == 405


# What they do


@pytest.mark.parametrize("kind", ["like", "save", "dismiss"])
def test_an_act_is_stored_and_leads_back(client, alice, kind):
    project = first(alice)
    answer = act(client, project, kind, next="/for-you/?small=1")
    assert (answer.status_code, answer.url) == (302, "/for-you/?small=1")
    assert Interaction.objects.filter(user=alice, project=project, kind=kind).exists()


@pytest.mark.parametrize("kind", ["like", "save", "dismiss"])
def test_an_act_is_taken_back(client, alice, kind):
    project = first(alice)
    act(client, project, kind)
    act(client, project, f"undo-{kind}")
    assert not Interaction.objects.exists()


@pytest.mark.parametrize("do", ["like", "undo-like", "dismiss", "refuse", "accept"])
def test_twice_is_the_same_as_once(client, alice, do):
    project, rust = first(alice), make_stack("Rust")
    belongs(project, rust)
    do = f"{do}-{rust.pk}" if do in ("refuse", "accept") else do

    def state():
        links = list(alice.profile.stack_links.values_list("stack", "applies"))
        return links, list(Interaction.objects.values_list("kind", "count"))

    act(client, project, do)
    once = state()
    act(client, project, do)
    assert state() == once


def test_not_my_stack_hides_the_project_and_refuses_the_stack(client, alice):
    project, rust = first(alice), make_stack("Rust")
    act(client, project, f"refuse-{rust.pk}")
    assert project.full_name not in shown(client)
    assert alice.profile.stack_links.get().applies is False


def test_taking_a_refusal_back_shows_the_project_again(client, alice):
    project, rust = first(alice), make_stack("Rust")
    act(client, project, f"refuse-{rust.pk}")
    act(client, project, f"accept-{rust.pk}")
    assert project.full_name in shown(client)
    assert not alice.profile.stack_links.exists()


def test_a_liked_row_stays_in_sight_with_its_score(client, alice):
    row = serving.for_user(alice).rows[0]
    answer = act(client, row.project, "like", headers=HTMX)
    found = answer.content.decode()
    assert 'value="undo-like"' in found
    assert f"{row.score:.0%}" in found
    assert "<html" not in found
    assert "HX-Request" in answer["Vary"]


def test_a_hidden_row_offers_to_undo(client, alice):
    found = act(client, first(alice), "dismiss", headers=HTMX).content.decode()
    assert "Hidden" in found
    assert 'value="undo-dismiss"' in found


def test_a_refused_stack_is_named_and_can_be_taken_back(client, alice):
    project, rust = first(alice), make_stack("Rust")
    found = act(client, project, f"refuse-{rust.pk}", headers=HTMX).content.decode()
    assert "Rust" in found
    assert f'value="accept-{rust.pk}"' in found


def test_after_undo_the_row_is_back_with_its_score(client, alice):
    row = serving.for_user(alice).rows[0]
    act(client, row.project, "dismiss")
    found = act(client, row.project, "undo-dismiss", headers=HTMX).content.decode()
    assert f"{row.score:.0%}" in found
    assert 'value="dismiss"' in found


def test_a_row_of_a_plain_list_gets_no_score(client, alice):
    found = act(client, first(alice), "like", next="/projects/?q=tool", headers=HTMX)
    assert "score" not in found.content.decode()
    assert 'value="/projects/?q=tool"' in found.content.decode()


def test_a_stranger_who_acts_signs_in_and_comes_back_to_the_page(client, alice):
    client.logout()
    assert act(client, make_project("octo/x"), "like").url == "/accounts/login/?next=/for-you/"
    assert not Interaction.objects.exists()


def test_a_stranger_who_acts_by_script_is_led_to_sign_in(client, alice):
    client.logout()
    answer = act(client, make_project("octo/x"), "like", headers=HTMX)
    assert answer["HX-Redirect"] == "/accounts/login/?next=/for-you/"


@pytest.mark.parametrize(
    "project", ["", "abc", "0", "-1", "1.5", "١", "9" * 18, "9" * 5000, "10" * 15, "1%00", "%ED%A0%BD", "%ff"]
)
def test_an_unknown_project_is_not_found(client, alice, project):
    data, form = f"project={project}&do=like", "application/x-www-form-urlencoded"
    assert client.post("/act/", data, content_type=form).status_code == 404


@pytest.mark.parametrize(
    ("do", "status"),
    [
        ("", 400),
        ("star", 400),
        ("undo-star", 400),
        ("undo-", 400),
        ("like\0", 400),
        ("x" * 1_000_000, 400),
        ("refuse-", 404),
        ("refuse-abc", 404),
        ("refuse-999999", 404),
        (f"refuse-{'9' * 5000}", 404),
        ("accept-0", 404),
    ],
)
def test_a_wrong_act_is_refused_and_changes_nothing(client, alice, do, status):
    changed = Profile.objects.get(pk=alice.pk).changed_at
    assert act(client, first(alice), do).status_code == status
    assert not Interaction.objects.exists()
    assert Profile.objects.get(pk=alice.pk).changed_at == changed


@pytest.mark.parametrize(
    "back",
    ["//evil.com", "https:evil", "https://evil.com/", "javascript:alert(1)", "/\\evil.com", "", "/" + "a" * 5000],
)
def test_nobody_is_led_off_the_site(client, alice, back):
    assert act(client, first(alice), "like", next=back).url == "/for-you/"


def test_an_act_is_no_link(client, alice):
    assert client.get("/act/").status_code == 405


def test_an_act_needs_the_token(alice, client):
    client.handler.enforce_csrf_checks = True
    assert act(client, first(alice), "like").status_code == 403

"""The section of the profile about stars on GitHub."""

from datetime import timedelta

import pytest
from django.utils import timezone

from engine.testing.github import GitHub, Repo
from engine.testing.serving import Server
from recommendations import my_data, stars
from recommendations.models import Interaction, StarImport
from recommendations.tests.factories import make_project, make_user, star

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client):
    user = make_user("alice")
    client.force_login(user)
    return user


def page(client):
    return " ".join(client.get("/profile/").content.decode().split())


def say(client, do, **said):
    return client.post("/profile/", {"do": do, **said})


def listed(user, **facts):
    usual = {"login": "ada", "state": "done", "found": 412, "stored": 412}
    return StarImport.objects.create(user=user, **{**usual, "fetched_at": timezone.now() - timedelta(hours=3), **facts})


def test_a_person_begins_with_their_name(client, alice):
    assert say(client, "stars", login="@ada").url == "/profile/#stars"
    assert (StarImport.objects.get().login, StarImport.objects.get().user) == ("ada", alice)
    assert "The stars of <b>ada</b> are read as soon as there is time." in page(client)


def test_nothing_is_asked_of_github_in_the_request(client, alice, settings):
    with Server(GitHub()) as server:
        settings.GITHUB_API_URL, settings.ALLOW_PRIVATE_UPSTREAMS = server.url, True
        say(client, "stars", login="ada")
        page(client)
        assert server.asked == []


@pytest.mark.parametrize("login", ["", "../admin", "a b", "https://elsewhere.example/ada"])
def test_what_is_no_name_is_said_beside_what_was_typed(client, alice, login):
    answer = say(client, "stars", login=login)
    assert (answer.status_code, "no name on GitHub" in answer.content.decode()) == (422, True)
    assert not StarImport.objects.exists()


def test_how_many_of_how_many_is_shown(client, alice):
    listed(alice)
    assert "<strong>412 of 412</strong> stars of <b>ada</b>, read 3 hours ago." in page(client)


def test_what_is_missing_is_said(client, alice):
    listed(alice, stored=409, skipped=2, left_out=[7])
    said = page(client)
    assert all(words in said for words in ("409 of 412", "2 could not be read.", "1 you removed here."))


def test_a_reading_shows_how_far_it_is_and_asks_again(client, alice):
    listed(alice, state="reading", begun=[["", 100, []], ["", 100, []]], last=5, fetched_at=None)
    said = page(client)
    assert "200 so far, page 2 of 5." in said
    assert 'hx-select="#stars"' in said


def test_a_finished_one_asks_no_more(client, alice):
    listed(alice)
    assert 'hx-select="#stars"' not in page(client)


def test_a_name_that_github_does_not_know_is_said(client, alice):
    listed(alice, state="lost")
    assert "GitHub knows nobody named <b>ada</b>" in page(client)


def test_an_error_is_said_with_when_it_is_tried_again(client, alice):
    listed(alice, state="reading", error="GitHub answers 500", next_at=timezone.now(), last=1)
    assert "GitHub answers 500; it is tried again on" in page(client)


def test_a_person_ends_it(client, alice):
    listed(alice)
    Interaction.objects.create(user=alice, project=make_project(), kind="star", at=timezone.now(), from_github=True)
    say(client, "stop-stars")
    assert (Interaction.objects.count(), StarImport.objects.get().state) == (0, "stopped")
    assert "Stop and remove" not in page(client)


def test_nobody_ends_what_is_anothers(client, alice):
    listed(make_user("bob"))
    say(client, "stop-stars")
    assert StarImport.objects.get().state == "done"


def test_a_star_that_is_removed_here_is_left_out_of_the_next_reading(client, alice):
    listed(alice)
    project = make_project(github_id=7)
    Interaction.objects.create(user=alice, project=project, kind="star", at=timezone.now(), from_github=True)
    say(client, "undo", kind="star", project=project.pk)
    assert (StarImport.objects.get().left_out, Interaction.objects.count()) == ([7], 0)


def test_a_star_of_a_file_is_removed_as_ever(client, alice):
    listed(alice)
    project = make_project(github_id=7)
    star(alice, project)
    say(client, "undo", kind="star", project=project.pk)
    assert (StarImport.objects.get().left_out, Interaction.objects.count()) == ([], 0)


def test_the_export_tells_which_stars_came_from_github(alice):
    listed(alice)
    Interaction.objects.create(user=alice, project=make_project(), kind="star", at=timezone.now(), from_github=True)
    given = my_data.everything(alice)
    assert (given["StarImport"][0]["login"], given["Interaction"][0]["from_github"]) == ("ada", True)


def test_whoever_is_deleted_leaves_no_list(alice):
    listed(alice)
    my_data.forget(alice)
    assert not StarImport.objects.exists()


def test_from_the_form_to_the_stars(client, alice, settings):
    world = GitHub(repositories=[Repo(id=1, full_name="octo/tool")])
    world.star("ada", "octo/tool")
    with Server(world) as server:
        settings.GITHUB_API_URL, settings.ALLOW_PRIVATE_UPSTREAMS = server.url, True
        say(client, "stars", login="ada")
        stars.by_clock()
    assert "1 of 1" in page(client)

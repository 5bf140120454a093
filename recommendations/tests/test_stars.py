"""The stars of a person, from a GitHub of our own: begun, read, kept as the list is, ended."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from engine.collectors.github_stars import is_login
from engine.models import Allowance
from engine.testing.github import GitHub, Repo
from engine.testing.serving import Reply, Server
from recommendations import collecting, stars
from recommendations.models import Interaction, Project, StarImport
from recommendations.tests.factories import make_project, make_user, snapshot, star

pytestmark = pytest.mark.django_db
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def github(settings):
    world = GitHub()
    with Server(world) as server:
        settings.GITHUB_API_URL, settings.GITHUB_GRAPHQL_URL = server.url, f"{server.url}/graphql"
        settings.GITHUB_ACCESS_TOKEN, settings.ALLOW_PRIVATE_UPSTREAMS = "sample-token", True
        world.server = server
        yield world


@pytest.fixture
def alice():
    return make_user("alice")


def starring(world, count, login="ada"):
    """A person there who starred so many repositories, one a minute."""
    for number in range(1, count + 1):
        world.add(Repo(id=number, full_name=f"octo/tool{number}", stars=number))
        world.star(login, f"octo/tool{number}", WHEN + timedelta(minutes=number))


def read(user=None, login="ada"):
    """Begin, and read at once."""
    if user:
        stars.begin(user, login)
    return stars.by_clock()


def tomorrow():
    """As if the last reading had been a day ago."""
    StarImport.objects.update(next_at=timezone.now() - timedelta(minutes=1))


def mine():
    return StarImport.objects.get()


def starred():
    rows = Interaction.objects.filter(kind="star").order_by("project__full_name")
    return list(rows.values_list("project__full_name", flat=True))


# What is typed


@pytest.mark.parametrize(
    "typed", ["ada", " ada ", "@ada", "https://github.com/ada", "github.com/ada/", "https://github.com/ada?tab=stars"]
)
def test_a_name_is_found_in_what_is_typed(typed):
    assert stars.login_in(typed) == "ada"


@pytest.mark.parametrize(
    "typed",
    [
        "", "-ada", "ada-", "a--b", "a/b", "..", "../repos", "ada?x=1", "ada#", "a b", "a" * 40, "ada\nx", "ädа",
        "ada%2f..", "a_b", "https://elsewhere.example/ada", "https://github.com.elsewhere.example/ada",
        "https://github.com/ada/repo",
    ],
)  # fmt: skip
def test_what_github_allows_for_no_name_is_refused(typed):
    with pytest.raises(ValidationError):
        stars.login_in(typed)


@pytest.mark.parametrize("login", ["a", "A-b-C", "0", "a" * 39])
def test_names_of_github_are_known(login):
    assert is_login(login)


# Reading


def test_every_page_of_the_list_is_read_and_every_star_counted(github, alice):
    starring(github, 412)
    assert read(alice) == "read=1"
    row = mine()
    assert (row.state, row.found, row.stored, row.skipped) == ("done", 412, 412, 0)
    assert (len(starred()), len(github.server.asked)) == (412, 5)


def test_stars_have_the_time_of_the_list_and_say_where_they_come_from(github, alice):
    starring(github, 1)
    read(alice)
    row = Interaction.objects.get()
    assert (row.at, row.from_github, row.kind) == (WHEN + timedelta(minutes=1), True, "star")


def test_projects_that_are_not_here_come_with_the_list(github, alice):
    starring(github, 2)
    make_project("octo/tool1")
    read(alice)
    assert list(Project.objects.order_by("pk").values_list("full_name", "github_id", "stars")) == [
        ("octo/tool1", 1, 2), ("octo/tool2", 2, 3)]  # fmt: skip


def test_a_renamed_project_is_known_by_its_number(github, alice):
    starring(github, 1)
    make_project("octo/before", github_id=1)
    read(alice)
    assert (starred(), Project.objects.count()) == (["octo/tool1"], 1)


def test_the_profile_changed_when_stars_did(github, alice):
    starring(github, 1)
    before = alice.profile.changed_at
    read(alice)
    alice.profile.refresh_from_db()
    assert alice.profile.changed_at > before


def test_a_second_reading_asks_for_what_changed_and_changes_nothing(github, alice):
    starring(github, 150)
    read(alice)
    tomorrow()
    left_out = ("engine_upstream", "engine_allowance", "recommendations_starimport", "django_q_ormq")
    before = snapshot(*left_out)
    github.server.asked.clear()
    assert read() == "read=1"
    assert (snapshot(*left_out) == before, len(github.server.asked)) == (True, 2)
    assert all("if-none-match" in asked.headers for asked in github.server.asked)


def test_a_list_that_did_not_change_is_not_read_before_a_day_is_over(github, alice):
    starring(github, 1)
    read(alice)
    assert read() == "nothing waits"


def test_a_new_star_is_found_behind_pages_that_did_not_change(github, alice):
    starring(github, 100)
    read(alice)
    github.add(Repo(id=999, full_name="octo/new"))
    github.star("ada", "octo/new")
    tomorrow()
    read()
    assert (len(starred()), mine().found) == (101, 101)


def test_a_star_that_was_taken_back_goes(github, alice):
    starring(github, 130)
    read(alice)
    github.unstar("ada", "octo/tool7")
    tomorrow()
    read()
    assert ("octo/tool7" in starred(), mine().found, mine().stored) == (False, 129, 129)


def test_stars_from_files_stay_when_the_list_has_them_not(github, alice):
    starring(github, 1)
    star(alice, make_project("octo/own"))
    read(alice)
    assert starred() == ["octo/own", "octo/tool1"]


def test_a_star_of_a_file_that_is_on_the_list_too_stays_after_it(github, alice):
    starring(github, 1)
    star(alice, make_project("octo/tool1"))
    read(alice)
    stars.stop(alice)
    assert starred() == ["octo/tool1"]


def test_nothing_goes_while_the_list_was_not_read_to_its_end(github, alice):
    starring(github, 130)
    read(alice)
    github.unstar("ada", "octo/tool7")
    tomorrow()
    github.server.faults.script(lambda asked: asked.query.get("page") == "2", Reply({}, 404))
    read()
    assert ("octo/tool7" in starred(), mine().state) == (True, "lost")


def test_a_page_that_was_kept_is_not_read_again_after_a_kill(github, alice):
    starring(github, 250)

    stars.begin(alice, "ada")
    row = stars.claim()
    with collecting.rest() as client:
        assert stars.keep(row, stars.starred(client, "ada", 1))
    StarImport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))  # and its process is no more
    github.server.asked.clear()
    assert read() == "read=1"
    assert ([asked.query["page"] for asked in github.server.asked], mine().stored) == (["2", "3"], 250)


def test_what_cannot_be_read_is_counted(github, alice):
    starring(github, 3)
    github["octo/tool2"].full_name = "octo/../tool"
    read(alice)
    assert (mine().found, mine().stored, mine().skipped) == (3, 2, 1)


def test_a_list_of_which_nothing_can_be_read_takes_nothing_away(github, alice, settings):
    starring(github, 3)
    read(alice)
    settings.TIMING = settings.TIMING.faster(100)
    github.server.faults.script("/users", Reply([{"starred_at": None, "repository": {}}] * 3), times=None)
    tomorrow()
    assert read() == "failed=1"
    assert len(starred()) == 3


def test_a_hidden_list_takes_nothing_away(github, alice):
    starring(github, 3)
    read(alice)
    github.stars["ada"] = []
    tomorrow()
    read()
    assert (len(starred()), mine().found, "private" in mine().error) == (3, 3, True)


def test_an_empty_list_is_one(github, alice):
    github.stars["ada"] = []
    read(alice)
    assert (mine().state, mine().found, mine().error) == ("done", 0, "")


def test_a_name_that_nobody_has_is_said(github, alice):
    assert read(alice, "nobody") == "lost=1"
    assert (mine().state, read()) == ("lost", "nothing waits")


def test_lists_of_several_people_are_read(github):
    for name in ("ada", "bob"):
        starring(github, 2, name)
        stars.begin(make_user(name), name)
    assert (read(), Interaction.objects.count()) == ("read=2", 4)


def test_a_list_that_another_process_reads_is_left_to_it(github, alice):
    starring(github, 1)
    stars.begin(alice, "ada")
    assert stars.claim() is not None
    assert (stars.claim(), read()) == (None, "nothing waits")


def test_a_reader_that_lost_its_lease_keeps_nothing(github, alice):
    starring(github, 1)
    stars.begin(alice, "ada")
    row = stars.claim()
    StarImport.objects.update(lease_until=timezone.now() + timedelta(seconds=500))
    assert (stars.pages(row, collecting.rest(), float("inf")), starred()) == ("superseded", [])


def test_a_list_too_long_for_its_slice_goes_on_later(github, alice):
    starring(github, 150)
    stars.begin(alice, "ada")
    assert stars.read(stars.claim(), 0) == "goes on"
    assert (read(), mine().stored) == ("read=1", 150)


# When GitHub is not well


def test_a_limit_is_waited_for(github, alice):
    starring(github, 1)
    github.tire(retry_after=600)
    assert read(alice) == "waits=1"
    assert mine().next_at > timezone.now() + timedelta(minutes=9)


def test_a_fault_is_tried_again_later_and_says_why(github, alice, settings):
    settings.TIMING = settings.TIMING.faster(100)
    github.server.faults.script("/users", Reply(b"", 500), times=10)
    assert read(alice) == "failed=1"
    assert (mine().attempts, "500" in mine().error, mine().state) == (1, True, "reading")


def test_a_fault_of_the_database_keeps_no_other_list_from_its_turn(github, alice, monkeypatch):
    def refuses(user: int, *facts: object) -> list[object]:
        if user == alice.pk:
            raise IntegrityError("duplicate key")
        return []

    monkeypatch.setattr(stars, "store", refuses)
    starring(github, 1)
    starring(github, 1, "bob")
    stars.begin(alice, "ada")
    stars.begin(make_user("bob"), "bob")
    assert stars.by_clock() == "failed=1 read=1"
    assert StarImport.objects.get(user=alice).attempts == 1


def test_after_a_few_faults_it_is_tried_tomorrow(github, alice, settings):
    starring(github, 1)
    read(alice)
    settings.TIMING = settings.TIMING.faster(100)
    StarImport.objects.update(attempts=4, next_at=timezone.now())
    github.server.faults.script("/users", Reply({"message": "no"}, 422))
    assert read() == "failed=1"
    assert (mine().state, mine().attempts, mine().next_at > timezone.now() + timedelta(hours=23)) == ("done", 0, True)


@pytest.mark.parametrize("body", [b"{}", b"null", b"<html>", b'[{"repo": null}, 7, {"starred_at": "x", "repo": {}}]'])
def test_what_is_no_list_of_stars_breaks_nothing(github, alice, body, settings):
    settings.TIMING = settings.TIMING.faster(100)
    github.server.faults.script("/users", Reply(body), times=None)
    read(alice)
    assert starred() == []


def test_the_token_is_in_no_error(github, alice, settings):
    settings.GITHUB_ACCESS_TOKEN = "a-token-that-nobody-may-see"
    read(alice)
    assert "a-token" not in mine().error


# Beginning and ending


def test_ending_takes_away_what_the_list_brought(github, alice):
    starring(github, 3)
    star(alice, make_project("octo/own"))
    read(alice)
    stars.stop(alice)
    assert (starred(), mine().state, read()) == (["octo/own"], "stopped", "nothing waits")


def test_ending_while_it_is_read_keeps_nothing_of_it(github, alice):
    starring(github, 3)
    stars.begin(alice, "ada")
    row = stars.claim()
    stars.stop(alice)
    assert (stars.pages(row, collecting.rest(), float("inf")), starred()) == ("superseded", [])


def test_another_name_takes_the_stars_of_the_first_away(github, alice):
    starring(github, 3)
    github.add(Repo(id=50, full_name="octo/other"))
    github.star("bob", "octo/other")
    read(alice)
    read(alice, "bob")
    assert (starred(), mine().login) == (["octo/other"], "bob")


def test_a_star_that_was_taken_away_here_does_not_come_back(github, alice):
    starring(github, 3)
    read(alice)
    project = Project.objects.get(full_name="octo/tool2")
    stars.leave_out(alice, project)
    Interaction.objects.filter(project=project).delete()
    tomorrow()
    StarImport.objects.update(pages=[])
    read()
    assert (starred(), mine().found, mine().stored) == (["octo/tool1", "octo/tool3"], 3, 2)


def test_beginning_again_and_again_is_limited(github, alice):
    for _ in range(stars.BEGUN_AN_HOUR):
        stars.begin(alice, "ada")
    with pytest.raises(ValidationError, match="often"):
        stars.begin(alice, "ada")


# At sign-in


def test_signing_in_with_github_begins(alice):
    stars.at_sign_in(alice, "ada")
    assert (mine().login, mine().state) == ("ada", "waiting")


@pytest.mark.parametrize("state", ["stopped", "done", "waiting"])
def test_what_they_said_before_stays_when_they_sign_in(alice, state):
    StarImport.objects.create(user=alice, login="ada", state=state)
    stars.at_sign_in(alice, "bob")
    assert (mine().login, mine().state) == ("ada", state)


def test_who_was_renamed_is_read_by_the_new_name(github, alice):
    starring(github, 2)
    read(alice)
    StarImport.objects.update(state="lost", next_at=None)
    github.stars["ada-lovelace"] = github.stars.pop("ada")
    stars.at_sign_in(alice, "ada-lovelace")
    assert (read(), mine().login, mine().stored) == ("read=1", "ada-lovelace", 2)


def test_a_name_that_is_none_begins_nothing(alice):
    stars.at_sign_in(alice, "../admin")
    assert not StarImport.objects.exists()


def test_the_count_of_beginnings_is_of_that_person(alice):
    stars.begin(alice, "ada")
    assert Allowance.objects.filter(subject=f"stars:{alice.pk}").exists()

"""The page of the rates: counts are those of the rows, in a few statements however many there are."""

from datetime import timedelta
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from recommendations import outcomes
from recommendations.models import Impression, Project, Response
from recommendations.tests.factories import belongs, make_category, make_projects, make_user, make_weights

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:recommendations_impression_engagement")


def staff(client, *permissions) -> User:
    user = User.objects.create_user("dana", password="x", is_staff=True)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return user


def show(user, projects, weights=None, source="for you", days=0, **answers: str) -> list[Impression]:
    """A list that they saw; answers: kind to the places, as "1 3"."""
    at, request = timezone.now() - timedelta(days=days), uuid4()
    rows = Impression.objects.bulk_create(
        Impression(user=user, project=project, request=request, rank=rank, shown_at=at, weights=weights, source=source)
        for rank, project in enumerate(projects, 1)
    )
    Response.objects.bulk_create(
        Response(impression=rows[int(place) - 1], kind=kind) for kind, at in answers.items() for place in at.split()
    )
    return rows


@pytest.fixture
def world():
    """Two lists of five by two versions of the weights, on two pages."""
    user, projects = make_user(), make_projects(5)
    belongs(projects[0], make_category("Games"))
    belongs(projects[1], make_category("Data"))
    old, new = make_weights(), make_weights()
    show(user, projects, old, days=1, click="1 2", like="1")
    show(user, projects[::-1], new, source="api", dismiss="5")


def told(rows) -> dict[str, tuple[int, int]]:
    return {row.name: (row.shown, row.answered) for row in rows}


def test_rates_by_version_of_the_weights(world):
    assert told(outcomes.report().weights) == {"version 2": (5, 1), "version 1": (5, 2)}


def test_rates_by_place(world):
    found = told(outcomes.report().places)
    assert found == {"1": (2, 1), "2": (2, 1), "3": (2, 0), "4–5": (4, 1)}


def test_rates_by_page(world):
    assert told(outcomes.report().pages) == {"API": (5, 1), "For you": (5, 2)}


def test_rates_by_category(world):
    assert told(outcomes.report().categories) == {"Games": (2, 2), "Data": (2, 1)}


def test_a_project_answered_in_two_ways_is_answered_once_and_counted_in_each(world):
    (row,) = [row for row in outcomes.report().places if row.name == "1"]
    assert (row.answered, row.counts) == (1, [1, 1, 0, 0])


def test_every_day_has_a_row(world):
    days = outcomes.report().days
    assert len(days) == 60
    assert [day.shown for day in days[-3:]] == [0, 5, 5]


def test_the_funnel_counts_lists_projects_and_answers(world):
    steps = {step.name: step.count for step in outcomes.report().funnel}
    assert steps == {
        "Lists shown": 2, "Projects shown": 10, "Answered in any way": 3, "Opened": 2, "Liked or saved": 1
    }  # fmt: skip


def test_what_was_shown_before_sixty_days_does_not_count(world):
    Impression.objects.update(shown_at=timezone.now() - timedelta(days=61))
    assert outcomes.report().funnel == []


def test_position_bias_is_told_from_pairs_that_moved():
    user, projects = make_user(), make_projects(2)
    for at in range(4):
        show(user, projects if at % 2 else projects[::-1], click="1")
    show(user, projects, click="2")
    looks = {look.name: look.looked for look in outcomes.report().looks}
    assert looks["1"] == 100
    assert 0 < (looks["2"] or 0) < 50
    assert looks["3"] is None


def test_rows_without_weights_are_named_unknown():
    show(make_user(), make_projects(2))
    assert told(outcomes.report().weights) == {"unknown": (2, 0)}


def test_the_page_shows_every_table(client, world):
    staff(client, "measure_impression")
    page = client.get(PAGE).content.decode()
    for title in (
        "From lists to likes",
        "By version of the weights",
        "By place",
        "By page",
        "By category",
        "Day by day",
    ):
        assert title in page
    assert "How much a place is looked at" in page


def test_the_page_without_any_row_says_what_makes_them(client):
    staff(client, "measure_impression")
    assert "No list was shown yet" in client.get(PAGE).content.decode()


def test_without_the_permission_there_is_no_page(client, world):
    staff(client, "view_weights")
    assert client.get(PAGE).status_code == 403


@pytest.mark.parametrize("role", ["curator", "operator"])
def test_both_groups_of_staff_see_rates_and_nobody_s_rows(client, world, role):
    user = staff(client)
    user.groups.add(Group.objects.get(name=role))
    assert client.get(PAGE).status_code == 200
    assert client.get(reverse("admin:recommendations_impression_changelist")).status_code == 403


@pytest.mark.parametrize("lists", [0, 2, 12])
def test_the_page_asks_twelve_times_at_most(client, world, lists):
    user, projects = User.objects.get(username="alice"), list(Project.objects.order_by("pk"))
    for day in range(lists):
        show(user, projects, make_weights(), days=day, click="1", save="2")
    staff(client, "measure_impression")
    with CaptureQueriesContext(connection) as asked:
        client.get(PAGE)
    assert len(asked) <= 12

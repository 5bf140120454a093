"""Why a project stands where it stands with a person: figures that add up."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommendations import acts, holding, profiles, serving
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


@pytest.fixture
def alice(client):
    """Signed in; she knows Rust, and ten projects stand nearer to her the later they come."""
    make_weights()
    projects = make_projects(10)
    user, rust = make_user(), make_stack("Rust")
    give_vector(user, [1, 1, 0])
    knows(user, rust)
    belongs(projects[9], rust)
    score()
    client.force_login(user)
    return user


def row(user, rank):
    return serving.for_user(user).rows[rank - 1]


def why(client, project):
    return client.get(f"{project.get_absolute_url()}why/")


def text(answer):
    return " ".join(answer.content.decode().split())


def test_a_stranger_signs_in_first(client):
    project = make_project()
    assert why(client, project).url == "/accounts/login/?next=/projects/octo/tool/why/"


def test_the_parts_shown_add_up_to_the_score_shown(client, alice):
    for rank in range(1, 11):
        shown = row(alice, rank)
        context = why(client, shown.project).context
        assert round(sum(part.brings for part in context["parts"]), 1) == context["total"]
        assert context["total"] == round(100 * shown.score, 1)


def test_what_a_part_brings_is_its_match_times_its_weight(client, alice):
    for part in why(client, row(alice, 1).project).context["parts"]:
        assert part.value * part.share == pytest.approx(part.brings, abs=0.11)


def test_a_part_of_which_they_said_nothing_does_not_count(client, alice):
    answer = why(client, row(alice, 1).project)
    counts = {part.name: part.counts for part in answer.context["parts"]}
    assert counts == {"Meaning": True, "Category": False, "Tech stack": True, "Popularity": True}
    assert "does not count" in text(answer)


def test_the_weights_that_count_add_up_to_all(client, alice):
    assert sum(part.share for part in why(client, row(alice, 1).project).context["parts"]) == pytest.approx(100)


def test_the_rank_stands_among_all(client, alice):
    found = text(why(client, row(alice, 7).project))
    assert "Number 7 of 10 projects for you" in found


def test_shared_skills_and_the_nearest_project_are_named(client, alice):
    nearest = make_project("octo/starred")
    give_vector(nearest, [1, 0.9, 0])
    games = make_category()
    knows(alice, games)
    belongs(row(alice, 1).project, games)
    star(alice, nearest)
    score()
    found = text(why(client, row(alice, 1).project))
    assert "<strong>Rust</strong>" in found
    assert "<strong>Games</strong>" in found
    assert 'href="/projects/octo/starred/"' in found


def test_on_the_first_page_nothing_is_compared(client, alice):
    assert why(client, row(alice, 5).project).context["compared"] is None


def test_beyond_it_each_part_is_compared_with_the_last_row_of_it(client, alice):
    context = why(client, row(alice, 8).project).context
    assert context["compared"].project == row(alice, 5).project
    for part in context["parts"]:
        assert part.more == round(part.brings - part.last, 1)
    assert context["difference"] == round(sum(part.more for part in context["parts"]), 1)
    assert context["difference"] == round(context["total"] - context["last_total"], 1)


def test_what_it_lacks_is_said_part_by_part(client, alice):
    answer = why(client, row(alice, 10).project)
    lacks = answer.context["lacks"]
    assert lacks > 0
    assert f"It lacks {lacks:.1f} points: meaning −{answer.context['costs'][0].lacks:.1f}" in text(answer)


def test_what_is_on_the_list_is_headed_why(client, alice):
    assert "<h1>Why octo" in text(why(client, row(alice, 8).project))


@pytest.mark.parametrize(("kind", "reason"), [("dismiss", "you hid it"), ("like", "you liked it")])
def test_what_is_never_shown_says_the_reason(client, alice, kind, reason):
    project = row(alice, 1).project
    acts.act(user=alice, project=project, kind=kind)
    found = text(why(client, project))
    assert "<h1>Why not octo" in found
    assert f"It is not on your list: {reason}." in found


def test_what_is_archived_says_so(client, alice):
    project = row(alice, 1).project
    project.is_archived = True
    project.save()
    score()
    assert "it is archived" in text(why(client, project))


def test_after_a_change_the_figures_are_those_of_the_present_list(client, alice):
    profiles.touch([alice.pk], told=False)
    shown = row(alice, 3)
    assert why(client, shown.project).context["total"] == round(100 * shown.score, 1)


def test_what_came_after_the_catalogue_is_not_compared_yet(client, alice):
    holding.catalogue()
    assert "too new" in text(why(client, make_project("octo/fresh")))


def test_somebody_of_whom_nothing_is_known_sees_what_is_known_of_the_project(client, alice):
    client.force_login(make_user("new"))
    assert why(client, row(alice, 1).project).status_code == 200


def test_a_user_without_a_profile_gets_an_answer(client, alice, django_user_model):
    client.force_login(django_user_model.objects.create(username="bare"))
    assert why(client, row(alice, 1).project).status_code == 200


def test_the_name_is_found_in_any_case(client, alice):
    make_project("octo/Loud")
    assert client.get("/projects/OCTO/loud/why/").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("octo/none", 404), ("%2e%2e/x", 404), ("a/" + "b" * 5000, 404), ("a/%00", 400), ("a/%ff", 404)],
)
def test_what_is_not_there_is_not_found(client, alice, path, status):
    assert client.get(f"/projects/{path}/why/").status_code == status


def test_hostile_text_is_shown_as_it_is(client, alice):
    project = row(alice, 1).project
    project.description = "<script>alert(1)</script>{{7*7}}"
    project.save()
    found = text(why(client, project))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in found


def test_a_longer_list_costs_no_more_queries(client, alice):
    project = row(alice, 8).project
    why(client, project)
    with CaptureQueriesContext(connection) as few:
        why(client, project)
    for number in range(10):
        give_vector(make_project(f"more{number}/tool"), [0.1, 1, 0])
    score()
    why(client, project)
    with CaptureQueriesContext(connection) as many:
        why(client, project)
    assert len(many) == len(few)

"""What a web process answers at once: from the live generation while it is true, live otherwise."""

import json
import threading

import pytest

from engine import tallies
from engine.models import Tally
from recommendations import acts, holding, profiles, serving
from recommendations.models import Generation
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
def alice():
    """Somebody with a text, over ten projects, and a live generation."""
    make_weights()
    make_projects(10)
    user = make_user()
    give_vector(user, [1, 0.5, 0])
    score()
    return user


def names(found) -> list[str]:
    return [row.project.full_name for row in found.rows]


def test_without_a_project_there_is_no_list():
    assert serving.for_user(make_user()) is None


def test_the_rows_of_the_live_generation_serve_while_nothing_changed(alice):
    found = serving.for_user(alice)
    assert not found.live
    assert found.generation == Generation.objects.live()


def test_after_a_change_the_list_is_scored_live(alice):
    acts.act(user=alice, project=serving.for_user(alice).rows[0].project, kind="like")
    assert serving.for_user(alice).live


def test_a_live_list_equals_the_stored_one(alice):
    stored = serving.for_user(alice)
    profiles.touch([alice.pk], told=False)
    live = serving.for_user(alice)
    assert live.live
    assert [(row.project_id, row.score) for row in live.rows] == [(row.project_id, row.score) for row in stored.rows]


def test_two_whose_facts_changed_in_one_moment_have_lists_of_their_own(alice):
    bob = make_user("bob")
    give_vector(bob, [0, 1, 0.5])
    profiles.touch([alice.pk, bob.pk], told=False)
    assert names(serving.for_user(alice)) != names(serving.for_user(bob))


def test_a_hidden_project_is_gone_at_once(alice):
    first = serving.for_user(alice).rows[0].project
    acts.act(user=alice, project=first, kind="dismiss")
    assert first.full_name not in names(serving.for_user(alice))


def test_a_hidden_project_comes_back_with_undo(alice):
    before = names(serving.for_user(alice))
    first = serving.for_user(alice).rows[0].project
    acts.act(user=alice, project=first, kind="dismiss")
    acts.undo(user=alice, project=first, kind="dismiss")
    assert names(serving.for_user(alice)) == before


def test_the_parts_of_a_live_row_add_up_to_its_score(alice):
    profiles.touch([alice.pk], told=False)
    for row in serving.for_user(alice).rows:
        assert sum(row.parts.values()) == pytest.approx(row.score, abs=1e-9)


def test_a_refused_stack_takes_its_projects_away(alice):
    rust = make_stack("Rust")
    (first, second) = [row.project for row in serving.for_user(alice).rows[:2]]
    belongs(first, rust)
    belongs(second, rust)
    score()
    acts.refuse(user=alice, project=first, stack=rust)
    assert second.full_name not in names(serving.for_user(alice))


def test_a_project_with_a_known_stack_beside_the_refused_one_stays(alice):
    rust, go = make_stack("Rust"), make_stack("Go")
    (first, second) = [row.project for row in serving.for_user(alice).rows[:2]]
    belongs(first, rust)
    belongs(second, rust, go)
    score()
    knows(alice, go)
    acts.refuse(user=alice, project=first, stack=rust)
    assert second.full_name in names(serving.for_user(alice))


def test_what_was_refused_is_not_in_the_next_generation_either(alice):
    rust = make_stack("Rust")
    first = serving.for_user(alice).rows[0].project
    other = serving.for_user(alice).rows[1].project
    belongs(other, rust)
    acts.refuse(user=alice, project=first, stack=rust)
    score()
    found = serving.for_user(alice)
    assert not found.live
    assert other.full_name not in names(found)


def test_somebody_new_gets_a_list_before_the_next_generation(alice):
    bob = make_user("bob")
    found = serving.for_user(bob)
    assert found.live
    assert all(row.cold_start for row in found.rows)


def test_before_the_first_generation_lists_are_live():
    make_weights()
    make_projects(3)
    found = serving.for_user(make_user())
    assert found.live
    assert found.generation is None
    assert len(found.rows) == 3


def test_a_new_generation_is_served_at_once(alice):
    holding.catalogue()
    added = make_project("octo/fresh", stars=5_000)
    give_vector(added, [1, 0.5, 0])
    score()
    profiles.touch([alice.pk], told=False)
    assert "octo/fresh" in names(serving.for_user(alice))


def test_while_nobody_reads_the_old_vector_serves_on(alice):
    profiles.say(alice, bio="other words")
    found = serving.for_user(alice)
    assert found.rows[0].components["semantic"] > 0


def test_words_that_wait_to_be_read_are_said_to_wait(alice, settings):
    settings.READ_TEXTS = True
    settings.EMBEDDING_PROVIDERS = {}  # nobody can read
    profiles.say(alice, bio="other words")
    assert serving.for_user(alice).reading


def test_a_live_list_costs_as_many_queries_however_long_it_is(alice, django_assert_max_num_queries):
    make_projects_more = [make_project(f"more{number}/tool", stars=number) for number in range(10)]
    for project in make_projects_more:
        give_vector(project, [1, 0.4, 0])
    score()
    profiles.touch([alice.pk], told=False)
    holding.catalogue()
    with django_assert_max_num_queries(12):
        serving.for_user(alice)


@pytest.mark.django_db(transaction=True)
def test_while_pages_are_served_a_newer_catalogue_is_loaded_aside(settings):
    settings.SERVES_PAGES = True
    make_weights()
    make_projects(3)
    score()
    before = holding.catalogue()
    make_user()
    score()
    assert holding.catalogue() is before
    next(thread for thread in threading.enumerate() if thread.name == "catalogue").join()
    assert holding.catalogue().generation == Generation.objects.live()


# Without an account


def test_choices_alone_lead_to_a_list():
    make_weights()
    games, rust = make_category(), make_stack("Rust")
    wanted, *_ = make_projects(3)
    belongs(wanted, games, rust)
    found = serving.try_out("", [rust.pk], [games.pk])
    assert names(found)[0] == wanted.full_name
    assert not found.reading


def test_a_text_that_nobody_reads_yet_is_said_to_wait(settings):
    settings.READ_TEXTS = True
    settings.EMBEDDING_PROVIDERS = {}
    make_weights()
    make_projects(3)
    assert serving.try_out("games in Rust", [], []).reading


def test_its_weight_stays_while_the_text_is_not_read():
    make_weights()
    games = make_category()
    wanted, *_ = make_projects(3)
    belongs(wanted, games)
    row = serving.try_out("some text", [], [games.pk]).rows[0]
    assert row.parts["category"] == pytest.approx(0.45 / (0.25 + 0.45 + 0.1))


@pytest.mark.model
def test_the_model_reads_what_somebody_types(settings, packaged_model):
    settings.READ_TEXTS = True
    make_weights()
    for name, text in (("octo/chess", "a chess engine"), ("octo/mail", "a mail server")):
        vector = packaged_model.embed([text])[0]
        give_vector(make_project(name), vector.tolist())
    serving.warm()
    next(thread for thread in threading.enumerate() if thread.name == "reader").join()
    assert names(serving.try_out("playing chess", [], []))[0] == "octo/chess"


# One project


def test_why_is_the_row_that_the_list_shows(alice):
    shown = serving.for_user(alice).rows[2]
    place = serving.why(alice, shown.project)
    assert place.rank == 3
    assert place.row.parts == pytest.approx(shown.parts)


def test_a_project_beyond_the_list_has_the_next_rank():
    make_weights()
    made = make_projects(51)
    user = make_user()
    give_vector(user, [1, 0.5, 0])
    score()
    shown = {row.project_id for row in serving.for_user(user).rows}
    (beyond,) = [project for project in made if project.pk not in shown]
    assert serving.why(user, beyond).rank == 51


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("dismiss", "you hid it"), ("star", "you starred it"), ("like", "you liked it"), ("save", "you saved it")],
)
def test_what_they_did_is_why_it_is_left_out(alice, kind, reason):
    project = serving.for_user(alice).rows[0].project
    acts.act(user=alice, project=project, kind=kind)
    place = serving.why(alice, project)
    assert (place.rank, place.left_out) == (None, reason)


def test_an_archived_project_is_left_out(alice):
    project = serving.for_user(alice).rows[0].project
    project.is_archived = True
    project.save()
    score()
    assert serving.why(alice, project).left_out == "it is archived"


def test_their_own_project_is_left_out(alice):
    mine = make_project("Alice/tool")
    give_vector(mine, [1, 0.5, 0])
    score()
    assert serving.why(alice, mine).left_out == "its owner is you"


def test_popularity_alone_leads_to_nothing(alice):
    famous = make_project("octo/famous", stars=900)
    give_vector(famous, [-1, -0.5, 0])
    score()
    assert serving.why(alice, famous).left_out == "nothing that you said or did leads to it"


def test_a_project_that_the_catalogue_does_not_hold_yet_has_no_place(alice):
    holding.catalogue()
    assert serving.why(alice, make_project("octo/unseen")) is None


def test_the_most_similar_comes_first(alice):
    twin = make_project("octo/twin")
    near = serving.for_user(alice).rows[0].project
    give_vector(twin, near.embeddings.get().vector or [])
    score()
    assert serving.similar(near)[0][0] == twin


def test_a_project_is_not_similar_to_itself(alice):
    project = serving.for_user(alice).rows[0].project
    assert project not in [other for other, _ in serving.similar(project)]


def test_stars_count_at_once(alice):
    star(alice, serving.for_user(alice).rows[0].project)
    profiles.touch([alice.pk], told=False)
    assert serving.for_user(alice).rows[0].nearest is not None


def answers():
    """What was counted, by the values of the labels."""
    tallies.flush()
    counted = Tally.objects.filter(name=serving.ANSWERS.name)
    return {tuple(json.loads(labels).values()): value for labels, value in counted.values_list("labels", "value")}


def test_an_answer_is_counted_as_found(alice):
    serving.for_user(alice)
    assert answers() == {("list", "found"): 1}


def test_a_list_of_somebody_unknown_is_counted_as_without_a_vector(alice):
    serving.for_user(make_user("bob"))
    assert answers() == {("list", "no_vector"): 1}


def test_a_project_that_is_like_none_is_counted_too(alice):
    holding.catalogue()
    serving.similar(make_project("octo/unseen"))
    assert answers() == {("similar", "no_vector"): 1}

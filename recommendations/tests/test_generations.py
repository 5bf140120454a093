import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from engine.ledger import LeaseLost
from engine.models import EmbeddingModel, Run
from recommendations import catalogue, generations, people
from recommendations.models import (
    Fact,
    Generation,
    HybridVector,
    Intent,
    Interaction,
    Message,
    Profile,
    Project,
    Recommendation,
)
from recommendations.tests.factories import (
    LEDGER,
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
    run,
    score,
    snapshot,
    star,
)
from recommendations.tests.taste import hear, say, wants


@pytest.fixture
def world(db):
    """Six projects, two stacks of which octo0/tool has one, and alice, bob and charlie, who say what they mean."""
    make_weights()
    projects = make_projects(6)
    python, _ = make_stack("Python"), make_stack("Go")
    belongs(projects[0], python)
    for name in ("alice", "bob", "charlie"):
        give_vector(make_user(name), [1, 0, 0])
    return projects


def live() -> Generation:
    generation = Generation.objects.live()
    assert generation is not None
    return generation


def shown(username: str) -> list[str]:
    rows = live().recommendations.filter(user__username=username).order_by("rank")
    return [row.project.full_name for row in rows]


def best_of(username: str) -> list[Any]:
    """That person's rows of the live generation, best first; none of their figures is null."""
    return list(live().recommendations.filter(user__username=username).order_by("rank"))


def rows_of(generation: Generation) -> list[tuple]:
    return list(Recommendation.objects.filter(generation=generation).order_by("pk").values_list())


def alice():
    return Profile.objects.get(user__username="alice").user


def draft(fence: int) -> Generation:
    return generations.open_draft(generations.wanted(), fence)


def fill(made: Generation, fence: int) -> list[int]:
    return list(generations.fill(made, catalogue.load(made.model).centred(), fence))


# Who gets what


@pytest.mark.usefixtures("world")
def test_everyone_with_a_profile_is_served():
    score()
    assert {name: len(shown(name)) for name in ("alice", "bob", "charlie")} == {"alice": 6, "bob": 6, "charlie": 6}


def test_nobody_gets_more_than_fifty(world):
    for number in range(60):
        give_vector(make_project(f"more/tool{number}"), [1, 0, 0])
    make_user("newcomer")
    score()
    assert [len(shown("alice")), len(shown("newcomer"))] == [50, 50]


@pytest.mark.parametrize("kind", ["star", "like", "save", "dismiss"])
def test_what_somebody_found_or_refused_never_comes_back(world, kind):
    act(alice(), world[3], kind)
    score()
    assert "octo3/tool" not in shown("alice")
    assert "octo3/tool" in shown("bob")


@pytest.mark.parametrize("kind", ["click", "view"])
def test_what_somebody_only_looked_at_may_come_back(world, kind):
    act(alice(), world[3], kind)
    score()
    assert "octo3/tool" in shown("alice")


def test_nobody_is_recommended_their_own_project(world):
    give_vector(make_project("Alice/thing"), [1, 0, 0])
    score()
    assert "Alice/thing" not in shown("alice")
    assert "Alice/thing" in shown("bob")


def test_own_projects_are_left_out_for_names_that_differ_in_case(world):
    give_vector(make_project("alice/thing"), [1, 0, 0])
    give_vector(make_user("Alice"), [1, 0, 0])
    score()
    assert "alice/thing" not in shown("alice") + shown("Alice")


@pytest.mark.parametrize("flag", ["is_archived", "is_disabled"])
def test_what_is_archived_or_disabled_is_not_recommended(world, flag):
    Project.objects.filter(pk=world[3].pk).update(**{flag: True})
    make_user("newcomer")
    score()
    assert "octo3/tool" not in shown("alice") + shown("newcomer")


def test_a_cold_start_is_not_what_somebody_dismissed(world):
    newcomer = make_user("newcomer")
    act(newcomer, world[5], "dismiss")
    score()
    assert len(shown("newcomer")) == 5
    assert "octo5/tool" not in shown("newcomer")


def test_what_is_liked_speaks_for_the_rest(world):
    newcomer = make_user("newcomer")
    star(newcomer, world[5])
    score()
    row = live().recommendations.filter(user=newcomer).order_by("rank")[0]
    assert (row.cold_start, row.nearest) == (False, world[5])


def test_what_was_dismissed_after_a_star_speaks_for_nothing(world):
    newcomer = make_user("newcomer")
    star(newcomer, world[5])
    act(newcomer, world[5], "dismiss")
    score()
    assert set(live().recommendations.filter(user=newcomer).values_list("cold_start", flat=True)) == {True}


# What a row holds


@pytest.mark.usefixtures("world")
def test_parts_sum_to_the_score_and_components_lie_between_0_and_1():
    knows(alice(), make_stack("Rust"), *[link.stack for link in Project.objects.all()[0].stack_links.all()])
    score()
    for row in best_of("alice"):
        assert sum(row.parts.values()) == pytest.approx(row.score, abs=1e-9)
        assert all(0 <= value <= 1 for value in row.components.values())


@pytest.mark.usefixtures("world")
def test_raw_score_is_the_reference_formula_whatever_the_weights():
    make_weights(semantic=1, category=0, tech=0, popularity=0)
    score()
    reference = {"semantic": 0.25, "category": 0.45, "tech": 0.5, "popularity": 0.1}
    for row in best_of("alice"):
        assert row.raw_score == pytest.approx(sum(reference[name] * row.components[name] for name in reference))


def test_a_row_names_what_both_have(world):
    games = make_category("Games")
    belongs(world[0], games)
    knows(alice(), games, world[0].stack_links.get().stack)
    score()
    row = live().recommendations.get(user=alice(), project=world[0])
    assert (row.stacks, row.categories) == (["Python"], ["Games"])


def test_a_term_that_does_not_apply_counts_for_nothing(world):
    python = world[0].stack_links.get().stack
    knows(alice(), python)
    world[0].stack_links.update(applies=False)
    score()
    assert {row.components["tech"] for row in best_of("alice")} == {0}


def test_a_term_that_a_person_struck_out_is_not_theirs(world):
    knows(alice(), world[0].stack_links.get().stack)
    alice().profile.stack_links.update(applies=False)
    score()
    assert {row.components["tech"] for row in best_of("alice")} == {0}


@pytest.mark.usefixtures("world")
def test_ranks_go_from_1_without_a_gap_and_scores_never_rise():
    score()
    rows = best_of("alice")
    assert [row.rank for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)


@pytest.mark.usefixtures("world")
def test_a_cold_start_row_has_no_figures():
    make_user("newcomer")
    score()
    rows = live().recommendations.filter(user__username="newcomer")
    assert len(rows) == 6
    assert {(r.score, r.raw_score, r.components, r.parts, r.cold_start) for r in rows} == {(None,) * 4 + (True,)}


def test_a_cold_start_mixes_the_popular_and_the_new(world):
    Project.objects.filter(pk=world[0].pk).update(created_at=datetime(2025, 1, 1, tzinfo=UTC))
    make_user("newcomer")
    score()
    assert shown("newcomer")[:2] == ["octo5/tool", "octo0/tool"]


@pytest.mark.usefixtures("world")
def test_variety_moves_rows_says_why_and_leaves_the_score():
    make_weights(top_n=2, variety=1)
    for number in range(2):
        give_vector(make_project(f"same/tool{number}", stars=900), [1, 0, 0])
    score()
    first, second, third = best_of("alice")[:3]
    assert [row.project.full_name for row in (first, third)] == ["same/tool0", "same/tool1"]
    assert (first.rank_by_score, second.rank_by_score, third.rank_by_score) == (1, 3, 2)
    assert (first.moved_because, second.moved_because) == ("", "at most 1 of one owner are shown")
    assert third.score > second.score


@pytest.mark.usefixtures("world")
def test_without_variety_nothing_is_moved():
    score()
    assert not live().recommendations.exclude(rank=F("rank_by_score")).exists()


# Drafts and publication


@pytest.mark.usefixtures("world")
def test_a_draft_is_seen_by_nobody_until_it_is_published():
    made = draft(fence=1)
    fill(made, fence=1)
    assert Generation.objects.live() is None
    generations.publication(made, fence=1)()
    assert live() == made


@pytest.mark.usefixtures("world")
def test_publishing_retires_the_one_before():
    score()
    first = live()
    make_weights()
    score()
    first.refresh_from_db()
    assert (first.state, live() == first) == ("retired", False)


@pytest.mark.usefixtures("world")
def test_the_same_inputs_are_no_work_and_change_no_row():
    score()
    before = snapshot(*LEDGER)
    assert generations.waiting() == 0
    score()
    assert snapshot(*LEDGER) == before


@pytest.mark.usefixtures("world")
def test_force_scores_again_and_gives_the_same():
    score()
    before = [row[2:] for row in rows_of(live())]
    run("score", force=True)
    assert [row[2:] for row in rows_of(live())] == before


@pytest.mark.usefixtures("world")
def test_only_one_generation_can_be_live():
    score()
    second = draft(fence=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Generation.objects.filter(pk=second.pk).update(state="live")


def fails_at(monkeypatch, username: str) -> None:
    """From now on the person of that name cannot be scored; people come one at a time."""
    rows = generations.rows_of

    def planted(made, loaded, person, *others):
        if person.id == Profile.objects.get(user__username=username).pk:
            raise RuntimeError("planted")
        return rows(made, loaded, person, *others)

    monkeypatch.setattr(people, "PEOPLE_AT_ONCE", 1)
    monkeypatch.setattr(generations, "rows_of", planted)


@pytest.mark.usefixtures("world")
def test_a_failed_score_leaves_the_generation_before_served_whole(monkeypatch):
    score()
    before, rows = live(), rows_of(live())
    make_weights()
    fails_at(monkeypatch, "bob")
    failed = run("score")
    assert (failed.state, "planted" in failed.error) == (Run.State.WAITING, True)
    assert live() == before
    assert rows_of(before) == rows


@pytest.mark.usefixtures("world")
def test_the_next_claim_goes_on_after_the_last_whole_block(monkeypatch):
    with monkeypatch.context() as patched:
        fails_at(patched, "bob")
        run("score")
    begun = Generation.objects.get(state="draft")
    kept = rows_of(begun)
    assert len(kept) == 6
    done = score()
    assert done.steps.latest("pk").counts["scored"] == 2
    assert live() == begun
    assert rows_of(begun)[:6] == kept
    assert [len(shown(name)) for name in ("alice", "bob", "charlie")] == [6, 6, 6]


@pytest.mark.usefixtures("world")
def test_a_draft_of_other_inputs_is_not_gone_on_with(monkeypatch):
    with monkeypatch.context() as patched:
        fails_at(patched, "bob")
        run("score")
    make_weights()
    assert score().steps.latest("pk").counts["scored"] == 3


@pytest.mark.usefixtures("world")
def test_an_earlier_claim_can_write_no_more():
    old = draft(fence=1)
    draft(fence=2)
    with pytest.raises(LeaseLost):
        fill(old, fence=1)
    assert not Recommendation.objects.exists()


@pytest.mark.usefixtures("world")
def test_an_earlier_claim_cannot_take_the_draft_back():
    draft(fence=2)
    with pytest.raises(LeaseLost):
        fill(draft(fence=1), fence=1)


@pytest.mark.usefixtures("world")
def test_an_earlier_claim_cannot_publish():
    score()
    before = live()
    make_weights()
    old = draft(fence=1)
    fill(old, fence=1)
    draft(fence=2)
    with pytest.raises(LeaseLost), transaction.atomic():
        generations.publication(old, fence=1)()
    assert live() == before


KILLED_AFTER_ONE_BLOCK = """
import os, signal, django
django.setup()
from engine import runs
from engine.pipeline import Scope
from recommendations import generations, people
from recommendations.pipeline import RECOMMENDATIONS
people.PEOPLE_AT_ONCE, add = 1, generations.add
def add_and_die(*block):
    add(*block)
    os.kill(os.getpid(), signal.SIGKILL)
generations.add = add_and_die
runs.run(RECOMMENDATIONS, Scope(), only=["score"])
"""


def address_of_the_database() -> str:
    server = connection.connection.info
    return f"postgresql://{server.user}@/{server.dbname}?host={quote(server.host, safe='')}&port={server.port}"


@pytest.mark.django_db(transaction=True)
def test_a_killed_score_leaves_the_generation_before_and_its_own_first_block(request):
    world = request.getfixturevalue("world")
    score()
    before, rows = live(), rows_of(live())
    star(alice(), world[0])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_ONE_BLOCK],
        env={**os.environ, "DATABASE_URL": address_of_the_database()},
        cwd=settings.BASE_DIR,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert (live(), rows_of(before)) == (before, rows)
    begun = Generation.objects.get(state="draft")
    assert set(begun.recommendations.values_list("user__username", flat=True)) == {"alice"}
    Run.objects.filter(state="running").update(lease_until=datetime(2001, 1, 1, tzinfo=UTC))  # a minute later
    assert score().counts["score"]["scored"] == 2
    assert live() == begun


# What a generation is made from


def another_weight(world):
    make_weights(semantic=0.3)


def another_star_count(world):
    Project.objects.filter(pk=world[0].pk).update(stars=99)


def an_archived_project(world):
    Project.objects.filter(pk=world[0].pk).update(is_archived=True)


def a_new_project(world):
    make_project("new/tool")


def another_text_of_a_profile(world):
    give_vector(alice(), [0, 1, 0], text="other words")


def another_text_of_a_project(world):
    give_vector(world[0], [0, 1, 0], text="other words")


def another_link_of_a_project(world):
    belongs(world[1], world[0].stack_links.get().stack)


def a_link_that_no_longer_applies(world):
    world[0].stack_links.update(applies=False)


def another_link_of_a_profile(world):
    knows(alice(), world[0].stack_links.get().stack)


def another_rule(world):
    make_stack("Rust", words=["rust"])


def a_star(world):
    star(alice(), world[0])


def a_dismissal(world):
    act(alice(), world[0], "dismiss")


def a_later_star(world):
    Interaction.objects.filter(kind="star").update(at=datetime(2025, 1, 1, tzinfo=UTC))


def a_new_person(world):
    make_user("dora")


def an_older_message(world):
    """Of the newest that says it nothing changes."""
    said = Fact.objects.get()
    said.sayings.create(message=say(said.user, "I do like tea"), sentence="I do like tea", confidence=0.9)


def another_intent_of_an_older_message(world):
    Message.objects.order_by("pk").filter(pk__lt=Fact.objects.get().message_id).update(intent=wants())


def an_intent_that_tells_nothing(world):
    Intent.objects.update(counts=False)


@pytest.mark.parametrize(
    "change",
    [
        another_weight,
        another_star_count,
        an_archived_project,
        a_new_project,
        another_text_of_a_profile,
        another_text_of_a_project,
        another_link_of_a_project,
        a_link_that_no_longer_applies,
        another_link_of_a_profile,
        another_rule,
        a_star,
        a_dismissal,
        a_later_star,
        a_new_person,
        an_older_message,
        another_intent_of_an_older_message,
        an_intent_that_tells_nothing,
    ],
)
def test_what_counts_alters_the_inputs(world, change):
    starrer = make_user("starrer")
    star(starrer, world[5])
    older = say(starrer, "I like tea")
    (fact,) = hear(say(starrer, "tea, please", intent=wants("to drink")), "tea")
    fact.sayings.create(message=older, sentence=older.text, confidence=0.9)
    before = generations.wanted().inputs
    change(world)
    assert generations.wanted().inputs != before


def a_click(world):
    act(alice(), world[0], "click")


def a_view(world):
    act(alice(), world[0], "view")


def another_count_of_forks(world):
    Project.objects.filter(pk=world[0].pk).update(forks=5, open_issues=7)


def another_password(world):
    alice().set_password("secret")
    alice().save()


def a_text_that_waits(world):
    world[0].embeddings.update(text="new words", text_hash="new")


@pytest.mark.parametrize("change", [a_click, a_view, another_count_of_forks, another_password, a_text_that_waits])
def test_what_does_not_count_leaves_the_inputs(world, change):
    before = generations.wanted().inputs
    change(world)
    assert generations.wanted().inputs == before


# Hybrid vectors, pruning, cost


def test_a_hybrid_vector_is_rewritten_only_when_it_changed(world):
    score()
    before = dict(HybridVector.objects.values_list("project_id", "vector_hash"))
    Project.objects.filter(pk=world[2].pk).update(stars=5_000)
    assert score().counts["score"]["hybrid"] == 1
    after = dict(HybridVector.objects.values_list("project_id", "vector_hash"))
    assert [pk for pk in before if before[pk] != after[pk]] == [world[2].pk]


def test_a_new_text_of_one_project_rewrites_one_hybrid_vector(world):
    score()
    give_vector(world[0], [0, 1, 0], text="other words")
    assert score().counts["score"]["hybrid"] == 1


@pytest.mark.usefixtures("world")
def test_a_change_of_weights_rewrites_no_hybrid_vector():
    score()
    make_weights(tech=0.9)
    assert "hybrid" not in score().counts["score"]


@pytest.mark.usefixtures("world")
def test_a_new_stack_rewrites_every_hybrid_vector():
    score()
    make_stack("Rust")
    assert score().counts["score"]["hybrid"] == 6
    assert {len(row.vector) for row in HybridVector.objects.all()} == {3 + 0 + 3 + 1}


@pytest.mark.usefixtures("world")
def test_prune_keeps_the_live_one_and_the_newest_retired():
    kept = []
    for _ in range(4):
        make_weights()
        score()
        kept.append(live().pk)
    assert generations.prune(keep=1) == 2
    assert set(Generation.objects.values_list("pk", flat=True)) == set(kept[-2:])


@pytest.mark.usefixtures("world")
def test_prune_drops_a_draft_that_nobody_will_finish():
    draft(fence=1)
    make_weights()
    assert generations.prune(keep=3) == 1


@pytest.mark.usefixtures("world")
def test_prune_leaves_a_draft_that_may_be_gone_on_with():
    draft(fence=1)
    assert generations.prune(keep=3) == 0


@pytest.mark.usefixtures("world")
def test_prune_leaves_the_draft_of_a_run_that_is_under_way(monkeypatch):
    add = generations.add

    def add_while_others_work(*block):
        add(*block)
        make_weights()
        generations.prune(keep=3)

    monkeypatch.setattr(people, "PEOPLE_AT_ONCE", 1)
    monkeypatch.setattr(generations, "add", add_while_others_work)
    score()


def test_a_block_costs_the_same_however_many_people_it_holds(world):
    def cost(count: int) -> int:
        for number in range(count):
            user = make_user(f"user{count}-{number}")
            give_vector(user, [1, 0, 0])
            star(user, world[0])
        make_weights()
        with CaptureQueriesContext(connection) as caught:
            score()
        return len(caught)

    score()
    assert cost(10) == cost(20)


@pytest.mark.django_db
def test_there_is_nothing_to_score_in_an_empty_house():
    make_model()
    make_weights()
    assert score().counts["score"] == {}
    assert live().recommendations.count() == 0


@pytest.mark.django_db
def test_a_vector_of_the_wrong_width_is_named():
    project = make_project()
    give_vector(project, [1, 0, 0])
    EmbeddingModel.objects.update(dimensions=4)
    make_weights()
    assert "4 dimensions" in run("score").error

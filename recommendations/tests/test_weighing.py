import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection

from engine.models import Audit, Run
from recommendations import serving, weighing
from recommendations.models import Generation, Profile, Weights
from recommendations.tests.factories import (
    belongs,
    give_vector,
    knows,
    make_project,
    make_projects,
    make_stack,
    make_user,
    make_weights,
    score,
)

REASON = "meaning tells more than stars"


@pytest.fixture(autouse=True)
def fresh_process():
    serving.forget()
    yield
    serving.forget()


@pytest.fixture
def world(db):
    """Twelve projects of which the popular are not those with alice's stack; bob says nothing."""
    make_weights()
    projects, python = make_projects(12), make_stack("Python")
    belongs(projects[0], python)
    belongs(projects[1], python)
    alice = make_user("alice")
    give_vector(alice, [1, 0, 0])
    knows(alice, python)
    make_user("bob")
    return projects


@pytest.fixture
def curator(db):
    return User.objects.create(username="carol")


def changed(**figures):
    return {**weighing.figures_of(Weights.objects.current()), **figures}


def publish(author, started_from=1, **figures):
    return weighing.publish(changed(**figures), author=author, reason=REASON, started_from=started_from)


def of(name, replay):
    return next(person for person in replay.people if person.user.username == name)


def names(lines):
    return [line.project.full_name for line in lines]


def everyone():
    return list(User.objects.filter(profile__isnull=False).order_by("username"))


# Versions


@pytest.mark.usefixtures("world")
def test_publishing_makes_the_next_version(curator):
    made, _ = publish(curator, semantic=0.9)
    assert (made.version, made.semantic, made.author, made.reason) == (2, 0.9, curator, REASON)


@pytest.mark.usefixtures("world")
def test_publishing_changes_no_version(curator):
    before = Weights.objects.filter(version=1).values().get()
    publish(curator, semantic=0.9)
    assert Weights.objects.filter(version=1).values().get() == before


@pytest.mark.usefixtures("world")
def test_publishing_asks_for_a_run_of_every_stage(curator):
    _, run = publish(curator, semantic=0.9)
    assert (run.pipeline, run.state, run.stages) == ("recommendations", Run.State.WAITING, [])


@pytest.mark.usefixtures("world")
def test_the_run_makes_the_version_live(curator):
    made, _ = publish(curator, semantic=0.9)
    score()
    assert Generation.objects.live().weights == made


@pytest.mark.usefixtures("world")
def test_publishing_is_audited_with_what_changed(curator):
    publish(curator, semantic=0.9)
    row = Audit.objects.get(action="publish weights")
    assert (row.actor, row.subject, row.note) == ("carol", "weights 2", f"Meaning: 0.25 to 0.9. {REASON}")


@pytest.mark.usefixtures("world")
def test_unchanged_figures_are_not_published(curator):
    with pytest.raises(weighing.Unchanged):
        publish(curator)
    assert Weights.objects.count() == 1


@pytest.mark.usefixtures("world")
def test_a_newer_version_is_not_published_over(curator):
    publish(curator, semantic=0.9)
    with pytest.raises(weighing.Newer) as late:
        publish(curator, tech=0.1)
    assert late.value.newest.version == 2
    assert Weights.objects.count() == 2


@pytest.mark.usefixtures("world")
def test_who_saw_the_newer_version_may_publish(curator):
    publish(curator, semantic=0.9)
    assert publish(curator, started_from=2, tech=0.1)[0].version == 3


@pytest.mark.usefixtures("world")
def test_a_roll_back_is_a_new_version_with_the_old_figures(curator):
    old = Weights.objects.get(version=1)
    publish(curator, semantic=0.9, top_n=9, variety=2)
    made, _ = weighing.roll_back(old, author=curator, started_from=2)
    assert made.version == 3
    assert weighing.figures_of(made) == weighing.figures_of(old)


@pytest.mark.usefixtures("world")
def test_a_roll_back_says_where_to_and_why(curator):
    publish(curator, semantic=0.9)
    publish(curator, started_from=2, semantic=0.1)
    made, _ = weighing.roll_back(Weights.objects.get(version=2), author=curator, started_from=3)
    assert made.reason == f"Back to version 2: {REASON}"
    assert Audit.objects.filter(action="roll back weights", subject="weights 4").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_publish_at_once_one_is_told():
    make_weights()
    author, ended = User.objects.create(username="carol"), []

    def one(weight):
        try:
            ended.append(publish(author, semantic=weight)[0].version)
        except weighing.Newer:
            ended.append("late")
        finally:
            connection.close()

    racers = [threading.Thread(target=one, args=(weight,)) for weight in (0.8, 0.9)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(ended, key=str) == [2, "late"]


def test_shares_add_up():
    made = Weights(semantic=1, category=1, tech=1, popularity=0, popularity_threshold=1, min_similarity=0)
    assert [share.percent for share in weighing.shares_of(made)] == [33.4, 33.3, 33.3, 0]


# Before and after


@pytest.mark.usefixtures("world")
def test_unchanged_weights_change_nothing():
    replay = weighing.preview(changed(), everyone())
    assert {line.move.kind for person in replay.people for line in person.after} == {"same"}
    assert all(names(person.before) == names(person.after) for person in replay.people)
    assert (replay.overlap, replay.tau, replay.entered, replay.left) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    "figures",
    [
        {"semantic": 0.9, "tech": 0.0},
        {"popularity": 5.0, "popularity_scale": "log"},
        {"min_similarity": 0.3},
        {"variety": 1, "top_n": 3},
    ],
)
def test_the_preview_is_what_scoring_gives_with_those_weights(world, curator, figures):
    make_project("octo0/second", stars=3)
    replay = weighing.preview(changed(**figures), everyone())
    publish(curator, **figures)
    score()
    for person in replay.people:
        rows = Generation.objects.live().recommendations.filter(user=person.user).order_by("rank")[:10]
        assert [(row.project_id, row.score, row.rank) for row in rows] == [
            (line.project.pk, line.row.score, line.row.rank) for line in person.after
        ]


@pytest.mark.usefixtures("world")
def test_the_preview_compares_with_what_is_live():
    score()
    make_weights(popularity=9)
    replay = weighing.preview(changed(), everyone())
    assert replay.live.version == 1
    assert names(of("alice", replay).before) != names(of("alice", replay).after)


@pytest.mark.usefixtures("world")
def test_a_person_of_whom_nothing_is_known_is_said_to_be_so():
    replay = weighing.preview(changed(), everyone())
    assert (of("alice", replay).cold, of("bob", replay).cold) == (False, True)


@pytest.mark.usefixtures("world")
def test_what_enters_and_leaves_is_counted():
    person = of("alice", weighing.preview(changed(tech=0.0, popularity=9.0), everyone()))
    assert person.entered == person.left == len(set(names(person.after)) - set(names(person.before))) > 0
    assert person.kept == 10 - person.entered


@pytest.mark.usefixtures("world")
def test_nothing_is_stored_by_a_preview():
    weighing.preview(changed(semantic=0.9), everyone())
    assert (Weights.objects.count(), Generation.objects.count()) == (1, 0)


@pytest.mark.usefixtures("world")
def test_more_people_cost_no_more_queries(django_assert_num_queries):
    weighing.preview(changed(), everyone())
    with connection.execute_wrapper(counted := Counted()):
        weighing.preview(changed(), everyone()[:1])
    with django_assert_num_queries(counted.queries):
        weighing.preview(changed(), everyone())


class Counted:
    queries = 0

    def __call__(self, execute, sql, params, many, context):
        self.queries += 1
        return execute(sql, params, many, context)


@pytest.mark.django_db
def test_without_a_catalogue_there_is_no_preview():
    make_weights()
    assert weighing.preview(changed(), [make_user("alice")]) is None


@pytest.mark.django_db
def test_the_first_three_by_name_are_chosen():
    for name in ("dave", "bob", "carol", "alice"):
        make_user(name)
    User.objects.create(username="aaron")
    assert [user.username for user in weighing.chosen([])] == ["alice", "bob", "carol"]


@pytest.mark.django_db
def test_named_people_keep_their_order():
    for name in ("alice", "bob", "carol"):
        make_user(name)
    assert Profile.objects.count() == 3
    assert [user.username for user in weighing.chosen(["carol", "zoe", "alice"])] == ["carol", "alice"]

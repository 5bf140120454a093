"""What stops a run between enrich and embed, and what is served meanwhile."""

from collections import Counter

import pytest
from django.contrib.auth.models import User

from engine.models import Run, Step
from engine.pipeline import StageError
from recommendations import readiness, stages
from recommendations.models import Generation, Project, Recommendation
from recommendations.pipeline import RECOMMENDATIONS
from recommendations.tests.factories import (
    belongs,
    make_category,
    make_model,
    make_project,
    make_projects,
    make_stack,
    make_user,
    make_weights,
    run,
    star,
    stored_for,
)

pytestmark = pytest.mark.django_db
READY = next(stage for stage in RECOMMENDATIONS.stages if stage.name == "ready")
LOSS = "ready: projects fell from 30 to 4 (-87%); at most 20% is expected"


@pytest.fixture
def served():
    """Thirty projects, of which alice is recommended some; ready has passed once."""
    make_model()
    make_weights()
    projects = make_projects(30)
    star(make_user("alice"), projects[0])
    assert run("ready", "score").state == Run.State.DONE


def lose_projects() -> None:
    Project.objects.exclude(pk__in=Project.objects.order_by("pk")[:4]).delete()


def figures(of: Run) -> dict[str, int]:
    return of.steps.get(name="ready", fence=of.fence).counts


def test_the_figures_are_those_of_the_rows():
    games, python = make_category(), make_stack()
    whole = make_project(
        "octo/whole", description="A game", language="C", topics=["game"], readme="# Play", stars=0
    )  # no stars are known, and none
    belongs(whole, games, python)
    refused = make_project("octo/refused", description="A tool", stars=5)
    belongs(refused, games, python, source="curated", applies=False)
    bare = make_project("octo/bare", topics=["tool"])
    belongs(bare, games, make_category("Data"))
    star(make_user("alice"), whole)
    make_user("bob")
    assert figures(run("ready")) == {
        "projects": 3,
        "people": 2,
        "interactions": 1,
        "without_description": 1,
        "without_language": 2,
        "without_topics": 1,
        "without_readme": 2,
        "without_stars": 1,
        "without_category": 1,
        "without_stack": 2,
    }


def test_every_figure_that_is_compared_is_counted():
    make_project()
    assert figures(run("ready")).keys() == {*readiness.COUNTED, *readiness.LACKING}


def test_the_projects_are_counted_by_one_query(django_assert_num_queries):
    make_projects(3)
    with django_assert_num_queries(1):
        Project.objects.figures()


def test_a_catalogue_without_projects_stops_the_run():
    assert run("ready").error == "ready: there are no projects; import some"


def test_a_catalogue_without_people_passes():
    make_project()
    assert run("ready").state == Run.State.DONE


@pytest.mark.usefixtures("served")
def test_an_unchanged_catalogue_passes_again():
    before = figures(run("ready"))
    assert figures(run("ready")) == before


@pytest.mark.usefixtures("served")
def test_a_lost_catalogue_stops_the_run_before_anything_is_embedded():
    lose_projects()
    stopped = run()
    assert (stopped.state, stopped.error) == (Run.State.WAITING, LOSS)
    assert not stopped.steps.filter(name__in=["embed", "score"]).exists()


@pytest.mark.usefixtures("served")
def test_what_is_served_stays_when_the_check_fails():
    live = Generation.objects.live()
    lose_projects()
    run()
    rows = stored_for(User.objects.get(username="alice"))
    assert Generation.objects.live() == live
    assert len(rows) == 3  # of the four projects that are left, one is starred


@pytest.mark.usefixtures("served")
def test_all_problems_are_in_the_reason():
    Project.objects.update(topics=["tool"])
    run("ready")
    Project.objects.update(topics=[], stars=None)
    assert run("ready").error == (
        "ready: projects without topics rose from 0% to 100%; at most 10 points are expected"
        "; projects without a star count rose from 0% to 100%; at most 10 points are expected"
    )


@pytest.mark.usefixtures("served")
def test_a_failed_check_is_not_what_the_next_is_compared_with():
    lose_projects()
    run("ready")
    assert run("ready").error == LOSS


@pytest.mark.usefixtures("served")
def test_a_failed_check_is_no_progress():
    lose_projects()
    run("ready")
    assert run("ready").attempts == 2


@pytest.mark.usefixtures("served")
def test_force_takes_the_catalogue_as_it_is():
    lose_projects()
    run()
    assert run("ready", "score", force=True).state == Run.State.DONE
    assert run("ready").state == Run.State.DONE


@pytest.mark.usefixtures("served")
def test_what_force_takes_is_served():
    served = Generation.objects.live()
    lose_projects()
    run("ready", "score", force=True)
    live = Generation.objects.live()
    assert live != served
    assert Recommendation.objects.filter(generation=live).count() == 3


@pytest.mark.usefixtures("served")
def test_what_an_earlier_claim_was_forced_to_take_is_not_refused_to_the_next(monkeypatch):
    def broken(model):
        raise StageError("no room")

    lose_projects()
    with monkeypatch.context() as patched:
        patched.setattr(stages, "load", broken)
        assert run("ready", "score", force=True).error == "score: no room"
    assert run("ready", "score", force=True).state == Run.State.DONE


def test_another_pipelines_figures_are_not_compared():
    Step.objects.create(
        run=Run.objects.create(pipeline="issues"), name="ready", fence=1, state="done", counts={"projects": 1_000}
    )
    make_project()
    assert run("ready").state == Run.State.DONE


def test_figures_are_no_units_of_work():
    make_project()
    done = figures(run("ready"))
    assert READY.done(Counter(done)) == 0


@pytest.mark.usefixtures("served")
def test_the_check_alone_makes_no_run_necessary(ost):
    assert ost("run_pipeline", "recommendations", "--stage", "ready").summary["run"] == "none"


def test_the_check_goes_by_its_asset_name_of_document_001():
    assert RECOMMENDATIONS.chosen(["mappings_ready"]) == (READY,)

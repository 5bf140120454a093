import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.models import EmbeddingModel
from recommendations import enriching, placing
from recommendations.models import Category, Project
from recommendations.tests.factories import belongs, give_vector, make_category, make_project, snapshot

pytestmark = pytest.mark.django_db

UP, RIGHT, BETWEEN, AWAY = [0.0, 1, 0], [1.0, 0, 0], [0.8, 0.6, 0], [0.0, 0, 1]


def place() -> int:
    return sum(compared for compared, _ in placing.place(EmbeddingModel.objects.live()))


def waiting() -> int:
    return placing.unplaced(EmbeddingModel.objects.live()).count()


def categories(project: Project) -> list[str]:
    return sorted(link.category.name for link in project.category_links.filter(applies=True))


@pytest.fixture
def games() -> Category:
    games = make_category("Games", words=["game"])
    give_vector(games, UP)
    return games


@pytest.fixture
def finance() -> Category:
    finance = make_category("Finance")
    give_vector(finance, RIGHT)
    return finance


def embedded(values=BETWEEN, **facts) -> Project:
    project = make_project(**facts)
    enriching_done = list(enriching.enrich())
    assert enriching_done
    give_vector(project, values)
    return project


def test_a_project_that_no_word_placed_gets_its_nearest_category(games, finance):
    project = embedded(BETWEEN)
    assert place() == 1
    link = project.category_links.get()
    assert (link.category, link.by_vector, link.source) == (finance, True, "auto")
    assert link.confidence == pytest.approx(0.8)


def test_a_project_that_is_too_far_from_all_gets_none(games, finance):
    project = embedded(AWAY)
    assert place() == 1
    assert categories(project) == []


def test_a_project_that_a_word_placed_is_left_alone(games, finance):
    project = embedded(RIGHT, description="A game")
    assert place() == 0
    assert categories(project) == ["Games"]


def test_a_project_that_a_curator_placed_is_left_alone(games, finance):
    project = embedded(RIGHT)
    belongs(project, games, source="curated")
    assert place() == 0
    assert categories(project) == ["Games"]


def test_a_project_without_a_vector_waits_for_it(games):
    project = make_project()
    list(enriching.enrich())
    assert place() == 0
    give_vector(project, UP)
    assert place() == 1


def test_a_second_run_does_nothing(games, finance):
    embedded(BETWEEN)
    place()
    before = snapshot()
    assert (waiting(), place()) == (0, 0)
    assert snapshot() == before


def test_a_project_that_is_too_far_is_not_compared_again(games):
    embedded(AWAY)
    place()
    assert waiting() == 0


def test_a_changed_vector_places_anew(games, finance):
    project = embedded(UP)
    place()
    give_vector(project, RIGHT, text="other words")
    assert place() == 1
    assert categories(project) == ["Finance"]


def test_a_vector_that_moved_away_loses_its_category(games):
    project = embedded(UP)
    place()
    give_vector(project, AWAY, text="other words")
    place()
    assert categories(project) == []


def test_a_changed_vector_of_a_category_places_anew(games, finance):
    project = embedded(RIGHT)
    place()
    give_vector(finance, AWAY, text="other words")
    give_vector(games, RIGHT, text="other words")
    assert place() == 1
    assert categories(project) == ["Games"]


def test_a_changed_star_count_does_not_place_anew(games):
    project = embedded(UP)
    place()
    Project.objects.filter(pk=project.pk).update(stars=9)
    assert waiting() == 0


def test_a_word_found_later_replaces_the_category_of_the_vector(games, finance):
    project = embedded(RIGHT)
    place()
    Project.objects.filter(pk=project.pk).update(description="A game")
    list(enriching.enrich())
    give_vector(project, RIGHT)
    place()
    assert categories(project) == ["Games"]


def test_a_curated_removal_of_the_nearest_category_never_returns(games):
    project = embedded(UP)
    place()
    project.category_links.update(source="curated", applies=False)
    give_vector(project, UP, text="other words")
    place()
    assert categories(project) == []


def test_a_project_that_a_word_placed_for_a_while_gets_its_nearest_category_back(games, finance):
    project = embedded(RIGHT)
    place()
    for words in (["game", "tool"], ["game"]):
        Category.objects.filter(pk=games.pk).update(words=words)
        list(enriching.enrich())
    place()
    assert categories(project) == ["Finance"]


def test_nothing_waits_where_there_are_no_categories():
    embedded(UP)
    place()
    assert waiting() == 0


def test_blocks_reach_every_project(games, monkeypatch):
    monkeypatch.setattr(placing, "PROJECTS_AT_ONCE", 2)
    for number in range(5):
        embedded(UP, full_name=f"octo/tool{number}")
    assert list(placing.place(EmbeddingModel.objects.live())) == [(2, 2), (2, 2), (1, 1)]


def test_placing_costs_the_same_however_many_projects_there_are(games):
    def cost(count: int) -> int:
        for number in range(count):
            embedded(UP, full_name=f"octo{count}/tool{number}")
        with CaptureQueriesContext(connection) as caught:
            assert place() == count
        return len(caught)

    assert cost(10) == cost(20)

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommendations import enriching
from recommendations.models import Category, Project, TechStack
from recommendations.seeding import seed_taxonomy
from recommendations.tests.factories import belongs, give_vector, make_category, make_project, make_stack, snapshot

pytestmark = pytest.mark.django_db


def enrich(everything: bool = False) -> int:
    return sum(enriching.enrich(everything))


def categories(project: Project) -> list[str]:
    return sorted(link.category.name for link in project.category_links.filter(applies=True))


def stacks(project: Project) -> list[str]:
    return sorted(link.stack.name for link in project.stack_links.filter(applies=True))


def games() -> Category:
    return make_category("Games", words=["game"])


def test_a_project_is_linked_and_described():
    games(), make_stack("Go", languages=["Go"])
    project = make_project(description="A game", language="Go", topics=["fun"])
    assert enrich() == 1
    assert (categories(project), stacks(project)) == (["Games"], ["Go"])
    assert project.embeddings.get().text == "tool. A game. fun. Go"


def test_a_link_keeps_how_sure_it_is():
    games()
    project = make_project(description="A game", topics=["game"])
    enrich()
    link = project.category_links.get()
    assert (link.source, link.by_vector, 0.5 <= link.confidence <= 1) == ("auto", False, True)


def test_a_second_run_does_nothing():
    games()
    make_project(description="A game")
    enrich()
    before = snapshot()
    assert (enriching.waiting(), enrich()) == (0, 0)
    assert snapshot() == before


def test_everything_can_be_placed_anew_and_changes_no_link_and_no_text():
    games()
    make_project(description="A game")
    enrich()
    before = snapshot("recommendations_project")
    assert enrich(everything=True) == 1
    assert snapshot("recommendations_project") == before


def test_a_changed_star_count_does_not_wait():
    project = make_project(stars=1)
    enrich()
    Project.objects.filter(pk=project.pk).update(stars=2, forks=3)
    assert enriching.waiting() == 0


def test_a_changed_description_places_and_describes_anew():
    games()
    project = make_project(description="A game")
    enrich()
    Project.objects.filter(pk=project.pk).update(description="A parser")
    assert enrich() == 1
    assert categories(project) == []
    assert project.embeddings.get().text == "tool. A parser"


def test_a_changed_text_waits_for_its_vector_and_the_old_one_serves_meanwhile():
    project = make_project(description="A game")
    enrich()
    give_vector(project, [1, 0, 0])
    Project.objects.filter(pk=project.pk).update(description="A parser")
    enrich()
    row = project.embeddings.get()
    assert row.vector is not None
    assert row.vector_hash != row.text_hash


def test_a_changed_rule_places_anew():
    games()
    project = make_project(description="A parser")
    enrich()
    Category.objects.update(words=["parser"])
    assert enriching.waiting() == 1
    enrich()
    assert categories(project) == ["Games"]


def test_a_changed_rule_does_not_embed_anew():
    games()
    project = make_project(description="A parser")
    enrich()
    give_vector(project, [1, 0, 0])
    Category.objects.update(words=["parser"])
    enrich()
    row = project.embeddings.get()
    assert row.vector_hash == row.text_hash


def test_another_builder_of_texts_describes_anew(settings):
    project = make_project(stars=5)
    enrich()
    settings.PROJECT_TEXT = "embed_star"
    assert enrich() == 1
    assert "Stars: 5" in project.embeddings.get().text


def test_a_curated_link_survives():
    project = make_project(description="A parser")
    belongs(project, games(), make_stack("Go"), source="curated")
    enrich()
    assert (categories(project), stacks(project)) == (["Games"], ["Go"])


def test_a_curated_link_stays_as_it_is_where_a_word_finds_it_too():
    project = make_project(description="A game")
    belongs(project, games(), source="curated", confidence=1)
    enrich()
    link = project.category_links.get()
    assert (link.source, link.confidence) == ("curated", 1)


def test_a_curated_removal_never_returns():
    project = make_project(description="A game in Go", language="Go")
    belongs(project, games(), make_stack("Go", languages=["Go"]), source="curated", applies=False)
    enrich()
    enrich(everything=True)
    assert (categories(project), stacks(project)) == ([], [])


def test_a_category_found_by_vector_goes_when_a_word_finds_one():
    project = make_project(description="A game")
    belongs(project, make_category("Education"), by_vector=True)
    games()
    enrich()
    assert categories(project) == ["Games"]


def test_a_category_found_by_vector_stays_while_no_word_finds_one():
    project = make_project(description="A parser")
    belongs(project, make_category("Education"), by_vector=True)
    enrich()
    assert categories(project) == ["Education"]


def test_a_word_that_finds_the_category_of_the_vector_takes_it_over():
    project = make_project(description="A game")
    belongs(project, games(), by_vector=True, confidence=0.2)
    enrich()
    link = project.category_links.get()
    assert (link.by_vector, link.confidence > 0.5) == (False, True)


@pytest.mark.parametrize(
    ("description", "wrong"),
    [
        ("Previously at Google", "Go"),
        ("Turns html into pages", "AI & Machine Learning"),
        ("A web site in Django", "Go"),
    ],
)
def test_a_word_that_only_looks_like_a_term_places_nothing(description, wrong):
    seed_taxonomy()
    project = make_project(description=description)
    enrich()
    assert wrong not in categories(project) + stacks(project)
    assert Category.objects.filter(name=wrong).exists() or TechStack.objects.filter(name=wrong).exists()


def test_blocks_reach_every_project(monkeypatch):
    monkeypatch.setattr(enriching, "PROJECTS_AT_ONCE", 2)
    for number in range(5):
        make_project(f"octo/tool{number}")
    assert list(enriching.enrich()) == [2, 2, 1]
    assert enriching.waiting() == 0


def test_one_odd_project_does_not_stop_the_others():
    make_project(languages={"Go": 10**400})
    assert enrich() == 1


def test_a_block_costs_the_same_however_many_projects_it_holds():
    games()

    def cost(count: int) -> int:
        for number in range(count):
            make_project(f"octo{count}/tool{number}", description="A game")
        with CaptureQueriesContext(connection) as caught:
            assert enrich() == count
        return len(caught)

    cost(1)  # so that the model is registered
    assert cost(10) == cost(20)

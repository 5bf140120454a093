"""Stars that come and go ask no embedding provider for anything; changed words ask once."""

import json
from pathlib import Path

import pytest

from engine import runs
from engine.embeddings import filling
from engine.models import Run
from engine.pipeline import Scope
from engine.testing.embeddings import OpenAI
from engine.testing.serving import Server
from engine.tests import embedding_kills
from recommendations.models import Project
from recommendations.pipeline import RECOMMENDATIONS
from recommendations.seeding import seed_taxonomy
from recommendations.tests.factories import make_weights

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")]
PROJECTS = [
    {"full_name": f"octo/tool{at}", "description": f"A web framework, the {at}th", "language": "Python", "stars": at}
    for at in range(60)
]


@pytest.fixture
def provider():
    with Server(OpenAI()) as server, embedding_kills.by_openai(server):
        filling.made.cache_clear()
        yield server.upstream
    filling.made.cache_clear()


@pytest.fixture
def again(ost, tmp_path: Path, provider):
    """Import these projects, run the pipeline; returns what the provider was asked for by it."""
    seed_taxonomy()
    make_weights()

    def run(projects: list[dict[str, object]]) -> int:
        before = provider.embedded.total()
        file = tmp_path / "projects.jsonl"
        file.write_text("".join(json.dumps(each) + "\n" for each in projects))
        assert ost("import_projects", str(file)).code == 0
        assert runs.run(RECOMMENDATIONS, Scope()).state == Run.State.DONE
        return provider.embedded.total() - before

    run(PROJECTS)
    return run


def test_new_star_counts_for_every_project_ask_for_nothing(again):
    assert again([{**each, "stars": int(str(each["stars"])) + 1000} for each in PROJECTS]) == 0
    assert Project.objects.filter(stars__gte=1000).count() == len(PROJECTS)


def test_a_changed_text_is_asked_for_once(again):
    changed = [{**PROJECTS[0], "description": "A game with zombies"}, *PROJECTS[1:]]
    assert (again(changed), again(changed), again(PROJECTS)) == (1, 0, 0)

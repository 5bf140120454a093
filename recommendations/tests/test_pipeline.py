"""The whole of enrich | ready | embed | score with the real model, from files to what a person is shown."""

import pytest

from engine.embeddings import filling
from engine.models import Run
from recommendations.models import Generation, Project, ProjectEmbedding
from recommendations.seeding import seed_taxonomy
from recommendations.tests.factories import make_weights, run, snapshot

PROJECTS = [
    ("vllm/engine", "Fast serving of large language models on GPUs", "Python", ["llm", "inference"], 9_000),
    ("torch/vision", "Models and data sets for computer vision", "Python", ["deep-learning"], 5_000),
    ("tiny/grad", "A small library for training neural networks", "Python", ["deep-learning"], 800),
    ("kube/deploy", "Deploy clusters of containers with one command", "Go", ["kubernetes", "devops"], 3_000),
    ("helm/charts", "Packages for applications on Kubernetes", "Go", ["kubernetes"], 700),
    ("promo/metrics", "Monitoring and alerts for servers", "Go", ["monitoring"], 4_000),
    ("pixel/quest", "A role playing game in the browser", "TypeScript", ["game"], 300),
    ("voxel/engine", "A game engine for worlds made of blocks", "Rust", ["game-engine"], 1_200),
    ("shop/cart", "A shop with a cart and payments", "PHP", ["ecommerce"], 600),
    ("paint/box", "Draw and retouch pictures", "C++", [], 2_000),
    ("old/thing", "An abandoned experiment", "C", [], 50),
    ("alice/notes", "Notes about deep learning", "Python", ["deep-learning"], 10),
]
USERS = [
    {"username": "alice", "bio": "Trains neural networks and language models.", "tech_stacks": ["Python", "PyTorch"]},
    {"username": "bob", "categories": ["Games"]},
    {"username": "charlie"},
]
ACTS = [{"username": "bob", "full_name": "pixel/quest", "kind": "star", "at": "2024"}]


@pytest.fixture
def house(db, ost, lines, monkeypatch, packaged_model):
    """Projects and users as a user imports them; every row as it is before the first run."""
    monkeypatch.setattr(filling, "embedder", lambda model: packaged_model)
    seed_taxonomy()
    make_weights(popularity_threshold=10_000)
    keys = ("full_name", "description", "language", "topics", "stars")
    rows = [dict(zip(keys, facts, strict=True)) for facts in PROJECTS]
    rows[10]["archived"] = True
    assert ost("import_projects", lines("p.jsonl", *rows)).code == 0
    assert ost("import_users", lines("u.jsonl", *USERS)).code == 0
    assert ost("import_interactions", lines("i.jsonl", *ACTS)).code == 0


def shown(username: str) -> list[str]:
    generation = Generation.objects.live()
    assert generation is not None
    rows = generation.recommendations.filter(user__username=username).order_by("rank")
    return [row.project.full_name for row in rows]


@pytest.mark.model
@pytest.mark.usefixtures("house")
def test_everyone_is_served_by_meaning_and_a_second_run_writes_nothing_at_all(ost):
    done = ost("run_pipeline", "recommendations")
    assert (done.code, done.summary["state"]) == (0, "done")
    assert done.summary["enrich.enriched"] == "12"
    assert set(shown("alice")[:3]) == {"vllm/engine", "torch/vision", "tiny/grad"}
    assert shown("bob")[0] == "voxel/engine"
    assert len(shown("charlie")) == 11
    before = snapshot()
    assert ost("run_pipeline", "recommendations").summary["run"] == "none"
    assert snapshot() == before


@pytest.mark.model
@pytest.mark.usefixtures("house")
def test_a_star_change_scores_again_and_a_new_description_embeds_one_text(ost, lines):
    run()
    ost("import_projects", lines("p.jsonl", {"full_name": "tiny/grad", "stars": 900}))
    assert {stage: bool(counts) for stage, counts in run().counts.items()} == {
        "enrich": False,
        "ready": True,
        "embed": False,
        "engage": False,
        "score": True,
    }
    ost("import_projects", lines("p.jsonl", {"full_name": "tiny/grad", "description": "A cook book"}))
    again = run()
    assert again.state == Run.State.DONE
    assert (again.counts["enrich"]["enriched"], again.counts["embed"]["embedded"]) == (1, 1)
    row = ProjectEmbedding.objects.get(subject=Project.objects.get(full_name="tiny/grad"))
    assert "cook book" in row.text
    assert row.vector_hash == row.text_hash

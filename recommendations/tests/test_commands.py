import gzip
import json
import sys
from io import BytesIO, TextIOWrapper
from typing import Any

import pytest
from django.contrib.auth.models import User

from recommendations import importing
from recommendations.models import Category, Interaction, Profile, Project, TechStack
from recommendations.seeding import seed_taxonomy
from recommendations.tests.factories import (
    LEDGER,
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
    score,
    snapshot,
    star,
)
from recommendations.tests.taste import hear, say

pytestmark = pytest.mark.django_db

FIGURES = {"semantic", "category", "tech", "popularity"}
ANSWER = {"full_name", "rank", "score", "raw_score", "components", "parts", "reasons", "cold_start"}
GOOD: dict[str, dict[str, Any]] = {
    "import_projects": {"full_name": "octo/tool", "stars": 1},
    "import_users": {"username": "alice", "bio": "Cooks"},
    "import_interactions": {"username": "alice", "full_name": "octo/tool", "kind": "star", "at": "2024"},
}
TRAIN = {"username": "alice", "full_name": "octo1/tool", "kind": "star", "at": "2024", "split": "train"}
TABLES: dict[str, Any] = {"import_projects": Project, "import_users": User, "import_interactions": Interaction}
imports = pytest.mark.parametrize("name", GOOD)


@pytest.fixture
def ready():
    """What an import needs: a taxonomy; for interactions a user and a project."""
    make_category("Games")


@pytest.fixture
def world():
    """Four projects; alice, who knows Python and starred octo1/tool; newcomer, of whom nothing is known."""
    make_weights()
    projects = make_projects(4)
    python = make_stack("Python")
    belongs(projects[2], python)
    alice = make_user("alice")
    give_vector(alice, [1, 0, 0])
    knows(alice, python)
    star(alice, projects[1])
    make_user("newcomer")
    return projects


def count_of(name: str) -> int:
    return TABLES[name].objects.count()


def prepare(name: str) -> None:
    if name == "import_interactions":
        make_user(), make_project()


# Import commands, and files that nobody vouches for


@imports
@pytest.mark.usefixtures("ready")
def test_an_import_says_what_it_did(ost, lines, name):
    prepare(name)
    done = ost(name, lines("in.jsonl", GOOD[name]))
    assert (done.code, done.err) == (0, "")
    assert done.summary["state"] == "done"
    assert (done.summary["lines"], done.summary["rejected"], done.summary["inserted"]) == ("1", "0", "1")


@imports
@pytest.mark.usefixtures("ready")
def test_an_import_twice_writes_no_row(ost, lines, name):
    prepare(name)
    file = lines("in.jsonl", GOOD[name])
    ost(name, file)
    before = snapshot()
    done = ost(name, file)
    assert (done.code, done.summary["unchanged"]) == (0, "1")
    assert snapshot() == before


@imports
@pytest.mark.usefixtures("ready")
def test_a_packed_file_is_unpacked(ost, tmp_path, name):
    prepare(name)
    file = tmp_path / "in.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps(GOOD[name]).encode()))
    assert ost(name, file).code == 0
    assert count_of(name) == 1


@imports
@pytest.mark.usefixtures("ready")
def test_standard_input_is_read(ost, monkeypatch, name):
    prepare(name)
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(json.dumps(GOOD[name]).encode())))
    assert ost(name, "-").code == 0
    assert count_of(name) == 1


@imports
@pytest.mark.usefixtures("ready")
def test_a_file_that_is_missing_is_named(ost, tmp_path, name):
    done = ost(name, tmp_path / "gone.jsonl")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"ost: {tmp_path / 'gone.jsonl'} cannot be read: No such file or directory\n"


@imports
@pytest.mark.usefixtures("ready")
def test_a_folder_is_refused(ost, tmp_path, name):
    done = ost(name, tmp_path)
    assert done.code == 2
    assert "is a directory" in done.err


@imports
@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("content", ["", "\n\n"])
def test_a_file_without_lines_is_refused(ost, tmp_path, name, content):
    (tmp_path / "in.jsonl").write_text(content)
    done = ost(name, tmp_path / "in.jsonl")
    assert done.code == 2
    assert done.err.count("\n") == 1


@imports
@pytest.mark.usefixtures("ready")
def test_what_only_looks_packed_is_refused(ost, lines, name):
    done = ost(name, lines("in.jsonl.gz", GOOD[name]))
    assert done.code == 2
    assert "is not a gzip file" in done.err


@imports
@pytest.mark.usefixtures("ready")
def test_the_good_lines_of_a_packed_file_that_breaks_off_are_kept(ost, tmp_path, name):
    prepare(name)
    noise = "".join(json.dumps({"noise": number * 7919 % 104729}) + "\n" for number in range(20_000))
    packed = gzip.compress((json.dumps(GOOD[name]) + "\n" + noise).encode())
    (tmp_path / "in.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    done = ost(name, tmp_path / "in.jsonl.gz")
    assert (done.code, done.summary["state"]) == (1, "partly")
    assert count_of(name) == 1


@imports
@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("bad", ["{", "[]", '{"stars": 1}', "\x00"])
def test_a_bad_line_is_named_and_the_good_ones_are_kept(ost, lines, name, bad):
    prepare(name)
    file = lines("in.jsonl", bad, GOOD[name])
    done = ost(name, file)
    assert (done.code, done.summary["state"], done.summary["rejected"]) == (1, "partly", "1")
    assert done.err.startswith(f"{file}:1: ")
    assert count_of(name) == 1


@imports
@pytest.mark.usefixtures("ready")
def test_a_file_of_bad_lines_has_failed(ost, lines, name):
    done = ost(name, lines("in.jsonl", "{", "{"))
    assert (done.code, done.summary["state"]) == (1, "failed")


@imports
@pytest.mark.usefixtures("ready")
def test_ten_bad_lines_are_named_and_the_rest_counted(ost, lines, name):
    done = ost(name, lines("in.jsonl", *["{"] * 15))
    assert done.err.count("in.jsonl:") == 10
    assert "… and 5 more lines" in done.err


@imports
@pytest.mark.usefixtures("ready")
def test_a_line_of_ten_megabytes_is_skipped(ost, lines, name):
    prepare(name)
    done = ost(name, lines("in.jsonl", json.dumps({"x": "y" * 10_000_000}), GOOD[name]))
    assert (done.code, done.summary["rejected"]) == (1, "1")
    assert "longer than" in done.err
    assert count_of(name) == 1


def test_projects_are_written_in_blocks(ost, lines, monkeypatch):
    monkeypatch.setattr("engine.importing.LINES_AT_ONCE", 2)
    sizes: list[int] = []
    write = importing.import_projects

    def counted(block):
        sizes.append(len(block))
        return write(block)

    monkeypatch.setattr(importing, "import_projects", counted)
    rows = [{"full_name": f"octo/tool{number}"} for number in range(5)]
    assert ost("import_projects", lines("in.jsonl", *rows)).summary["inserted"] == "5"
    assert sizes == [2, 2, 1]


@pytest.mark.usefixtures("ready")
def test_unknown_names_of_interactions_are_summed_and_no_error(ost, lines):
    prepare("import_interactions")
    gone = {**GOOD["import_interactions"], "full_name": "octo/gone"}
    done = ost("import_interactions", lines("in.jsonl", gone, GOOD["import_interactions"]))
    assert (done.code, done.summary["skipped"], done.summary["inserted"]) == (0, "1", "1")
    assert done.err == "skipped 1 of users or projects that are not here, among them: octo/gone\n"


def test_users_need_a_taxonomy_first(ost, lines):
    done = ost("import_users", lines("in.jsonl", GOOD["import_users"]))
    assert (done.code, User.objects.count()) == (2, 0)
    assert "seed_taxonomy" in done.err


def test_seeding_the_taxonomy_twice_writes_no_row(ost):
    done = ost("seed_taxonomy")
    assert (done.code, done.summary["inserted"]) == (0, "94")
    assert (Category.objects.count(), TechStack.objects.count()) == (18, 76)
    before = snapshot()
    assert ost("seed_taxonomy").summary["unchanged"] == "94"
    assert snapshot() == before


def test_seeding_leaves_what_a_curator_added_and_mends_what_ships(ost):
    make_stack("Fortran")
    ost("seed_taxonomy")
    Category.objects.filter(name="Games").update(words=[])
    assert ost("seed_taxonomy").summary["updated"] == "1"
    assert TechStack.objects.filter(name="Fortran").exists()


def test_test_users_are_ten_and_come_once(ost, capsys):
    seed_taxonomy()
    assert ost("create_test_users").code == 0
    assert Profile.objects.count() == 10
    assert not any(user.has_usable_password() for user in User.objects.all())
    before = snapshot()
    ost("create_test_users")
    assert snapshot() == before


# recommend


@pytest.mark.usefixtures("world")
def test_recommend_shows_projects_and_reasons(ost):
    score()
    done = ost("recommend", "alice")
    assert (done.code, done.err) == (0, "")
    assert "octo2/tool" in done.out
    assert "Made with Python, which you know." in done.out
    assert "octo1/tool" not in done.out.replace("Close in meaning to octo1/tool", "")


def test_recommend_shows_words_from_outside_as_they_are(ost, world):
    Project.objects.filter(pk=world[2].pk).update(description="[bold]loud[/bold] \x1b[31mred")
    score()
    shown = ost("recommend", "alice").out
    assert "[bold]loud[/bold]" in shown
    assert "\x1b" not in shown


@pytest.mark.usefixtures("world")
def test_recommend_as_json_has_every_figure(ost):
    score()
    answer = ost("recommend", "alice", "--json").json
    assert set(answer) == {"user_id", "recommendations", "generated_at", "weights"}
    assert (answer["user_id"], answer["weights"]) == ("alice", 1)
    first = answer["recommendations"][0]
    assert set(first) == ANSWER
    assert set(first["components"]) == set(first["parts"]) == FIGURES
    assert (first["rank"], first["full_name"]) == (1, "octo2/tool")


@pytest.mark.usefixtures("world")
def test_recommend_shows_as_many_as_asked_for(ost):
    score()
    assert len(ost("recommend", "alice", "--top", "2", "--json").json["recommendations"]) == 2


@pytest.mark.usefixtures("world")
def test_recommend_shows_as_many_as_the_live_weights_say(ost):
    make_weights(top_n=2)
    score()
    assert len(ost("recommend", "alice", "--json").json["recommendations"]) == 2


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("top", ["0", "51", "five", "-1"])
def test_recommend_refuses_another_number(ost, top):
    done = ost("recommend", "alice", "--top", top)
    assert done.code == 2
    assert "a whole number from 1 to 50" in done.err


def test_what_somebody_wrote_since_shows_at_once(ost):
    make_weights()
    make_projects(3)
    score()
    hear(say(make_user("carol"), "A tool in Rust?"), rust := make_stack("Rust"))
    belongs(store := make_project("keep/store"), rust)
    give_vector(store, [0, 0, 1])
    assert "you wrote" in ost("recommend", "carol").out


@pytest.mark.usefixtures("world")
def test_a_newcomer_is_shown_something(ost):
    score()
    done = ost("recommend", "newcomer")
    assert done.code == 0
    assert "Popular or new: nothing that is known of you leads to a project yet." in done.out.replace("\n", " ")


@pytest.mark.usefixtures("world")
def test_an_unknown_user_is_named(ost):
    done = ost("recommend", "nobody")
    assert (done.code, done.out, done.err) == (2, "", "ost: recommend: there is no user 'nobody'\n")


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("command", [("recommend", "alice"), ("export_recommendations",)])
def test_before_anything_was_published_it_says_what_to_run(ost, command):
    done = ost(*command)
    assert (done.code, done.out) == (1, "")
    assert "nothing is published yet; run: ./ost manage run_pipeline recommendations" in done.err


# export_recommendations


def exported(text: str) -> dict[str, list[dict]]:
    rows = [json.loads(line) for line in text.splitlines()]
    assert all(set(row) == {"username", "recommendations"} for row in rows)
    return {row["username"]: row["recommendations"] for row in rows}


@pytest.mark.usefixtures("world")
def test_an_export_has_a_line_a_user_and_parts_that_sum_to_the_score(ost):
    score()
    found = exported(ost("export_recommendations").out)
    assert {name: len(rows) for name, rows in found.items()} == {"alice": 3, "newcomer": 4}
    for row in found["alice"]:
        assert set(row) == ANSWER
        assert sum(row["parts"].values()) == pytest.approx(row["score"], abs=1e-9)
        assert row["reasons"]


@pytest.mark.usefixtures("world")
def test_an_export_marks_a_cold_start_and_gives_it_no_figures(ost):
    score()
    for row in exported(ost("export_recommendations").out)["newcomer"]:
        assert (row["score"], row["raw_score"], row["components"], row["parts"]) == (None,) * 4
        assert (row["cold_start"], bool(row["reasons"])) == (True, True)


@pytest.mark.usefixtures("world")
def test_an_export_goes_to_a_file_that_is_the_same_each_time(ost, tmp_path):
    score()
    done = ost("export_recommendations", "--top", "2", "-o", tmp_path / "out.jsonl")
    assert (done.code, done.summary["users"]) == (0, "2")
    first = (tmp_path / "out.jsonl").read_text()
    ost("export_recommendations", "--top", "2", "-o", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == first
    assert len(exported(first)["alice"]) == 2


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("place", [".", "gone/out.jsonl"])
def test_an_export_that_cannot_be_written_is_refused(ost, tmp_path, place):
    score()
    done = ost("export_recommendations", "-o", tmp_path / place)
    assert done.code == 2
    assert done.err.startswith("ost: -o: ")


# rank


def ranked(ost, lines, *candidates: str, username: str = "alice") -> list[dict]:
    done = ost("rank", lines("in.jsonl", {"username": username, "candidates": list(candidates)}))
    assert done.code == 0
    assert (done.json["username"], set(done.json)) == (username, {"username", "ranking"})
    return done.json["ranking"]


@pytest.mark.usefixtures("world")
def test_rank_gives_every_known_candidate_once_best_first_starred_ones_too(ost, lines):
    found = ranked(ost, lines, "octo0/tool", "OCTO1/tool", "octo1/tool", "octo9/gone", "octo2/tool", "no name")
    assert sorted(row["full_name"] for row in found) == ["octo0/tool", "octo1/tool", "octo2/tool"]
    assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)


@pytest.mark.usefixtures("world")
def test_rank_gives_parts_that_sum_to_the_score(ost, lines):
    for row in ranked(ost, lines, "octo0/tool", "octo2/tool"):
        assert set(row["parts"]) == FIGURES
        assert sum(row["parts"].values()) == pytest.approx(row["score"], abs=1e-9)


@pytest.mark.usefixtures("world")
def test_rank_agrees_with_what_is_published(ost, lines):
    score()
    stored = exported(ost("export_recommendations").out)["alice"]
    found = ranked(ost, lines, *sorted(row["full_name"] for row in stored))
    assert [row["full_name"] for row in found] == [row["full_name"] for row in stored]
    assert [row["score"] for row in found] == pytest.approx([row["score"] for row in stored], abs=1e-12)


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("username", ["newcomer", "nobody"])
def test_rank_gives_no_score_without_evidence_and_the_popular_first(ost, lines, username):
    found = ranked(ost, lines, "octo0/tool", "octo3/tool", username=username)
    assert found == [{"full_name": f"octo{n}/tool", "score": None, "parts": None} for n in (3, 0)]


@pytest.mark.usefixtures("world")
def test_rank_without_a_known_candidate_is_an_empty_ranking(ost, lines):
    assert ranked(ost, lines, "octo9/gone") == []


@pytest.mark.usefixtures("world")
def test_rank_keeps_the_order_of_its_lines_and_names_bad_ones(ost, lines, tmp_path):
    good = [{"username": name, "candidates": ["octo0/tool"]} for name in ("newcomer", "alice", "newcomer")]
    file = lines("in.jsonl", good[0], "{", good[1], good[2])
    done = ost("rank", file, "-o", tmp_path / "out.jsonl")
    written = [json.loads(line)["username"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert written == ["newcomer", "alice", "newcomer"]
    assert (done.code, done.summary["state"], done.summary["lines"]) == (1, "partly", "4")
    assert done.err.startswith(f"{file}:2: ")


@pytest.mark.usefixtures("world")
def test_rank_writes_nothing_to_the_database(ost, lines):
    before = snapshot()
    ranked(ost, lines, "octo0/tool")
    assert snapshot() == before


@pytest.mark.usefixtures("world")
def test_rank_refuses_a_file_that_is_missing(ost, tmp_path):
    done = ost("rank", tmp_path / "gone.jsonl")
    assert (done.code, done.out) == (2, "")


# evaluate


def measured(ost, lines, *extra: dict) -> dict:
    candidates = {"username": "alice", "candidates": ["octo0/tool", "octo2/tool", "octo3/tool"], "relevant": [1]}
    done = ost(
        "evaluate",
        "--candidates",
        lines("c.jsonl", candidates),
        "--interactions",
        lines("i.jsonl", TRAIN, *extra),
        "--json",
    )
    assert done.code == 0, done.err
    return done.json


@pytest.fixture
def measurable(world):
    Project.objects.update(description="A tool for everyone")
    return world


@pytest.mark.usefixtures("measurable")
def test_evaluate_measures_ours_beside_the_others(ost, lines):
    report = measured(ost, lines)
    assert report["users"] == 1
    assert {"random", "popularity", "tf-idf", "reference", "ours"} <= set(report["rankers"])
    assert report["rankers"]["ours"]["ndcg@10"]["mean"] == 1
    assert report["rankers"]["ours"]["auc"]["mean"] == 1


@pytest.mark.usefixtures("measurable")
def test_evaluate_does_not_learn_from_held_out_rows(ost, lines):
    held_out = {"username": "alice", "full_name": "octo3/tool", "kind": "star", "at": "2025", "split": "test"}
    assert measured(ost, lines, held_out) == measured(ost, lines)


def test_evaluate_does_not_learn_from_stored_interactions(ost, lines, measurable):
    before = measured(ost, lines)
    star(User.objects.get(username="alice"), measurable[3])
    assert measured(ost, lines) == before


@pytest.mark.usefixtures("measurable")
def test_evaluate_measures_a_person_without_train_rows(ost, lines):
    candidates = {"username": "newcomer", "candidates": ["octo0/tool", "octo2/tool"], "relevant": [1]}
    done = ost("evaluate", "--candidates", lines("c.jsonl", candidates), "--interactions", lines("i.jsonl", TRAIN))
    assert done.code == 0


def test_evaluate_measures_projects_that_share_no_word(ost, lines, world):
    for number, project in enumerate(world):
        Project.objects.filter(pk=project.pk).update(full_name=f"owner{number}/name{number}")
    candidates = {"username": "alice", "candidates": ["owner0/name0", "owner2/name2"], "relevant": [1]}
    train = {**TRAIN, "full_name": "owner1/name1"}
    done = ost("evaluate", "--candidates", lines("c.jsonl", candidates), "--interactions", lines("i.jsonl", train))
    assert done.code == 0


@pytest.mark.usefixtures("measurable")
def test_evaluate_shows_a_table(ost, lines):
    candidates = {"username": "alice", "candidates": ["octo0/tool", "octo2/tool"], "relevant": [1]}
    done = ost("evaluate", "--candidates", lines("c.jsonl", candidates), "--interactions", lines("i.jsonl", TRAIN))
    assert done.code == 0
    assert "ours" in done.out


@pytest.mark.usefixtures("measurable")
def test_evaluate_writes_nothing_to_the_database(ost, lines):
    before = snapshot()
    measured(ost, lines)
    assert snapshot() == before


@pytest.mark.usefixtures("measurable")
@pytest.mark.parametrize(
    ("candidates", "interactions"),
    [
        ({"username": "alice", "candidates": ["octo9/gone"], "relevant": [0]}, {"split": "train"}),
        ({"username": "alice", "candidates": ["octo0/tool"], "relevant": [0]}, {"split": "test"}),
        ("{", {"split": "train"}),
    ],
)
def test_evaluate_refuses_what_cannot_be_measured(ost, lines, candidates, interactions):
    row = {"username": "alice", "full_name": "octo1/tool", "kind": "star", "at": "2024", **interactions}
    done = ost("evaluate", "--candidates", lines("c.jsonl", candidates), "--interactions", lines("i.jsonl", row))
    assert done.code in (1, 2)
    assert done.err.count("\n") == 1


# run_pipeline, prune


@pytest.mark.usefixtures("world")
def test_prune_twice_writes_no_row(ost):
    score()
    make_weights()
    score()
    assert ost("prune", "--keep", "0").summary["generations"] == "1"
    before = snapshot()
    assert ost("prune", "--keep", "0").summary["generations"] == "0"
    assert snapshot() == before


@pytest.mark.usefixtures("world")
def test_scoring_twice_is_no_work_and_no_run(ost):
    assert ost("run_pipeline", "recommendations", "--stage", "score").summary["score.scored"] == "2"
    before = snapshot()
    assert ost("run_pipeline", "recommendations", "--stage", "score").summary["run"] == "none"
    assert snapshot() == before


@pytest.mark.usefixtures("world")
def test_a_stage_goes_by_the_asset_name_of_document_001(ost):
    done = ost("run_pipeline", "recommendations", "--stage", "user_project_similarities_asset")
    assert (done.code, done.summary["score.scored"]) == (0, "2")


def test_a_day_is_refused_since_the_pipeline_has_none(ost):
    make_model()
    done = ost("run_pipeline", "recommendations", "--day", "2024-01-01")
    assert done.code == 2
    assert "does not go by days" in done.err


def test_an_unknown_stage_is_refused_and_opens_no_run(ost):
    before = snapshot()
    done = ost("run_pipeline", "recommendations", "--stage", "colour")
    assert done.code == 2
    assert "allowed: enrich, ready, embed, engage, score" in done.err
    assert {table: rows for table, rows in snapshot().items() if table in LEDGER} == {
        table: rows for table, rows in before.items() if table in LEDGER
    }

"""The commands of issues, as a user calls them."""

import json

import pytest

from issues.models import Issue
from issues.tests.factories import DAY, NEXT, give_issues_vectors, make_item, make_topic, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def two_days() -> None:
    make_topic(0)
    make_topic(1)
    make_item(-1)
    publish()
    make_topic(0, day=NEXT)
    publish(NEXT)


def rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", ["export_clusters", "export_issues", "top_issues"])
def test_before_the_first_run_each_says_what_to_do(ost, name):
    ended = ost(name)
    assert (ended.code, "run_pipeline issues" in ended.err) == (1, True)


def test_each_post_is_a_line_with_its_place(ost, two_days):
    found = rows(ost("export_clusters").out)
    assert (len(found), set(found[0])) == (25, {"url", "source", "day", "cluster", "membership", "issue"})


def test_an_empty_day_is_none(ost, two_days):
    assert ost("export_clusters", "--day", "").code == 2


def test_a_post_in_no_cluster_has_minus_one(ost, two_days):
    (lone,) = [row for row in rows(ost("export_clusters").out) if "/-1-" in row["url"]]
    assert (lone["cluster"], lone["issue"], lone["membership"]) == (-1, None, 0)


def test_one_day_can_be_asked_for(ost, two_days):
    assert len(rows(ost("export_clusters", "--day", NEXT.isoformat()).out)) == 8


def test_clusters_of_two_days_have_two_names(ost, two_days):
    found = rows(ost("export_clusters").out)
    days = {(row["cluster"], row["day"]) for row in found if row["cluster"] != -1}
    assert len({cluster for cluster, _ in days}) == len(days)


def test_an_issue_is_a_line_with_its_days_and_evidence(ost, two_days):
    largest = next(row for row in rows(ost("export_issues").out) if len(row["days"]) == 2)
    assert ([day["items"] for day in largest["days"]], len(largest["evidence"])) == ([8, 8], 16)


def test_an_export_goes_to_a_file_whole(ost, two_days, tmp_path):
    ended = ost("export_issues", "-o", tmp_path / "issues.jsonl")
    assert (ended.summary["issues"], len(rows((tmp_path / "issues.jsonl").read_text()))) == ("2", 2)


def test_the_largest_of_the_newest_day_are_shown(ost, two_days):
    found = ost("top_issues", "--json").json
    assert (found["day"], [row["last_seen"] for row in found["issues"]]) == (str(NEXT), [str(NEXT)])


def test_what_strangers_write_does_not_steer_the_terminal(ost, two_days):
    Issue.objects.update(title="[red]Owned\x1b[2J[/red]")
    out = ost("top_issues").out
    assert ("\x1b[2J" in out, "[red]Owned" in out) == (False, True)


def test_a_stage_is_known_by_its_former_name(ost):
    make_topic(0)
    ended = ost("run_pipeline", "issues", "--day", DAY.isoformat(), "--stage", "silver.clusters")
    assert (ended.code, ended.summary["cluster.clustered"]) == (0, "8")


def test_a_second_run_of_everything_finds_nothing_to_do(ost):
    make_topic(0)
    ost("run_pipeline", "issues", "--stage", "embed", "--stage", "cluster", "--stage", "label", "--stage", "chart")
    give_issues_vectors()
    assert ost("run_pipeline", "issues").summary["run"] == "none"

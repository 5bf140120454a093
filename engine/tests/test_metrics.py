"""The figures of /metrics: each is what the database counts, and none of them grows with what people type."""

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from engine import jobs, metrics, tallies
from engine.embeddings import counting, filling
from engine.models import Anomaly, EmbeddingModel, Fetch, Run, Upstream
from engine.tests.filled import LABELS, NOON, everything, figures, make_group, make_run, make_texts
from issues.models import LiveIssue
from recommendations.models import ProjectEmbedding

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.django_db

SUBJECTS = {"categories", "intents", "issues", "items", "messages", "profiles", "projects"}
NAMED_BY_EMBED_STAR = {
    "embed_star_embeddings": ("counter", {"provider", "model"}),
    "embed_star_embeddings_errors": ("counter", {"provider", "error_type"}),
    "embed_star_embedding_duration_seconds": ("histogram", {"provider", "model"}),
    "embed_star_repos_pending": ("gauge", set()),
    "embed_star_rate_limits": ("counter", {"provider"}),
}


def samples() -> dict[str, dict[tuple[str, ...], float]]:
    """What a scrape reads: name -> values of the labels, in the order of their names -> figure."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def figure(name: str, *labels: str) -> float:
    return samples()[name][labels]


def texts(name: str, subject: str, model: str = "") -> float:
    """Of the live model, as a rule."""
    name, live = f"ost_embeddings_{name}", EmbeddingModel.objects.live()
    return figure(name, model or live.name, live.provider, subject)


def families() -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(metrics.exposition().decode())}


# Runs


@pytest.mark.parametrize("state", Run.LIVE)
def test_runs_that_are_not_over_are_counted_by_state(state):
    make_run(state)
    make_run(state)
    expected = {(name, each): 0.0 for name in settings.PIPELINES for each in Run.LIVE}
    assert samples()["ost_runs"] == {**expected, ("recommendations", state): 2.0}


def test_runs_that_are_over_are_not_counted():
    make_run("done", finished_at=NOON)
    assert set(samples()["ost_runs"].values()) == {0.0}


def test_a_run_is_due_when_it_waits_and_its_time_has_come():
    make_run()
    make_run(next_attempt_at=Now() - timedelta(seconds=1))
    make_run(next_attempt_at=Now() + timedelta(hours=1))
    make_run("running")
    make_run("quarantined")
    assert figure("ost_queue_due_runs") == 2


def test_the_oldest_due_run_waits_since_it_was_opened():
    make_run(ago=100)
    make_run(ago=10)
    assert figure("ost_queue_oldest_seconds") == pytest.approx(100, abs=5)


def test_a_run_that_failed_waits_since_its_next_attempt():
    make_run(ago=1000, next_attempt_at=Now() - timedelta(seconds=20))
    assert figure("ost_queue_oldest_seconds") == pytest.approx(20, abs=5)


def test_a_run_that_is_not_due_makes_nothing_old():
    make_run(ago=1000, next_attempt_at=Now() + timedelta(hours=1))
    assert figure("ost_queue_oldest_seconds") == 0


@pytest.mark.parametrize(("ago", "late"), [(350, False), (370, True)])
def test_the_queue_is_late_after_a_silence_and_a_slice(ago, late):
    make_run(ago=ago)
    assert metrics.queue().late is late


def test_messages_in_the_queue_are_counted():
    jobs.ring(make_run())
    jobs.release_canary(make_group("canary"))
    assert figure("ost_queue_messages") == 1


@pytest.mark.parametrize(("state", "counts"), [("done", True), ("partly", True), ("quarantined", False)])
def test_a_success_is_a_run_that_was_done_wholly_or_partly(state, counts):
    make_run(state, finished_at=NOON)
    assert ("ost_run_last_success_timestamp_seconds" in samples()) is counts


def test_the_last_success_is_the_newest():
    make_run("done", finished_at=NOON)
    make_run("done", finished_at=NOON - timedelta(days=1))
    assert figure("ost_run_last_success_timestamp_seconds", "recommendations") == NOON.timestamp()


# Texts


def test_waiting_and_quarantined_texts_are_counted_by_subject():
    make_texts(3)
    make_texts(2, quarantined_at=NOON)
    assert texts("waiting", "projects") == 3
    assert texts("quarantined", "projects") == 2
    assert texts("waiting", "profiles") == 0


def test_a_text_that_a_person_gave_up_is_not_quarantined():
    make_texts(2, quarantined_at=NOON)
    make_texts(1, quarantined_at=NOON, skipped_at=NOON)
    assert texts("quarantined", "projects") == 2


def test_a_text_that_has_its_vector_neither_waits_nor_ages():
    make_texts(1, ago=100)
    ProjectEmbedding.objects.update(vector_hash=F("text_hash"))
    assert texts("waiting", "projects") == 0
    assert texts("oldest_seconds", "projects") == 0


def test_the_oldest_text_is_one_that_still_waits():
    make_texts(1, ago=1000, quarantined_at=NOON)
    make_texts(1, ago=100)
    make_texts(1, ago=10)
    assert texts("oldest_seconds", "projects") == pytest.approx(100, abs=5)


def test_texts_of_a_model_that_fills_are_counted_under_its_own_name():
    make_texts(1)
    other = EmbeddingModel.objects.create(name="other", provider="local", dimensions=3)
    ProjectEmbedding.objects.update(model=other)
    assert (texts("waiting", "projects"), texts("waiting", "projects", "other")) == (0, 1)


def test_texts_of_a_retired_model_are_not_counted():
    make_texts(1)
    retired = EmbeddingModel.objects.create(name="old", provider="local", dimensions=3, state="retired")
    ProjectEmbedding.objects.update(model=retired)
    assert {model for model, *_ in samples()["ost_embeddings_waiting"]} == {EmbeddingModel.objects.live().name}


def test_texts_that_somebody_embeds_are_in_flight_and_wait_still():
    make_texts(2, lease="mine", lease_until=Now() + timedelta(minutes=1))
    make_texts(1, lease="lost", lease_until=Now() - timedelta(minutes=1))
    assert (texts("in_flight", "projects"), texts("waiting", "projects")) == (2, 3)


def test_a_text_that_was_given_up_needs_nobody_any_more():
    make_texts(1, quarantined_at=NOON, skipped_at=NOON)
    assert [texts(name, "projects") for name in ("skipped", "quarantined", "waiting")] == [1, 0, 0]


def test_the_projects_that_wait_have_the_name_of_embed_star():
    make_texts(3)
    make_texts(1, quarantined_at=NOON)
    assert figure("embed_star_repos_pending") == 3


# Servers outside


@pytest.mark.parametrize(("failures", "quiet", "state"), [(4, 60, 0), (5, 60, 1), (5, -1, 2), (0, 60, 0)])
def test_a_breaker_is_closed_open_or_half_open(failures, quiet, state):
    Upstream.objects.create(host="here", failures=failures, quiet_until=Now() + timedelta(seconds=quiet))
    assert figure("ost_upstream_breaker_state", "here") == state


@pytest.mark.parametrize(("quiet", "left"), [(60, 60), (-60, 0)])
def test_it_is_said_how_long_a_server_is_left_alone(quiet, left):
    Upstream.objects.create(host="here", quiet_until=Now() + timedelta(seconds=quiet))
    assert figure("ost_upstream_quiet_seconds", "here", "") == pytest.approx(left, abs=5)


def test_before_there_is_a_model_nothing_is_said_of_texts():
    assert "ost_embeddings_waiting" not in samples()


# Workers and anomalies


def test_a_group_lives_while_it_is_heard_of():
    make_group("lives")
    make_group("silent", silent=130)
    make_group("ended", ended_at=NOON)
    assert figure("ost_worker_groups") == 1


def test_a_group_that_ended_by_a_fault_is_a_restart_and_one_that_was_told_to_end_is_not():
    make_group("failed", ended_at=NOON, fault="process 7 ended")
    make_group("told", ended_at=NOON)
    make_group("lives")
    assert figure("ost_worker_restarts_total") == 1


def test_anomalies_are_counted_by_kind_as_often_as_they_were_seen():
    Anomaly.objects.alarm("schedule", "one", "refused")
    Anomaly.objects.alarm("schedule", "one", "refused again")
    Anomaly.objects.alarm("schedule", "another", "refused")
    Anomaly.objects.alarm("run", "one", "quarantined")
    assert samples()["ost_anomalies_total"] == {("schedule",): 3, ("run",): 1}


# The exposition


@pytest.fixture
def all_of_it(settings) -> None:
    settings.Q_BROKER = "orm"
    everything()


def test_labels_are_words_of_ours_and_of_the_settings(all_of_it):
    live = EmbeddingModel.objects.live()
    found = {value for labels in samples().values() for values in labels for value in values}
    known = {*settings.PIPELINES, *Run.LIVE, *SUBJECTS, *LiveIssue.State.values, *Fetch.State.values, *LABELS.values()}
    bounds = {"+Inf", *(str(bound) for figure in figures() for bound in figure.buckets)}
    assert found - known - bounds <= {"schedule", live.provider, live.name, "api.openai.com", "github", ""}


def test_each_subject_has_a_figure(all_of_it):
    assert {subject for *_, subject in samples()["ost_embeddings_waiting"]} == SUBJECTS
    assert len(filling.tables()) == len(SUBJECTS)


def test_every_name_is_ours_or_that_of_embed_star(all_of_it):
    assert all(name.startswith("ost_") or name in NAMED_BY_EMBED_STAR for name in families())


@pytest.mark.parametrize("name", NAMED_BY_EMBED_STAR)
def test_the_names_of_embed_star_have_their_kinds_and_labels(all_of_it, name):
    family = families()[name]
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    assert (family.type, labels) == NAMED_BY_EMBED_STAR[name]


def test_the_buckets_are_those_of_embed_star(all_of_it):
    bounds = [bound for bound, *_ in samples()["embed_star_embedding_duration_seconds_bucket"]]
    assert bounds == ["0.01", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"]


def test_counters_and_nothing_else_end_in_total(all_of_it):
    counters = {sample.name for family in families().values() if family.type == "counter" for sample in family.samples}
    assert all(name.endswith("_total") for name in counters)
    assert not [name for name in samples().keys() - counters if "total" in name]


def test_every_family_says_what_it_is_and_has_a_sample(all_of_it):
    assert [name for name, family in families().items() if not (family.documentation and family.samples)] == []


def test_every_family_stands_in_the_table_as_it_is(all_of_it):
    """name, type and labels of docs/metrics.md."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    found = {
        name + "_total" * (family.type == "counter"): (
            family.type, {label for sample in family.samples for label in sample.labels} - {"le"}
        )
        for name, family in families().items()
    }  # fmt: skip
    assert {name: (kind, set(re.findall(r"\w+", labels))) for name, kind, labels in rows} == found


def test_there_are_never_more_than_a_thousand_series(all_of_it):
    """Whatever all processes add."""
    for figure in figures():
        for number in range(2 * figure.most):
            values = [f"{name}{number}" for name in figure.labels]
            figure.observe(0.1, *values) if figure.buckets else figure.add(*values)
    tallies.flush()
    assert sum(map(len, samples().values())) <= 1000


def queries() -> int:
    with CaptureQueriesContext(connection) as asked:
        metrics.exposition()
    return len(asked)


def test_the_number_of_queries_does_not_grow_with_the_rows(all_of_it):
    before = queries()
    for state in Run.LIVE * 2:
        make_run(state)
    make_texts(10)
    for number in range(5):
        make_group(str(number))
        Anomaly.objects.alarm(f"kind {number}", "some", "thing")
        Upstream.objects.create(host=f"host {number}")
        counting.EMBEDDINGS.add("openai", f"model {number}")
        EmbeddingModel.objects.create(name=f"model {number}", provider="openai", dimensions=3)
    tallies.flush()
    assert queries() == before <= 30


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool: apt-get install prometheus")
def test_promtool_has_nothing_to_say(all_of_it):
    checked = subprocess.run(["promtool", "check", "metrics"], input=metrics.exposition(), capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")

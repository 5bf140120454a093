"""The figures of /metrics: each is what the database counts, and none of them grows with what people type."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from engine import jobs, metrics
from engine.embeddings import filling
from engine.models import Anomaly, EmbeddingModel, Run, WorkerGroup
from issues.models import LiveIssue
from recommendations.models import Project, ProjectEmbedding

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SUBJECTS = {"categories", "issues", "items", "messages", "profiles", "projects"}


def make_run(state: str = "waiting", pipeline: str = "recommendations", ago: float = 0, **facts: object) -> Run:
    """A run of a partition of its own, opened so many seconds ago."""
    run = Run.objects.create(pipeline=pipeline, source=f"source {Run.objects.count()}", state=state, **facts)
    Run.objects.filter(pk=run.pk).update(created_at=Now() - timedelta(seconds=ago))
    return run


def make_texts(count: int, ago: float = 0, **facts: object) -> None:
    """Texts of projects that wait for their vector, for so many seconds already."""
    already = Project.objects.count()
    projects = Project.objects.bulk_create(
        [Project(full_name=f"octo/tool{number}") for number in range(already, already + count)]
    )
    ProjectEmbedding.objects.want({project.pk: f"text of {project}" for project in projects})
    made = ProjectEmbedding.objects.filter(subject__in=projects)
    made.update(wanted_at=Now() - timedelta(seconds=ago), **facts)


def make_group(name: str, silent: float = 0, **facts: object) -> WorkerGroup:
    group = WorkerGroup.objects.create(name=name, host="here", pid=1, **facts)
    WorkerGroup.objects.filter(pk=group.pk).update(seen_at=Now() - timedelta(seconds=silent))
    return group


def samples() -> dict[str, dict[tuple[str, ...], float]]:
    """What a scrape reads: name -> values of the labels -> figure."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def figure(name: str, *labels: str) -> float:
    return samples()[name][labels]


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
    assert figure("ost_embeddings_waiting", "projects") == 3
    assert figure("ost_embeddings_quarantined", "projects") == 2
    assert figure("ost_embeddings_waiting", "profiles") == 0


def test_a_text_that_a_person_gave_up_is_not_quarantined():
    make_texts(2, quarantined_at=NOON)
    make_texts(1, quarantined_at=NOON, skipped_at=NOON)
    assert figure("ost_embeddings_quarantined", "projects") == 2


def test_a_text_that_has_its_vector_neither_waits_nor_ages():
    make_texts(1, ago=100)
    ProjectEmbedding.objects.update(vector_hash=F("text_hash"))
    assert figure("ost_embeddings_waiting", "projects") == 0
    assert figure("ost_embeddings_oldest_seconds", "projects") == 0


def test_the_oldest_text_is_one_that_still_waits():
    make_texts(1, ago=1000, quarantined_at=NOON)
    make_texts(1, ago=100)
    make_texts(1, ago=10)
    assert figure("ost_embeddings_oldest_seconds", "projects") == pytest.approx(100, abs=5)


def test_texts_of_a_model_that_only_fills_are_not_counted():
    make_texts(1)
    other = EmbeddingModel.objects.create(name="other", provider="local", dimensions=3)
    ProjectEmbedding.objects.update(model=other)
    assert figure("ost_embeddings_waiting", "projects") == 0


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


def everything() -> None:
    """At least one sample of each family, with texts that nobody may read."""
    make_run(error="typed")
    make_run("done", finished_at=NOON)
    make_texts(1, error="typed")
    make_group("typed", fault="typed", ended_at=NOON)
    Anomaly.objects.alarm("schedule", "typed", "typed")


def test_labels_are_pipelines_states_subjects_and_kinds():
    everything()
    found = {value for labels in samples().values() for values in labels for value in values}
    assert found <= {*settings.PIPELINES, *Run.LIVE, *SUBJECTS, *LiveIssue.State.values, "schedule"}


def test_each_subject_has_a_figure():
    everything()
    assert {subject for (subject,) in samples()["ost_embeddings_waiting"]} == SUBJECTS
    assert len(filling.tables()) == len(SUBJECTS)


def test_every_name_is_ours():
    everything()
    assert all(name.startswith("ost_") for name in samples())


def test_counters_and_nothing_else_end_in_total_once():
    everything()
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    counters = {sample.name for family in families if family.type == "counter" for sample in family.samples}
    assert counters == {"ost_worker_restarts_total", "ost_anomalies_total"}
    assert not [name for name in samples().keys() - counters if "total" in name]


def test_every_family_says_what_it_is():
    everything()
    families = text_string_to_metric_families(metrics.exposition().decode())
    assert [family.name for family in families if not family.documentation] == []


def queries() -> int:
    with CaptureQueriesContext(connection) as asked:
        metrics.exposition()
    return len(asked)


def test_the_number_of_queries_does_not_grow_with_the_rows():
    everything()
    before = queries()
    for state in Run.LIVE * 2:
        make_run(state)
    make_texts(10)
    for number in range(5):
        make_group(str(number))
        Anomaly.objects.alarm(f"kind {number}", "some", "thing")
    assert queries() == before


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool: apt-get install prometheus")
def test_promtool_has_nothing_to_say():
    everything()
    checked = subprocess.run(["promtool", "check", "metrics"], input=metrics.exposition(), capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")

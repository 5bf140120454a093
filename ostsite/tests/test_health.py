"""/livez, /health and /metrics of the web process, without one; test_web.py asks a real one."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, ProgrammingError
from django.db.models.functions import Now
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from engine import metrics
from engine.models import Run, WorkerGroup

TOKEN = "0123456789abcdef"


@pytest.fixture
def web() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def worker() -> None:
    WorkerGroup.objects.create(name="lives", host="here", pid=1)


@pytest.fixture
def away(monkeypatch) -> None:
    """For the web process only: that the database can really go away is for test_web.py."""

    def fail() -> None:
        raise OperationalError("the server closed the connection\nSELECT secret FROM person")

    monkeypatch.setattr(metrics, "database_answers", fail)


def make_run(ago: float, **facts: object) -> None:
    run = Run.objects.create(pipeline="recommendations", **facts)
    Run.objects.filter(pk=run.pk).update(created_at=Now() - timedelta(seconds=ago))


# /livez


def test_a_process_that_answers_is_alive_whatever_the_database_does(web):
    answer = web.get("/livez")  # pytest-django refuses a query here
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


# /health


@pytest.mark.django_db
def test_with_a_worker_and_no_late_queue_it_is_ok(web, worker):
    make_run(ago=10)
    answer = web.get("/health")
    queue = answer.json()["queue"]
    assert (answer.status_code, answer.json()["status"], queue["due"], queue["workers"]) == (200, "ok", 1, 1)


@pytest.mark.django_db
def test_the_body_can_be_searched_for_the_status_as_text(web, worker):
    assert '"status": "ok"' in web.get("/health").content.decode()


@pytest.mark.django_db
def test_without_a_worker_it_is_degraded_and_still_serves(web):
    answer = web.get("/health")
    assert (answer.status_code, answer.json()["status"], answer.json()["database"]) == (200, "degraded", "ok")


@pytest.mark.django_db
def test_with_a_late_queue_it_is_degraded_and_says_how_late(web, worker):
    make_run(ago=1000)
    answer = web.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["queue"]["oldest_seconds"] == pytest.approx(1000, abs=5)


@pytest.mark.django_db
def test_it_says_when_each_pipeline_was_last_done(web):
    make_run(ago=0, state="done", finished_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert web.get("/health").json()["last_success"] == {"recommendations": "2026-01-02T00:00:00+00:00"}


@pytest.mark.django_db
def test_without_a_database_it_is_unavailable_and_says_when_to_come_back(web, away):
    answer = web.get("/health")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json() == {"status": "unavailable", "database": "away"}


@pytest.mark.django_db
def test_without_a_database_one_line_says_why(web, away, caplog):
    web.get("/health")
    assert [record.msg["reason"] for record in caplog.records] == ["the server closed the connection"]


@pytest.mark.django_db
def test_a_database_without_tables_is_a_fault_and_not_away(web, monkeypatch):
    def lacking() -> None:
        raise ProgrammingError('relation "engine_run" does not exist')

    monkeypatch.setattr(metrics, "queue", lacking)
    assert web.get("/health").status_code == 500


# /metrics


def test_without_a_token_in_the_settings_there_are_no_metrics(web, settings):
    settings.METRICS_TOKEN = ""
    assert web.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize(
    "given",
    ["", TOKEN, "Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN}0", f"Basic {TOKEN}", "Bearer é"],
)
def test_whoever_brings_no_token_or_another_is_asked_for_it(web, settings, given):
    settings.METRICS_TOKEN = TOKEN
    answer = web.get("/metrics", headers={"Authorization": given})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')


@pytest.mark.django_db
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_whoever_brings_the_token_gets_the_figures(web, settings, scheme):
    settings.METRICS_TOKEN = TOKEN
    answer = web.get("/metrics", headers={"Authorization": f"{scheme} {TOKEN}"})
    names = {family.name for family in text_string_to_metric_families(answer.content.decode())}
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert "ost_worker_groups" in names


# All of them


@pytest.mark.parametrize("path", ["/livez", "/health", "/metrics"])
def test_they_can_only_be_read(web, path):
    assert web.post(path).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/livez", "/health", "/metrics"])
def test_nobody_keeps_an_answer(web, settings, path):
    settings.METRICS_TOKEN = TOKEN
    answer = web.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (200, True)


@pytest.mark.django_db
def test_an_answer_that_it_is_unavailable_is_not_kept_either(web, away):
    assert "no-store" in web.get("/health")["Cache-Control"]

"""Traces: to a real collector's decoder, from real processes; nothing where they are off."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from engine import jobs, tracing
from engine.http import Client
from engine.tests.collector import Collector, collecting
from engine.tests.filled import make_run, make_texts

ROOT = Path(__file__).parents[2]
INTERNAL, SERVER, CLIENT = 1, 2, 3
SECRET = "planted-token-of-the-collector"


@pytest.fixture(scope="module")
def collector():
    with collecting() as found:
        yield found


@pytest.fixture
def on(collector):
    tracing.configure(collector.url, {"authorization": f"Bearer {SECRET}"}, "ost-tests")
    yield collector
    tracing.configure("", {}, "")


def url() -> str:
    found = connection.settings_dict
    return (
        f"postgresql://{found['USER']}:{found['PASSWORD']}@/{found['NAME']}?host={found['HOST']}&port={found['PORT']}"
    )


def until_named(found: Collector, name: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not found.named(name):
        assert time.monotonic() < deadline, [span.name for span in found.spans]
        time.sleep(0.05)


# Off


def test_without_a_collector_nothing_of_it_is_imported():
    program = (
        "import django; django.setup()\n"
        "from engine import tracing\n"
        "with tracing.span('x', texts=1) as span: span.set_attribute('a', 1)\n"
        "assert tracing.carried() == ''\n"
        "import ostsite.wsgi, engine.jobs, engine.embeddings.remote.embedder, sys\n"
        "found = [name for name, module in sys.modules.items() if module]\n"
        "print([name for name in found if name.startswith(('opentelemetry', 'google'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.django_db
def test_without_a_collector_a_ring_is_as_it_was():
    run = make_run()
    jobs.ring(run)
    (message,) = messages()
    assert message["args"] == (run.pk,)


def messages() -> list[dict[str, Any]]:
    """What lies in the queue."""
    return [SignedPackage.loads(row.payload) for row in OrmQ.objects.all()]


# On


def test_a_span_says_what_it_was_given_and_as_whom(on):
    with tracing.span("outer", texts=3), tracing.span("inner", "client", server_address="here"):
        pass
    until_named(on, "outer")
    (outer,), (inner,) = on.named("outer"), on.named("inner")
    assert (outer.kind, outer.facts, outer.parent) == (INTERNAL, {"texts": 3}, "")
    assert (inner.kind, inner.facts, inner.parent) == (CLIENT, {"server.address": "here"}, outer.id)
    assert "ost-tests" in on.services


def test_the_collector_sees_its_headers(on):
    with tracing.span("headed"):
        pass
    until_named(on, "headed")
    assert on.headers[-1]["authorization"] == f"Bearer {SECRET}"


def test_of_what_rises_the_kind_alone_is_kept(on):
    with pytest.raises(ValueError, match="hunter2"), tracing.span("fails"):
        raise ValueError("hunter2")
    until_named(on, "fails")
    assert on.named("fails")[0].facts == {"error.type": "ValueError"}
    assert b"hunter2" not in b"".join(on.bodies)


def test_another_process_goes_on_from_what_is_carried(on):
    with tracing.span("asked"):
        carried = tracing.carried()
    with tracing.span("worked", parent=carried):
        pass
    until_named(on, "worked")
    (asked,), (worked,) = on.named("asked"), on.named("worked")
    assert (worked.trace, worked.parent) == (asked.trace, asked.id)


@pytest.mark.parametrize("parent", ["nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 10_000])
def test_a_parent_that_is_none_begins_a_trace(on, parent):
    with tracing.span("orphan", parent=parent):
        pass
    until_named(on, "orphan")
    assert {span.parent for span in on.named("orphan")} == {""}


@pytest.mark.django_db
def test_a_run_goes_on_from_the_request_that_rang_for_it(on):
    run = make_run(pipeline="no such")
    with tracing.span("the request"):
        jobs.ring(run)
    (message,) = messages()
    jobs.work(*message["args"])
    until_named(on, "job work")
    (asked,) = on.named("the request")
    assert on.named("job work")[-1].parent == asked.id


@pytest.mark.django_db
def test_a_call_outside_tells_its_host_and_status_and_nothing_it_asked(on):
    with Client(on.url, secrets={"key": "planted-key-in-the-query"}) as client:
        client.request("POST", "people/somebody", body={"text": "said in private"})
    until_named(on, "POST")
    (span,) = on.named("POST")
    assert (span.kind, span.facts) == (CLIENT, {"server.address": "127.0.0.1", "http.response.status_code": 200})
    body = b"".join(on.bodies)
    assert not [word for word in (b"planted-key", b"somebody", b"private") if word in body]


# Real processes


@pytest.mark.django_db(transaction=True)
def test_a_command_sends_what_its_run_did_before_it_ends(collector, manage):
    make_texts(1)
    code, _, said = manage(
        "run_pipeline", "recommendations", "--stage", "enrich",
        DATABASE_URL=url(), OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="ost-command",
    )  # fmt: skip
    assert code == 0, said
    (run,), (step,) = collector.named("run recommendations"), collector.named("step enrich")
    assert (step.trace, step.parent) == (run.trace, run.id)
    assert step.facts == {"pipeline": "recommendations", "stage": "enrich"}
    assert "ost-command" in collector.services


@pytest.mark.django_db(transaction=True)
def test_a_collector_that_is_away_stops_nothing_and_is_told_once(manage):
    make_texts(1)
    began = time.monotonic()
    code, _, said = manage(
        "run_pipeline", "recommendations", "--stage", "enrich",
        DATABASE_URL=url(), OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )  # fmt: skip
    assert (code, said.count("traces_lost")) == (0, 1), said
    assert "Traceback" not in said
    assert time.monotonic() - began < 30


def seconds_of_a_span() -> float:
    began = time.monotonic()
    with tracing.span("waits for nothing"):
        pass
    return time.monotonic() - began


@pytest.mark.django_db
def test_nobody_waits_for_a_collector_that_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracing.configure(f"http://127.0.0.1:{silent.getsockname()[1]}", {}, "ost-tests")
        try:
            assert max(seconds_of_a_span() for _ in range(3 * tracing.QUEUE)) < tracing.TIMEOUT / 2
        finally:
            tracing.configure("", {}, "")

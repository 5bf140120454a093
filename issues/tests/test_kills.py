"""A run that is killed while it clusters or labels: the old day stays, and little is done twice."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from engine.models import Run
from engine.tests.llm_server import VALID, Server
from issues.models import Clustering, Issue
from issues.tests.factories import DAY, make_item, make_topic, publish

ROOT = Path(__file__).parents[2]
TOPICS = 4

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model():
    """One that takes its time, for this process and the one that is killed."""
    with Server(replace(VALID, delay=0.3)) as server:
        yield server


def environment(server: Server) -> dict[str, str]:
    found = connection.settings_dict
    url = f"postgresql://{found['USER']}:{found['PASSWORD']}@/{found['NAME']}?host={found['HOST']}&port={found['PORT']}"
    asked = {"LLM_MODEL": "openai/local", "LLM_API_BASE": server.url, "LLM_API_KEY": "sk-planted-key"}
    return {**os.environ, "DATABASE_URL": url, **asked}


def begin(server: Server) -> subprocess.Popen[bytes]:
    command = [sys.executable, "manage.py", "run_pipeline", "issues", "--day", DAY.isoformat(), "--stage", "cluster"]
    return subprocess.Popen(
        [*command, "--stage", "label"], cwd=ROOT, env=environment(server), stdout=subprocess.DEVNULL, stderr=sys.stderr
    )


def killed_after(server: Server, calls: int) -> None:
    process = begin(server)
    deadline = time.monotonic() + 60
    while server.calls < calls and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert server.calls >= calls
    Run.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


def test_the_old_day_stays_and_the_rerun_asks_at_most_one_question_twice(model):
    for topic in range(TOPICS):
        make_topic(topic)
    old = publish()
    make_item(0, 50)
    killed_after(model, calls=2)
    assert Clustering.objects.live(DAY) == old
    assert begin(model).wait(60) == 0
    assert Clustering.objects.live(DAY) != old
    assert set(Issue.objects.values_list("label_source", "label_state")) == {("llm", "labelled")}
    assert model.calls <= TOPICS + 1

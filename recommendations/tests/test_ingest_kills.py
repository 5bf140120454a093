"""Ingests that are killed at some of their messages to the database; `./ost bench ingest_kills` kills them at many."""

import signal

import pytest

from engine.tests.postgres_proxy import Point, PostgresProxy, real_server
from recommendations.tests.ingest_kills import Ingest, blocks_of, write_conversations

pytestmark = pytest.mark.django_db(transaction=True)
KILLED = -signal.SIGKILL


@pytest.fixture
def ingest(tmp_path):
    with blocks_of(12), PostgresProxy(*real_server()) as proxy:
        yield Ingest(proxy, write_conversations(tmp_path / "said.json", 24), tmp_path)


def test_a_killed_ingest_that_is_run_again_leaves_the_rows_of_one_that_nobody_disturbed(ingest):
    stages = {}
    for number, phase in zip(ingest.commits[3::4], ["before", "after"] * 20, strict=False):
        code, stage, again, faults = ingest.crash(Point(number, phase))
        stages[stage] = (code, again <= 12, faults)
    assert stages == dict.fromkeys(["ingest", "read", "embed", "store"], (KILLED, True, []))

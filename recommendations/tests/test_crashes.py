"""Runs that are killed at some of their messages to the database; `./ost bench crashes` kills them at each."""

import signal

import pytest

from engine.embeddings import filling
from engine.tests.postgres_proxy import Point, PostgresProxy, real_server
from recommendations.tests.crashes import Reader, Words, World, small_blocks

pytestmark = pytest.mark.django_db(transaction=True)
POINTS = 6


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(filling, "embedder", lambda model: Words(model.dimensions))
    with small_blocks(), PostgresProxy(*real_server()) as proxy:
        yield World(proxy)


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_killed_run_leaves_nothing_half_done_and_the_next_one_completes_it(world, phase):
    step = world.messages // POINTS
    ended = [world.crash(Point(number, phase)) for number in range(step // 2, world.messages, step)]
    assert ended == [(-signal.SIGKILL, [])] * len(ended)


def test_readers_see_the_old_set_or_the_new_one_while_runs_are_killed_that_publish(world):
    with Reader(world) as reader:
        for back in (12, 6):
            world.crash(Point(world.messages - back, "after"))
    assert (reader.half_written, reader.reads > 0) == (0, True)

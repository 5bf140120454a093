"""A process that collects posts and is killed around a request: nothing is lost, a page at most comes twice."""

from functools import partial

import pytest

from engine import runs
from engine.models import Fetch, Run, Source
from engine.pipeline import Scope
from engine.testing import stackexchange
from engine.testing.serving import Clock, Server
from engine.tests.fetch_kills import Killer, commanded, forked, instead_of_all
from issues.models import RawItem
from issues.pipeline import ISSUES
from issues.tests.factories import DAY
from issues.tests.upstreams import TIMES, at, only_feeds

pytestmark = pytest.mark.django_db(transaction=True)

COUNT, PAGES = 350, 4


def test_a_day_whose_process_is_killed_again_and_again_is_collected_once():
    Source.objects.create(pipeline="issues", name="stackoverflow", on=True)
    only_feeds("stackoverflow", "csv")
    rows = [
        stackexchange.question(number + 1, "Worker hangs", created=at(seconds=240 * number), tags=["csv"])
        for number in range(COUNT)
    ]
    world = stackexchange.StackExchange(Clock(TIMES), rows, key="sample-key")
    collect = partial(runs.run, ISSUES, Scope(day=DAY, source="stackoverflow"))
    with Server(world) as server, instead_of_all(server):
        fork = partial(forked, collect)
        command = partial(commanded, server, "issues", "--source", "stackoverflow", "--day", DAY.isoformat())
        kills = [(command, 2, None), (fork, 1, 0.0), (fork, 1, 0.02), (fork, 1, None)]
        for start, number, after in kills:
            assert Killer(server, number, after).killed(start)
        assert collect().state == Run.State.DONE
        assert len(server.asked) <= PAGES + len(kills)
    assert set(RawItem.objects.values_list("upstream_id", flat=True)) == {str(row["question_id"]) for row in rows}
    assert (RawItem.objects.count(), Fetch.objects.get().state) == (COUNT, Fetch.State.COMPLETE)

"""What GitHub does wrong while repositories are collected, through the real runner and gate."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from engine import runs
from engine.models import Fetch, Run, Source
from engine.pipeline import Scope
from engine.testing.github import Commit, GitHub, Repo
from engine.testing.serving import Asked, Clock, Reply, Server
from engine.timing import Timing
from recommendations.models import NamedRepository, Project, ProjectCommit, RepositoryQuery
from recommendations.pipeline import RECOMMENDATIONS

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC).replace(microsecond=0)
HASTY = 600
COMMITS = [Commit(f"{number:040x}", NOW - timedelta(hours=number)) for number in range(3)]
SIGN_IN = Reply(b"<!doctype html><html><body>Sign in</body></html>")
LIMITED = Reply({"message": "slow down"}, 429, {"Retry-After": "1"})


@pytest.fixture
def serve(settings):
    """Serves so many repositories, of which the first is named; leaving fails where a call came too early."""
    entered = []

    def started(count: int, token: str = "sample-token", times: int = HASTY) -> Server:
        Source.objects.create(pipeline="recommendations", name="github", on=True)
        RepositoryQuery.objects.all().delete()
        RepositoryQuery.objects.create(language="Python", stars_from=10, pushed_within_days=400)
        NamedRepository.objects.create(full_name="octo/tool1", commits=3)
        made = [
            Repo(n, f"octo/tool{n}", language="Python", stars=1_000 - n, readme="Hello", pushed_at=NOW)
            for n in range(1, count + 1)
        ]
        made[0].commits = COMMITS
        entered.append(Server(GitHub(Clock(times), made)))
        server = entered[-1].__enter__()
        settings.GITHUB_API_URL, settings.GITHUB_GRAPHQL_URL = server.url, f"{server.url}/graphql"
        settings.GITHUB_ACCESS_TOKEN, settings.ALLOW_PRIVATE_UPSTREAMS = token, True
        settings.TIMING = replace(Timing(), upstream=1 / times)
        return server

    yield started
    for each in entered:
        each.__exit__(None, None, None)


def collect() -> Run:
    return runs.run(RECOMMENDATIONS, Scope(source="github"))


def until_done(turns: int = 8) -> Run:
    for _ in range(turns):
        done = collect()
        if done.state != Run.State.WAITING:
            break
        assert done.postponed, done.error
        after_the_pause()
    return done


def after_the_pause() -> None:
    Fetch.objects.update(next_attempt_at=None)
    NamedRepository.objects.update(commits_after=None)
    Project.objects.update(details_after=None)


def all_is_there(count: int) -> bool:
    readmes = set(Project.objects.values_list("readme", flat=True))
    return (Project.objects.count(), ProjectCommit.objects.count(), readmes) == (count, 3, {"Hello"})


STAGES = {
    "search": b"search(",
    "details": b"readme0",
    "named": "/repos/octo/tool1",
    "commit": "/repos/octo/tool1/commits/",
}


def at_stage(stage: str):
    """Whether a request is one of that part of the work."""
    sign = STAGES[stage]
    return lambda asked: sign in asked.body if isinstance(sign, bytes) else asked.path.startswith(sign)


@pytest.mark.parametrize("stage", STAGES)
def test_a_limit_without_end_makes_the_run_wait_and_is_nobodys_fault(serve, stage):
    server = serve(3)
    server.faults.script(at_stage(stage), LIMITED, times=None)
    waits = collect()
    assert (waits.state, waits.attempts, waits.postponed) == (Run.State.WAITING, 0, True)
    assert not Fetch.objects.filter(attempts__gt=0).exists()
    assert not NamedRepository.objects.exclude(commits_after=None).exists()
    assert not Project.objects.exclude(details_after=None).exists()
    server.faults.clear()
    after_the_pause()
    assert until_done().state == Run.State.DONE
    assert all_is_there(3)


@pytest.mark.parametrize("stage", STAGES)
def test_a_long_window_makes_the_run_wait_and_asks_nothing(serve, stage):
    server = serve(3, times=60)
    server.faults.script(at_stage(stage), Reply({"message": "slow"}, 429, {"Retry-After": "1000000000"}))
    waits = collect()
    asked = len(server.asked)
    assert waits.next_attempt_at
    left = (waits.next_attempt_at - timezone.now()).total_seconds() * 60
    assert (waits.state, waits.attempts, 3_300 < left <= 3_601) == (Run.State.WAITING, 0, True)
    assert (collect().state, len(server.asked)) == (Run.State.WAITING, asked)


FAULTS = {
    "sign in": SIGN_IN,
    "truncated": Reply(b'{"data": {"search": {"nod'),
    "reset": Reply(reset=True),
    "502 with a time": Reply(b"<html>", 502, {"Retry-After": "40"}),
    "empty": Reply({}),
    "nulls": Reply({"data": None, "errors": [{"message": "Something went wrong while executing your query."}]}),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_in_any_part_of_the_work_loses_nothing(serve, stage, fault):
    server = serve(3)
    server.faults.script(at_stage(stage), fault)
    for _ in range(4):
        done = until_done()
        if done.state == Run.State.DONE:
            break
        assert done.state == Run.State.PARTLY
        after_the_pause()
        Fetch.objects.filter(state=Fetch.State.LEFT).update(state=Fetch.State.OPEN, cursor="")
    assert done.state == Run.State.DONE
    assert all_is_there(3)


def test_incomplete_results_of_a_search_are_never_complete(serve):
    server = serve(30, token="")
    server.upstream.cut_short = 10**6
    NamedRepository.objects.all().delete()
    assert collect().state == Run.State.WAITING
    search = Fetch.objects.get(query__startswith="language")
    assert (search.state, search.reason) == (Fetch.State.OPEN, "incomplete results")
    server.upstream.cut_short = 0
    after_the_pause()
    collect()
    assert Project.objects.count() == 30


def test_a_search_whose_next_page_is_always_the_same_ends(serve):
    server = serve(3)

    def endless(asked: Asked) -> Reply:
        reply = server.upstream.answer(replace(asked, body=asked.body.replace(b'"again"', b"null")))
        found = reply.body["data"]["search"]
        found |= {"repositoryCount": 900, "pageInfo": {"hasNextPage": True, "endCursor": "again"}}
        return reply

    server.faults.script(at_stage("search"), endless, times=None)
    until_done(2)
    searches = [asked for asked in server.asked if b"search(" in asked.body]
    assert Project.objects.count() == 3
    assert not Fetch.objects.filter(query__startswith="language", state=Fetch.State.COMPLETE).exists()
    assert len(searches) <= 2 * 10


def test_a_server_that_is_down_is_probed_once_a_minute(serve):
    server = serve(3)
    server.faults.script(lambda asked: True, Reply(b"<html>", 502), times=None)
    assert collect().state == Run.State.WAITING
    gaps = [later.at - earlier.at for earlier, later in pairwise(server.asked)]
    assert [gap for gap in gaps[4:] if gap < 60] == []
    assert len(gaps) >= 4

"""Drill: kill a process that collects at each of its requests, before the answer and in the moments after it.

After each kill the run goes on: all that was served must be stored once, and a page at most asked for twice.
"""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count

from benchmarks.kills import report
from engine import runs
from engine.models import Fetch, Run, Source
from engine.models import Upstream as Gate
from engine.pipeline import Scope
from engine.testing import hackernews, reddit, stackexchange
from engine.testing.github import Commit, GitHub, Issue, Repo
from engine.testing.serving import Clock, Server, Upstream
from engine.tests.fetch_kills import FASTER, Killer, forget_the_dead, forked, instead_of_all
from issues.models import Feed, Keyword, RawItem
from recommendations.models import NamedRepository, Project, ProjectCommit, RepositoryQuery

DAY = date(2026, 9, 1)
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
POSTS, REPOSITORIES, COMMITS = 250, 60, 4
MORE = 1  # requests after a kill: the one that was under way
AFTER = (0.0, 0.01, 0.03)  # seconds behind an answer
Row = tuple[object, ...]


def drill() -> int:
    """Returns how many things went wrong."""
    switch_on()
    return sum(sweep(pipeline, source, make) for pipeline, source, make in worlds())


def worlds() -> Iterator[tuple[str, str, Callable[[], Upstream]]]:
    times = [START + timedelta(seconds=86_400 * number / POSTS) for number in range(POSTS)]
    posts = [(number, f"It times out ({number})", at) for number, at in enumerate(times, 1)]
    home = Repo(1, "octo/tool1", pushed_at=START)
    credentials = ("sample-id", "sample-secret")
    issues = [Issue(home.full_name, number, title, created_at=at) for number, title, at in posts]
    yield "issues", "github", lambda: GitHub(Clock(FASTER), [home], issues)
    asked = [stackexchange.question(number, title, created=at.timestamp(), tags=["csv"]) for number, title, at in posts]
    yield "issues", "stackoverflow", lambda: stackexchange.StackExchange(Clock(FASTER), asked, key="sample-key")
    stories = [hackernews.story(number, title, created=at.timestamp()) for number, title, at in posts]
    yield "issues", "hackernews", lambda: hackernews.HackerNews(Clock(FASTER), stories)
    rows = [reddit.post(f"b{number}", "SaaS", title, created=at.timestamp()) for number, title, at in posts]
    before = reddit.post("a0", "SaaS", "The day before", created=START.timestamp() - 9_000)
    yield "issues", "reddit", lambda: reddit.Reddit(Clock(FASTER), [before, *rows], credentials=credentials)
    yield "recommendations", "github", lambda: GitHub(Clock(FASTER), repositories())


def repositories() -> list[Repo]:
    now = datetime.now(UTC).replace(microsecond=0)
    commits = [Commit(f"{number:040x}", now - timedelta(hours=number)) for number in range(COMMITS)]
    return [
        Repo(
            number, f"octo/tool{number}", stars=number, language="Python", readme="Hello", pushed_at=now,
            commits=commits * (number == 1),
        )
        for number in range(1, REPOSITORIES + 1)
    ]  # fmt: skip


def switch_on() -> None:
    for pipeline, name, _ in worlds():
        Source.objects.update_or_create(pipeline=pipeline, name=name, defaults={"on": True})
    for model in (Feed, Keyword, RepositoryQuery):
        model.objects.all().delete()
    Keyword.objects.create(text="times out", group="pain", weight=1, on=True)
    for source, name in (("stackoverflow", "csv"), ("reddit", "SaaS"), ("hackernews", "story")):
        Feed.objects.create(source=source, name=name, gated=False, on=True)
    RepositoryQuery.objects.create(language="Python", stars_from=0, pushed_within_days=400)


def sweep(pipeline: str, source: str, make: Callable[[], Upstream]) -> int:
    """Kill at each request, until a run asks fewer; returns how many things went wrong."""
    began = time.monotonic()
    wanted, undisturbed = disturbed(pipeline, source, make, 0, None)[1:]
    wrong, most, kills = 0, 0, 0
    for number in count(1):
        for after in (None, *AFTER):
            killed, stored, asked = disturbed(pipeline, source, make, number, after)
            kills, most = kills + killed, max(most, asked - undisturbed)
            wrong += stored != wanted
            if stored != wanted or asked - undisturbed > MORE:
                wrong += 1
                sys.stderr.write(
                    f"{pipeline} {source}, killed at {number}, {after}: {len(stored)} rows, {asked} asked\n"
                )
        if number >= undisturbed:
            break
    figures = f"{kills} kills, {len(wanted)} rows, {undisturbed} requests, at most {most} more after a kill"
    report(f"{pipeline} {source}", f"{figures}, {time.monotonic() - began:.0f} s")
    return wrong


def disturbed(
    pipeline: str, source: str, make: Callable[[], Upstream], number: int, after: float | None
) -> tuple[bool, list[Row], int]:
    """From nothing to the end, killed once at that request: whether it was, what is stored, how many were asked."""
    from_nothing()
    by_day = runs.get_pipeline(pipeline).by_day
    collect = partial(runs.run, runs.get_pipeline(pipeline), Scope(day=DAY if by_day else None, source=source))
    with Server(make()) as server, instead_of_all(server):
        killed = bool(number) and Killer(server, number, after).killed(partial(forked, collect))
        for _ in range(3):
            if collect().state == Run.State.DONE:
                break
            forget_the_dead(server)
        return killed, rows(), len([each for each in server.asked if "access_token" not in each.path])


def from_nothing() -> None:
    for model in (Fetch, Run, Gate, RawItem, ProjectCommit, NamedRepository, Project):
        model.objects.all().delete()
    NamedRepository.objects.create(full_name="octo/tool1", commits=COMMITS)


def rows() -> list[Row]:
    """All that is stored, as what it is known by."""
    posts = RawItem.objects.order_by("url_hash").values_list("url_hash", "title")
    projects = Project.objects.order_by("pk").values_list("full_name", "readme", "stars")
    return [*posts, *sorted(projects), *ProjectCommit.objects.order_by("sha").values_list("sha")]

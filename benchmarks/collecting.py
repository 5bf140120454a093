"""Drill: 1,000 repositories and three days of posts from local servers of the four sources, whose clocks run 60 times
faster and which hold their true limits against us; then the same once more, when nothing is new."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, islice

from django.conf import settings
from django.test.utils import override_settings

from benchmarks.kills import report
from engine import runs
from engine.models import Run, Source
from engine.pipeline import Scope
from engine.testing import hackernews, reddit, sample, stackexchange
from engine.testing.__main__ import settings as addresses
from engine.testing.github import GitHub, Issue, synthetic
from engine.testing.serving import Clock, Server, Upstream
from issues.models import Feed, Keyword, RawItem
from recommendations.models import Project, RepositoryQuery

REPOSITORIES, POSTS = 1_000, 300  # POSTS: of each source and day
DAYS = [date(2026, 9, day) for day in (1, 2, 3)]
FASTER = 60
SEEN_BEFORE = 3 * REPOSITORIES  # requests of the Go scraper: topics, languages and README of each
TAG, SUBREDDIT = "python", "sampleclinics"


def drill() -> int:
    """Returns how many things went wrong."""
    clock = Clock(FASTER)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Server(world)) for name, world in worlds(clock).items()}
        timing = replace(settings.TIMING, upstream=1 / FASTER)
        stack.enter_context(override_settings(TIMING=timing, **as_settings(addresses(servers))))
        switch_on()
        wrong = 0
        for time_of in ("first", "second"):
            before = requests(servers)
            began = time.monotonic()
            states = collect()
            took, asked = time.monotonic() - began, requests(servers) - before
            report(f"{time_of} time", f"{took:.1f} s, requests {dict(asked)}, runs {dict(states)}")
            wrong += states.total() - states["done"] + states["none"]
        wrong += compared("projects", Project.objects.count(), len(found(servers["github"].upstream)))
        for source in ("hackernews", "stackoverflow", "reddit", "github"):
            items = RawItem.objects.filter(source=source).count()
            wrong += compared(f"items from {source}", items, POSTS * len(DAYS))
        report(
            "requests to GitHub",
            f"{requests(servers)['github']} with posts and first issues, beside {SEEN_BEFORE} for repositories alone",
        )
        return wrong


def worlds(clock: Clock) -> dict[str, Upstream]:
    repositories = synthetic(REPOSITORIES)
    moments = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in DAYS]
    times = [at + timedelta(seconds=86_400 * n / POSTS) for at in moments for n in range(POSTS)]
    texts = list(islice(cycle(sample.lines("items.jsonl")), len(times)))
    posts = [
        (n, f"{text['title']} ({n})", text["body"], at) for n, (text, at) in enumerate(zip(texts, times, strict=True))
    ]
    home = repositories[0].full_name
    return {
        "github": GitHub(
            clock,
            repositories=repositories,
            issues=[Issue(home, n + 1, f"too expensive: {title}", body, created_at=at) for n, title, body, at in posts],
        ),
        "stackoverflow": stack_exchange(clock, posts),
        "reddit": reddit.Reddit(
            clock,
            [
                reddit.post("zy", SUBREDDIT, "An older one", created=times[0].timestamp() - 86_400),
                *(
                    reddit.post(f"zz{n}", SUBREDDIT, title, body, created=at.timestamp())
                    for n, title, body, at in posts
                ),
            ],
            credentials=("sample-id", "sample-secret"),
        ),
        "hackernews": hackernews.HackerNews(
            clock, [hackernews.story(n + 1, title, body, created=at.timestamp()) for n, title, body, at in posts]
        ),
    }


def stack_exchange(clock: Clock, posts: list[tuple[int, str, str, datetime]]) -> Upstream:
    questions = [
        stackexchange.question(n + 1, title, f"<p>{body}</p>", created=at.timestamp(), tags=[TAG])
        for n, title, body, at in posts
    ]
    return stackexchange.StackExchange(clock, questions, key="sample-key")


def as_settings(found: dict[str, str]) -> dict[str, object]:
    return {**found, "ALLOW_PRIVATE_UPSTREAMS": True}


def switch_on() -> None:
    for pipeline, name in (("recommendations", "github"), *(("issues", each) for each in ISSUES_FROM)):
        Source.objects.update_or_create(pipeline=pipeline, name=name, defaults={"on": True})
    RepositoryQuery.objects.all().delete()
    RepositoryQuery.objects.create(language="", stars_from=0, pushed_within_days=4000, at_most=5000)
    Keyword.objects.update_or_create(text="too expensive", defaults={"weight": 1, "on": True})
    Keyword.objects.exclude(text="too expensive").delete()
    Feed.objects.all().delete()
    for source, name in (("stackoverflow", TAG), ("reddit", SUBREDDIT), ("hackernews", "story")):
        Feed.objects.create(source=source, name=name, gated=False, on=True)


ISSUES_FROM = ("github", "hackernews", "reddit", "stackoverflow")


def scopes() -> Iterator[tuple[str, Scope]]:
    yield "recommendations", Scope(source="github")
    for day in DAYS:
        for source in ISSUES_FROM:
            yield "issues", Scope(day=day, source=source)


def collect() -> Counter[str]:
    """Each partition until it is over; the states of their runs."""
    states: Counter[str] = Counter()
    waits: Counter[str] = Counter()
    for name, scope in scopes():
        pipeline = runs.get_pipeline(name)
        began = time.monotonic()
        while runs.waiting(pipeline, scope):
            run = runs.run(pipeline, scope)
            if run.state != Run.State.WAITING:
                states[run.state] += 1
                took = f"{time.monotonic() - began:.1f} s"
                report(f"{name} {scope.source} {scope.day or ''}", f"{took} {run.state} {run.counts} {run.error}")
                break
            waits[run.error[:60]] += 1
            if not run.postponed:
                report(f"{name} {scope.source} {scope.day}", run.error)
                return states + Counter(failed=1)
            time.sleep(0.2)
    report("waited for", str(dict(waits)))
    return states


def requests(servers: dict[str, Server]) -> Counter[str]:
    return Counter({name: len(server.asked) for name, server in servers.items()})


def found(github: Upstream) -> list[object]:
    """What a search can find of its world."""
    assert isinstance(github, GitHub)
    return [repo for repo in github.seen_repositories() if not repo.fork and repo.pushed_at]


def compared(what: str, ours: int, theirs: int) -> int:
    report(what, f"{ours} stored, {theirs} served")
    return int(ours != theirs)

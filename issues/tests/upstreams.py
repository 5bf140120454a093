"""The sources of posts as local servers, and the settings that lead there; their clock runs sixty times faster."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.test import override_settings

from engine import runs
from engine.models import Run, Source
from engine.pipeline import Scope
from engine.testing import hackernews, reddit, stackexchange
from engine.testing.github import GitHub, Issue, Repo
from engine.testing.serving import Clock, Server, Upstream
from issues.models import Feed
from issues.pipeline import ISSUES
from issues.tests.factories import DAY

TIMES = 60
SECRET = "canary-of-the-app"
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
ADDRESSES = {
    "github": {"GITHUB_API_URL": ""},
    "stackoverflow": {"STACKEXCHANGE_API_URL": "/2.3"},
    "hackernews": {"HACKERNEWS_API_URL": "/api/v1", "HACKERNEWS_FIREBASE_URL": "/v0"},
    "reddit": {"REDDIT_API_URL": "", "REDDIT_TOKEN_URL": "/api/v1/access_token"},
}


def at(**time: float) -> float:
    return (START + timedelta(**time)).timestamp()


@contextmanager
def served(source: str, upstream: Upstream) -> Iterator[Server]:
    """The source, switched on."""
    Source.objects.update_or_create(pipeline="issues", name=source, defaults={"on": True})
    with Server(upstream) as server:
        facts: dict[str, Any] = {name: server.url + path for name, path in ADDRESSES[source].items()}
        facts |= {"REDDIT_CLIENT_ID": "app", "REDDIT_CLIENT_SECRET": SECRET, "GITHUB_ACCESS_TOKEN": "sample-token"}
        timing = replace(settings.TIMING, upstream=1 / TIMES)
        with override_settings(ALLOW_PRIVATE_UPSTREAMS=True, TIMING=timing, **facts):
            yield server


def only_feeds(source: str, *names: str, gated: bool = False) -> None:
    Feed.objects.filter(source=source).delete()
    Feed.objects.bulk_create(Feed(source=source, name=name, gated=gated) for name in names)


def collect(source: str, force: bool = False) -> Run:
    return runs.run(ISSUES, Scope(day=DAY, source=source, force=force))


def questions(*created: float, title: str = "Worker hangs") -> stackexchange.StackExchange:
    rows = [
        stackexchange.question(number, title, "<p>It hangs.</p>", created=when, tags=["csv"], owner="Ana")
        for number, when in enumerate(created, 1)
    ]
    return stackexchange.StackExchange(Clock(TIMES), rows)


def stories(*titles: str) -> hackernews.HackerNews:
    rows = [
        hackernews.story(number, title, created=at(minutes=number), score=7, descendants=3)
        for number, title in enumerate(titles, 1)
    ]
    return hackernews.HackerNews(Clock(TIMES), rows)


def submissions(*titles: str) -> reddit.Reddit:
    rows = [
        reddit.post(f"a{number}", "SaaS", title, created=at(minutes=number)) for number, title in enumerate(titles, 1)
    ]
    return reddit.Reddit(Clock(TIMES), rows, credentials=("app", SECRET))


def issues(*titles: str) -> GitHub:
    rows = [
        Issue("acme/reports", number, title, created_at=START + timedelta(minutes=number), reactions=2)
        for number, title in enumerate(titles, 1)
    ]
    return GitHub(Clock(TIMES), [Repo(1, "acme/reports")], rows)

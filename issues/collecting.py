"""Posts from the four sources, of a UTC day: what is asked for, what is kept of it, and how it is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from types import ModuleType
from typing import Any, Protocol

import structlog
from django.conf import settings
from pydantic import ValidationError

from engine import collecting
from engine.cleaning import clean
from engine.collectors import github_api, github_issues, hackernews, reddit, stackoverflow
from engine.http import Client
from engine.lines import first_fault
from engine.pipeline import Later
from engine.records import Page, Post
from engine.text import printable
from issues.importing import import_items
from issues.keywords import Keywords
from issues.models import Feed, Keyword
from issues.schemas import CollectedLine

logger = structlog.get_logger(__name__)

PIPELINE = "issues"
MODULES: Mapping[str, ModuleType] = {
    module.SOURCE: module for module in (github_issues, hackernews, reddit, stackoverflow)
}
KNOWN = tuple(sorted(MODULES))
SETTLED = timedelta(minutes=30)  # after a day, when what was written in its last minutes can be found too
REASONS = 5  # of refused posts, that the log tells of a page


class Source(Protocol):
    """Gives posts, and knows of those it gave which are there no more."""

    def page(self, query: str, cursor: str) -> Page[Post]: ...
    def gone(self, ids: Sequence[str]) -> set[str]: ...


# Whom we ask


def sources() -> list[str]:
    """Those that are on, have something to be asked for, and take us."""
    asked = {*Feed.objects.filter(on=True).values_list("source", flat=True).distinct()}
    usable = {name: name in asked for name in KNOWN} | {github_issues.SOURCE: bool(phrases())}
    usable[reddit.SOURCE] = usable[reddit.SOURCE] and bool(settings.REDDIT_CLIENT_ID)
    return collecting.sources_on(PIPELINE, usable)


@contextmanager
def connected(source: str) -> Iterator[Source]:
    """The source as the settings name it."""
    with ExitStack() as clients:
        yield CONNECTED[source](clients.enter_context)


Opened = Callable[[AbstractContextManager[Client]], Client]


def github_opened(opened: Opened) -> Source:
    token = settings.GITHUB_ACCESS_TOKEN
    client = opened(
        collecting.client(
            settings.GITHUB_API_URL,
            limits=github_api.limits,
            pace=github_api.pace(token),
            headers=dict(github_api.HEADERS),
        )
    )
    client.credentials = github_api.credentials(token)
    return github_issues.GitHubIssues(client)


def stackoverflow_opened(opened: Opened) -> Source:
    secrets = {"key": settings.STACKEXCHANGE_KEY} if settings.STACKEXCHANGE_KEY else {}
    facts: dict[str, Any] = {"limits": stackoverflow.limits, "pace": stackoverflow.PACE, "secrets": secrets}
    return stackoverflow.StackOverflow(opened(collecting.client(settings.STACKEXCHANGE_API_URL, **facts)))


def hackernews_opened(opened: Opened) -> Source:
    search = collecting.client(settings.HACKERNEWS_API_URL, limits=hackernews.limits, pace=hackernews.PACE)
    items = collecting.client(settings.HACKERNEWS_FIREBASE_URL, pace=hackernews.ITEMS_PACE)
    return hackernews.HackerNews(opened(search), opened(items))


def reddit_opened(opened: Opened) -> Source:
    headers = {"User-Agent": settings.REDDIT_USER_AGENT}
    client = opened(collecting.client(settings.REDDIT_API_URL, limits=reddit.limits, pace=reddit.PACE, headers=headers))
    tokens = opened(collecting.client(settings.REDDIT_TOKEN_URL, limits=reddit.limits, headers=headers))
    tokens.credentials = reddit.app(settings.REDDIT_CLIENT_ID, settings.REDDIT_CLIENT_SECRET)
    return reddit.Reddit(client, tokens)


CONNECTED: Mapping[str, Callable[[Opened], Source]] = {
    github_issues.SOURCE: github_opened,
    hackernews.SOURCE: hackernews_opened,
    reddit.SOURCE: reddit_opened,
    stackoverflow.SOURCE: stackoverflow_opened,
}


# What is asked for


def queries(source: str, day: date) -> list[str]:
    """What to ask a source for a day."""
    names = Feed.objects.filter(source=source, on=True).order_by("pk").values_list("name", flat=True)
    found: list[str] = MODULES[source].queries(day, phrases() if source == github_issues.SOURCE else list(names))
    return found


def phrases() -> list[str]:
    """The keywords that speak for a post, in the order they were made in, so that questions stay what they are."""
    return list(Keyword.objects.filter(on=True, weight__gt=0).order_by("pk").values_list("text", flat=True))


def waiting(source: str, day: date) -> int:
    """Questions that are open, or were never asked."""
    return collecting.waiting(PIPELINE, source, day, queries(source, day))


# What is kept


@dataclass(frozen=True)
class Gated:
    """A source of which, where a feed is gated, only the posts are kept that keywords speak for.

    feeds: the gated ones, None for everything that the source gives.
    """

    source: Source
    keywords: Keywords
    feeds: frozenset[str] | None

    def page(self, query: str, cursor: str) -> Page[Post]:
        page = self.source.page(query, cursor)
        if self.feeds is not None and query.split()[0].casefold() not in self.feeds:
            return page
        kept = [post for post in page.records if self.keywords.speak_for(f"{post.title}\n{said(post)}")]
        unmatched = len(page.records) - len(kept)
        return replace(page, records=kept, skipped={**page.skipped, **({"unmatched": unmatched} if unmatched else {})})


def said(post: Post) -> str:
    """Its body without code, logs and quotes of others."""
    return clean(post.source, post.body)


def gated(source: str, asked: Source) -> Gated:
    """With the keywords and feeds of now."""
    keywords = Keywords(dict(Keyword.objects.filter(on=True).values_list("text", "weight")))
    if source == github_issues.SOURCE:  # its search also finds a phrase in what others answered
        return Gated(asked, keywords, None)
    names = Feed.objects.filter(source=source, gated=True).values_list("name", flat=True)
    return Gated(asked, keywords, frozenset(name.casefold() for name in names))


# How it comes in


def collect(source: str, day: date, again: bool = False) -> Iterator[Counter[str]]:
    """A page at a time. again: also what was answered already. Raises Later before the day is over."""
    over = datetime.combine(day + timedelta(days=1), time(), UTC) + SETTLED
    if datetime.now(UTC) < over:
        raise Later(over, f"the posts of {day} are collected when it is over")
    collecting.begin(PIPELINE, source, day, queries(source, day), again)
    with connected(source) as asked:
        yield from collecting.collect(PIPELINE, source, day, gated(source, asked), lambda posts: store(posts, day))


def store(posts: Sequence[Post], day: date) -> Counter[str]:
    """Posts become items of that day; to be called in a transaction. What cannot be one is counted as `refused`."""
    lines, reasons = lines_of(posts)
    counts, unfit = import_items(lines, day)
    reasons += unfit
    if reasons:
        logger.warning("posts_refused", day=str(day), count=len(reasons), reasons=reasons[:REASONS])
    return Counter({**counts, "refused": len(reasons)})


def lines_of(posts: Sequence[Post]) -> tuple[list[CollectedLine], list[str]]:
    """The posts that can be items, and why the others cannot."""
    lines: list[CollectedLine] = []
    reasons: list[str] = []
    for post in posts:
        try:
            lines.append(CollectedLine.model_validate(asdict(post)))
        except ValidationError as error:
            reasons.append(printable(f"{post.source} {post.upstream_id[:60]}: {first_fault(error)}"))
    return lines, reasons

"""Issues on GitHub, found by phrases. A question is the search as GitHub reads it.

A search reaches 1,000 hits. So a first page that tells of more is put aside for narrower questions, and within one it
goes on by time: from the last second that was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Literal

from engine.collectors.github_api import CORE, GONE, SEARCH, followed, next_link, refuse
from engine.collectors.shapes import Iso, Shape, Text, page_of, read, whole
from engine.collectors.spans import Place, Span, narrowed
from engine.http import Client
from engine.records import Page, Post
from engine.schemas import Count

SOURCE = "github"
PER_REQUEST = 1  # issues that are looked at together whether they are there
HITS = 100  # a page
REACH = 1_000  # hits of one search
LONGEST, OPERATORS = 256, 5  # characters of a search, and the ORs in it
SHORTEST = 4 * 3600  # seconds; results that stay incomplete in less are asked for again, not by less
KNOWN_AS = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}#\d{1,12}", re.ASCII)
NUMBERED = re.compile(r"https://github\.com/([\w.-]{1,100}/[\w.-]{1,100})/issues/(\d{1,12})", re.ASCII)


class Reactions(Shape):
    total_count: Count = 0


class User(Shape):
    login: Text = ""


class Issue(Shape):
    html_url: Text
    title: Text
    created_at: Iso
    body: Text | None = None
    comments: Count | None = None
    reactions: Reactions | None = None
    user: User | None = None
    pull_request: Any = None


class Found(Shape):
    total_count: Count
    incomplete_results: bool
    items: list[Any]


def queries(day: date, phrases: Sequence[str]) -> list[str]:
    """All that is opened on a UTC day and says one of the phrases, in as few questions as GitHub allows."""
    head = f"is:issue created:{Span.of(day)} "
    return [f"{head}({' OR '.join(some)})" for some in packed(phrases, LONGEST - len(head) - 2)]


def packed(phrases: Sequence[str], room: int) -> Iterator[list[str]]:
    """The phrases in quotes, as many together as one search takes."""
    some: list[str] = []
    for phrase in dict.fromkeys(" ".join(re.sub(r'["\\]', " ", each).split()) for each in phrases):
        quoted = f'"{phrase}"'
        if not phrase or len(quoted) > room:
            continue
        if some and (len(some) > OPERATORS or len(" OR ".join([*some, quoted])) > room):
            yield some
            some = []
        some.append(quoted)
    if some:
        yield some


def post_of(row: Any) -> Post | str:
    """An issue as a post, or why it is none."""
    issue = read(Issue, row)
    if isinstance(issue, str):
        return issue
    numbered = NUMBERED.fullmatch(issue.html_url)
    if issue.pull_request is not None:
        return "pull request"
    if not numbered:
        return "bad html_url"
    return Post(
        source=SOURCE,
        url=issue.html_url,
        title=issue.title,
        body=issue.body or "",
        created_at=issue.created_at,
        comment_count=issue.comments,
        vote_count=issue.reactions.total_count if issue.reactions else None,
        author=issue.user.login if issue.user else "",
        upstream_id=f"{numbered[1]}#{numbered[2]}",
    )


class GitHubIssues:
    """Asks the search of GitHub; client: on the terms of github_api."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def page(self, query: str, cursor: str) -> Page[Post]:
        """Raises HttpError."""
        span = Span.within(query)
        place = Place.read(cursor, span)
        rest = span.since(place.second)
        order: dict[str, str | int] = {"sort": "created", "order": "asc", "per_page": HITS, "page": place.page}
        answer = self.client.get("search/issues", {"q": narrowed(query, rest), **order}, lane=SEARCH)
        refuse(answer)
        found = whole(Found, answer)
        if narrower := parts(found, rest, first=not cursor):
            return Page(narrower=[narrowed(query, part) for part in narrower])
        page = page_of(found.items, post_of, lambda post: span.holds(post.created_at))
        following = place.after(post.created_at for post in page.records)
        more = bool(next_link(answer) and found.items)
        return ended(page, following if more else None, found.incomplete_results)

    def gone(self, ids: Sequence[str]) -> set[str]:
        """Those of the issues that are there no more. Raises HttpError."""
        return {each for each in ids if KNOWN_AS.fullmatch(each) and self.is_gone(each)}

    def is_gone(self, name: str) -> bool:
        repository, _, number = name.partition("#")
        answer = followed(self.client, f"repos/{repository}/issues/{number}", lane=CORE)
        if answer.status not in GONE:
            refuse(answer)
        return answer.status in GONE


def parts(found: Found, rest: Span, first: bool) -> list[Span]:
    """The shorter stretches to ask for in its place; none where it will do, or where nothing shorter would."""
    if first and found.total_count > REACH:
        count = -(-found.total_count * 5 // (REACH * 4))  # a quarter of room, as they are not spread evenly
    elif found.incomplete_results and rest.seconds > SHORTEST:
        count = 2
    else:
        return []
    made = rest.parts(count)
    return made if len(made) > 1 else []


def ended(page: Page[Post], following: Place | None, incomplete: bool) -> Page[Post]:
    """The page with where it goes on, or why it does not."""
    facts: dict[Literal["records", "skipped"], Any] = {"records": page.records, "skipped": page.skipped}
    if incomplete:
        return Page(**facts, left="incomplete results")
    if following and following.page > REACH // HITS:
        return Page(**facts, left=f"more than {REACH} in one second")
    return Page(**facts, next=str(following) if following else "")

"""Stories on Hacker News, a tag and a span at a time: `story A..B`.

The search of Algolia gives no more than 1,000 hits, whatever the page, and as many at a time: so a question has one
page, and one with more hits is asked by narrower ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from engine.collectors.shapes import Epoch, Shape, Text, page_of, read, whole
from engine.collectors.spans import Span
from engine.http import Answer, Client, Limit, Refused, Unreadable, retry_after_only, tidy
from engine.records import Page, Post
from engine.schemas import INTEGER, Count

SOURCE = "hackernews"
PER_REQUEST = 1  # stories that are looked at together whether they are there
HITS = 1_000  # of a question
PACE = {"": 120.0}  # a minute; some 10,000 an hour are too many
ITEMS_PACE = {"": 600.0}
KNOWN_AS = re.compile(r"\d{1,15}", re.ASCII)
TAG = re.compile(r"[a-z_]{1,30}")
THREAD = "https://news.ycombinator.com/item?id="


class Hit(Shape):
    objectID: Text  # noqa: N815  their name for it
    title: Text
    created_at_i: Epoch
    story_text: Text | None = None
    points: int | None = None
    num_comments: Count | None = None
    author: Text | None = None


class Found(Shape):
    hits: list[Any]
    nbHits: Count  # noqa: N815  as above
    nbPages: Count = 1  # noqa: N815  as above
    exhaustiveNbHits: bool = True  # noqa: N815  as above


class Item(Shape):
    """A story as Firebase has it."""

    id: int
    deleted: bool = False
    dead: bool = False


def queries(day: date, tags: Sequence[str]) -> list[str]:
    return [f"{tag} {Span.of(day)}" for tag in dict.fromkeys(tags) if TAG.fullmatch(tag)]


def post_of(row: Any) -> Post | str:
    """A hit as a post, or why it is none. Its address is the discussion, not the article that is discussed."""
    hit = read(Hit, row)
    if isinstance(hit, str):
        return hit
    if not KNOWN_AS.fullmatch(hit.objectID):
        return "bad objectID"
    return Post(
        source=SOURCE,
        url=THREAD + hit.objectID,
        title=hit.title,
        body=hit.story_text or "",
        created_at=hit.created_at_i,
        comment_count=hit.num_comments,
        vote_count=hit.points if hit.points is None else max(min(hit.points, INTEGER), -INTEGER),
        author=hit.author or "",
        upstream_id=hit.objectID,
    )


class HackerNews:
    """Asks the search for stories, and Firebase whether they are still there."""

    def __init__(self, client: Client, items: Client) -> None:
        self.client, self.items = client, items

    def page(self, query: str, cursor: str) -> Page[Post]:
        """Raises HttpError."""
        span, tag = Span.within(query), query.split()[0]
        within = f"created_at_i>={span.first},created_at_i<{span.last + 1}"
        params: dict[str, str | int] = {"tags": tag, "numericFilters": within, "hitsPerPage": HITS, "page": 0}
        answer = self.client.get("search_by_date", params)
        refuse(answer)
        found = whole(Found, answer)
        if is_more(found) and len(parts := span.parts(-(-max(found.nbHits, HITS) * 5 // (HITS * 4)))) > 1:
            return Page(narrower=[f"{tag} {part}" for part in parts])
        page = page_of(found.hits, post_of, lambda post: span.holds(post.created_at))
        short = found.exhaustiveNbHits and len(found.hits) < found.nbHits
        return replace(page, left=f"{len(found.hits)} of {found.nbHits} hits" if short or is_more(found) else "")

    def gone(self, ids: Sequence[str]) -> set[str]:
        """Those of the stories that are there no more. Raises HttpError."""
        return {each for each in ids if KNOWN_AS.fullmatch(each) and self.is_gone(each)}

    def is_gone(self, number: str) -> bool:
        answer = self.items.get(f"item/{number}.json")
        refuse(answer)
        told = answer.json()
        if told is None:
            return True
        item = read(Item, told)
        if isinstance(item, str):
            raise Unreadable(f"not a story: {item}")
        return item.deleted or item.dead


def is_more(found: Found) -> bool:
    """Whether there are hits that its one page does not hold. A guess of their number may be too low."""
    guessed = not found.exhaustiveNbHits and len(found.hits) >= HITS
    return found.nbHits > HITS or found.nbPages > 1 or guessed


def refuse(answer: Answer) -> None:
    """Raises Refused where it is not what was asked for."""
    if not answer.ok:
        raise Refused(f"Hacker News answers {answer.status}: {tidy(answer.body[:300].decode('utf-8', 'replace'))}")


def limits(answer: Answer) -> Limit:
    """429, or 403 to whoever asked too often; neither says for how long."""
    if answer.status == 403:
        return Limit(True, None, whole_host=True, reason="answers 403")
    return retry_after_only(answer)

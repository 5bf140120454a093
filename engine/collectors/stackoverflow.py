"""Questions on Stack Overflow, a tag at a time. A question of ours is a tag and a span: `python A..B`.

It goes on by time, from the last second that was seen, so a page beyond the 25th, which takes a key, is never needed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from engine.collectors.shapes import Epoch, Shape, Text, page_of, read, whole
from engine.collectors.spans import Place, Span
from engine.http import LONGEST_WAIT, Answer, Client, Limit, Refused, Unreadable, retry_after_only, tidy
from engine.records import Page, Post
from engine.schemas import INTEGER, Count

SOURCE = "stackoverflow"
EVIDENCE = "https://stackoverflow.com/questions/"  # where posts are, whatever an answer says
SITE = "stackoverflow"
PER_REQUEST = 100  # questions that are looked at together whether they are there
LISTED, BY_IDS = "questions", "questions/{ids}"  # methods, each with a backoff of its own
PACE = {LISTED: 60.0, BY_IDS: 60.0}  # a minute; thirty a second are too many
MOST_PAGES = 25  # within one second, without a key
RESERVE = 5  # requests of a day's quota that are kept
A_DAY = 86_400.0
THROTTLED = 502  # their number for it, in an answer of status 400
KNOWN_AS = re.compile(r"\d{1,15}", re.ASCII)
TAG = re.compile(r"[^\s;]{1,35}")


class Owner(Shape):
    display_name: Text = ""


class Question(Shape):
    question_id: int
    link: Text
    title: Text
    creation_date: Epoch
    body: Text | None = None
    score: int | None = None
    answer_count: Count | None = None
    owner: Owner | None = None
    content_license: Text | None = None


class Wrapper(Shape):
    items: list[Any]
    has_more: bool


class Known(Shape):
    question_id: int


class Told(Shape):
    """What any answer may say beside what was asked for."""

    backoff: float | None = None
    quota_max: float | None = None
    quota_remaining: float | None = None
    error_id: int | None = None
    error_name: Text = ""
    error_message: Text = ""


def queries(day: date, tags: Sequence[str]) -> list[str]:
    """The questions of a UTC day, one for each tag: tags joined by `;` would all have to be there."""
    return [f"{tag} {Span.of(day)}" for tag in dict.fromkeys(tags) if TAG.fullmatch(tag)]


def post_of(row: Any) -> Post | str:
    """A question as a post, or why it is none."""
    asked = read(Question, row)
    if isinstance(asked, str):
        return asked
    if not asked.link.startswith(EVIDENCE):
        return "bad link"
    return Post(
        source=SOURCE,
        url=asked.link,
        title=html.unescape(asked.title),
        body=asked.body or "",
        created_at=asked.creation_date,
        comment_count=asked.answer_count,
        vote_count=asked.score if asked.score is None else max(min(asked.score, INTEGER), -INTEGER),
        author=html.unescape(asked.owner.display_name) if asked.owner else "",
        licence=asked.content_license or "",
        upstream_id=str(asked.question_id),
    )


class StackOverflow:
    """Asks StackExchange; client: with these limits and this pace, the key among its secrets."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def page(self, query: str, cursor: str) -> Page[Post]:
        """Raises HttpError."""
        span, tag = Span.within(query), query.split()[0]
        place = Place.read(cursor, span)
        rest = span.since(place.second)
        wanted: dict[str, str | int] = {
            "tagged": tag, "fromdate": rest.first, "todate": rest.last, "page": place.page, "sort": "creation",
            "order": "asc",
        }  # fmt: skip
        found = self.asked(LISTED, LISTED, wanted)
        page = page_of(found.items, post_of, lambda post: span.holds(post.created_at))
        following = place.after(post.created_at for post in page.records)
        if not found.has_more:
            return page
        if not found.items:
            return replace(page, left="an empty page that says there is more")
        if following.page > MOST_PAGES:
            return replace(page, left=f"more than {MOST_PAGES} pages in one second")
        return replace(page, next=str(following))

    def gone(self, ids: Sequence[str]) -> set[str]:
        """Those of the questions that are there no more. Raises HttpError."""
        asked = sorted({each for each in ids if KNOWN_AS.fullmatch(each)})
        if not asked:
            return set()
        found = self.asked(f"questions/{';'.join(asked)}", BY_IDS, {})
        known = [read(Known, row) for row in found.items]
        return set(asked) - {str(each.question_id) for each in known if isinstance(each, Known)}

    def asked(self, path: str, lane: str, params: dict[str, str | int]) -> Wrapper:
        common: dict[str, str | int] = {"site": SITE, "pagesize": 100, "filter": "withbody"}
        answer = self.client.get(path, {**common, **params}, lane=lane)
        refuse(answer)
        return whole(Wrapper, answer)


def refuse(answer: Answer) -> None:
    """Raises Refused where it is not what was asked for; where it is the key, for everything."""
    if answer.ok:
        return
    said = told(answer)
    of_key = answer.status in (401, 402, 405, 406) or (answer.status in (400, 403) and "key" in said.error_message)
    why = tidy(said.error_message or said.error_name)
    raise Refused(f"StackExchange answers {answer.status}{f': {why}' if why else ''}", everything=of_key)


def told(answer: Answer) -> Told:
    try:
        found = read(Told, answer.json())
    except Unreadable:
        return Told()
    return found if isinstance(found, Told) else Told()


def limits(answer: Answer) -> Limit:
    """What an answer says of limits: it stands in the body, and no header tells of it."""
    said = told(answer)
    facts: dict[str, Any] = {"remaining": said.quota_remaining, "limit": said.quota_max}
    if said.error_id == THROTTLED:
        return Limit(True, named_wait(said.error_message), whole_host=True, reason="its throttle", **facts)
    if said.quota_remaining is not None and said.quota_remaining <= RESERVE:
        tomorrow = next_day(answer.at)
        return Limit(wait=tomorrow, whole_host=True, reason="its quota of the day", resets_in=tomorrow, **facts)
    if said.backoff and said.backoff > 0:
        return Limit(wait=min(said.backoff, LONGEST_WAIT), reason="it asked for a pause", **facts)
    return retry_after_only(answer) if said.quota_remaining is None else Limit(**facts)


def named_wait(message: str) -> float | None:
    """`… more requests available in 17524 seconds`."""
    found = re.search(r"in (\d{1,9}) seconds", message)
    return min(float(found[1]), A_DAY) if found else None


def next_day(now: float) -> float:
    """Seconds until the next UTC day, when the quota is fresh."""
    at = datetime.fromtimestamp(now, UTC)
    return (at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - at).total_seconds()

"""Posts on Reddit, a subreddit and a span at a time: `SaaS A..B`.

A listing goes from the newest post backwards and ends after about 1,000, so a day that is long over may be out of
reach. Asking takes a token, which is got with the credentials of an app and renewed when it is refused.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Any

from pydantic import Field

from engine.collectors.shapes import Epoch, Shape, Text, page_of, read, whole
from engine.collectors.spans import Span
from engine.http import (
    AGAIN,
    LONGEST_WAIT,
    Answer,
    Client,
    Limit,
    Refused,
    Unreadable,
    retry_after,
    retry_after_only,
    tidy,
)
from engine.records import Page, Post
from engine.schemas import INTEGER, Count

SOURCE = "reddit"
PER_REQUEST = 100  # posts that are looked at together whether they are there
POSTS = 100  # a page
REACH, MOST = 900, 1_200  # posts after which the end of a listing may be the end of what it shows, and must be
PACE = {"": 90.0}  # a minute, of the 100 that are allowed
EARLY = 60.0  # seconds before its end at which a token is renewed
SITE = "https://www.reddit.com"
KNOWN_AS = re.compile(r"t3_[a-z0-9]{1,15}")
NAME = re.compile(r"\w{2,50}", re.ASCII)
PERMALINK = re.compile(r"/r/\w{1,50}/comments/[a-z0-9]{1,15}/[^\s?#]{0,300}")
REMOVED = frozenset({"[removed]", "[deleted]", "[deleted by user]", "[ removed by reddit ]"})


class Submission(Shape):
    name: Text
    title: Text
    permalink: Text
    created_utc: Epoch
    selftext: Text | None = None
    score: int | None = None
    num_comments: Count | None = None
    author: Text | None = None
    removed_by_category: Text | None = None


class Child(Shape):
    kind: Text
    data: dict[str, Any]


class Listed(Shape):
    after: Text | None = None
    children: list[Any]


class Listing(Shape):
    kind: Text
    data: Listed


class Token(Shape):
    access_token: Annotated[str, Field(pattern=r"^[!-~]{1,4000}$")]  # it goes into a header
    expires_in: float = 3600.0


def queries(day: date, subreddits: Sequence[str]) -> list[str]:
    return [f"{name} {Span.of(day)}" for name in dict.fromkeys(subreddits) if NAME.fullmatch(name)]


def submission_of(row: Any) -> Submission | str:
    child = read(Child, row)
    if isinstance(child, str):
        return child
    return read(Submission, child.data) if child.kind == "t3" else "no post"


def post_of(row: Any) -> Post | str:
    """A submission as a post, or why it is none."""
    found = submission_of(row)
    if isinstance(found, str):
        return found
    if is_removed(found):
        return "removed"
    if not PERMALINK.fullmatch(found.permalink) or not KNOWN_AS.fullmatch(found.name):
        return "bad permalink"
    return Post(
        source=SOURCE,
        url=SITE + found.permalink,
        title=found.title,
        body=found.selftext or "",
        created_at=found.created_utc,
        comment_count=found.num_comments,
        vote_count=found.score if found.score is None else max(min(found.score, INTEGER), -INTEGER),
        author="" if found.author in REMOVED else found.author or "",
        upstream_id=found.name,
    )


def is_removed(found: Submission) -> bool:
    """Taken back by its author, or away by somebody else."""
    words = ((found.selftext or "").strip().lower(), found.title.strip().lower())
    return bool(found.removed_by_category) or not REMOVED.isdisjoint(words)


class Reddit:
    """Asks with a token. gate_keeper: a client of the address where tokens are given, with the app's credentials."""

    def __init__(self, client: Client, gate_keeper: Client) -> None:
        self.client, self.gate_keeper = client, gate_keeper
        self.ends = 0.0  # of the token, by the server's clock
        self.seen = 0.0  # the last that was told of that clock

    def page(self, query: str, cursor: str) -> Page[Post]:
        """The cursor says how many came before, and behind which post it goes on. Raises HttpError."""
        span, name = Span.within(query), query.split()[0]
        count, _, after = cursor.partition(" ")
        params: dict[str, str | int] = {"limit": POSTS, "raw_json": 1, **({"after": after} if after else {})}
        found = whole(Listing, self.asked(f"r/{name}/new", params)).data
        page = page_of(found.children, post_of, lambda post: span.holds(post.created_at))
        seen = int(count or 0) + len(found.children)
        if is_before(found.children, span):
            return page
        if found.after and found.after != after and seen < MOST:
            return replace(page, next=f"{seen} {found.after}")
        if seen >= REACH or (after and (not found.children or found.after == after)):
            return replace(page, left=f"the listing ends after {seen} posts, before the day does")
        return page

    def gone(self, ids: Sequence[str]) -> set[str]:
        """Those of the posts that are there no more, or say nothing any more. Raises HttpError."""
        asked = sorted({each for each in ids if KNOWN_AS.fullmatch(each)})
        if not asked:
            return set()
        found = whole(Listing, self.asked("api/info", {"id": ",".join(asked), "raw_json": 1})).data
        known = [submission_of(row) for row in found.children]
        return set(asked) - {each.name for each in known if isinstance(each, Submission) and not is_removed(each)}

    def asked(self, path: str, params: dict[str, str | int]) -> Answer:
        """The answer; a token that is refused is renewed once."""
        answer = self.once(path, params, fresh=self.seen > self.ends - EARLY)
        if answer.status == 401:
            answer = self.once(path, params, fresh=True)
        self.seen = answer.at
        refuse(answer)
        return answer

    def once(self, path: str, params: dict[str, str | int], fresh: bool) -> Answer:
        if fresh:
            self.sign_in()
        return self.client.get(path, params)

    def sign_in(self) -> None:
        """Get a token. Raises Refused for everything where the credentials are not taken."""
        where = str(self.gate_keeper.base).rstrip("/")
        answer = self.gate_keeper.request("POST", where, form={"grant_type": "client_credentials"})
        if answer.status in (400, 401, 403):
            raise Refused("Reddit does not accept REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET", everything=True)
        refuse(answer)
        token = whole(Token, answer)
        self.ends, self.seen = answer.at + token.expires_in, answer.at
        self.client.credentials["Authorization"] = f"Bearer {token.access_token}"


def is_before(children: Sequence[Any], span: Span) -> bool:
    """Whether the page reached posts from before the span: all that follows is older still."""
    times = [each.created_utc for each in map(submission_of, children) if isinstance(each, Submission)]
    return bool(times) and int(times[-1].timestamp()) < span.first


def app(client_id: str, client_secret: str) -> dict[str, str]:
    """The headers of an app."""
    pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def refuse(answer: Answer) -> None:
    """Raises Refused where it is not what was asked for; Unreadable where it is a page for people."""
    if answer.ok:
        return
    if answer.status == 401:
        raise Refused("Reddit refuses the token that it has just given", everything=True)
    try:
        said = answer.json()
    except Unreadable:
        if answer.status in (400, 403):
            raise Unreadable(f"answers {answer.status} with no JSON") from None
        raise Refused(f"Reddit answers {answer.status}") from None
    words = (said.get("reason") or said.get("message") or "") if isinstance(said, dict) else ""
    raise Refused(f"Reddit answers {answer.status}: {tidy(str(words))}")


def limits(answer: Answer) -> Limit:
    """What an answer says of limits: floats, and the seconds that are left of the window."""
    resets = decimal(answer.headers.get("x-ratelimit-reset"))
    facts: dict[str, Any] = {
        "remaining": decimal(answer.headers.get("x-ratelimit-remaining")),
        "resets_in": resets,
        "whole_host": True,
    }
    if answer.status != 429:
        return replace(retry_after_only(answer), **facts) if answer.status in AGAIN else Limit(**facts)
    named = retry_after(answer.headers)
    waits = [seconds for seconds in (named, resets) if seconds is not None]
    return Limit(True, min(max(waits), LONGEST_WAIT) if waits else None, reason="its limit", **facts)


def decimal(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII) else None

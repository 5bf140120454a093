"""The StackExchange API 2.3 with the questions of one site."""

from __future__ import annotations

import gzip
import html
import json
import math
import re
import zlib
from collections.abc import Iterable
from typing import Any

from engine.testing.limits import FixedWindow, RollingWindow
from engine.testing.serving import Asked, Clock, Reply, Upstream

Question = dict[str, Any]
DAY = 86_400.0
FILTERS = {"default": False, "withbody": True}  # whether an item has its body
SORTS = {"creation": "creation_date", "activity": "last_activity_date", "votes": "score"}
ERRORS = {
    "bad_parameter": (400, 400),
    "access_denied": (403, 403),
    "no_method": (404, 404),
    "throttle_violation": (400, 502),
}


def question(
    question_id: int,
    title: str,
    body: str = "",
    *,
    created: float,
    tags: Iterable[str] = (),
    owner: str = "user",
    **facts: Any,
) -> Question:
    """A question in the shape of the API. title: as a person wrote it; body: HTML; facts: any other field of it."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:80]
    return {
        "tags": list(tags),
        "owner": registered(owner) if owner else {"user_type": "does_not_exist", "display_name": "user1"},
        "is_answered": False,
        "view_count": 12,
        "answer_count": 0,
        "score": 0,
        "last_activity_date": int(created),
        "creation_date": int(created),
        "content_license": "CC BY-SA 4.0",
        "question_id": question_id,
        "link": f"https://stackoverflow.com/questions/{question_id}/{slug}",
        "title": html.escape(title).replace("&#x27;", "&#39;"),
        "body": body,
        **facts,
    }


def registered(name: str) -> dict[str, Any]:
    return {
        "account_id": 1,
        "reputation": 31,
        "user_id": 2,
        "user_type": "registered",
        "profile_image": "https://i.sstatic.net/avatar.png?s=256",
        "display_name": html.escape(name),
        "link": "https://stackoverflow.com/users/2/user2",
    }


class StackExchange(Upstream):
    """key: the one that raises the quota; backoff_every: each k-th answer carries a backoff of `backoff` seconds."""

    def __init__(
        self,
        clock: Clock | None = None,
        questions: Iterable[Question] = (),
        *,
        key: str = "key",
        quota: int = 300,
        keyed_quota: int = 10_000,
        backoff_every: int = 0,
        backoff: int = 10,
        identical_after: float = 60.0,
    ) -> None:
        super().__init__(clock)
        self.questions = {each["question_id"]: each for each in questions}
        self.key = key
        self.quotas = {"": FixedWindow(quota, DAY, aligned=True), key: FixedWindow(keyed_quota, DAY, aligned=True)}
        self.per_second = RollingWindow(30, 1.0)
        self.backoff_every, self.backoff = backoff_every, backoff
        self.identical_after = identical_after
        self.answered = 0
        self.next_backoff: int | None = None
        self.last: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

    # The world

    def add(self, *questions: Question) -> None:
        with self.lock:
            self.questions |= {each["question_id"]: each for each in questions}

    def delete(self, question_id: int) -> None:
        with self.lock:
            del self.questions[question_id]

    def edit(self, question_id: int, **facts: Any) -> None:
        with self.lock:
            self.questions[question_id] = {
                **self.questions[question_id],
                "last_edit_date": int(self.clock.now()),
                **facts,
            }

    def back_off(self, seconds: int) -> None:
        """The next answer carries this backoff."""
        with self.lock:
            self.next_backoff = seconds

    # The limits

    def lane(self, asked: Asked) -> str:
        """A method: the path without the ids in it."""
        return re.sub(r"/[0-9;]+", "/{ids}", asked.path)

    def refuse(self, asked: Asked) -> Reply | None:
        stopped = super().refuse(asked)
        if stopped:
            return stopped
        if not self.per_second.take(asked.at):
            self.violate(asked, "more than 30 calls a second")
            self.quiet.close("", asked.at + 30)
            return Reply(b"<html><body><h1>Too many requests</h1></body></html>", 429, {"Content-Type": "text/html"})
        before = self.last.get(signature(asked))
        if before is not None and asked.at < before + self.identical_after:
            self.violate(asked, f"the same request {asked.at - before:.1f} s ago")
        if asked.query.get("key", "") not in self.quotas:
            return failure("bad_parameter", "`key` doesn't match a known application")
        return None if self.window(asked).take(asked.at) else self.too_early(asked, self.window(asked).resets_at)

    def too_early(self, asked: Asked, until: float) -> Reply:
        window = self.window(asked)
        if window.remaining:
            return failure("throttle_violation", "Violation of backoff parameter")
        wait = math.ceil(window.resets_at - asked.at)
        return failure(
            "throttle_violation", f"too many requests from this IP, more requests available in {wait} seconds"
        )

    def window(self, asked: Asked) -> FixedWindow:
        return self.quotas.get(asked.query.get("key", ""), self.quotas[""])

    def promise(self, asked: Asked, reply: Reply) -> None:
        super().promise(asked, reply)
        said = content(reply)
        if said.get("backoff"):
            self.quiet.close(self.lane(asked), self.clock.now() + said["backoff"])
        if said.get("quota_remaining") == 0:
            self.quiet.close("", self.window(asked).resets_at)
        if reply.status == 200 and reply.cut is None:
            self.last[signature(asked)] = self.clock.now()

    # The answers

    def answer(self, asked: Asked) -> Reply:
        found = re.fullmatch(r"/2\.3/questions(?:/(\d+(?:;\d+)*))?", asked.path)
        if not found:
            return failure("no_method", "no method found with this name")
        if asked.query.get("site") != "stackoverflow":
            return failure("bad_parameter", "site is required" if "site" not in asked.query else "No site found")
        wrong = wrong_parameter(asked.query)
        if wrong:
            return failure("bad_parameter", wrong)
        page, size = int(asked.query.get("page", 1)), int(asked.query.get("pagesize", 30))
        if page > 25 and asked.query.get("key", "") != self.key:
            return failure("access_denied", "page above 25 requires access token or app key")
        questions = self.chosen(asked.query, found[1])
        return self.wrapped(asked, questions[(page - 1) * size : page * size], len(questions) > page * size)

    def chosen(self, query: dict[str, str], ids: str | None) -> list[Question]:
        """What a query asks for, in its order."""
        wanted = {int(each) for each in ids.split(";")} if ids else self.questions.keys()
        tags = set(filter(None, query.get("tagged", "").split(";")))
        since, until = int(query.get("fromdate", 0)), int(query.get("todate", 2**40))
        field = SORTS[query.get("sort", "activity")]
        found = [
            each
            for number, each in self.questions.items()
            if number in wanted and tags <= set(each["tags"]) and since <= each["creation_date"] <= until
        ]
        found.sort(key=lambda each: (each[field], each["question_id"]), reverse=query.get("order", "desc") == "desc")
        return found

    def wrapped(self, asked: Asked, questions: list[Question], more: bool) -> Reply:
        with_body = FILTERS[asked.query.get("filter", "default")]
        window = self.window(asked)
        self.answered += 1
        due = self.backoff if self.backoff_every and self.answered % self.backoff_every == 0 else None
        backoff, self.next_backoff = self.next_backoff or due, None
        return packed(
            {
                "items": [each if with_body else {k: v for k, v in each.items() if k != "body"} for each in questions],
                "has_more": more,
                **({"backoff": backoff} if backoff else {}),
                "quota_max": window.calls,
                "quota_remaining": window.remaining,
            }
        )


def wrong_parameter(query: dict[str, str]) -> str:
    """The name of the first parameter that the API refuses, "" when there is none."""
    numbers = ("page", "pagesize", "fromdate", "todate")
    for name in numbers:
        if name in query and not query[name].isdecimal():
            return name
    if int(query.get("page", 1)) < 1:
        return "page"
    if int(query.get("pagesize", 30)) > 100:
        return "pagesize"
    allowed = {"order": ("asc", "desc"), "sort": tuple(SORTS), "filter": tuple(FILTERS)}
    return next((name for name, values in allowed.items() if query.get(name, values[0]) not in values), "")


def signature(asked: Asked) -> tuple[str, tuple[tuple[str, str], ...]]:
    return asked.path, tuple(sorted(asked.query.items()))


def failure(name: str, message: str) -> Reply:
    status, number = ERRORS[name]
    return packed({"error_id": number, "error_message": message, "error_name": name}, status)


def packed(body: Any, status: int = 200) -> Reply:
    """An answer as this API sends every one, whatever Accept-Encoding says."""
    payload = gzip.compress(json.dumps(body, separators=(",", ":")).encode(), 1)
    return Reply(payload, status, {"Content-Encoding": "gzip", "Cache-Control": "private"})


def content(reply: Reply) -> dict[str, Any]:
    """The wrapper of an answer, empty where it is none."""
    try:
        payload = reply.payload
        said = json.loads(gzip.decompress(payload) if reply.header("content-encoding") == "gzip" else payload)
    except (ValueError, RecursionError, EOFError, OSError, zlib.error):  # the last three: it is no gzip
        return {}
    return said if isinstance(said, dict) else {}

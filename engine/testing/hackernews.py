"""The two APIs of Hacker News: the search of Algolia below /api/v1/, and Firebase below /v0/."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from engine.testing.limits import FixedWindow
from engine.testing.serving import Asked, Clock, Reply, Upstream

Item = dict[str, Any]
Test = Callable[[Item], bool]
WALL = 1_000  # hits of a query that can be reached
COMPARED = {"created_at_i": "time", "points": "score", "num_comments": "descendants"}
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}


class BadQuery(ValueError):
    """What the search answers with 400."""


def story(item_id: int, title: str, text: str = "", *, created: float, by: str = "user", **facts: Any) -> Item:
    """A story in the shape of Firebase, a key only where it is set. text: HTML; facts: url, score, kids, …"""
    said = {"text": text} if text else {}
    item = {"by": by, "descendants": 0, "id": item_id, "score": 1, "time": int(created), "title": title, **said}
    return {**item, "type": "story", **facts}


def comment(item_id: int, parent: int, text: str, *, created: float, by: str = "user", **facts: Any) -> Item:
    return {"by": by, "id": item_id, "parent": parent, "text": text, "time": int(created), "type": "comment", **facts}


class HackerNews(Upstream):
    """calls: of the search in an hour; exhaustive: False where nbHits is a guess."""

    def __init__(
        self, clock: Clock | None = None, items: Iterable[Item] = (), *, calls: int = 10_000, wall: int = WALL
    ) -> None:
        super().__init__(clock)
        self.items = {each["id"]: each for each in items}
        self.indexed: dict[int, Item] = {}
        self.changed: list[int] = []
        self.hourly = FixedWindow(calls, 3_600.0)
        self.wall = wall
        self.exhaustive = True
        self.reindex()

    # The world

    def add(self, *items: Item) -> None:
        for each in items:
            self.put(each)

    def edit(self, item_id: int, **facts: Any) -> None:
        self.put({**self.items[item_id], **facts})

    def put(self, item: Item) -> None:
        with self.lock:
            self.items[item["id"]] = self.indexed[item["id"]] = item
            self.changed.append(item["id"])

    def delete(self, item_id: int) -> None:
        """Firebase says so at once; the search goes on giving it until `reindex`."""
        with self.lock:
            kept = {key: self.items[item_id][key] for key in ("id", "time", "type")}
            self.items[item_id] = {**kept, "deleted": True}
            self.changed.append(item_id)

    def kill(self, item_id: int) -> None:
        """As moderators do; the search goes on giving it until `reindex`."""
        with self.lock:
            self.items[item_id] = {**self.items[item_id], "dead": True}
            self.changed.append(item_id)

    def forget(self, item_id: int) -> None:
        """Firebase has null for it; the search goes on giving it until `reindex`."""
        with self.lock:
            del self.items[item_id]
            self.changed.append(item_id)

    def reindex(self) -> None:
        """The search learns of what was deleted."""
        with self.lock:
            hidden = ("deleted", "dead")
            self.indexed = {k: each for k, each in self.items.items() if not any(each.get(name) for name in hidden)}

    # The limits

    def lane(self, asked: Asked) -> str:
        return "firebase" if asked.path.startswith("/v0/") else "search"

    def refuse(self, asked: Asked) -> Reply | None:
        stopped = super().refuse(asked)
        if stopped or self.lane(asked) == "firebase" or self.hourly.take(asked.at):
            return stopped
        self.violate(asked, f"more than {self.hourly.calls} calls an hour")
        return failure("Too many requests", 429)

    def too_early(self, asked: Asked, until: float) -> Reply:
        return failure("Too many requests", 429)

    # The answers

    def answer(self, asked: Asked) -> Reply:
        number = re.fullmatch(r"/(?:api/v1/items/(\d+)|v0/item/(\d+)\.json)", asked.path)
        if number and number[1]:
            return self.whole(int(number[1]))
        if number:
            return Reply(self.items.get(int(number[2])))
        if asked.path == "/v0/maxitem.json":
            return Reply(max(self.items, default=0))
        if asked.path == "/v0/updates.json":
            return Reply({"items": list(dict.fromkeys(reversed(self.changed)))[:100], "profiles": []})
        if asked.path in ("/api/v1/search", "/api/v1/search_by_date"):
            return self.search(asked)
        return failure("Not Found", 404)

    def whole(self, item_id: int) -> Reply:
        """/items/{id}: an item with all below it."""
        if item_id not in self.indexed:
            return failure("ObjectID does not exist", 404)
        return Reply(self.nested(self.indexed[item_id]))

    def nested(self, item: Item) -> dict[str, Any]:
        below = [self.indexed[each] for each in item.get("kids", ()) if each in self.indexed]
        return {
            "id": item["id"],
            "author": item["by"],
            "children": [self.nested(each) for each in below],
            "created_at": iso(item["time"]),
            "created_at_i": item["time"],
            "options": [],
            "parent_id": item.get("parent"),
            "points": item.get("score"),
            "story_id": self.story_of(item)["id"],
            "text": item.get("text"),
            "title": item.get("title"),
            "type": item["type"],
            "url": item.get("url"),
        }

    def search(self, asked: Asked) -> Reply:
        """The hits of a query, the newest first; behind the wall none, whatever the page."""
        try:
            size, page = number(asked.query, "hitsPerPage", 20), number(asked.query, "page", 0)
            if size > WALL:
                raise BadQuery("hitsPerPage must be at most 1000")
            groups = tag_groups(asked.query.get("tags", ""))
            tests = numeric_tests(asked.query.get("numericFilters", ""))
        except BadQuery as error:
            return failure(str(error), 400)
        words = asked.query.get("query", "").lower().split()
        kept = [
            each
            for each in self.indexed.values()
            if says(each, words)
            and all(test(each) for test in tests)
            and all(group & self.tags(each) for group in groups)
        ]
        kept.sort(key=lambda each: (each["time"], each["id"]), reverse=True)
        return self.found(asked, kept, size, page, words)

    def found(self, asked: Asked, kept: list[Item], size: int, page: int, words: list[str]) -> Reply:
        reached = kept[: self.wall]
        body = {
            "hits": [self.hit(each, words) for each in reached[page * size : (page + 1) * size]],
            "nbHits": len(kept),
            "page": page,
            "nbPages": math.ceil(len(reached) / size) if size else 0,
            "hitsPerPage": size,
            "exhaustiveNbHits": self.exhaustive,
            "exhaustiveTypo": True,
            "exhaustive": {"nbHits": self.exhaustive, "typo": True},
            "query": asked.query.get("query", ""),
            "params": "&".join(f"{name}={value}" for name, value in asked.query.items()),
            "processingTimeMS": 3,
            "processingTimingsMS": {"_request": {"roundTrip": 19}, "total": 3},
            "serverTimeMS": 4,
        }
        return Reply(body, headers={"Server": "nginx", "Cache-Control": "public, max-age=0"})

    def hit(self, item: Item, words: list[str]) -> dict[str, Any]:
        """An item as the search gives it: what is null is absent."""
        top = self.story_of(item)
        level = {"matchLevel": "full" if words else "none", "matchedWords": words}
        facts = {
            "objectID": str(item["id"]),
            "author": item["by"],
            "title": item.get("title"),
            "url": item.get("url"),
            "story_text" if item["type"] != "comment" else "comment_text": item.get("text"),
            "points": item.get("score"),
            "num_comments": item.get("descendants"),
            "parent_id": item.get("parent"),
            "created_at": iso(item["time"]),
            "created_at_i": item["time"],
            "updated_at": iso(item["time"] + 86_400),
            "story_id": top["id"],
            "story_title": top.get("title") if item["type"] == "comment" else None,
            "story_url": top.get("url") if item["type"] == "comment" else None,
            "children": item.get("kids"),
            "_tags": sorted(self.tags(item)),
            "_highlightResult": {"title": {"value": item["title"], **level}} if item.get("title") else None,
        }
        return {name: value for name, value in facts.items() if value is not None}

    def tags(self, item: Item) -> set[str]:
        title = item.get("title", "").lower()
        kinds = [kind for kind in ("ask_hn", "show_hn") if title.startswith(f"{kind.replace('_', ' ')}:")]
        return {item["type"], f"author_{item['by']}", f"story_{self.story_of(item)['id']}", *kinds}

    def story_of(self, item: Item) -> Item:
        while item.get("parent") in self.indexed:
            item = self.indexed[item["parent"]]
        return item


def tag_groups(text: str) -> list[set[str]]:
    """`story,(ask_hn,show_hn)`: one of each group."""
    return [set((inside or alone).split(",")) for inside, alone in re.findall(r"\(([^()]*)\)|([^,()]+)", text)]


def numeric_tests(text: str) -> list[Test]:
    return [comparison(each.strip()) for each in text.split(",") if each.strip()]


def comparison(text: str) -> Test:
    found = re.fullmatch(r"(\w+)\s*(>=|<=|!=|>|<|=)\s*(-?\d+)", text)
    if not found or found[1] not in COMPARED:
        raise BadQuery(f"invalid numeric filter: {text}")
    field, compare, value = COMPARED[found[1]], OPERATORS[found[2]], int(found[3])
    return lambda item: field in item and compare(item[field], value)


def says(item: Item, words: list[str]) -> bool:
    """Whether each word begins a word of the title or the text."""
    spoken = re.findall(r"\w+", f"{item.get('title', '')} {item.get('text', '')}".lower())
    return all(any(each.startswith(word) for each in spoken) for word in words)


def number(query: dict[str, str], name: str, otherwise: int) -> int:
    value = query.get(name, str(otherwise))
    if not value.isdecimal():
        raise BadQuery(f"invalid value for {name}")
    return int(value)


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def failure(message: str, status: int) -> Reply:
    return Reply({"message": message, "status": status}, status)

"""What a person starred on GitHub: page after page, each only if it changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from engine.collectors.github_api import CORE, GONE, LINK, MOVED, refuse
from engine.collectors.github_shapes import Item
from engine.collectors.shapes import Iso, Shape, read, sorted_out
from engine.http import Answer, Client, Unreadable
from engine.records import Star

AT_ONCE = 100
LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){0,38}")
MEDIA = "application/vnd.github.star+json"  # with the time of each star


@dataclass(frozen=True)
class Stars:
    """A page of a list. count: stars on it; stars: those that could be read, None: all is as when its etag was given.

    more: whether another page follows; None where the answer does not say. last: the number of the last page, 0 where
    it does not say.
    """

    stars: list[Star] | None
    count: int = 0
    etag: str = ""
    more: bool | None = None
    last: int = 0


@dataclass(frozen=True)
class NoList:
    """There is nobody of that name, or nobody any more."""

    reason: str


class Starred(Shape):
    starred_at: Iso | None = None
    repo: Item


def is_login(text: str) -> bool:
    """Whether GitHub allows such a name: letters, digits and single hyphens between them, at most 39."""
    return bool(LOGIN.fullmatch(text)) and len(text) <= 39


def starred(rest: Client, login: str, number: int, etag: str = "") -> Stars | NoList:
    """That page of a person's stars, the oldest first: new ones change the last page alone. Raises HttpError."""
    if not is_login(login):
        raise ValueError("no name that GitHub allows")
    asked: dict[str, str | int] = {"per_page": AT_ONCE, "page": number, "sort": "created", "direction": "asc"}
    headers = {"Accept": MEDIA, **({"If-None-Match": etag} if etag else {})}
    answer = rest.request("GET", f"users/{login}/starred", params=asked, headers=headers, lane=CORE)
    if answer.status == 304:
        return Stars(None, etag=etag)
    if answer.status in (*GONE, *MOVED):
        return NoList(f"GitHub answers {answer.status}")
    refuse(answer)
    rows = answer.json()
    if not isinstance(rows, list):
        raise Unreadable("GitHub answers with no list of stars")
    stars, _ = sorted_out(rows, star_of)
    if rows and not stars:  # else all that was imported would be taken for taken back
        raise Unreadable("GitHub answers with stars that cannot be read")
    links = links_of(answer)
    return Stars(stars, len(rows), answer.etag, "next" in links, page_named(links))


def star_of(value: Any) -> Star | str:
    """A star, or the reason why it is none."""
    found = read(Starred, value)
    return found if isinstance(found, str) else Star(found.starred_at, found.repo.record())


def links_of(answer: Answer) -> dict[str, str]:
    return {relation: address for address, relation in LINK.findall(answer.headers.get("link", ""))}


def page_named(links: dict[str, str]) -> int:
    """The number of the last page; 0 where none is named."""
    told = parse_qs(urlsplit(links.get("last", "")).query).get("page", [""])[0]
    return int(told) if re.fullmatch(r"[0-9]{1,6}", told) else 0

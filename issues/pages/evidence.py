"""The posts of one problem as its proof: each with the words of theirs that the label rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.core.paginator import Page

from engine.text import clip, printable, squeeze
from engine.urls import web_address
from issues import reading
from issues.models import Issue
from issues.pages.rows import shortened, shown, source_name

ON_A_PAGE = 10
AROUND = 100  # characters of a post on each side of the words of a claim
SNIPPET, TITLE = 240, 300
TOKENS = 60  # words of a claim
FIELDS = {"would_pay": "would pay", "impact": "impact"}


class Quote(NamedTuple):
    """Words of a post and what stands around them. field: what they bear out."""

    before: str
    words: str
    after: str
    field: str


@dataclass(frozen=True)
class Proof:
    """A post as evidence. item: as reading.posts has it; href: "" where a browser should not be sent there."""

    item: Any
    quotes: Sequence[Quote] = ()

    @property
    def title(self) -> str:
        return shown(self.item.title, TITLE)

    @property
    def inside(self) -> list[Quote]:
        """Those that are more than the title once more."""
        return [quote for quote in self.quotes if quote.words != self.title]

    @property
    def href(self) -> str:
        return web_address(self.item.url)

    @property
    def snippet(self) -> str:
        return shortened(self.item.begins, SNIPPET)

    @property
    def source(self) -> str:
        return source_name(self.item.source)

    @property
    def author(self) -> str:
        return shown(self.item.author, 100)

    @property
    def licence(self) -> str:
        return shown(self.item.licence, 100)

    @property
    def sure(self) -> str:
        """How surely it belongs here."""
        if not self.item.clusters:
            return "put here by a curator"
        degrees = ((0.9, "surely about this"), (0.75, "very likely about this"), (0.5, "likely about this"))
        return next((said for least, said in degrees if self.item.sure >= least), "perhaps about this")


def evidence(issue: Issue, page: Page[Any]) -> dict[str, Any]:
    """One page of posts, and the words that the label rests on."""
    start = max(page.start_index() - 1, 0)
    claims = claims_of(issue)
    found = [Proof(item, quotes(item, claims)) for item in reading.surest(issue, start, start + ON_A_PAGE)]
    return {
        "issue": issue,
        "page": page,
        "proofs": found,
        "borne_out": borne_out(claims, reading.speaking(issue)) if claims else [],
    }


def claims_of(issue: Issue) -> list[tuple[str, str]]:
    """(field, words) of each claim, as far as it is one."""
    claims = issue.claims if isinstance(issue.claims, list) else []
    said = [(str(each.get("field", "")), str(each.get("words", ""))) for each in claims if isinstance(each, dict)]
    return list(dict.fromkeys((FIELDS[field], words) for field, words in said if field in FIELDS and words.strip()))


def quotes(item: Any, claims: Sequence[tuple[str, str]]) -> list[Quote]:
    """The claims that the post bears out, each with the words around it."""
    texts = [squeeze(item.begins), squeeze(clip(item.title, TITLE))]
    found = [next(filter(None, (quoted(text, words, field) for text in texts)), None) for field, words in claims]
    return [quote for quote in found if quote]


def quoted(text: str, words: str, field: str) -> Quote | None:
    """Those words in that text, whatever stands between them and in whatever case; None where they are not in it."""
    tokens = re.findall(r"\w+", clip(words, 1_000))[:TOKENS]
    sought = r"\W{1,20}".join(map(re.escape, tokens))  # words and what is none share no character: no way back
    place = re.search(rf"(?<!\w){sought}(?!\w)", text, re.IGNORECASE) if tokens else None
    if place is None:
        return None
    before, after = text[: place.start()], text[place.end() :]
    head = before if len(before) <= AROUND else f"… {before[-AROUND:].partition(' ')[2]}"
    tail = after if len(after) <= AROUND else f"{clip(after, AROUND)} …"
    return Quote(printable(head), printable(place[0]), printable(tail), field)


class Borne(NamedTuple):
    """What a label says, and the posts that say so. said: as a heading has it."""

    said: str
    proofs: list[tuple[Quote, Proof]]


def borne_out(claims: Sequence[tuple[str, str]], items: Sequence[Any]) -> list[Borne]:
    """The claims of each field with the post that has the words."""
    found: dict[str, list[tuple[Quote, Proof]]] = {}
    for claim in claims:
        for item in items:
            if quote := next(iter(quotes(item, [claim])), None):
                found.setdefault(quote.field, []).append((quote, Proof(item)))
                break
    return [Borne(field, pairs) for field, pairs in found.items()]

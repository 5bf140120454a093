"""What a list of problems may be asked for: parameters of the address, and words of the search box that mean the same.

`source:github impact:high jobs -cron "lost mail"` is the source, the impact, and four things to search for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, get_args

from issues.labels import Category

LONGEST = 200  # characters of a question
DAYS = (("1", "last day"), ("7", "7 days"), ("30", "30 days"), ("90", "90 days"))
ORDERS = (("size", "most posts"), ("growth", "fastest growing"), ("recency", "latest"), ("relevance", "relevance"))
ALLOWED: Mapping[str, Sequence[str]] = {
    "category": get_args(Category),
    "impact": ("high", "medium", "low"),
    "pay": ("yes", "no"),
    "state": ("new", "growing", "steady", "quiet"),
    "days": [days for days, _ in DAYS],
    "order": [order for order, _ in ORDERS],
}
TOKENS = ("category", "impact", "pay", "source", "state", "days")
PIECE = re.compile(r'-?"[^"]*"?|\S+')
TOKEN = re.compile(r"(-?)([A-Za-z]+):([^\s:/\"]\S*)")

Faults = dict[str, str]
Given = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Asked:
    """What a list is asked for; "" where nothing is said. q: words to search for, without the filters among them."""

    q: str = ""
    category: str = ""
    impact: str = ""
    pay: str = ""
    source: str = ""
    state: str = ""
    days: str = ""
    order: str = ""


NAMES = tuple(field.name for field in fields(Asked))


class Words(NamedTuple):
    """A search text taken apart. free: what is to be near in meaning; strict: quotes and what is ruled out."""

    free: str
    strict: str


def read(given: Given, sources: Collection[str], others: Collection[str] = ("page",)) -> tuple[Asked, Faults]:
    """What the parameters ask for, and what is wrong with them by name; tokens of `q` count as parameters.

    sources: where posts came from; while there are none, any is taken. others: parameters that are looked at elsewhere.
    """
    wrong = misnamed(given, (*NAMES, *others))
    plain = {name: given[name][-1].strip() for name in NAMES if given.get(name)}
    q = plain.pop("q", "")
    rest, tokens, misread = taken_apart(q)
    said = {name: spelled(name, value, sources) for name, value in (plain | tokens).items()}
    for name, value in said.items():
        allowed = sorted(sources) if name == "source" else ALLOWED[name]
        if not value or not allowed or value in allowed:
            continue
        told = f"There is no such value; allowed: {', '.join(allowed)}."
        if name in tokens:
            misread.append(f"“{name}:{value[:40]}”: {told}")
        else:
            wrong[name] = told
    if misread or unfit(q):
        wrong["q"] = unfit(q) or " ".join(misread)
    return Asked(q=rest, **said), wrong


def misnamed(given: Given, known: Collection[str]) -> Faults:
    """Parameters that there are not, and those that came more than once."""
    wrong = {name[:40]: f"Allowed: {', '.join(known)}." for name in given if name not in known}
    return wrong | {name: "Given more than once; allowed: once." for name, values in given.items() if len(values) > 1}


def taken_apart(q: str) -> tuple[str, dict[str, str], list[str]]:
    """A search text without its tokens, the tokens by name, and what is wrong with them."""
    rest: list[str] = []
    tokens: dict[str, str] = {}
    wrong: list[str] = []
    for piece in pieces(q):
        found = TOKEN.fullmatch(piece)
        if not found:
            rest.append(piece)
            continue
        minus, name, value = found[1], found[2].lower(), found[3]
        if name not in TOKENS:
            known = ", ".join(f"{each}:" for each in TOKENS)
            wrong.append(f"“{piece[:40]}” is no filter; allowed: {known}. In quotes it is searched for as it is.")
        elif minus:
            wrong.append(f"“{piece[:40]}”: only words can be ruled out, not filters.")
        elif tokens.setdefault(name, value) != value:
            wrong.append(f"“{name}:” is given more than once.")
    return " ".join(rest), tokens, wrong


def pieces(q: str) -> Iterator[str]:
    """Words, and what stands in quotes as one piece."""
    return (found[0] for found in PIECE.finditer(q[:LONGEST]))


def spelled(name: str, value: str, sources: Collection[str]) -> str:
    """A token's value as the table has it: people do not mind capitals."""
    known = {each.lower(): each for each in (sources if name == "source" else ALLOWED[name])}
    return known.get(value.lower(), value)


def unfit(q: str) -> str:
    """Why a text cannot be searched for; "" when it can."""
    if len(q) > LONGEST:
        return f"The search text has {len(q)} characters; allowed: at most {LONGEST}."
    if "\0" in q or any("\ud800" <= character <= "\udfff" for character in q):
        return "The search text holds characters that no text has."
    return ""


def words_of(q: str) -> Words:
    """What to compare in meaning, and what must or must not be there to the letter."""
    free, strict = [], []
    for piece in pieces(q):
        ruled_out, quoted = piece.startswith("-"), '"' in piece
        if ruled_out or quoted:
            strict.append(piece)
        if not ruled_out and piece.strip('"'):
            free.append(piece.strip('"'))
    return Words(" ".join(free), " ".join(strict))

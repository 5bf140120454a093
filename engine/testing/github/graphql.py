"""A small GraphQL: selections, aliases, arguments with variables, fragments, and errors inside an answer.

What it does not know (directives, mutations, subscriptions) is an error, never passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

SPLIT = re.compile(r'\s*(?:#[^\n]*|,|(\.\.\.|"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|\$?[A-Za-z_]\w*|-?\d[\d.eE+-]*|\S))')
NAME = re.compile(r"[A-Za-z_]\w*")
WORDS = {"true": True, "false": False, "null": None}
MOST_A_PAGE = 100
MOST_NODES = 500_000


class Refused(Exception):
    """A call that gets errors and no data. kind: its type in the answer, "" where it has none."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Variable:
    name: str


@dataclass(frozen=True)
class Missing:
    """What a field holds that resolves to nothing: null, and an error beside the data."""

    kind: str
    message: str


@dataclass
class Selection:
    """A field, or with `on` a fragment for things of that kind ("" for any)."""

    name: str
    key: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    inner: list[Selection] = field(default_factory=list)
    on: str | None = None


@dataclass(frozen=True)
class Thing:
    """An object of the answer. fields: a value, or what makes one of the arguments."""

    kind: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Document:
    """One query. defaults: of each of its variables; needed: those that must be told."""

    selections: list[Selection]
    defaults: dict[str, Any]
    needed: list[str]


class Parser:
    def __init__(self, text: str) -> None:
        self.parts = [part for part in SPLIT.findall(text) if part]
        self.fragments: dict[str, Selection] = {}

    @property
    def next(self) -> str:
        return self.parts[0] if self.parts else ""

    def take(self, *expected: str) -> str:
        if not self.parts or (expected and self.parts[0] not in expected):
            raise Refused(f"Expected {' or '.join(expected) or 'more'}, actual: {self.next or 'end of file'}")
        return self.parts.pop(0)

    def took(self, part: str) -> bool:
        return self.next == part and bool(self.parts.pop(0))

    def name(self) -> str:
        if not NAME.fullmatch(self.next):
            raise Refused(f"Expected a name, actual: {self.next or 'end of file'}")
        return self.parts.pop(0)

    def document(self) -> Document:
        found: list[Document] = []
        while self.parts:
            if self.took("fragment"):
                name = self.name()
                self.take("on")
                self.fragments[name] = Selection("", on=self.name(), inner=self.selections())
            else:
                found.append(self.operation())
        if len(found) != 1:
            raise Refused("An operation must be the only one of its call")
        return found[0]

    def operation(self) -> Document:
        if self.next != "{":
            self.take("query")
            if self.next not in ("{", "("):
                self.name()
        defaults: dict[str, Any] = {}
        needed = self.variables(defaults) if self.took("(") else []
        return Document(self.selections(), defaults, needed)

    def variables(self, defaults: dict[str, Any]) -> list[str]:
        needed = []
        while not self.took(")"):
            name = self.take()[1:]
            self.take(":")
            must = self.type()
            defaults[name] = self.value() if self.took("=") else None
            needed += [name] if must and defaults[name] is None else []
        return needed

    def type(self) -> bool:
        """Read a type; whether it must be told."""
        if self.took("["):
            self.type()
            self.take("]")
        else:
            self.name()
        return self.took("!")

    def selections(self) -> list[Selection]:
        self.take("{")
        found = []
        while not self.took("}"):
            found.append(self.fragment() if self.took("...") else self.field())
        return found

    def fragment(self) -> Selection:
        if self.next == "{":
            return Selection("", on="", inner=self.selections())
        name = self.name()
        if name == "on":
            return Selection("", on=self.name(), inner=self.selections())
        return Selection(name, on="")

    def field(self) -> Selection:
        key = name = self.name()
        if self.took(":"):
            name = self.name()
        arguments = self.pairs(")") if self.took("(") else {}
        return Selection(name, key, arguments, self.selections() if self.next == "{" else [])

    def pairs(self, end: str) -> dict[str, Any]:
        found = {}
        while not self.took(end):
            name = self.name()
            self.take(":")
            found[name] = self.value()
        return found

    def value(self) -> Any:
        part = self.take()
        if part == "[":
            found = []
            while not self.took("]"):
                found.append(self.value())
            return found
        if part == "{":
            return self.pairs("}")
        if part.startswith("$"):
            return Variable(part[1:])
        if part.startswith('"'):
            return part[3:-3] if part.startswith('"""') else json.loads(part)
        if NAME.fullmatch(part):
            return WORDS.get(part, part)
        try:
            return json.loads(part)
        except ValueError:
            raise Refused(f"Expected a value, actual: {part}") from None


class Call:
    """One query with its variables: what it costs, and its data from a root. kinds: the names of all things."""

    def __init__(self, text: str, variables: Mapping[str, Any], kinds: Collection[str]) -> None:
        parser = Parser(text)
        self.document = parser.document()
        self.fragments, self.kinds = parser.fragments, kinds
        self.variables = {name: variables.get(name, each) for name, each in self.document.defaults.items()}
        self.errors: list[dict[str, Any]] = []
        for name in self.document.needed:
            if self.variables.get(name) is None:
                raise Refused(f"Variable ${name} was provided invalid value")
        self.requests, self.nodes = self.weight(self.document.selections, 1)
        if self.nodes > MOST_NODES:
            message = f"This query requests up to {self.nodes:,} possible nodes which exceeds the maximum limit of"
            raise Refused(f"{message} {MOST_NODES:,}.", "MAX_NODE_LIMIT_EXCEEDED")

    @property
    def cost(self) -> int:
        return max(1, round(self.requests / 100))

    def told(self, value: Any) -> Any:
        """A value with its variables filled in."""
        if isinstance(value, Variable):
            if value.name not in self.variables:
                raise Refused(f"Variable ${value.name} is used but not declared")
            return self.variables[value.name]
        if isinstance(value, dict):
            return {name: self.told(each) for name, each in value.items()}
        return [self.told(each) for each in value] if isinstance(value, list) else value

    def inner(self, selection: Selection) -> list[Selection]:
        if selection.on and selection.on not in self.kinds:
            raise Refused(f"No such type {selection.on}, so it can't be a fragment condition")
        if selection.on == "" and selection.name:
            if selection.name not in self.fragments:
                raise Refused(f"Fragment {selection.name} was used, but not defined")
            return [self.fragments[selection.name]]
        return selection.inner

    def weight(self, selections: list[Selection], times: int) -> tuple[int, int]:
        """How many requests and nodes these may take, `times` over; each connection is one request."""
        requests = nodes = 0
        for selection in selections:
            size = self.page_size(selection)
            requests += times * bool(size)
            nodes += times * size
            below = self.weight(self.inner(selection), times * max(1, size))
            requests, nodes = requests + below[0], nodes + below[1]
        return requests, nodes

    def page_size(self, selection: Selection) -> int:
        """How many a connection may give; 0 for what is none."""
        given = {name: self.told(selection.arguments.get(name)) for name in ("first", "last", "ids")}
        if selection.name == "nodes" and given["ids"] is not None:
            if len(given["ids"]) > MOST_A_PAGE:
                message = f"You may not provide more than 100 node ids; you provided {len(given['ids'])}."
                raise Refused(message, "ARGUMENT_LIMIT")
            return len(given["ids"])
        asked = [(name, given[name]) for name in ("first", "last") if given[name] is not None]
        for name, size in asked:
            if type(size) is not int:
                raise Refused(f"Argument '{name}' on Field '{selection.name}' has an invalid value ({size!r}).")
            if not 1 <= size <= MOST_A_PAGE:
                message = f"Requesting {size} records on the `{selection.name}` connection exceeds the `{name}` limit"
                raise Refused(f"{message} of 100 records.", "EXCESSIVE_PAGINATION")
        return asked[0][1] if asked else 0

    def data(self, root: Thing) -> dict[str, Any]:
        return self.of(root, self.document.selections, ())

    def of(self, thing: Thing, selections: list[Selection], path: tuple[str | int, ...]) -> dict[str, Any]:
        return {
            key: self.complete(self.value(thing, each[0]), [part for it in each for part in it.inner], (*path, key))
            for key, each in self.fields(thing, selections).items()
        }

    def fields(self, thing: Thing, selections: list[Selection]) -> dict[str, list[Selection]]:
        """The fields that are asked of a thing, by their keys in the answer."""
        found: dict[str, list[Selection]] = {}
        for each in self.flat(thing, selections):
            found.setdefault(each.key, []).append(each)
        return found

    def flat(self, thing: Thing, selections: list[Selection]) -> Iterator[Selection]:
        for selection in selections:
            if selection.on is None:
                yield selection
            elif selection.on in ("", thing.kind, "Node"):
                yield from self.flat(thing, self.inner(selection))

    def value(self, thing: Thing, selection: Selection) -> Any:
        if selection.name == "__typename":
            return thing.kind
        if selection.name not in thing.fields:
            raise Refused(f"Field '{selection.name}' doesn't exist on type '{thing.kind}'", "undefinedField")
        value: Any | Callable[..., Any] = thing.fields[selection.name]
        make = value if callable(value) else lambda: value
        given = {name: self.told(each) for name, each in selection.arguments.items()}
        try:
            bound = signature(make).bind(**{name: each for name, each in given.items() if each is not None})
        except TypeError as fault:
            raise Refused(f"Field '{selection.name}' doesn't accept these arguments: {fault}") from None
        return make(*bound.args, **bound.kwargs)

    def complete(self, value: Any, inner: list[Selection], path: tuple[str | int, ...]) -> Any:
        if isinstance(value, Missing):
            self.errors.append({"type": value.kind, "path": list(path), "message": value.message})
            return None
        if isinstance(value, list):
            return [self.complete(each, inner, (*path, at)) for at, each in enumerate(value)]
        if isinstance(value, Thing) != bool(inner) and value is not None:
            raise Refused(f"Field '{path[-1]}' must {'' if inner else 'not '}be without selections")
        return self.of(value, inner, path) if isinstance(value, Thing) else value

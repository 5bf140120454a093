"""GitHub's search: text and qualifiers against repositories or issues, within its limits on a query.

Parentheses group, OR binds before the space between two clauses, repeated repo:, user: and org: add up. Where GitHub
states no order, only a query in parentheses means the same there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from engine.testing.github.world import Repo, World

MOST_CHARACTERS = 256
MOST_OPERATORS = 5
REACHABLE = 1_000
OPERATORS = ("AND", "OR", "NOT")
SPLIT = re.compile(r'[()]|(?:"[^"]*"?|[^\s()"])+')
WORD = re.compile(r"\w+")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
WHOLE = re.compile(r"\d+")

Test = Callable[[Any], bool]
Bounds = Callable[[str], tuple[Any, Any]]


class BadQuery(ValueError):
    """What GitHub answers to with 422."""


@dataclass(frozen=True)
class Kind:
    """What can be searched for. qualifiers: key -> the test that a value of it makes. text: where words are sought."""

    qualifiers: Mapping[str, Callable[[str], Test]]
    text: Mapping[str, Callable[[Any], str]]
    sought: tuple[str, ...]
    orders: Mapping[str, Callable[[Any], Any]]
    usual: str


def found(world: World, kind: Kind, query: str, sort: str = "", order: str = "desc") -> list[Any]:
    """Everything that a query matches, in its order. Raises BadQuery."""
    words = words_of(query)
    named = re.search(r"\bsort:([a-z-]+?)(?:-(asc|desc))?(?:\s|$)", query)
    if named and not sort:
        sort, order = named[1], named[2] or "desc"
    wanted = Reader(world, kind, words).whole()
    things: Sequence[Any] = world.seen_repositories() if kind is REPOSITORIES else world.seen_issues()
    if kind is REPOSITORIES and not any(word.lower().startswith("fork:") for word in words):
        things = [repo for repo in things if not repo.fork]
    key = kind.orders.get(sort) or kind.orders[kind.usual]
    return sorted(filter(wanted, things), key=lambda thing: (key(thing), thing.id), reverse=order != "asc")


def words_of(query: str) -> list[str]:
    if not query.strip():
        raise BadQuery("missing")
    if len(query) > MOST_CHARACTERS:
        raise BadQuery("The search is longer than 256 characters.")
    words: list[str] = SPLIT.findall(query)
    if sum(word in OPERATORS for word in words) > MOST_OPERATORS:
        raise BadQuery("More than five AND / OR / NOT operators were used.")
    return words


class Reader:
    """Reads the words of a query from left to right into one test."""

    def __init__(self, world: World, kind: Kind, words: Sequence[str]) -> None:
        self.world, self.kind, self.words = world, kind, list(words)
        sought = [word[3:].split(",") for word in words if word.lower().startswith("in:")]
        self.sought = [place for places in sought for place in places] or kind.sought
        self.check_names()

    def check_names(self) -> None:
        repos = [word.partition(":")[2].strip('"') for word in self.words if word.lower().startswith("repo:")]
        if repos and not any(self.world.find(name) for name in repos):
            raise BadQuery(
                "The listed users and repositories cannot be searched either because the resources do not exist or you "
                "do not have permission to view them."
            )

    def whole(self) -> Test:
        test = self.all()
        if self.words:
            raise BadQuery("A parenthesis is closed that was never opened.")
        return test

    def all(self) -> Test:
        """Clauses up to the end, or up to a closing parenthesis, of which each must hold."""
        tests: list[Test] = []
        places: list[Test] = []
        while self.words and self.words[0] != ")":
            if self.words[0] == "AND":
                self.words.pop(0)
                continue
            key = self.words[0].partition(":")[0].lower()
            (places if key in ("repo", "user", "org") else tests).append(self.either())
        return holds_all([holds_any(places), *tests] if places else tests)

    def either(self) -> Test:
        tests = [self.one()]
        while self.words and self.words[0] == "OR":
            self.words.pop(0)
            tests.append(self.one())
        return holds_any(tests)

    def one(self) -> Test:
        if not self.words or self.words[0] in ("AND", "OR", ")"):
            raise BadQuery("The search contains only logical operators (AND / OR / NOT) without any search terms.")
        word = self.words.pop(0)
        if word == "NOT":
            return opposite(self.one())
        if word == "(":
            inner = self.all()
            if not self.words:
                raise BadQuery("A parenthesis is not closed.")
            self.words.pop(0)
            return inner
        return self.term(word)

    def term(self, word: str) -> Test:
        """A qualifier, or what is none: text that must be there. With a minus before it, must not."""
        bare = word.removeprefix("-")
        key, _, value = bare.partition(":")
        if key.lower() in ("in", "sort"):
            return always
        qualifier = self.kind.qualifiers.get(key.lower(), lambda _: self.says(bare))
        return qualifier(value) if bare == word else opposite(qualifier(value))

    def says(self, text: str) -> Test:
        phrase = plain(text)
        places = [self.kind.text[place] for place in self.sought if place in self.kind.text]
        return lambda thing: any(phrase in plain(place(thing)) for place in places)


@lru_cache(maxsize=100_000)
def plain(text: str) -> str:
    """Lower-case words with a space on either side of each, so that only whole words are found."""
    return f" {' '.join(WORD.findall(text.lower()))} "


def always(thing: Any) -> bool:
    return True


def holds_all(tests: Sequence[Test]) -> Test:
    return lambda thing: all(test(thing) for test in tests)


def holds_any(tests: Sequence[Test]) -> Test:
    return lambda thing: any(test(thing) for test in tests)


def opposite(test: Test) -> Test:
    return lambda thing: not test(thing)


def one_of(values: Callable[[Any], Sequence[str]]) -> Callable[[str], Test]:
    """A test for any of the values between commas, in any case, quoted or not."""

    def qualifier(value: str) -> Test:
        wanted = {part.strip().strip('"').lower() for part in value.split(",")}
        return lambda thing: any(each.lower() in wanted for each in values(thing))

    return qualifier


def within(bounds: Bounds, value_of: Callable[[Any], Any]) -> Callable[[str], Test]:
    """A test for n, >n, >=n, <n, <=n, a..b, a..* and *..b; both ends of a range are in it."""

    def qualifier(value: str) -> Test:
        low, high = limits_of(value.strip('"'), bounds)

        def test(thing: Any) -> bool:
            is_now = value_of(thing)
            return is_now is not None and (low is None or is_now >= low) and (high is None or is_now < high)

        return test

    return qualifier


def limits_of(value: str, bounds: Bounds) -> tuple[Any, Any]:
    """The first value that is in, and the first one that is no longer; None for no end."""
    if ".." in value:
        first, last = value.split("..", 1)
        return None if first == "*" else bounds(first)[0], None if last == "*" else bounds(last)[1]
    bare = value.lstrip("<>=")
    start, after = bounds(bare)
    ends = {">": (after, None), ">=": (start, None), "<": (None, start), "<=": (None, after)}
    return ends.get(value.removesuffix(bare), (start, after))


def number_bounds(value: str) -> tuple[int, int]:
    if not WHOLE.fullmatch(value):
        raise BadQuery(f'"{value}" is not a number.')
    return int(value), int(value) + 1


def moment_bounds(value: str) -> tuple[datetime, datetime]:
    """A day is as long as it is, a time is a second."""
    try:
        start = datetime.fromisoformat(value)
    except ValueError:
        raise BadQuery(f'"{value}" is not a recognized date/time format. Please provide an ISO 8601 value.') from None
    length = timedelta(days=1) if DAY.fullmatch(value) else timedelta(seconds=1)
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    return start, start + length


def flag(value_of: Callable[[Any], bool]) -> Callable[[str], Test]:
    return lambda value: lambda thing: value_of(thing) == (value.lower() == "true")


def told(tests: Mapping[str, Test]) -> Callable[[str], Test]:
    """A test by name, such as is:open."""

    def qualifier(value: str) -> Test:
        if value.lower() not in tests:
            raise BadQuery(f'"{value}" is not a value of this qualifier.')
        return tests[value.lower()]

    return qualifier


def language_of(repo: Repo) -> Sequence[str]:
    return (repo.language, repo.language.replace(" ", "-")) if repo.language else ()


REPOSITORIES = Kind(
    qualifiers={
        "language": one_of(language_of),
        "stars": within(number_bounds, lambda repo: repo.stars),
        "forks": within(number_bounds, lambda repo: repo.forks),
        "topics": within(number_bounds, lambda repo: len(repo.topics)),
        "created": within(moment_bounds, lambda repo: repo.created_at),
        "updated": within(moment_bounds, lambda repo: repo.updated_at),
        "pushed": within(moment_bounds, lambda repo: repo.pushed_at),
        "archived": flag(lambda repo: repo.archived),
        "fork": told({"true": always, "only": lambda repo: repo.fork, "false": lambda repo: not repo.fork}),
        "is": told({"public": always, "private": lambda repo: False}),
        "topic": one_of(lambda repo: repo.topics),
        "license": one_of(lambda repo: [repo.license or ""]),
        "repo": one_of(lambda repo: [repo.full_name]),
        "user": one_of(lambda repo: [repo.owner]),
        "org": one_of(lambda repo: [repo.owner]),
    },
    text={
        "name": lambda repo: repo.full_name,
        "description": lambda repo: repo.description or "",
        "topics": lambda repo: " ".join(repo.topics),
        "readme": lambda repo: repo.readme or "",
    },
    sought=("name", "description", "topics"),
    orders={
        "stars": lambda repo: repo.stars,
        "forks": lambda repo: repo.forks,
        "updated": lambda repo: repo.updated_at,
        "created": lambda repo: repo.created_at,
    },
    usual="stars",
)

STATES: dict[str, Test] = {
    "open": lambda issue: issue.state == "open",
    "closed": lambda issue: issue.state == "closed",
}
IS_ISSUE: Test = lambda issue: not issue.is_pull_request  # noqa: E731  a row of a table
IS_PULL: Test = lambda issue: issue.is_pull_request  # noqa: E731  a row of a table

ISSUES = Kind(
    qualifiers={
        "is": told(
            {
                "issue": IS_ISSUE,
                "pr": IS_PULL,
                "pull-request": IS_PULL,
                "public": always,
                "private": lambda issue: False,
                "archived": lambda issue: issue.home.archived,
                **STATES,
            }
        ),
        "type": told({"issue": IS_ISSUE, "pr": IS_PULL}),
        "state": told(STATES),
        "archived": flag(lambda issue: issue.home.archived),
        "label": one_of(lambda issue: issue.labels),
        "language": one_of(lambda issue: language_of(issue.home)),
        "repo": one_of(lambda issue: [issue.home.full_name]),
        "user": one_of(lambda issue: [issue.home.owner]),
        "org": one_of(lambda issue: [issue.home.owner]),
        "author": one_of(lambda issue: [issue.author or "ghost"]),
        "assignee": one_of(lambda issue: issue.assignees),
        "no": told({"assignee": lambda issue: not issue.assignees, "label": lambda issue: not issue.labels}),
        "linked": told({"pr": lambda issue: issue.linked_pulls > 0}),
        "comments": within(number_bounds, lambda issue: len(issue.comments)),
        "reactions": within(number_bounds, lambda issue: issue.reactions),
        "created": within(moment_bounds, lambda issue: issue.created_at),
        "updated": within(moment_bounds, lambda issue: issue.touched_at),
        "closed": within(moment_bounds, lambda issue: issue.closed_at),
    },
    text={
        "title": lambda issue: issue.title,
        "body": lambda issue: issue.body or "",
        "comments": lambda issue: "\n".join(comment.body for comment in issue.comments),
    },
    sought=("title", "body", "comments"),
    orders={
        "created": lambda issue: issue.created_at,
        "updated": lambda issue: issue.touched_at,
        "comments": lambda issue: len(issue.comments),
        "reactions": lambda issue: issue.reactions,
    },
    usual="created",
)

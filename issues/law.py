"""What the decisions of curators come to, taken together: where each post and each issue belongs, and what it says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Decision(Protocol):
    """What is read of an edit; a split's and a merge's other issue may be gone."""

    kind: str
    issue_id: int
    other_id: int | None
    value: Mapping[str, Any]


@dataclass(frozen=True)
class Law:
    """into: issue -> the one that it is merged into, itself never merged. homes: item -> its issue, None for none.

    fields: issue -> what it says whatever its labels say. differing: pairs, the smaller first, that are not the same.
    """

    into: Mapping[int, int]
    homes: Mapping[int, int | None]
    fields: Mapping[int, Mapping[str, Any]]
    hidden: frozenset[int]
    locked: frozenset[int]
    differing: frozenset[tuple[int, int]]

    def root(self, issue: int) -> int:
        return self.into.get(issue, issue)

    def home(self, item: int) -> int | None:
        """The issue that a curator gave an item, as it is called now."""
        chosen = self.homes[item]
        return None if chosen is None else self.root(chosen)

    def differ(self, one: int, other: int) -> bool:
        return pair(one, other) in self.differing

    def family(self, issues: Iterable[int]) -> set[int]:
        """Those, and all that is merged into the same."""
        roots = {self.root(issue) for issue in issues}
        return {*issues, *roots, *(issue for issue, into in self.into.items() if into in roots)}


def pair(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)


def law_of(decisions: Iterable[Decision]) -> Law:
    """The standing decisions, in the order they were made: what was said later counts."""
    step: dict[int, int] = {}
    homes: dict[int, int | None] = {}
    fields: dict[int, dict[str, Any]] = {}
    hidden, locked, differing = set(), set(), set()
    for made in decisions:
        subject = made.issue_id
        homes.update({int(item): home for item, home in made.value.get("items", {}).items()})
        if made.kind == "merge" and made.other_id:
            step[subject] = made.other_id
        elif made.kind == "differ" and made.other_id:
            differing.add(pair(subject, made.other_id))
        elif made.kind == "hide":
            hidden.add(subject)
        elif made.kind == "lock":
            locked.add(subject)
        if "fields" in made.value:
            named = made.other_id if made.kind == "split" else subject
            fields.setdefault(named or subject, {}).update(made.value["fields"])
    into = {issue: end_of(issue, step) for issue in step}
    return Law(into, homes, fields, frozenset(hidden), frozenset(locked), frozenset(differing))


def end_of(issue: int, step: Mapping[int, int]) -> int:
    """Where the merges lead; a circle, which no curator can make, ends where it is first seen again."""
    seen = {issue}
    while issue in step and step[issue] not in seen:
        issue = step[issue]
        seen.add(issue)
    return issue

"""Many nodes of GitHub in one question of GraphQL: what became of each, and how many one answer can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.collectors.github import Gone
from engine.http import BadAddress, HttpError, Limited, Quiet, Refused, Unreadable, tidy

Told = TypeVar("Told")


@dataclass(frozen=True)
class Failed:
    """What stands behind this node could not be had this time."""

    node_id: str
    reason: str


def halved(ids: Sequence[str], ask: Callable[[Sequence[str]], Sequence[Told]]) -> Iterator[Sequence[Told | Failed]]:
    """What is told of all of them: half as many at a time after each answer that is too much.

    One that fails alone is told as failed. Raises HttpError when it is no matter of how many they are.
    """
    try:
        found = ask(ids)
    except (Quiet, BadAddress, Limited):
        raise  # nothing is too much: GitHub wants to be left alone
    except HttpError as error:
        if isinstance(error, Refused) and error.everything:
            raise
        if len(ids) == 1:
            yield [Failed(ids[0], str(error))]
            return
        middle = len(ids) // 2
        yield from halved(ids[:middle], ask)
        yield from halved(ids[middle:], ask)
        return
    yield found


def nodes_of(
    ids: Sequence[str], data: Mapping[str, Any], errors: Sequence[Any]
) -> Iterator[tuple[str, Any, list[dict[str, Any]]]]:
    """Each node that was asked for: its id, what is told of it, and the errors about it. Raises Unreadable."""
    nodes = data.get("nodes")
    if not isinstance(nodes, list) or len(nodes) != len(ids):
        raise Unreadable("GraphQL answers with other nodes than were asked for")
    wrong = by_place(errors)
    for place, (node_id, node) in enumerate(zip(ids, nodes, strict=True)):
        yield node_id, node, wrong.get(place, [])


def by_place(errors: Sequence[Any]) -> dict[int, list[dict[str, Any]]]:
    """The errors of each node, by its place among those asked for."""
    found: dict[int, list[dict[str, Any]]] = {}
    for error in errors:
        path = error.get("path") if isinstance(error, dict) else None
        if isinstance(path, list) and len(path) > 1 and path[0] == "nodes" and isinstance(path[1], int):
            found.setdefault(path[1], []).append(error)
    return found


def fault_of(node_id: str, errors: Sequence[Mapping[str, Any]]) -> Gone | Failed:
    """What a null means: that something is gone only where an error beside it says so too."""
    if any(error.get("type") == "NOT_FOUND" for error in errors):
        return Gone("GitHub no longer knows it", node_id)
    return Failed(node_id, tidy(str(errors[0].get("message") or "no answer")) if errors else "it was not told of")

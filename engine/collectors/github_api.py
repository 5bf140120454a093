"""GitHub as one account sees it: what it asks for, what it says of its limits, and its refusals.

A question to REST or GraphQL counts in a lane of its own: `core`, `search`, `graphql`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.collectors.shapes import Shape, whole
from engine.http import (
    AGAIN,
    LONGEST_WAIT,
    Answer,
    BadAddress,
    Client,
    Limit,
    Refused,
    Unreadable,
    retry_after,
    retry_after_only,
    tidy,
)

CORE, SEARCH, GRAPHQL = "core", "search", "graphql"
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
PACE: Mapping[str, float] = {CORE: 600.0, SEARCH: 27.0, GRAPHQL: 600.0}  # a minute, below what GitHub allows
# What says that something is there no more.
GONE = {404: "not found", 410: "gone", 451: "not available for legal reasons"}
MOVED = (301, 302, 307, 308)
MOST_MOVES = 3
LINK = re.compile(r'<([^<>]{1,4000})>\s*;\s*rel="?([a-z]{1,20})"?')


def pace(token: str) -> Mapping[str, float]:
    """Requests a minute, lane by lane."""
    return PACE if token else {**PACE, SEARCH: 9.0}


def credentials(token: str) -> dict[str, str]:
    """The headers of an account; without a token of nobody."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def graphql_base(url: str) -> str:
    """What the client of GraphQL is made with: its address without the last step."""
    return url.removesuffix("/").removesuffix("/graphql")


def limits(answer: Answer) -> Limit:
    """What an answer says of limits: the primary one of its lane, or the secondary one of all."""
    headers = answer.headers
    facts: dict[str, Any] = {
        "remaining": number(headers.get("x-ratelimit-remaining")),
        "limit": number(headers.get("x-ratelimit-limit")),
        "resets_in": left_until(number(headers.get("x-ratelimit-reset")), answer.at),
    }
    said = message_of(answer) if answer.status in (403, 429) else ""
    if named := retry_after(headers, answer.at) if answer.status in (403, 429) else None:
        return Limit(True, min(named, LONGEST_WAIT), whole_host=True, reason="its secondary limit", **facts)
    if answer.status in (403, 429) and facts["remaining"] == 0:
        return Limit(True, facts["resets_in"], reason="its limit", **facts)
    if answer.status == 429 or "secondary rate limit" in said or "abuse detection" in said:
        return Limit(True, None, whole_host=True, reason="its secondary limit", **facts)
    if is_limited_graph(answer) or (answer.status == 403 and "rate limit exceeded" in said):
        return Limit(True, facts["resets_in"], reason="its limit", **facts)
    return replace(retry_after_only(answer), **facts) if answer.status in AGAIN else Limit(**facts)


def is_limited_graph(answer: Answer) -> bool:
    """GraphQL refuses within an answer of status 200."""
    if answer.status != 200 or b"RATE_LIMIT" not in answer.body:
        return False
    try:
        found = answer.json()
    except Unreadable:
        return False
    errors = found.get("errors") if isinstance(found, dict) else None
    kinds = [each.get("type") for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    return not {"RATE_LIMITED", "RATE_LIMIT"}.isdisjoint(filter(None, map(str, kinds)))


def number(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() and len(text) < 16 else None


def left_until(reset: float | None, now: float) -> float | None:
    """Seconds until an epoch, both by the server's clock."""
    return None if reset is None else max(reset - now, 0.0)


def message_of(answer: Answer) -> str:
    """What it says in words, in lower case; "" where it is no JSON of GitHub's."""
    try:
        found = answer.json()
    except Unreadable:
        return ""
    return str(found.get("message", "")).lower() if isinstance(found, dict) else ""


def next_link(answer: Answer) -> str:
    """The address of the page after it, from its Link header; "" where it was the last."""
    links = {rel: url for url, rel in LINK.findall(answer.headers.get("link", "")[:20_000])}
    return links.get("next", "")


def refuse(answer: Answer) -> None:
    """Raises Refused where it is not what was asked for."""
    if answer.ok or answer.status == 304:
        return
    if answer.status == 401:
        raise Refused("GitHub does not accept GITHUB_ACCESS_TOKEN", everything=True)
    said = tidy(message_of(answer))
    raise Refused(f"GitHub answers {answer.status}{f': {said}' if said else ''}")


def followed(client: Client, path: str, params: Mapping[str, str | int] | None = None, **facts: Any) -> Answer:
    """The answer of whatever status, behind a few moves: what was renamed is found again. Raises HttpError."""
    for _ in range(MOST_MOVES):
        answer = client.get(path, params, **facts)
        if answer.status not in MOVED:
            return answer
        path = answer.headers.get("location", "")  # another host the client refuses
    raise BadAddress(f"{client.host} sends from one address to the next")


class Graph(Shape):
    """What GraphQL answers. errors: of what is null in the data, each with type, path and message."""

    data: dict[str, Any] | None = None
    errors: list[Any] = []


def graphql(client: Client, query: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Data and errors; client: of `graphql_base`. Raises HttpError, Refused where the question itself is wrong."""
    body = {"query": query, "variables": dict(variables)}
    answer = client.request("POST", "graphql", body=body, lane=GRAPHQL)
    refuse(answer)
    found = whole(Graph, answer)
    if found.data is None:
        first = found.errors[0] if found.errors and isinstance(found.errors[0], dict) else {}
        said = f"GitHub's GraphQL says: {tidy(str(first.get('message', ''))) or 'nothing'}"
        # Without a type it took too long, or is no answer of GraphQL's: both are worth another try.
        raise (Refused if first.get("type") or first.get("extensions") else Unreadable)(said)
    return found.data, found.errors

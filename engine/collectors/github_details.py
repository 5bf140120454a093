"""What GitHub tells of single repositories beside the search: details, many at a time, and commits."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from urllib.parse import quote

from engine.collectors.github import AT_ONCE, LIGHT, Gone, fresh
from engine.collectors.github_api import GONE, graphql, next_link, refuse
from engine.collectors.github_nodes import Failed, fault_of, halved, nodes_of
from engine.collectors.github_shapes import LONGEST_README, READMES, CommitItem, Issues, node_of
from engine.collectors.shapes import read, storable
from engine.http import Answer, Client, Limited, Unreadable
from engine.records import Repository

DETAILED = 25  # repositories in one answer
TRIES = 3  # of a call that met a limit; the gate lets it wait
FILES = 300  # of one commit
OURS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})

README_FIELDS = "\n      ".join(
    f'readme{place}: object(expression: "HEAD:{name}") {{ ... on Blob {{ text }} }}'
    for place, name in enumerate(READMES)
)
DETAILS = f"""query($ids: [ID!]!, $month: GitTimestamp!, $year: GitTimestamp!) {{
  nodes(ids: $ids) {{
    ... on Repository {{
      {LIGHT}
      watchers {{ totalCount }}
      open: issues(states: OPEN) {{ totalCount }} pulls: pullRequests(states: OPEN) {{ totalCount }}
      languages(first: 20, orderBy: {{field: SIZE, direction: DESC}}) {{ edges {{ size node {{ name }} }} }}
      repositoryTopics(first: 20) {{ nodes {{ topic {{ name }} }} }}
      {README_FIELDS}
      defaultBranchRef {{ target {{ ... on Commit {{
        month: history(since: $month) {{ totalCount }} year: history(since: $year) {{ totalCount }}
      }} }} }}
      lately: issues(first: 20, orderBy: {{field: CREATED_AT, direction: DESC}}) {{
        nodes {{ createdAt author {{ login }} comments(first: 10) {{
          nodes {{ createdAt authorAssociation author {{ login }} }}
        }} }}
      }}
    }}
  }}
  rateLimit {{ cost remaining resetAt }}
}}"""

LOOK_UP = f"""query($ids: [ID!]!) {{
  nodes(ids: $ids) {{ ... on Repository {{ {LIGHT} }} }}
  rateLimit {{ cost remaining resetAt }}
}}"""


@dataclass(frozen=True)
class Details:
    """All that is told of a repository. node_id: what it was asked for by; whole: nothing failed; what did is None.

    response_hours: the median, over its last issues, from their opening to the first word of somebody of the project.
    """

    node_id: str
    repository: Repository
    commits_month: int | None = None
    commits_year: int | None = None
    response_hours: float | None = None
    whole: bool = True


@dataclass(frozen=True)
class Commit:
    """files: (path, lines added, lines deleted); cut: there are more."""

    sha: str
    committed_at: datetime
    author: str
    files: list[tuple[str, int, int]]
    cut: bool


@dataclass(frozen=True)
class Commits:
    """The last commits of a repository, the newest first. None: as they were when that etag was given."""

    shas: list[str] | None
    etag: str = ""


@dataclass(frozen=True)
class Rest:
    """What REST tells beside the repository itself. None: as it was, or not told. validators: ETags by name."""

    languages: dict[str, int] | None = None
    readme: str | None = None
    validators: dict[str, str] = field(default_factory=dict)


def response_hours(issues: Issues | None) -> float | None:
    """The median hours to the first word of somebody of the project who did not open the issue."""
    if issues is None:
        return None
    waits = []
    for issue in filter(None, issues.nodes):
        opener = issue.author.login if issue.author else ""
        answers = [
            comment.created_at
            for comment in filter(None, issue.comments.nodes)
            if comment.author_association in OURS and (comment.author is None or comment.author.login != opener)
        ]
        if answers:
            waits.append(max((min(answers) - issue.created_at).total_seconds(), 0.0) / 3600)
    return round(median(waits), 2) if waits else None


def details(graph: Client, ids: Sequence[str], now: datetime) -> Iterator[Sequence[Details | Gone | Failed]]:
    """All that is told of those, as many as one answer can hold at a time: half as many after each that is too much.

    Raises HttpError when that is no matter of how many they are.
    """
    for start in range(0, len(ids), DETAILED):
        yield from halved(ids[start : start + DETAILED], lambda some: asked(graph, some, now))


def asked(graph: Client, ids: Sequence[str], now: datetime) -> list[Details | Gone | Failed]:
    """One answer."""
    since = {"month": now - timedelta(days=30), "year": now - timedelta(days=365)}
    variables = {"ids": list(ids), **{name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in since.items()}}
    return outcomes_of(ids, *patiently(graph, variables))


def outcomes_of(ids: Sequence[str], data: Mapping[str, Any], errors: Sequence[Any]) -> list[Details | Gone | Failed]:
    """What became of each node that was asked for. Raises Unreadable."""
    return [details_of(*node) for node in nodes_of(ids, data, errors)]


def patiently(graph: Client, variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """A limit is no fault of the question: the gate says when it may be asked again."""
    for _ in range(TRIES - 1):
        try:
            return graphql(graph, DETAILS, variables)
        except Limited:
            continue
    return graphql(graph, DETAILS, variables)


def looked_up(graph: Client, ids: Sequence[str]) -> tuple[list[Repository | Gone], dict[str, int]]:
    """What stands under those nodes now, in few words, at most 100; and how many were not told of, by reason."""
    data, errors = graphql(graph, LOOK_UP, {"ids": list(ids)})
    found: list[Repository | Gone] = []
    skipped: Counter[str] = Counter()
    for outcome in outcomes_of(ids, data, errors):
        if isinstance(outcome, Failed):
            skipped["not told of"] += 1
        else:
            found.append(outcome.repository if isinstance(outcome, Details) else outcome)
    return found, dict(skipped)


def details_of(node_id: str, value: Any, errors: Sequence[dict[str, Any]]) -> Details | Gone | Failed:
    """What one node tells. A field that an error is about was not told, whatever stands in its place."""
    if not value:
        return fault_of(node_id, errors)
    failed = {error["path"][2] for error in errors if len(error["path"]) > 2}
    node = node_of({name: told for name, told in value.items() if name not in failed} if failed else value)
    if isinstance(node, str):
        return Failed(node_id, node)
    counts = node.history("month"), node.history("year")
    return Details(node_id, node.record(), *counts, response_hours(node.lately), whole=not errors)


def rest_details(rest: Client, name: str, validators: Mapping[str, str]) -> Rest | Gone:
    """Languages and README of one repository. Raises HttpError."""
    told: dict[str, Answer] = {}
    for each in ("languages", "readme"):
        told[each] = fresh(rest, f"repos/{quote(name)}/{each}", validators.get(each, ""))
        if told[each].status == 404 and each == "readme":
            continue
        if told[each].status in GONE:
            return Gone(GONE[told[each].status], asked_as=name)
        refuse(told[each])
    etags = {each: answer.etag or validators.get(each, "") for each, answer in told.items()}
    sizes = told["languages"].json() if told["languages"].ok else None
    return Rest(sizes_of(sizes), readme_of(told["readme"]), {each: etag for each, etag in etags.items() if etag})


def sizes_of(told: Any) -> dict[str, int] | None:
    if not isinstance(told, dict):
        return None
    return {storable(name): size for name, size in told.items() if isinstance(size, int)}


def readme_of(answer: Answer) -> str | None:
    """Its text; "" where there is none, None where it is as it was or no text."""
    if answer.status == 404:
        return ""
    if not answer.ok:
        return None
    try:
        content = b64decode(answer.json()["content"])
    except (KeyError, TypeError, ValueError):
        return None
    return str(storable(content.decode("utf-8", "ignore")))[:LONGEST_README]


# Commits


def last_commits(rest: Client, name: str, at_most: int, etag: str = "") -> Commits | Gone:
    """The hashes of its last commits. Raises HttpError."""
    path, newest = f"repos/{quote(name)}/commits?per_page={min(at_most, AT_ONCE)}", ""
    shas: list[str] = []
    while path and len(shas) < at_most:
        first = not shas
        answer = fresh(rest, path, etag if first else "")
        if first and answer.status == 304:
            return Commits(None, etag)
        if answer.status == 409:  # it is empty
            return Commits([])
        if answer.status in GONE:
            return Gone(GONE[answer.status], asked_as=name)
        refuse(answer)
        page = shas_of(answer.json())
        newest = newest or answer.etag
        shas += page
        path = next_link(answer) if page else ""
    return Commits(list(dict.fromkeys(shas))[:at_most], newest)


def shas_of(told: Any) -> list[str]:
    """Raises Unreadable where it is no list."""
    if not isinstance(told, list):
        raise Unreadable("commits are no list")
    found = [each.get("sha") for each in told if isinstance(each, dict)]
    return [sha for sha in found if isinstance(sha, str) and re.fullmatch(r"[0-9a-f]{40,64}", sha)]


def commit(rest: Client, name: str, sha: str) -> Commit | None:
    """One commit with its files; None where it is there no more, or nothing that can be read. Raises HttpError."""
    answer = fresh(rest, f"repos/{quote(name)}/commits/{sha}")
    if answer.status in (404, 409, 422):
        return None
    refuse(answer)
    found = answer.json()
    if not (isinstance(found, dict) and found.get("sha")):
        raise Unreadable("not the commit that was asked for")
    told = read(CommitItem, found)
    if isinstance(told, str):
        return None
    when = told.commit.committer or told.commit.author
    if when is None:
        return None
    who = told.author.login if told.author else (told.commit.author and told.commit.author.email) or ""
    files = [(each.filename, each.additions, each.deletions) for each in told.files[:FILES]]
    return Commit(told.sha, when.date, who, files, len(told.files) > FILES or bool(next_link(answer)))


def weekly(rest: Client, name: str) -> list[int] | None:
    """Commits in each of the last 52 weeks, the present one last; None while GitHub counts them. Raises HttpError."""
    answer = fresh(rest, f"repos/{quote(name)}/stats/participation")
    told = answer.json() if answer.status == 200 else None
    counts = told.get("all") if isinstance(told, dict) else None
    if not isinstance(counts, list) or not all(isinstance(count, int) and 0 <= count < 2**31 for count in counts):
        return None
    return counts[-52:]

"""Open issues with certain labels, of many repositories at a time, and how known ones stand now. GraphQL only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, TypeVar

from engine.collectors.github import Gone
from engine.collectors.github_api import graphql
from engine.collectors.github_nodes import Failed, fault_of, halved, nodes_of
from engine.collectors.github_shapes import Camel, Total
from engine.collectors.shapes import Iso, Shape, Text, read, sorted_out
from engine.http import Client

AT_ONCE = 20  # repositories in one question
OF_EACH = 20  # issues of a repository, those with the latest news first
COMMENTS = 10  # of an issue, the last ones
LONGEST_COMMENT = 2_000  # characters


@dataclass(frozen=True)
class Said:
    """A comment. author: "" where the account is gone; bot: a program wrote it."""

    at: datetime
    author: str
    text: str
    bot: bool


@dataclass(frozen=True)
class Found:
    """An issue as it stands. pulls: open pull requests that would close it; body: how many characters it says."""

    node_id: str
    number: int
    title: str
    labels: tuple[str, ...]
    open: bool
    locked: bool
    assignees: int
    pulls: int
    comments: int
    talk: tuple[Said, ...]
    association: str
    body: int
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True)
class Listed:
    """The issues of one repository that have one of the labels. total: how many there are."""

    node_id: str
    total: int
    issues: tuple[Found, ...] = ()
    skipped: int = 0

    @property
    def whole(self) -> bool:
        """Whether these are all."""
        return self.total <= len(self.issues)


@dataclass(frozen=True)
class Stands:
    """How an issue stands now."""

    node_id: str
    issue: Found


class Label(Shape):
    name: Text


class Labels(Shape):
    nodes: list[Label | None]


class Author(Shape):
    login: Text
    kind: Text


class Comment(Camel):
    created_at: Iso
    body: Text
    author: Author | None = None

    @property
    def said(self) -> Said:
        login, kind = (self.author.login, self.author.kind) if self.author else ("", "")
        return Said(self.created_at, login, self.body[:LONGEST_COMMENT], kind == "Bot")


class Comments(Total):
    nodes: list[Comment | None]


class Issue(Camel):
    """An issue as GraphQL tells of it."""

    id: Text
    number: int
    title: Text
    state: Text
    locked: bool
    body: Text | None = None
    created_at: Iso
    updated_at: Iso
    closed_at: Iso | None = None
    author_association: Text = "NONE"
    labels: Labels | None = None
    assignees: Total
    pulls: Total | None = None
    comments: Comments

    @property
    def found(self) -> Found:
        return Found(
            node_id=self.id,
            number=self.number,
            title=self.title,
            labels=tuple(label.name for label in filter(None, self.labels.nodes)) if self.labels else (),
            open=self.state == "OPEN",
            locked=self.locked,
            assignees=self.assignees.total_count,
            pulls=self.pulls.total_count if self.pulls else 0,
            comments=self.comments.total_count,
            talk=tuple(comment.said for comment in filter(None, self.comments.nodes)),
            association=self.author_association,
            body=len((self.body or "").strip()),
            created_at=self.created_at,
            updated_at=self.updated_at,
            closed_at=self.closed_at,
        )


class Issues(Total):
    nodes: list[Any]


class Holder(Shape):
    """A repository with its issues."""

    issues: Issues


ISSUE = f"""fragment issue on Issue {{
  id number title state locked body createdAt updatedAt closedAt authorAssociation
  labels(first: 20) {{ nodes {{ name }} }}
  assignees(first: 1) {{ totalCount }}
  pulls: closedByPullRequestsReferences(first: 1) {{ totalCount }}
  comments(last: {COMMENTS}) {{ totalCount nodes {{ createdAt body author {{ login kind: __typename }} }} }}
}}"""
LIST = f"""query($ids: [ID!]!, $labels: [String!]) {{
  nodes(ids: $ids) {{ ... on Repository {{ id
    issues(states: OPEN, labels: $labels, first: {OF_EACH}, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
      totalCount nodes {{ ...issue }}
    }}
  }} }}
  rateLimit {{ cost remaining resetAt }}
}}
{ISSUE}"""
AGAIN = f"""query($ids: [ID!]!) {{
  nodes(ids: $ids) {{ ... on Issue {{ ...issue }} }}
  rateLimit {{ cost remaining resetAt }}
}}
{ISSUE}"""

Answered = TypeVar("Answered", Listed, Stands)


class FirstIssues:
    """Asks GitHub. graph: a client with a token; labels: as projects write them, one of which an issue must have."""

    def __init__(self, graph: Client, labels: Sequence[str]) -> None:
        self.graph, self.labels = graph, list(labels)

    def of(self, ids: Sequence[str]) -> Sequence[Listed | Gone | Failed]:
        """The issues of those repositories, at most AT_ONCE, by their node ids. Raises HttpError."""
        answers = halved(ids, lambda some: self.asked(LIST, some, listed, {"labels": self.labels}))
        return list(chain.from_iterable(answers))

    def again(self, ids: Sequence[str]) -> Sequence[Stands | Gone | Failed]:
        """How those issues stand now, by their node ids, in one question. Raises HttpError."""
        return self.asked(AGAIN, ids, stands, {})

    def asked(
        self,
        query: str,
        ids: Sequence[str],
        read_as: Callable[[str, Any], Answered | Failed],
        more: Mapping[str, Any],
    ) -> list[Answered | Gone | Failed]:
        """One answer."""
        data, errors = graphql(self.graph, query, {"ids": list(ids), **more})
        return [
            fault_of(pk, wrong) if node is None and wrong else read_as(pk, node)
            for pk, node, wrong in nodes_of(ids, data, errors)
        ]


def listed(pk: str, value: Any) -> Listed | Failed:
    """A repository's answer."""
    holder = read(Holder, value)
    if isinstance(holder, str):
        return Failed(pk, holder)
    issues, skipped = sorted_out(holder.issues.nodes, issue_of)
    return Listed(pk, holder.issues.total_count, tuple(issues), sum(skipped.values()))


def stands(pk: str, value: Any) -> Stands | Failed:
    found = issue_of(value)
    return Stands(pk, found) if isinstance(found, Found) else Failed(pk, found)


def issue_of(value: Any) -> Found | str:
    """An issue, or the reason why it is none."""
    issue = read(Issue, value)
    return issue if isinstance(issue, str) else issue.found

"""Open issues with certain labels, of many repositories at a time, and how known ones stand now. GraphQL only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from engine.collectors.github_api import graphql
from engine.collectors.github_details import by_place
from engine.collectors.github_shapes import Camel, Total
from engine.collectors.shapes import Iso, Shape, Text, read, sorted_out
from engine.http import BadAddress, Client, HttpError, Limited, Quiet, Refused, Unreadable, tidy

AT_ONCE = 20  # repositories in one question
RECHECKED = 50  # issues in one question
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
class Failed:
    """This repository, or this issue, could not be asked about."""

    node_id: str
    reason: str


@dataclass(frozen=True)
class Stands:
    """How an issue stands now."""

    node_id: str
    issue: Found


@dataclass(frozen=True)
class Gone:
    """It is there no more, or never was."""

    node_id: str


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
        return halved(ids, lambda some: self.asked(LIST, some, listed, {"labels": self.labels}))

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
        """One answer. Null says that something is gone only where an error beside it says so too."""
        data, errors = graphql(self.graph, query, {"ids": list(ids), **more})
        nodes, wrong = data.get("nodes"), by_place(errors)
        if not isinstance(nodes, list) or len(nodes) != len(ids):
            raise Unreadable("GraphQL answers with other nodes than were asked for")
        return [
            fault_of(pk, wrong[at]) if node is None and at in wrong else read_as(pk, node)
            for at, (pk, node) in enumerate(zip(ids, nodes, strict=True))
        ]


def halved(
    ids: Sequence[str], ask: Callable[[Sequence[str]], list[Listed | Gone | Failed]]
) -> list[Listed | Gone | Failed]:
    """What is too much for one answer is asked for in two; one that fails alone is told as failed."""
    try:
        return ask(ids)
    except (Quiet, BadAddress, Limited):
        raise  # nothing is too much: GitHub wants to be left alone
    except HttpError as error:
        if isinstance(error, Refused) and error.everything:
            raise
        if len(ids) == 1:
            return [Failed(ids[0], str(error))]
    return [*halved(ids[: len(ids) // 2], ask), *halved(ids[len(ids) // 2 :], ask)]


def fault_of(pk: str, errors: Sequence[Mapping[str, Any]]) -> Gone | Failed:
    """What a null means."""
    if any(error.get("type") == "NOT_FOUND" for error in errors):
        return Gone(pk)
    return Failed(pk, tidy(str(errors[0].get("message") or "no answer")))


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

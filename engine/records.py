"""What collectors yield: posts, repositories and stars in the words of where they come from, and pages of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

Record = TypeVar("Record")


@dataclass(frozen=True)
class Post:
    """One post. Counts that its source does not tell are None. upstream_id: what its source knows it by."""

    source: str
    url: str
    title: str
    body: str = ""
    created_at: datetime | None = None
    comment_count: int | None = None
    vote_count: int | None = None
    author: str = ""
    licence: str = ""
    upstream_id: str = ""


@dataclass(frozen=True)
class Repository:
    """A repository as far as an answer told of it; None is what it did not tell."""

    full_name: str
    github_id: int | None = None
    node_id: str = ""
    description: str | None = None
    language: str | None = None
    languages: dict[str, int] | None = None
    topics: list[str] | None = None
    readme: str | None = None
    stars: int | None = None
    forks: int | None = None
    watchers: int | None = None
    open_issues: int | None = None
    license: str | None = None
    homepage: str | None = None
    fork: bool | None = None
    archived: bool | None = None
    disabled: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    pushed_at: datetime | None = None


@dataclass(frozen=True)
class Star:
    """That a person starred a repository, and when."""

    starred_at: datetime | None
    repository: Repository


@dataclass(frozen=True)
class Page(Generic[Record]):
    """What one request brought.

    next: the cursor of the page after it; "" where the source said that this was the last. skipped: reason -> how
    many, of what is no record. narrower: queries that together ask for the same, when this one has more than can be
    reached; there are no records then. left: why the source did not give everything although it is at its end.
    """

    records: Sequence[Record] = ()
    next: str = ""
    skipped: Mapping[str, int] = field(default_factory=dict)
    narrower: Sequence[str] = ()
    left: str = ""


class Collector(Protocol[Record]):
    """Asks one source. Queries and cursors are its own words; the cursor "" is the first page."""

    def page(self, query: str, cursor: str) -> Page[Record]:
        """Raises engine.http.HttpError."""
        ...

"""The shapes of GitHub's answers about repositories, and what they become."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.collectors.shapes import Iso, Shape, Text, read
from engine.records import Repository

LONGEST_README = 20_000  # characters
READMES = ("README.md", "readme.md", "README.rst", "README")


class Camel(Shape):
    """What GraphQL answers."""

    model_config = ConfigDict(alias_generator=to_camel)


class Called(Camel):
    """Something with a name."""

    name: Text


class Total(Camel):
    total_count: int


class Licence(Shape):
    """Its short name; GitHub's NOASSERTION is none."""

    spdx_id: Text | None = Field(None, validation_alias=AliasChoices("spdx_id", "spdxId"))
    name: Text | None = None

    @property
    def text(self) -> str:
        return (self.name or "") if self.spdx_id in (None, "", "NOASSERTION") else self.spdx_id


class Size(Camel):
    size: int
    node: Called


class Sizes(Camel):
    edges: list[Size]


class Topic(Camel):
    topic: Called


class Topics(Camel):
    nodes: list[Topic | None]


class Blob(Camel):
    text: Text | None = None


class Target(Camel):
    month: Total | None = None
    year: Total | None = None


class Branch(Camel):
    target: Target | None = None


class Person(Camel):
    login: Text


class Comment(Camel):
    created_at: Iso
    author_association: str
    author: Person | None = None


class Comments(Camel):
    nodes: list[Comment | None]


class Issue(Camel):
    created_at: Iso
    author: Person | None = None
    comments: Comments


class Issues(Camel):
    nodes: list[Issue | None]


class Node(Camel):
    """A repository as GraphQL tells of it. What is not told is not in `model_fields_set`."""

    id: Text
    database_id: int
    name_with_owner: Text
    description: Text | None = None
    primary_language: Called | None = None
    stargazer_count: int | None = None
    fork_count: int | None = None
    is_fork: bool | None = None
    is_archived: bool | None = None
    is_disabled: bool | None = None
    license_info: Licence | None = None
    homepage_url: Text | None = None
    created_at: Iso | None = None
    updated_at: Iso | None = None
    pushed_at: Iso | None = None
    watchers: Total | None = None
    open: Total | None = None
    pulls: Total | None = None
    languages: Sizes | None = None
    repository_topics: Topics | None = None
    readme0: Blob | None = None
    readme1: Blob | None = None
    readme2: Blob | None = None
    readme3: Blob | None = None
    default_branch_ref: Branch | None = None
    lately: Issues | None = None

    def record(self) -> Repository:
        counted = [each.total_count for each in (self.open, self.pulls) if each]
        return Repository(
            full_name=self.name_with_owner,
            github_id=self.database_id,
            node_id=self.id,
            description=self.told("description", self.description or ""),
            language=self.told("primary_language", self.primary_language.name if self.primary_language else ""),
            languages={edge.node.name: edge.size for edge in self.languages.edges} if self.languages else None,
            topics=[node.topic.name for node in self.repository_topics.nodes if node]
            if self.repository_topics
            else None,
            readme=self.readme(),
            stars=self.stargazer_count,
            forks=self.fork_count,
            watchers=self.watchers.total_count if self.watchers else None,
            open_issues=sum(counted) if len(counted) == 2 else None,
            license=self.told("license_info", self.license_info.text if self.license_info else ""),
            homepage=self.told("homepage_url", self.homepage_url or ""),
            fork=self.is_fork,
            archived=self.is_archived,
            disabled=self.is_disabled,
            created_at=self.created_at,
            updated_at=self.updated_at,
            pushed_at=self.pushed_at,
        )

    def told(self, name: str, value: str) -> str | None:
        """Nothing is also something that an answer can tell."""
        return value if name in self.model_fields_set else None

    def readme(self) -> str | None:
        """The first that there is; "" where none is; None where one could not be read."""
        names = [f"readme{place}" for place in range(len(READMES))]
        for name in names:
            if name not in self.model_fields_set:
                return None
            if (blob := getattr(self, name)) and blob.text:
                return str(blob.text)[:LONGEST_README]
        return ""

    def history(self, name: str) -> int | None:
        """Commits of a time; 0 where there is no branch at all, None where it was not told."""
        if "default_branch_ref" not in self.model_fields_set:
            return None
        if self.default_branch_ref is None:
            return 0
        count = getattr(self.default_branch_ref.target, name, None)
        return count.total_count if count else None


def node_of(value: Any) -> Node | str:
    """A repository, or the reason why it is none."""
    return read(Node, value) if value else "no repository"


class Item(Shape):
    """A repository as REST tells of it."""

    id: int
    node_id: Text
    full_name: Text
    description: Text | None = None
    language: Text | None = None
    topics: list[Text] | None = None
    stargazers_count: int | None = None
    forks_count: int | None = None
    subscribers_count: int | None = None  # watchers_count says how many stars it has
    open_issues_count: int | None = None
    license: Licence | None = None
    homepage: Text | None = None
    fork: bool | None = None
    archived: bool | None = None
    disabled: bool | None = None
    created_at: Iso | None = None
    updated_at: Iso | None = None
    pushed_at: Iso | None = None

    def record(self) -> Repository:
        return Repository(
            full_name=self.full_name,
            github_id=self.id,
            node_id=self.node_id,
            description=self.description or "",
            language=self.language or "",
            topics=self.topics,
            stars=self.stargazers_count,
            forks=self.forks_count,
            watchers=self.subscribers_count,
            open_issues=self.open_issues_count,
            license=self.license.text if self.license else "",
            homepage=self.homepage or "",
            fork=self.fork,
            archived=self.archived,
            disabled=self.disabled,
            created_at=self.created_at,
            updated_at=self.updated_at,
            pushed_at=self.pushed_at,
        )


def item_of(value: Any) -> Repository | str:
    """A repository, or the reason why it is none."""
    found = read(Item, value)
    return found if isinstance(found, str) else found.record()


class Author(Shape):
    email: Text | None = None
    date: Iso


class Inner(Shape):
    author: Author | None = None
    committer: Author | None = None


class Changed(Shape):
    filename: Text
    additions: int = 0
    deletions: int = 0


class CommitItem(Shape):
    sha: Text
    commit: Inner
    author: Person | None = None
    files: list[Changed] = []

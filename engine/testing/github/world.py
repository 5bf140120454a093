"""What a GitHub of our own holds: repositories, issues, stars. A test changes it between two requests."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from engine.testing.serving import Clock, Upstream

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LATELY = datetime(2026, 9, 1, tzinfo=UTC)


def number_of(text: str) -> int:
    """An id that is always the same for the same name."""
    return zlib.crc32(text.encode())


@dataclass
class Commit:
    """login: None where the author's address belongs to no account. files: (path, lines added, lines deleted)."""

    sha: str
    date: datetime
    login: str | None = "dev"
    email: str = "dev@example.org"
    message: str = "Change"
    files: Sequence[tuple[str, int, int]] = ()


@dataclass
class Repo:
    """watchers: who is told of its news, no stars. open_issues: with pull requests, None is as many as its world holds.

    commits: newest first; a repository without any is empty.
    """

    id: int
    full_name: str
    node_id: str = ""
    description: str | None = None
    language: str | None = None
    languages: dict[str, int] = field(default_factory=dict)
    topics: list[str] = field(default_factory=list)
    readme: str | None = None
    readme_path: str = "README.md"
    stars: int = 0
    forks: int = 0
    watchers: int = 0
    open_issues: int | None = None
    license: str | None = None
    homepage: str | None = None
    fork: bool = False
    archived: bool = False
    disabled: bool = False
    created_at: datetime = LONG_AGO
    updated_at: datetime = LATELY
    pushed_at: datetime | None = LATELY
    commits: list[Commit] = field(default_factory=list)
    blocked: bool = False

    def __post_init__(self) -> None:
        self.node_id = self.node_id or f"R_kgDO{self.id:08x}"

    @property
    def owner(self) -> str:
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.partition("/")[2]


class Comment(NamedTuple):
    login: str | None
    association: str
    created_at: datetime
    body: str


@dataclass
class Issue:
    """An issue, or a pull request. author: None where the account is gone. linked_pulls: how many would close it."""

    repo: str
    number: int
    title: str
    body: str | None = None
    labels: list[str] = field(default_factory=list)
    state: str = "open"
    assignees: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    reactions: int = 0
    author: str | None = "dev"
    author_association: str = "NONE"
    created_at: datetime = LATELY
    updated_at: datetime | None = None
    closed_at: datetime | None = None
    is_pull_request: bool = False
    linked_pulls: int = 0
    id: int = 0
    node_id: str = ""
    home: Repo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.comments = [Comment(*each) for each in self.comments]
        self.id = self.id or number_of(f"{self.repo}#{self.number}")
        self.node_id = self.node_id or f"{'PR' if self.is_pull_request else 'I'}_kwDO{self.id:08x}"

    @property
    def touched_at(self) -> datetime:
        return self.updated_at or self.created_at


class World(Upstream):
    """Finds what is asked for, and changes as GitHub's users would change it. Names are found in any case."""

    def __init__(
        self,
        clock: Clock | None = None,
        repositories: Iterable[Repo] = (),
        issues: Iterable[Issue] = (),
        stars: Mapping[str, Sequence[tuple[str, datetime]]] | None = None,
    ) -> None:
        super().__init__(clock)
        self.repositories: dict[int, Repo] = {}
        self.ids: dict[str, int] = {}
        self.former: dict[str, int] = {}  # names before a rename
        self.issues: dict[int, dict[int, Issue]] = {}
        self.deleted: set[tuple[int, int]] = set()  # (repository, number) of issues
        self.stars: dict[str, list[tuple[int, datetime]]] = {}
        self.nodes: dict[str, Repo | Issue] = {}
        self.counted: dict[int, int] = {}  # how many commits of a repository its statistics know of
        self.cut_short = 0  # how many searches from now give half of what they would
        for repo in repositories:
            self.add(repo)
        for issue in issues:
            self.open_issue(issue)
        for login, starred in (stars or {}).items():
            self.stars[login] = [(self[name].id, at) for name, at in starred]

    def __getitem__(self, full_name: str) -> Repo:
        """Raises KeyError where there is no such repository now."""
        return self.repositories[self.ids[full_name.lower()]]

    def find(self, full_name: str) -> Repo | None:
        """Also by a name that it had before."""
        known = self.ids.get(full_name.lower(), self.former.get(full_name.lower()))
        return None if known is None else self.repositories.get(known)

    def issue(self, full_name: str, number: int) -> Issue:
        return self.issues[self[full_name].id][number]

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def add(self, repo: Repo) -> None:
        with self.lock:
            self.repositories[repo.id] = self.nodes[repo.node_id] = repo
            self.ids[repo.full_name.lower()] = repo.id
            self.issues[repo.id] = {}

    def rename(self, full_name: str, to: str) -> None:
        with self.lock:
            repo = self[full_name]
            self.former[full_name.lower()] = self.ids.pop(full_name.lower())
            self.ids[to.lower()] = repo.id
            repo.full_name, repo.updated_at = to, self.now()

    def delete(self, full_name: str) -> None:
        with self.lock:
            repo = self.repositories.pop(self.ids.pop(full_name.lower()))
            for node_id in [repo.node_id, *(issue.node_id for issue in self.issues.pop(repo.id).values())]:
                del self.nodes[node_id]
            self.stars = {login: [row for row in rows if row[0] != repo.id] for login, rows in self.stars.items()}

    def block(self, full_name: str) -> None:
        """Taken down for a claim of copyright."""
        self.change(full_name, blocked=True)

    def change(self, full_name: str, **facts: object) -> None:
        """Set fields of a repository."""
        with self.lock:
            for name, value in {"updated_at": self.now(), **facts}.items():
                setattr(self[full_name], name, value)

    def push(self, full_name: str, commit: Commit) -> None:
        with self.lock:
            self[full_name].commits.insert(0, commit)
            self.change(full_name, pushed_at=self.now())

    def star(self, login: str, full_name: str, at: datetime | None = None) -> None:
        with self.lock:
            self.stars.setdefault(login, []).append((self[full_name].id, at or self.now()))
            self[full_name].stars += 1

    def unstar(self, login: str, full_name: str) -> None:
        with self.lock:
            gone = self[full_name].id
            self.stars[login] = [row for row in self.stars[login] if row[0] != gone]
            self[full_name].stars -= 1

    def open_issue(self, issue: Issue) -> None:
        with self.lock:
            issue.home = self[issue.repo]
            self.issues[issue.home.id][issue.number] = self.nodes[issue.node_id] = issue

    def close_issue(self, full_name: str, number: int) -> None:
        self.change_issue(full_name, number, state="closed", closed_at=self.now())

    def assign(self, full_name: str, number: int, login: str) -> None:
        self.change_issue(full_name, number, assignees=[*self.issue(full_name, number).assignees, login])

    def comment(self, full_name: str, number: int, comment: Comment) -> None:
        self.change_issue(full_name, number, comments=[*self.issue(full_name, number).comments, comment])

    def change_issue(self, full_name: str, number: int, **facts: object) -> None:
        """Set fields of an issue."""
        with self.lock:
            for name, value in {"updated_at": self.now(), **facts}.items():
                setattr(self.issue(full_name, number), name, value)

    def delete_issue(self, full_name: str, number: int) -> None:
        with self.lock:
            repo = self[full_name]
            del self.nodes[self.issues[repo.id].pop(number).node_id]
            self.deleted.add((repo.id, number))

    def cut_searches_short(self, times: int = 1) -> None:
        """The next searches run out of time: half of the hits, and the answer says that it is incomplete."""
        with self.lock:
            self.cut_short += times

    def is_cut_short(self) -> bool:
        cut = self.cut_short > 0
        self.cut_short -= cut
        return cut

    def seen_repositories(self) -> list[Repo]:
        """Those that a search can find."""
        return [repo for repo in self.repositories.values() if not repo.blocked]

    def seen_issues(self) -> list[Issue]:
        return [issue for repo in self.seen_repositories() for issue in self.issues[repo.id].values()]

    def open_count(self, repo: Repo) -> int:
        """Open issues and pull requests, as a repository says it of itself."""
        held = sum(issue.state == "open" for issue in self.issues[repo.id].values())
        return held if repo.open_issues is None else max(held, repo.open_issues)

    def starred_by(self, login: str) -> list[tuple[Repo, datetime]] | None:
        """What a user starred, latest first; None for nobody. Stars of what is blocked are not shown."""
        known = {name.lower(): rows for name, rows in self.stars.items()}.get(login.lower())
        if known is None:
            return None
        rows = [(self.repositories[each], at) for each, at in known]
        return sorted((row for row in rows if not row[0].blocked), key=lambda row: row[1], reverse=True)

"""The part of GitHub's GraphQL schema that a collector of repositories and issues asks for."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from engine.testing.github import search
from engine.testing.github.graphql import Missing, Refused, Thing
from engine.testing.github.shapes import LICENSES, SITE, digest, stamp
from engine.testing.github.world import Comment, Commit, Issue, Repo, World, number_of

KINDS = {
    "Query",
    "Node",
    "Actor",
    "RepositoryOwner",
    "Assignee",
    "Repository",
    "Issue",
    "PullRequest",
    "Blob",
    "Commit",
    "GitObject",
    "User",
    "Organization",
}
LONGEST_BLOB = 512_000  # bytes of a text that are given; the rest is cut off
ISSUE_ORDERS: dict[str, Callable[[Issue], Any]] = {
    "CREATED_AT": lambda it: it.created_at,
    "UPDATED_AT": lambda it: it.touched_at,
    "COMMENTS": lambda it: len(it.comments),
}
Arguments = dict[str, Any]


class TooHeavy(Exception):
    """A call asks for more texts than the servers manage in time."""


def cursor(at: int) -> str:
    return base64.b64encode(f"cursor:{at}".encode()).decode()


def place(told: str) -> int:
    """The number behind a cursor."""
    try:
        return int(base64.b64decode(told, validate=True).decode().removeprefix("cursor:"))
    except ValueError:
        raise Refused(f"`{told}` does not appear to be a valid cursor.", "INVALID_CURSOR_ARGUMENTS") from None


def connection(
    rows: Sequence[Any],
    node: Callable[[Any], Any],
    page: Arguments,
    edge: Callable[[Any], Arguments] | None = None,
    **more: Any,
) -> Thing:
    """A page of rows. page: first or last, after or before. edge: what an edge tells beside its node."""
    shown = span(len(rows), **page)
    told = edge or (lambda row: {})
    lists = {
        "pageInfo": lambda: page_info(shown, len(rows)),
        "nodes": lambda: [node(rows[at]) for at in shown],
        "edges": lambda: [
            Thing("Edge", {"cursor": cursor(at + 1), "node": lambda at=at: node(rows[at]), **told(rows[at])})
            for at in shown
        ],
    }
    if not {"first", "last"} & page.keys():
        lists = dict.fromkeys(lists, unbounded)
    return Thing("Connection", {"totalCount": len(rows), **lists, **more})


def span(size: int, first: int = 0, last: int = 0, after: str = "", before: str = "") -> range:
    """Which rows a page shows."""
    start = min(size, place(after)) if after else 0
    end = min(size, place(before) - 1) if before else size
    if first:
        end = min(end, start + first)
    elif last:
        start = max(start, end - last)
    return range(start, max(start, end))


def page_info(shown: range, size: int) -> Thing:
    fields = {
        "hasNextPage": bool(shown) and shown[-1] + 1 < size,
        "hasPreviousPage": bool(shown) and shown[0] > 0,
        "startCursor": cursor(shown[0] + 1) if shown else None,
        "endCursor": cursor(shown[-1] + 1) if shown else None,
    }
    return Thing("PageInfo", fields)


def unbounded() -> None:
    message = "You must provide a `first` or `last` value to properly paginate the connection."
    raise Refused(message, "MISSING_PAGINATION_BOUNDARIES")


def linked(it: Issue, includeClosedPrs: bool = False, **page: Any) -> Thing:  # noqa: N803  their name
    """The pull requests that would close an issue, of which nothing but their number is known."""
    return count(range(it.linked_pulls))(**page)


def count(rows: Sequence[Any]) -> Callable[..., Thing]:
    return lambda **page: connection(rows, lambda row: row, page)


def named(kind: str, name: str) -> Thing:
    return Thing(kind, {"id": f"{kind}_{number_of(name):x}", "name": name, "color": None})


def actor(login: str | None, kind: str = "User") -> Thing | None:
    if login is None:
        return None
    return Thing(kind, {"id": f"U_{number_of(login):x}", "login": login, "url": f"{SITE}/{login}"})


def moment(told: str | None) -> datetime | None:
    return datetime.fromisoformat(told) if told else None


def ordered(rows: list[Issue], by: Arguments | None) -> list[Issue]:
    by = by or {"field": "CREATED_AT", "direction": "ASC"}
    key = ISSUE_ORDERS[by["field"]]
    return sorted(rows, key=lambda it: (key(it), it.number), reverse=by["direction"] == "DESC")


class Schema:
    """What one call can ask for. most_readmes: how many texts it may, None for any number."""

    def __init__(self, world: World, limits: Thing, most_readmes: int | None) -> None:
        self.world, self.limits, self.left = world, limits, most_readmes

    def query(self) -> Thing:
        fields = {
            "rateLimit": self.limits,
            "search": self.search,
            "node": lambda id: self.node(id),
            "nodes": lambda ids: [self.node(each) for each in ids],
            "repository": self.named_repository,
        }
        return Thing("Query", fields)

    def node(self, node_id: str) -> Thing | Missing:
        thing = self.world.nodes.get(node_id)
        if thing is None:
            return Missing("NOT_FOUND", f"Could not resolve to a node with the global id of '{node_id}'.")
        return self.issue(thing) if isinstance(thing, Issue) else self.seen(thing)

    def named_repository(self, owner: str, name: str, followRenames: bool = True) -> Thing | Missing:  # noqa: N803
        repo = self.world.find(f"{owner}/{name}")
        is_former = f"{owner}/{name}".lower() not in self.world.ids
        if repo is None or (is_former and not followRenames):
            return Missing("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return self.seen(repo)

    def seen(self, repo: Repo) -> Thing | Missing:
        return Missing("FORBIDDEN", "Repository access blocked") if repo.blocked else self.repository(repo)

    def search(self, query: str, type: str, **page: Any) -> Thing:
        kind = {"REPOSITORY": search.REPOSITORIES, "ISSUE": search.ISSUES, "ISSUE_ADVANCED": search.ISSUES}.get(type)
        if kind is None:
            raise Refused(f"Argument 'type' on Field 'search' has an invalid value ({type}).")
        try:
            hits = search.found(self.world, kind, query)
        except search.BadQuery as fault:
            raise Refused(str(fault), "UNPROCESSABLE") from None
        counts: Arguments = dict.fromkeys(("repositoryCount", "issueCount"), 0)
        counts["repositoryCount" if kind is search.REPOSITORIES else "issueCount"] = len(hits)
        node = self.repository if kind is search.REPOSITORIES else self.issue
        found = connection(hits[: search.REACHABLE], node, page)
        return Thing("SearchResultItemConnection", {**found.fields, **counts})

    def repository(self, repo: Repo) -> Thing:
        fields = {
            "id": repo.node_id,
            "databaseId": repo.id,
            "name": repo.name,
            "nameWithOwner": repo.full_name,
            "owner": actor(repo.owner, "Organization"),
            "description": repo.description,
            "url": f"{SITE}/{repo.full_name}",
            "homepageUrl": repo.homepage,
            "stargazerCount": repo.stars,
            "forkCount": repo.forks,
            "watchers": count(range(repo.watchers)),
            "isFork": repo.fork,
            "isArchived": repo.archived,
            "isDisabled": repo.disabled,
            "isPrivate": False,
            "isEmpty": not repo.commits,
            "createdAt": stamp(repo.created_at),
            "updatedAt": stamp(repo.updated_at),
            "pushedAt": stamp(repo.pushed_at),
            "primaryLanguage": named("Language", repo.language) if repo.language else None,
            "languages": lambda **page: languages(repo, **page),
            "repositoryTopics": lambda **page: connection(repo.topics, topic, page),
            "licenseInfo": licence(repo.license) if repo.license else None,
            "issues": lambda **asked: self.issues(repo, False, **asked),
            "pullRequests": lambda **asked: self.issues(repo, True, **asked),
            "object": lambda expression: self.blob(repo, expression),
            "defaultBranchRef": self.branch(repo) if repo.commits else None,
        }
        return Thing("Repository", fields)

    def issues(
        self,
        repo: Repo,
        pulls: bool,
        states: str | Sequence[str] = ("OPEN", "CLOSED"),
        labels: Sequence[str] = (),
        orderBy: Arguments | None = None,  # noqa: N803  their name
        filterBy: Arguments | None = None,  # noqa: N803  their name
        **page: Any,
    ) -> Thing:
        """Issues with any of the labels. Of all open ones the repository may tell more than its world holds."""
        wanted = {each.lower() for each in ([labels] if isinstance(labels, str) else labels)}
        since = moment((filterBy or {}).get("since"))
        states = [states] if isinstance(states, str) else states
        rows = [
            it
            for it in self.world.issues[repo.id].values()
            if it.is_pull_request == pulls
            and it.state.upper() in states
            and (not wanted or wanted & {each.lower() for each in it.labels})
            and (since is None or it.touched_at >= since)
        ]
        found = connection(ordered(rows, orderBy), self.issue, page)
        if pulls or wanted or since or list(states) != ["OPEN"]:
            return found
        open_pulls = sum(it.is_pull_request and it.state == "open" for it in self.world.issues[repo.id].values())
        return Thing(found.kind, {**found.fields, "totalCount": self.world.open_count(repo) - open_pulls})

    def blob(self, repo: Repo, expression: str) -> Thing | None:
        """A file of the newest commit: the world holds no other than the README."""
        branch, _, path = expression.partition(":")
        if repo.readme is None or branch not in ("HEAD", "main") or path != repo.readme_path:
            return None
        data = repo.readme.encode("utf-8", "surrogatepass")
        fields = {
            "id": f"B_{repo.id:x}",
            "oid": digest(data),
            "byteSize": len(data),
            "isBinary": False,
            "isTruncated": len(data) > LONGEST_BLOB,
            "text": lambda: self.text(data),
        }
        return Thing("Blob", fields)

    def text(self, data: bytes) -> str:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise TooHeavy
        return data[:LONGEST_BLOB].decode(errors="ignore")

    def branch(self, repo: Repo) -> Thing:
        fields = {"id": f"REF_{repo.id:x}", "name": "main", "target": commit(repo, repo.commits[0])}
        return Thing("Ref", fields)

    def issue(self, it: Issue) -> Thing:
        url = f"{SITE}/{it.home.full_name}/{'pull' if it.is_pull_request else 'issues'}/{it.number}"
        fields = {
            "id": it.node_id,
            "databaseId": it.id,
            "number": it.number,
            "title": it.title,
            "url": url,
            "body": it.body or "",
            "createdAt": stamp(it.created_at),
            "updatedAt": stamp(it.touched_at),
            "closedAt": stamp(it.closed_at),
            "state": it.state.upper(),
            "closed": it.state == "closed",
            "locked": False,
            "author": actor(it.author),
            "authorAssociation": it.author_association,
            "comments": lambda **page: connection(it.comments, comment, page),
            "reactions": count(range(it.reactions)),
            "labels": lambda **page: connection(it.labels, lambda name: named("Label", name), page),
            "assignees": lambda **page: connection(it.assignees, actor, page),
            "closedByPullRequestsReferences": lambda **page: linked(it, **page),
            "repository": lambda: self.seen(it.home),
        }
        return Thing("PullRequest" if it.is_pull_request else "Issue", fields)


def licence(spdx: str) -> Thing:
    key = "other" if spdx == "NOASSERTION" else spdx.lower()
    return Thing("License", {"key": key, "spdxId": spdx, "name": LICENSES.get(spdx, spdx)})


def topic(name: str) -> Thing:
    return Thing("RepositoryTopic", {"id": f"RT_{number_of(name):x}", "topic": named("Topic", name)})


def languages(repo: Repo, orderBy: Arguments | None = None, **page: Any) -> Thing:  # noqa: N803  their name
    rows = list(repo.languages.items())
    if orderBy:
        rows.sort(key=lambda row: row[1], reverse=orderBy["direction"] == "DESC")
    total = sum(repo.languages.values())
    return connection(rows, lambda row: named("Language", row[0]), page, lambda row: {"size": row[1]}, totalSize=total)


def comment(said: Comment) -> Thing:
    fields = {
        "id": f"IC_{digest(said)[:8]}",
        "body": said.body,
        "createdAt": stamp(said.created_at),
        "author": actor(said.login),
        "authorAssociation": said.association,
    }
    return Thing("IssueComment", fields)


def commit(repo: Repo, it: Commit) -> Thing:
    fields = {
        "id": f"C_{it.sha}",
        "oid": it.sha,
        "message": it.message,
        "committedDate": stamp(it.date),
        "authoredDate": stamp(it.date),
        "additions": sum(each[1] for each in it.files),
        "deletions": sum(each[2] for each in it.files),
        "changedFilesIfAvailable": len(it.files),
        "author": Thing("GitActor", {"name": it.login, "email": it.email, "user": actor(it.login)}),
        "history": lambda **asked: history(repo, it, **asked),
    }
    return Thing("Commit", fields)


def history(repo: Repo, newest: Commit, since: str | None = None, until: str | None = None, **page: Any) -> Thing:
    """The commits up to one, newest first."""
    first, last = moment(since), moment(until)
    rows = [
        it
        for it in repo.commits[repo.commits.index(newest) :]
        if (first is None or it.date >= first) and (last is None or it.date <= last)
    ]
    return connection(rows, lambda each: commit(repo, each), page)

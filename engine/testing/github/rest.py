"""The REST answers of GitHub, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from engine.testing.github import search, shapes
from engine.testing.github.world import Issue, Repo, World
from engine.testing.serving import Asked, Reply

DOCS = "https://docs.github.com/rest"
FILES_A_PAGE = 300
STAR_JSON = "star+json"
Kinds = {"repositories": search.REPOSITORIES, "issues": search.ISSUES}


def error(status: int, message: str, **more: Any) -> Reply:
    return Reply({"message": message, "documentation_url": DOCS, "status": str(status), **more}, status)


def answer(world: World, asked: Asked) -> Reply:
    """The answer to a GET."""
    match asked.path.strip("/").split("/"):
        case ["search", ("repositories" | "issues") as kind]:
            return searched(world, asked, kind)
        case ["users", login, "starred"]:
            return starred(world, asked, login)
        case ["user", number, "starred"]:
            known = {str(shapes.number_of(login)): login for login in world.stars}
            return starred(world, asked, known.get(number, ""))
        case ["repos", owner, name, *rest]:
            return by_name(world, asked, f"{owner}/{name}", rest)
        case ["repositories", number, *rest] if number.isdecimal():
            return of_repository(world, asked, world.repositories.get(int(number)), rest)
    return error(404, "Not Found")


def base_of(asked: Asked) -> str:
    return f"http://{asked.headers.get('host', 'api.github.com')}"


def whole(asked: Asked, name: str, usual: int, most: int) -> int:
    """A number of the query; what is none, or below 1, is the usual one."""
    told = asked.query.get(name, "")
    return min(int(told), most) if told.isdecimal() and int(told) else usual


def page_of(asked: Asked, rows: Sequence[Any], path: str = "", size: int = 0) -> tuple[Sequence[Any], dict[str, str]]:
    """The rows of the asked page, and its Link header where there is more than one page."""
    size = size or whole(asked, "per_page", 30, 100)
    page = whole(asked, "page", 1, 10**9)
    last = max(1, -(-len(rows) // size))
    ends = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    shown = [name for name in ends if (page > 1 if name in ("prev", "first") else page < last)]
    address = base_of(asked) + (path or asked.path)
    links = [f'<{address}?{urlencode({**asked.query, "page": ends[name]})}>; rel="{name}"' for name in shown]
    return rows[(page - 1) * size : page * size], {"Link": ", ".join(links)} if links else {}


def by_name(world: World, asked: Asked, full_name: str, rest: list[str]) -> Reply:
    """A name before a rename leads to the number of the repository."""
    repo = world.find(full_name)
    if repo is None or full_name.lower() in world.ids:
        return of_repository(world, asked, repo, rest)
    place = "/".join([f"{base_of(asked)}/repositories/{repo.id}", *rest])
    place += f"?{urlencode(asked.query)}" if asked.query else ""
    body = {"message": "Moved Permanently", "url": place, "documentation_url": DOCS}
    return Reply(body, 301, {"Location": place})


def of_repository(world: World, asked: Asked, repo: Repo | None, rest: list[str]) -> Reply:
    if repo is None:
        return error(404, "Not Found")
    if repo.blocked:
        block = {"reason": "dmca", "created_at": shapes.stamp(repo.updated_at), "html_url": shapes.SITE}
        return Reply({"message": "Repository access blocked", "block": block}, 451)
    base = base_of(asked)
    match rest:
        case []:
            changed = {"Last-Modified": repo.updated_at.strftime("%a, %d %b %Y %H:%M:%S GMT")}
            return Reply(shapes.repository(world, repo, base, single=True), headers=changed)
        case ["languages"]:
            return Reply(repo.languages)
        case ["readme"]:
            return error(404, "Not Found") if repo.readme is None else Reply(shapes.readme(repo, base))
        case ["stats", "participation"]:
            return participation(world, repo)
        case ["commits"]:
            return commits(asked, repo)
        case ["commits", sha]:
            return commit(asked, repo, sha)
        case ["issues"]:
            return issues(world, asked, repo)
        case ["issues", number, *more] if number.isdecimal() and more in ([], ["comments"]):
            return issue(world, asked, repo, int(number), bool(more))
    return error(404, "Not Found")


def commits(asked: Asked, repo: Repo) -> Reply:
    if not repo.commits:
        return error(409, "Git Repository is empty.")
    start = place_of(repo, asked.query.get("sha", "main"))
    if start is None:
        return error(404, "Not Found")
    since, until = moment(asked, "since"), moment(asked, "until")
    rows = [it for it in repo.commits[start:] if (not since or it.date >= since) and (not until or it.date <= until)]
    shown, headers = page_of(asked, rows, f"/repositories/{repo.id}/commits")
    return Reply([shapes.commit(repo, it, base_of(asked)) for it in shown], headers=headers)


def participation(world: World, repo: Repo) -> Reply:
    """Commits in each of the last 52 weeks, the present one last; 202 when these were pushed since it last counted."""
    if world.counted.get(repo.id) != len(repo.commits):
        world.counted[repo.id] = len(repo.commits)
        return Reply({}, 202)
    weeks = [(world.now() - it.date).days // 7 for it in repo.commits]
    every = [weeks.count(week) for week in reversed(range(52))]
    return Reply({"all": every, "owner": [0] * 52})


def place_of(repo: Repo, sha: str) -> int | None:
    """Where a commit stands in the history, None where it does not."""
    if sha in ("main", "HEAD"):
        return 0
    return next((at for at, it in enumerate(repo.commits) if len(sha) >= 7 and it.sha.startswith(sha)), None)


def commit(asked: Asked, repo: Repo, sha: str) -> Reply:
    """One commit with its files, of which 300 fit a page."""
    if not repo.commits:
        return error(409, "Git Repository is empty.")
    at = place_of(repo, sha)
    if at is None:
        return error(422, f"No commit found for SHA: {sha}")
    it, base = repo.commits[at], base_of(asked)
    files, headers = page_of(asked, it.files, f"/repositories/{repo.id}/commits/{sha}", FILES_A_PAGE)
    changed = [shapes.changed_file(repo, it.sha, *each) for each in files]
    return Reply({**shapes.commit(repo, it, base), "stats": shapes.stats(it), "files": changed}, headers=headers)


def moment(asked: Asked, name: str) -> datetime | None:
    try:
        told = datetime.fromisoformat(asked.query.get(name, ""))
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def issues(world: World, asked: Asked, repo: Repo) -> Reply:
    """Issues and pull requests of a repository, mixed."""
    query = asked.query
    state, since = query.get("state", "open"), moment(asked, "since")
    labels = {each.strip().lower() for each in query.get("labels", "").split(",") if each.strip()}
    rows = [
        it
        for it in world.issues[repo.id].values()
        if state in (it.state, "all")
        and labels <= {each.lower() for each in it.labels}
        and (since is None or it.touched_at >= since)
        and is_assigned(it, query.get("assignee", ""))
    ]
    key = search.ISSUES.orders.get(query.get("sort", "created"), search.ISSUES.orders["created"])
    rows.sort(key=lambda it: (key(it), it.number), reverse=query.get("direction", "desc") != "asc")
    shown, headers = page_of(asked, rows, f"/repositories/{repo.id}/issues")
    return Reply([shapes.issue(it, base_of(asked)) for it in shown], headers=headers)


def is_assigned(it: Issue, to: str) -> bool:
    """to: a login, "none" for nobody, "*" for anybody, "" where it does not matter."""
    return {"": True, "none": not it.assignees, "*": bool(it.assignees)}.get(to, to in it.assignees)


def issue(world: World, asked: Asked, repo: Repo, number: int, with_comments: bool) -> Reply:
    it = world.issues[repo.id].get(number)
    if it is None:
        deleted = (repo.id, number) in world.deleted
        return error(410, "This issue was deleted") if deleted else error(404, "Not Found")
    base = base_of(asked)
    if not with_comments:
        return Reply(shapes.issue(it, base))
    since = moment(asked, "since")
    rows = [(at, each) for at, each in enumerate(it.comments) if since is None or each.created_at >= since]
    shown, headers = page_of(asked, rows, f"/repositories/{repo.id}/issues/{number}/comments")
    return Reply([shapes.comment(it, at, each, base) for at, each in shown], headers=headers)


def starred(world: World, asked: Asked, login: str) -> Reply:
    """What a person starred, with the time of it where the media type asks for that."""
    rows = world.starred_by(login)
    if rows is None:
        return error(404, "Not Found")
    rows = rows[::-1] if asked.query.get("direction") == "asc" else rows
    shown, headers = page_of(asked, rows, f"/user/{shapes.number_of(login)}/starred")
    base, timed = base_of(asked), STAR_JSON in asked.headers.get("accept", "")
    repos = [(shapes.repository(world, repo, base), at) for repo, at in shown]
    body = [{"starred_at": shapes.stamp(at), "repo": repo} if timed else repo for repo, at in repos]
    return Reply(body, headers=headers)


def searched(world: World, asked: Asked, name: str) -> Reply:
    """A page of a search, of which the first 1,000 hits can be reached."""
    query = asked.query
    try:
        hits = search.found(world, Kinds[name], query.get("q", ""), query.get("sort", ""), query.get("order", "desc"))
    except search.BadQuery as fault:
        code = "missing" if str(fault) == "missing" else "invalid"
        facts = {"message": str(fault), "resource": "Search", "field": "q", "code": code}
        return error(422, "Validation Failed", errors=[facts])
    if whole(asked, "per_page", 30, 100) * (whole(asked, "page", 1, 10**9) - 1) >= search.REACHABLE:
        return error(422, "Only the first 1000 search results are available")
    incomplete = world.is_cut_short()
    hits = hits[: -(-len(hits) // 2)] if incomplete else hits
    shown, headers = page_of(asked, hits[: search.REACHABLE])
    base = base_of(asked)
    items = [shapes.repository(world, it, base) if isinstance(it, Repo) else shapes.issue(it, base) for it in shown]
    body = {"total_count": len(hits), "incomplete_results": incomplete, "items": [{**it, "score": 1.0} for it in items]}
    return Reply(body, headers={**headers, "Cache-Control": "no-cache"})

"""Repositories, commits and issues as GitHub's REST API writes them."""

from __future__ import annotations

import base64
from datetime import datetime
from hashlib import sha1
from typing import Any

from engine.testing.github.world import Comment, Commit, Issue, Repo, World, number_of

Json = dict[str, Any]

SITE = "https://github.com"
TEMPLATES = (
    "archive_url/{archive_format}{/ref} assignees_url/assignees{/user} blobs_url/git/blobs{/sha} branches_url/branches"
    "{/branch} collaborators_url/collaborators{/collaborator} comments_url/comments{/number} commits_url/commits{/sha}"
    " compare_url/compare/{base}...{head} contents_url/contents/{+path} contributors_url/contributors"
    " deployments_url/deployments downloads_url/downloads events_url/events forks_url/forks git_commits_url/git/commits"
    "{/sha} git_refs_url/git/refs{/sha} git_tags_url/git/tags{/sha} hooks_url/hooks issue_comment_url/issues/comments"
    "{/number} issue_events_url/issues/events{/number} issues_url/issues{/number} keys_url/keys{/key_id}"
    " labels_url/labels{/name} languages_url/languages merges_url/merges milestones_url/milestones{/number}"
    " notifications_url/notifications{?since,all,participating} pulls_url/pulls{/number} releases_url/releases{/id}"
    " stargazers_url/stargazers statuses_url/statuses/{sha} subscribers_url/subscribers subscription_url/subscription"
    " tags_url/tags teams_url/teams trees_url/git/trees{/sha}"
)
LICENSES = {"MIT": "MIT License", "Apache-2.0": "Apache License 2.0", "NOASSERTION": "Other"}


def stamp(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def digest(*parts: object) -> str:
    """Forty hexadecimal digits, as a git object has."""
    return sha1(repr(parts).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def user(login: str | None, base: str, kind: str = "User") -> Json:
    """login: None where the account is gone; the ghost speaks for it."""
    name = login or "ghost"
    number = number_of(name)
    return {
        "login": name,
        "id": number,
        "node_id": f"U_kgDO{number:08x}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4",
        "gravatar_id": "",
        "url": f"{base}/users/{name}",
        "html_url": f"{SITE}/{name}",
        "followers_url": f"{base}/users/{name}/followers",
        "starred_url": f"{base}/users/{name}/starred{{/owner}}{{/repo}}",
        "repos_url": f"{base}/users/{name}/repos",
        "type": kind,
        "user_view_type": "public",
        "site_admin": False,
    }


def licence(spdx: str, base: str) -> Json:
    key = "other" if spdx == "NOASSERTION" else spdx.lower()
    url = None if key == "other" else f"{base}/licenses/{key}"
    return {"key": key, "name": LICENSES.get(spdx, spdx), "spdx_id": spdx, "url": url, "node_id": f"L_{key}"}


def templates(url: str) -> Json:
    found = (each.partition("/") for each in TEMPLATES.split())
    return {name: f"{url}/{rest}" for name, _, rest in found}


def repository(world: World, repo: Repo, base: str, single: bool = False) -> Json:
    """single: as the only object of an answer, which tells who watches it."""
    url, page = f"{base}/repos/{repo.full_name}", f"{SITE}/{repo.full_name}"
    body = {
        "id": repo.id,
        "node_id": repo.node_id,
        "name": repo.name,
        "full_name": repo.full_name,
        "private": False,
        "owner": user(repo.owner, base, "Organization"),
        "html_url": page,
        "description": repo.description,
        "fork": repo.fork,
        "url": url,
        **templates(url),
        "created_at": stamp(repo.created_at),
        "updated_at": stamp(repo.updated_at),
        "pushed_at": stamp(repo.pushed_at),
        "git_url": f"git://github.com/{repo.full_name}.git",
        "clone_url": f"{page}.git",
        "homepage": repo.homepage,
        "size": sum(repo.languages.values()) // 1024,
        "stargazers_count": repo.stars,
        "watchers_count": repo.stars,
        "language": repo.language,
        "has_issues": True,
        "has_wiki": True,
        "has_discussions": False,
        "forks_count": repo.forks,
        "mirror_url": None,
        "archived": repo.archived,
        "disabled": repo.disabled,
        "open_issues_count": world.open_count(repo),
        "license": licence(repo.license, base) if repo.license else None,
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": repo.topics,
        "visibility": "public",
        "forks": repo.forks,
        "open_issues": world.open_count(repo),
        "watchers": repo.stars,
        "default_branch": "main",
        "permissions": {"admin": False, "maintain": False, "push": False, "triage": False, "pull": True},
    }
    if single:
        return {**body, "temp_clone_token": "", "network_count": repo.forks, "subscribers_count": repo.watchers}
    return body


def readme(repo: Repo, base: str) -> Json:
    data = (repo.readme or "").encode("utf-8", "surrogatepass")
    url = f"{base}/repos/{repo.full_name}/contents/{repo.readme_path}?ref=main"
    page = f"{SITE}/{repo.full_name}/blob/main/{repo.readme_path}"
    sha = digest(data)
    return {
        "name": repo.readme_path.rpartition("/")[2],
        "path": repo.readme_path,
        "sha": sha,
        "size": len(data),
        "url": url,
        "html_url": page,
        "git_url": f"{base}/repos/{repo.full_name}/git/blobs/{sha}",
        "download_url": f"https://raw.githubusercontent.com/{repo.full_name}/main/{repo.readme_path}",
        "type": "file",
        "content": base64.encodebytes(data).decode(),
        "encoding": "base64",
        "_links": {"self": url, "git": f"{base}/repos/{repo.full_name}/git/blobs/{sha}", "html": page},
    }


def commit(repo: Repo, it: Commit, base: str) -> Json:
    """A commit in a list: without its files."""
    who = {"name": it.login or it.email.partition("@")[0], "email": it.email, "date": stamp(it.date)}
    url = f"{base}/repos/{repo.full_name}/commits/{it.sha}"
    at = repo.commits.index(it)
    return {
        "sha": it.sha,
        "node_id": f"C_{it.sha}",
        "commit": {
            "author": who,
            "committer": who,
            "message": it.message,
            "tree": {"sha": digest("tree", it.sha), "url": f"{base}/repos/{repo.full_name}/git/trees/{it.sha}"},
            "url": f"{base}/repos/{repo.full_name}/git/commits/{it.sha}",
            "comment_count": 0,
            "verification": {"verified": False, "reason": "unsigned", "signature": None, "payload": None},
        },
        "url": url,
        "html_url": f"{SITE}/{repo.full_name}/commit/{it.sha}",
        "comments_url": f"{url}/comments",
        "author": user(it.login, base) if it.login else None,
        "committer": user(it.login, base) if it.login else None,
        "parents": [{"sha": older.sha} for older in repo.commits[at + 1 : at + 2]],
    }


def changed_file(repo: Repo, sha: str, path: str, added: int, deleted: int) -> Json:
    return {
        "sha": digest(sha, path),
        "filename": path,
        "status": "modified",
        "additions": added,
        "deletions": deleted,
        "changes": added + deleted,
        "blob_url": f"{SITE}/{repo.full_name}/blob/{sha}/{path}",
        "raw_url": f"{SITE}/{repo.full_name}/raw/{sha}/{path}",
        "patch": f"@@ -1,{deleted} +1,{added} @@",
    }


def stats(it: Commit) -> Json:
    added, deleted = sum(each[1] for each in it.files), sum(each[2] for each in it.files)
    return {"total": added + deleted, "additions": added, "deletions": deleted}


def label(name: str) -> Json:
    number = number_of(name)
    colour = f"{number & 0xFFFFFF:06x}"
    facts: Json = {"default": name in ("bug", "good first issue"), "description": None}
    return {"id": number, "node_id": f"LA_{number:x}", "name": name, "color": colour, **facts}


def reactions(url: str, count: int) -> Json:
    rest = ("-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", "total_count": count, "+1": count, **dict.fromkeys(rest, 0)}


def issue(it: Issue, base: str) -> Json:
    place = f"{base}/repos/{it.home.full_name}"
    url, kind = f"{place}/issues/{it.number}", "pull" if it.is_pull_request else "issues"
    page = f"{SITE}/{it.home.full_name}/{kind}/{it.number}"
    assignees = [user(login, base) for login in it.assignees]
    body = {
        "url": url,
        "repository_url": place,
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": page,
        "id": it.id,
        "node_id": it.node_id,
        "number": it.number,
        "title": it.title,
        "user": user(it.author, base),
        "labels": [{**label(name), "url": f"{place}/labels/{name}"} for name in it.labels],
        "state": it.state,
        "locked": False,
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "milestone": None,
        "comments": len(it.comments),
        "created_at": stamp(it.created_at),
        "updated_at": stamp(it.touched_at),
        "closed_at": stamp(it.closed_at),
        "author_association": it.author_association,
        "active_lock_reason": None,
        "body": it.body,
        "reactions": reactions(url, it.reactions),
        "timeline_url": f"{url}/timeline",
        "performed_via_github_app": None,
        "state_reason": "completed" if it.state == "closed" else None,
    }
    if it.is_pull_request:
        pull = f"{place}/pulls/{it.number}"
        links = {"url": pull, "html_url": page, "diff_url": f"{page}.diff", "patch_url": f"{page}.patch"}
        return {**body, "draft": False, "pull_request": {**links, "merged_at": None}}
    return body


def comment(it: Issue, at: int, said: Comment, base: str) -> Json:
    """at: its place among the comments of the issue."""
    place = f"{base}/repos/{it.home.full_name}/issues"
    number = it.id * 1_000 + at
    return {
        "url": f"{place}/comments/{number}",
        "html_url": f"{SITE}/{it.home.full_name}/issues/{it.number}#issuecomment-{number}",
        "issue_url": f"{place}/{it.number}",
        "id": number,
        "node_id": f"IC_{number:x}",
        "user": user(said.login, base),
        "created_at": stamp(said.created_at),
        "updated_at": stamp(said.created_at),
        "body": said.body,
        "author_association": said.association,
        "reactions": reactions(f"{place}/comments/{number}", 0),
        "performed_via_github_app": None,
    }

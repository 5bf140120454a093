"""Repositories from GitHub: light ones by search, and single ones by their names.

With a token it is searched by GraphQL, which names a hundred at a time in few words; without one by REST.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from engine.collectors import github_api
from engine.collectors.github_api import CORE, GONE, followed, graphql, next_link, refuse
from engine.collectors.github_shapes import Camel, item_of, node_of
from engine.collectors.shapes import Shape, read, sorted_out, whole
from engine.http import Answer, Client, Refused, Unreadable
from engine.records import Page, Repository

CAP = 1_000  # of one search, whatever its pages
AT_ONCE = 100  # repositories a page
MOST_STARS = 1_000_000
FIRST = date(2008, 1, 1)  # before the first repository
NAMED = "repo:"

LIGHT = (
    "id databaseId nameWithOwner description primaryLanguage { name } stargazerCount forkCount isFork isArchived"
    " isDisabled licenseInfo { spdxId name } homepageUrl createdAt updatedAt pushedAt"
)
SEARCH = f"""query($q: String!, $first: Int!, $after: String) {{
  search(query: $q, type: REPOSITORY, first: $first, after: $after) {{
    repositoryCount pageInfo {{ hasNextPage endCursor }} nodes {{ ... on Repository {{ {LIGHT} }} }}
  }}
  rateLimit {{ cost remaining resetAt }}
}}"""


# What is asked


@dataclass(frozen=True)
class Slice:
    """Repositories of a language with so many stars, pushed to since a day: one search, or a part of one.

    most: so many of them, those with the most stars first.
    """

    language: str
    stars_from: int
    stars_to: int
    pushed_from: date
    most: int
    created_from: date | None = None
    created_to: date | None = None

    def __str__(self) -> str:
        return f"{self.search} most:{self.most}"

    @property
    def search(self) -> str:
        """In GitHub's words."""
        said = [f"stars:{self.stars_from}..{self.stars_to}", f"pushed:>={self.pushed_from}"]
        if self.language:
            said.insert(0, f'language:"{self.language}"')
        if self.created_from and self.created_to:
            said.append(f"created:{self.created_from}..{self.created_to}")
        return " ".join(said)

    @classmethod
    def of(cls, text: str) -> Slice:
        """Raises Refused."""
        found = re.fullmatch(
            r'(?:language:"([^"]*)" )?stars:(\d+)\.\.(\d+) pushed:>=([\d-]+)'
            r"(?: created:([\d-]+)\.\.([\d-]+))? most:(\d+)",
            text,
        )
        if not found:
            raise Refused(f"no query of repositories: {text[:80]}")
        language, low, high, pushed, since, until, most = found.groups()
        created = (date.fromisoformat(since), date.fromisoformat(until)) if since else (None, None)
        return cls(language or "", int(low), int(high), date.fromisoformat(pushed), int(most), *created)

    def halves(self, today: date) -> tuple[Slice, Slice] | None:
        """Two that together ask for the same, more stars or later ones first; None where nothing is left to halve."""
        if self.stars_from < self.stars_to:
            middle = int(((self.stars_from + 1) * (self.stars_to + 1)) ** 0.5) - 1
            middle = min(max(middle, self.stars_from), self.stars_to - 1)
            return replace(self, stars_from=middle + 1), replace(self, stars_to=middle)
        first, last = self.created_from or FIRST, self.created_to or today
        if first >= last:
            return None
        between = first + timedelta(days=(last - first).days // 2)
        later = replace(self, created_from=between + timedelta(days=1), created_to=last)
        return later, replace(self, created_from=first, created_to=between)


def queries(day: date, wanted: Sequence[tuple[str, int, int | None, int, int]], named: Sequence[str] = ()) -> list[str]:
    """What to ask for a UTC day. wanted: language ("": any), least and most stars, pushed within days, at most."""
    found = [
        str(Slice(language.replace('"', ""), low, high or MOST_STARS, day - timedelta(days=days), most))
        for language, low, high, days, most in wanted
    ]
    return [*found, *(f"{NAMED}{name}" for name in named)]


# What comes back


@dataclass(frozen=True)
class Named(Repository):
    """A repository that was asked for by a name, which may be an earlier one of it. etag: of this answer."""

    asked_as: str = ""
    etag: str = ""


@dataclass(frozen=True)
class Gone:
    """It is there no more: known by its node, or by the name it was asked for."""

    reason: str
    node_id: str = ""
    asked_as: str = ""


Found = Named | Gone | Repository


class Info(Camel):
    has_next_page: bool
    end_cursor: str | None = None


class Searched(Camel):
    """A page of GraphQL's search."""

    repository_count: int
    page_info: Info
    nodes: list[Any]


class Items(Shape):
    """A page of REST's search."""

    total_count: int
    incomplete_results: bool
    items: list[Any]


def record_of(value: Any) -> Repository | str:
    """A repository as GraphQL tells of it, or the reason why it is none."""
    node = node_of(value)
    return node if isinstance(node, str) else node.record()


def fresh(client: Client, path: str, etag: str = "") -> Answer:
    """An answer of a repository, wherever it moved to; 304 where it is still that of the etag."""
    return followed(client, path, lane=CORE, headers={"If-None-Match": etag} if etag else {})


# Who asks


class Repositories:
    """Asks GitHub for repositories: a page of a search, or one by its name.

    graph: a client of GraphQL, which takes a token; without it the search goes by REST. etags: of repositories that
    were asked for by name before, by their names in lower case. today: the last day that one can be made on.
    """

    def __init__(
        self,
        rest: Client,
        graph: Client | None = None,
        etags: Mapping[str, str] | None = None,
        today: date | None = None,
    ) -> None:
        self.rest, self.graph, self.etags = rest, graph, dict(etags or {})
        self.today = today or datetime.now(UTC).date()

    def page(self, query: str, cursor: str) -> Page[Found]:
        """The cursor also says how many pages and rows came before. Raises HttpError."""
        if query.startswith(NAMED):
            return self.named(query.removeprefix(NAMED))
        wanted = Slice.of(query)
        at, pages, seen, before = json.loads(cursor) if cursor else ("", 0, 0, "")
        total, values, following, partly = self.searched(wanted.search, at)
        reachable = min(total, wanted.most, CAP)
        if not cursor and total > CAP and wanted.most > CAP and (halves := wanted.halves(self.today)):
            return Page(narrower=self.narrower(wanted, halves, total))
        found, counted = sorted_out(values[: reachable - seen], item_of if self.graph is None else record_of)
        skipped = dict(counted)
        pages, seen, left = pages + 1, seen + len(values), partly or before
        if following and seen < reachable and pages < CAP // AT_ONCE:
            return Page(found, json.dumps([following, pages, seen, left]), skipped)
        if seen < reachable:
            left = left or f"{seen} of {reachable} were given"
        elif wanted.most > CAP < total:
            left = left or f"only the first {CAP:,} of {total:,} can be reached"
        return Page(found, "", skipped, left=left)

    def searched(self, search: str, at: str, first: int = AT_ONCE) -> tuple[int, list[Any], str, str]:
        """How many there are, one page of them, where the next begins, and why it may not be all."""
        if self.graph is None:
            return self.searched_by_rest(search, at or "1", first)
        variables = {"q": f"{search} sort:stars-desc", "first": first, "after": at or None}
        data, _ = graphql(self.graph, SEARCH, variables)
        found = read(Searched, data.get("search"))
        if isinstance(found, str):
            raise Unreadable(f"GraphQL answers a search with {found}")
        info = found.page_info
        return found.repository_count, found.nodes, (info.end_cursor or "") * info.has_next_page, ""

    def searched_by_rest(self, search: str, at: str, first: int) -> tuple[int, list[Any], str, str]:
        params: dict[str, str | int] = {"q": search, "sort": "stars", "order": "desc", "per_page": first, "page": at}
        answer = self.rest.get("search/repositories", params, lane=github_api.SEARCH)
        refuse(answer)
        told = whole(Items, answer)
        following = str(int(at) + 1) if next_link(answer) else ""
        return told.total_count, told.items, following, "incomplete results" * told.incomplete_results

    def narrower(self, wanted: Slice, halves: tuple[Slice, Slice], total: int) -> list[str]:
        """Both halves; where not all are wanted, those with the most stars, which takes counting them."""
        upper, lower = halves
        if wanted.most >= total:
            return [str(upper), str(lower)]
        count = self.searched(upper.search, "", first=1)[0]
        parts = [replace(upper, most=min(wanted.most, count)), replace(lower, most=wanted.most - count)]
        return [str(part) for part in parts if part.most > 0]

    def named(self, name: str) -> Page[Found]:
        """One repository; none where it is as it was. A new address is followed on this host only."""
        etag = self.etags.get(name.lower(), "")
        answer = fresh(self.rest, f"repos/{quote(name)}", etag)
        if answer.status == 304:
            return Page()
        if answer.status in GONE:
            return Page([Gone(GONE[answer.status], asked_as=name)])
        refuse(answer)
        found = item_of(answer.json())
        if isinstance(found, str):
            return Page(skipped={found: 1}, left=f"the answer is no repository: {found}")
        facts = {**vars(found)}
        if self.graph:  # the details tell of topics, in an order of their own
            facts["topics"] = None
        return Page([Named(**facts, asked_as=name, etag=answer.etag)])

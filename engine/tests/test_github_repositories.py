"""Repositories from GitHub: what is asked, what comes of it, and that it ends."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

import pytest

from engine.collectors import github, github_api, github_details
from engine.collectors.github import Gone, Named, Repositories, Slice
from engine.collectors.github_details import Commits, Details, Failed
from engine.http import Client, Refused
from engine.testing.github import Comment, Commit, GitHub, Issue, Repo, synthetic
from engine.testing.serving import Reply, Server
from engine.tests.collector_contract import CollectorContract, walk

TOKEN = "sample-token"
DAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
QUERY = str(Slice("Python", 10, 1_000_000, DAY - timedelta(days=3_650), 10_000))


def client(url, token=TOKEN, gate=None, **facts):
    facts = {"tries": 1, "pause": 0.0, **facts}
    made = Client(url, limits=github_api.limits, gate=gate, headers={**github_api.HEADERS, "User-Agent": "t"}, **facts)
    made.credentials = github_api.credentials(token)
    return made


def asker(url, token=TOKEN, gate=None, **facts):
    return Repositories(client(url, token, gate), client(url, token, gate) if token else None, today=DAY, **facts)


def names(pages):
    return [record.full_name for _, _, page in pages for record in page.records]


def repos(count, **facts):
    return [Repo(id=at, full_name=f"octo/tool{at}", language="Python", stars=at, **facts) for at in range(1, count + 1)]


NODE = {"id": "R_1", "databaseId": 1, "nameWithOwner": "octo/tool", "stargazerCount": 7}
ITEM = {"id": 1, "node_id": "R_1", "full_name": "octo/tool", "stargazers_count": 7}


class RepositoryContract(CollectorContract):
    query = str(Slice("Python", 1, 1_000_000, DAY - timedelta(days=3_650), 1_000))
    secrets: ClassVar[Sequence[str]] = (TOKEN,)

    def upstream(self):
        return GitHub(repositories=repos(250))

    def expected(self, upstream):
        return {f"octo/tool{at}" for at in range(1, 251)}

    def identity(self, record):
        return record.full_name


class TestByGraphQL(RepositoryContract):
    path = "/graphql"
    good = NODE
    hostile = ({**NODE, "databaseId": "one"}, {**NODE, "nameWithOwner": None}, {**NODE, "pushedAt": "never"})
    limited = (
        (Reply({"message": "You have exceeded a secondary rate limit."}, 403, {"Retry-After": "7"}), 7),
        (Reply({"message": "You have exceeded a secondary rate limit."}, 403), None),
    )

    def collector(self, url, gate=None):
        return asker(url, gate=gate)

    def page_with(self, rows, count=None, info=None):
        info = info or {"hasNextPage": False, "endCursor": None}
        return {"data": {"search": {"repositoryCount": count or len(rows), "pageInfo": info, "nodes": rows}}}

    def endless(self, rows, asked):
        return (self.page_with(rows, 1_000, {"hasNextPage": True, "endCursor": "again"}),)


class TestByRest(RepositoryContract):
    path = "/search/repositories"
    good = ITEM
    hostile = ({**ITEM, "id": "one"}, {**ITEM, "full_name": None}, {**ITEM, "stargazers_count": 1.5})
    limited = TestByGraphQL.limited
    secrets = ()

    def collector(self, url, gate=None):
        return asker(url, token="", gate=gate)

    def page_with(self, rows, count=None):
        return {"total_count": count or len(rows), "incomplete_results": False, "items": rows}

    def endless(self, rows, asked):
        link = f'<http://{asked.headers["host"]}/search/repositories?page=2>; rel="next"'
        return self.page_with(rows, 1_000), 200, {"Link": link}


del RepositoryContract, CollectorContract


# What is asked


@pytest.mark.parametrize("made", [Slice("C++", 5, 9, DAY, 7), Slice("", 5, 9, DAY, 7, date(2020, 1, 1), DAY)])
def test_a_slice_is_read_as_it_was_written(made):
    assert Slice.of(str(made)) == made


def test_a_query_that_is_none_is_refused():
    with pytest.raises(Refused):
        Slice.of("everything")


def test_halves_are_of_the_stars_first_and_then_of_the_days():
    wanted = Slice("", 100, 101, DAY, 5)
    upper, lower = wanted.halves(DAY)
    assert (upper.stars_from, upper.stars_to, lower.stars_from, lower.stars_to) == (101, 101, 100, 100)
    later, earlier = lower.halves(DAY)
    assert (earlier.created_from, later.created_to) == (github.FIRST, DAY)
    assert later.created_from
    assert earlier.created_to
    assert later.created_from - earlier.created_to == timedelta(days=1)


def test_one_day_of_one_number_of_stars_is_not_halved():
    assert Slice("", 5, 5, DAY, 5, DAY, DAY).halves(DAY) is None


def test_halves_leave_nothing_out_and_name_nothing_twice():
    parts, whole = [Slice("", 0, 300, DAY, 5)], []
    while parts:
        part = parts.pop()
        if part.stars_from < part.stars_to:
            parts += part.halves(DAY)
        else:
            whole.append(part.stars_from)
    assert sorted(whole) == list(range(301))


def test_a_language_cannot_leave_its_quotes():
    assert github.queries(DAY, [('x" stars:0..1', 1, None, 1, 1)]) == [
        f'language:"x stars:0..1" stars:1..1000000 pushed:>={DAY - timedelta(days=1)} most:1'
    ]


# What is found


def test_more_than_can_be_reached_is_asked_in_slices():
    world = GitHub(repositories=synthetic(3_000))
    wanted = {repo.full_name for repo in world.repositories.values() if repo.language == "Python"}
    query = str(Slice("", 10, 1_000_000, DAY - timedelta(days=3_650), 10_000))
    with Server(world) as server:
        found = names(walk(asker(server.url), query))
    reached = {repo.full_name for repo in world.repositories.values() if repo.pushed_at and not repo.fork}
    assert set(found) == reached >= wanted & reached
    assert len(found) == len(set(found))


def test_so_many_are_those_with_the_most_stars():
    world = GitHub(repositories=repos(2_500))
    query = str(Slice("Python", 1, 1_000_000, DAY - timedelta(days=3_650), 1_200))
    with Server(world) as server:
        found = names(walk(asker(server.url), query))
    assert sorted(found) == sorted(f"octo/tool{at}" for at in range(1_301, 2_501))


def test_a_thousand_repositories_take_ten_requests():
    with Server(GitHub(repositories=repos(1_000))) as server:
        found = names(walk(asker(server.url), str(Slice("Python", 1, 1_000_000, DAY - timedelta(days=3_650), 1_000))))
        assert (len(found), len(server.asked)) == (1_000, 10)


def test_results_that_are_incomplete_are_not_all():
    world = GitHub(repositories=repos(20))
    with Server(world) as server:
        world.cut_searches_short(1)
        assert asker(server.url, token="").page(QUERY, "").left


# One by its name


def test_what_is_as_it_was_is_not_told_again():
    with Server(GitHub(repositories=repos(1))) as server:
        (first,) = asker(server.url).page("repo:octo/tool1", "").records
        assert isinstance(first, Named)
        again = asker(server.url, etags={"octo/tool1": first.etag})
        assert list(again.page("repo:octo/tool1", "").records) == []


def test_a_renamed_one_is_found_by_the_old_name():
    world = GitHub(repositories=repos(1))
    world.rename("octo/tool1", "octo/other")
    with Server(world) as server:
        (found,) = asker(server.url).page("repo:octo/tool1", "").records
    assert (found.full_name, found.github_id, found.asked_as) == ("octo/other", 1, "octo/tool1")


@pytest.mark.parametrize(("status", "reason"), github_api.GONE.items())
def test_one_that_is_no_more_is_gone_for_a_reason(status, reason):
    with Server(GitHub()) as server:
        server.faults.script("/repos/octo/tool", Reply({"message": "x"}, status))
        assert list(asker(server.url).page("repo:octo/tool", "").records) == [Gone(reason, asked_as="octo/tool")]


def test_a_redirect_to_another_host_leads_nowhere():
    with Server(GitHub()) as canary, Server(GitHub()) as server:
        server.faults.script("/repos/octo/tool", Reply(b"", 301, {"Location": f"{canary.url}/repositories/1"}))
        with pytest.raises(github_api.BadAddress):
            asker(server.url).page("repo:octo/tool", "")
        assert canary.asked == []


# Details


def told(server, ids, **facts):
    found = github_details.details(client(server.url, **facts), ids, NOW)
    return [outcome for outcomes in found for outcome in outcomes]


def test_details_tell_all_of_a_repository():
    repo = Repo(
        id=1, full_name="octo/tool", language="Rust", languages={"Rust": 5, "C": 2}, topics=["a", "b"],
        readme="Hello", readme_path="README.rst", stars=7, watchers=3, open_issues=4, license="MIT",
        commits=[Commit("a" * 40, NOW - timedelta(days=days)) for days in (1, 40, 400)],
    )  # fmt: skip
    opened = NOW - timedelta(days=3)
    answered = [Comment("stranger", "NONE", opened, ""), Comment("boss", "OWNER", opened + timedelta(hours=5), "")]
    issue = Issue("octo/tool", 1, "It hangs", author="me", created_at=opened, comments=answered)
    with Server(GitHub(repositories=[repo], issues=[issue])) as server:
        (found,) = told(server, [repo.node_id])
    assert isinstance(found, Details)
    record = found.repository
    assert (record.languages, record.topics, record.readme) == ({"Rust": 5, "C": 2}, ["a", "b"], "Hello")
    assert (record.stars, record.watchers, record.license) == (7, 3, "MIT")
    assert (found.commits_month, found.commits_year, found.response_hours) == (1, 2, 5.0)
    assert found.whole


def test_a_vanished_one_does_not_take_others_with_it():
    world = GitHub(repositories=repos(3))
    ids = [repo.node_id for repo in world.repositories.values()]
    world.delete("octo/tool2")
    with Server(world) as server:
        kinds = [type(outcome) for outcome in told(server, ids)]
    assert kinds == [Details, Gone, Details]


def test_a_field_that_failed_is_not_told_and_not_empty():
    node = {**NODE, "readme0": None, "readme1": None, "readme2": None, "readme3": None, "description": None}
    error = {"type": "SERVICE_UNAVAILABLE", "path": ["nodes", 0, "readme1"], "message": "x"}
    found = github_details.details_of("R_1", node, [error])
    assert isinstance(found, Details)
    assert (found.repository.readme, found.repository.description, found.whole) == (None, "", False)


def test_half_as_many_are_asked_for_where_all_are_too_many():
    world = GitHub(repositories=repos(25, readme="Hello"))
    world.most_readmes = 4 * 7
    with Server(world) as server:
        found = told(server, [repo.node_id for repo in world.repositories.values()])
        assert [outcome.repository.full_name for outcome in found] == [f"octo/tool{at}" for at in range(1, 26)]
        assert len(server.asked) <= 8


def test_one_that_cannot_be_had_leaves_the_others():
    world = GitHub(repositories=repos(3))
    with Server(world) as server:
        server.faults.script(lambda asked: b"R_kgDO00000002" in asked.body, Reply(b"<html>", 502), times=None)
        kinds = [type(outcome) for outcome in told(server, [repo.node_id for repo in world.repositories.values()])]
    assert kinds == [Details, Failed, Details]


def test_credentials_that_are_refused_stop_everything():
    with Server(GitHub(repositories=repos(1))) as server, pytest.raises(Refused) as refusal:
        told(server, ["R_kgDO00000001"], token="wrong-token")
    assert refusal.value.everything


def test_rest_tells_languages_and_readme_once():
    repo = Repo(id=1, full_name="octo/tool", languages={"C": 3}, readme="Hello")
    with Server(GitHub(repositories=[repo])) as server:
        asked = client(server.url, token="")
        first = github_details.rest_details(asked, "octo/tool", {})
        again = github_details.rest_details(asked, "octo/tool", first.validators)
    assert (first.languages, first.readme) == ({"C": 3}, "Hello")
    assert (again.languages, again.readme, again.validators) == (None, None, first.validators)


def test_no_readme_is_something_that_is_told():
    with Server(GitHub(repositories=[Repo(id=1, full_name="octo/tool")])) as server:
        assert github_details.rest_details(client(server.url), "octo/tool", {}).readme == ""


# Commits


def with_commits(count):
    made = [Commit(f"{at:040x}", NOW - timedelta(hours=at), files=[("src/a.py", at, 1)]) for at in range(count)]
    return Repo(id=1, full_name="octo/tool", commits=made)


def test_the_last_commits_are_listed_over_pages():
    with Server(GitHub(repositories=[with_commits(250)])) as server:
        found = github_details.last_commits(client(server.url), "octo/tool", 120)
    assert found.shas == [f"{at:040x}" for at in range(120)]


def test_commits_that_are_the_same_are_not_listed():
    with Server(GitHub(repositories=[with_commits(3)])) as server:
        asked = client(server.url)
        etag = github_details.last_commits(asked, "octo/tool", 3).etag
        assert github_details.last_commits(asked, "octo/tool", 3, etag) == Commits(None, etag)


def test_an_empty_repository_has_no_commits():
    with Server(GitHub(repositories=[with_commits(0)])) as server:
        assert github_details.last_commits(client(server.url), "octo/tool", 3).shas == []


def test_a_commit_says_who_and_what_it_changed():
    with Server(GitHub(repositories=[with_commits(3)])) as server:
        found = github_details.commit(client(server.url), "octo/tool", f"{2:040x}")
    assert (found.author, found.files, found.cut) == ("dev", [("src/a.py", 2, 1)], False)
    assert found.committed_at == NOW - timedelta(hours=2)


def test_of_a_huge_commit_the_first_files_are_kept():
    repo = with_commits(1)
    repo.commits[0].files = [(f"f{at}", 1, 0) for at in range(700)]
    with Server(GitHub(repositories=[repo])) as server:
        found = github_details.commit(client(server.url), "octo/tool", f"{0:040x}")
    assert (len(found.files), found.cut) == (github_details.FILES, True)

"""GitHub of our own: true shapes, true limits, and what a call against them costs."""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Thread
from typing import Any

import httpx
import pytest

from engine.testing.github import Comment, Commit, GitHub, Issue, Repo, synthetic, synthetic_issues
from engine.testing.limits import InFlight
from engine.testing.serving import Clock, Reply, Server

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
AGENT = {"User-Agent": "tests/1.0 (ops@example.org)"}
KNOWN = {**AGENT, "Authorization": "Bearer sample-token"}


def day(number: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 8, number, hour, minute, second, tzinfo=UTC)


def repositories() -> list[Repo]:
    queue = Repo(
        101, "acme/tinyq", description="A tiny job queue", language="Go", languages={"Go": 81_234, "Makefile": 300},
        topics=["queue", "golang"], readme="# tinyq\n\nA queue, na\u00efvely.", stars=1520, forks=44, watchers=30,
        open_issues=12, license="MIT", homepage="", pushed_at=day(20, 9, 30),
        commits=[Commit(f"{at:040x}", day(20) - timedelta(days=at), files=[("a.go", at, 1)]) for at in range(5)],
    )  # fmt: skip
    return [
        queue,
        Repo(102, "acme/empty", stars=3, pushed_at=None),
        Repo(103, "beta/drops", description="Rain drops", language="C++", stars=50, archived=True, pushed_at=day(1)),
        Repo(104, "beta/ops", description="Ops for small teams", language="Jupyter Notebook", stars=50,
             pushed_at=day(20), readme="Where is the queue?"),
        Repo(105, "beta/copy", stars=90, fork=True),
    ]  # fmt: skip


def issues() -> list[Issue]:
    said = [Comment("dev2", "NONE", day(12), "I would like to work on this."), Comment(None, "OWNER", day(13), "Do!")]
    return [
        Issue("acme/tinyq", 1, "Worker hangs", "It keeps crashing.", ["bug"], created_at=day(10), reactions=2),
        Issue("acme/tinyq", 2, "Dark theme", None, ["good first issue", "design"], created_at=day(11), comments=said),
        Issue("acme/tinyq", 3, "Mend the worker", "Closes 1", created_at=day(11, 12), is_pull_request=True),
        Issue("acme/tinyq", 4, "Old fault", "is too slow", ["Bug"], "closed", created_at=day(1), author=None),
        Issue("beta/ops", 1, "Docs", "much too slow", ["help wanted"], assignees=["dev1"], linked_pulls=1,
              created_at=day(11, 23, 59, 59)),
        Issue("beta/drops", 1, "Drops", "the ops team drops it", created_at=day(12)),
    ]  # fmt: skip


@pytest.fixture
def github() -> GitHub:
    stars = {"ada": [("acme/tinyq", day(1)), ("beta/ops", day(3)), ("beta/drops", day(2))]}
    return GitHub(Clock(start=NOON.timestamp()), repositories(), issues(), stars)


@contextmanager
def asking(
    github: GitHub, broken_rules: bool = False, headers: dict[str, str] = KNOWN
) -> Iterator[tuple[httpx.Client, Server]]:
    """A client at a server. broken_rules: the test breaks some, and looks at them itself."""
    with Server(github) as server, httpx.Client(base_url=server.url, headers=headers) as client:
        yield client, server
        if broken_rules:
            assert github.violations
            github.violations.clear()


@pytest.fixture
def client(github: GitHub) -> Iterator[httpx.Client]:
    with asking(github) as (client, _):
        yield client


def every(client: httpx.Client, path: str, params: dict[str, Any], **options: Any) -> list[Any]:
    """All rows, along the links."""
    answer = client.get(path, params=params, **options)
    rows = answer.json()
    while following := answer.links.get("next"):
        answer = client.get(following["url"], **options)
        rows += answer.json()
    return rows


def full_names(answer: httpx.Response) -> list[str]:
    return [item["full_name"] for item in answer.json()["items"]]


# Repositories


def test_a_repository_tells_of_itself_as_github_does(client):
    told = client.get("/repos/acme/tinyq").json()
    facts = {"id": 101, "full_name": "acme/tinyq", "stargazers_count": 1520, "topics": ["queue", "golang"],
             "pushed_at": "2026-08-20T09:30:00Z", "open_issues_count": 12, "homepage": ""}  # fmt: skip
    assert facts.items() <= told.items()
    assert told["license"]["spdx_id"] == "MIT"


def test_watchers_are_stars_and_who_watches_is_told_alone(client):
    told = client.get("/repos/acme/tinyq").json()
    assert (told["watchers_count"], told["subscribers_count"]) == (1520, 30)
    assert "subscribers_count" not in client.get("/search/repositories?q=tinyq").json()["items"][0]


def test_a_name_is_found_in_any_case(client):
    assert client.get("/repos/ACME/TinyQ").json()["id"] == 101


def test_a_former_name_leads_to_the_number(client, github):
    github.rename("acme/tinyq", "acme/bigq")
    answer = client.get("/repos/acme/tinyq/commits?per_page=2")
    assert (answer.status_code, httpx.URL(answer.headers["Location"]).raw_path) == (
        301, b"/repositories/101/commits?per_page=2",
    )  # fmt: skip
    assert len(client.get(answer.headers["Location"]).json()) == 2
    assert client.get("/repositories/101").json()["full_name"] == "acme/bigq"


@pytest.mark.parametrize(("change", "status"), [("delete", 404), ("block", 451)])
@pytest.mark.parametrize("path", ["/repos/acme/tinyq", "/repositories/101", "/repos/acme/tinyq/readme"])
def test_a_repository_that_is_gone_says_how(client, github, change, status, path):
    getattr(github, change)("acme/tinyq")
    assert client.get(path).status_code == status


def test_what_is_gone_is_found_no_more(client, github):
    github.delete("acme/tinyq")
    github.block("beta/ops")
    assert full_names(client.get("/search/repositories?q=stars:>=50")) == ["beta/drops"]
    assert [row["full_name"] for row in client.get("/users/ada/starred").json()] == ["beta/drops"]


def test_languages_are_bytes(client):
    assert client.get("/repos/acme/tinyq/languages").json() == {"Go": 81_234, "Makefile": 300}


def test_a_readme_is_base64(client):
    told = client.get("/repos/acme/tinyq/readme").json()
    assert base64.b64decode(told["content"]).decode() == "# tinyq\n\nA queue, na\u00efvely."
    assert client.get("/repos/acme/empty/readme").status_code == 404


# Commits


def test_commits_are_followed_to_the_end(client):
    found = every(client, "/repos/acme/tinyq/commits", {"per_page": 2})
    assert [each["sha"][-1] for each in found] == list("01234")


def test_a_link_names_the_repository_by_its_number(client):
    links = client.get("/repos/acme/tinyq/commits?per_page=2&page=2").links
    assert {name: httpx.URL(link["url"]).params["page"] for name, link in links.items()} == {
        "prev": "1", "next": "3", "last": "3", "first": "1",
    }  # fmt: skip
    assert "/repositories/101/commits?" in links["next"]["url"]


def test_a_single_page_has_no_link(client):
    assert "Link" not in client.get("/repos/acme/tinyq/commits").headers


def test_a_commit_has_its_files(client):
    told = client.get(f"/repos/acme/tinyq/commits/{4:040x}").json()
    [changed] = told["files"]
    assert (changed["filename"], changed["additions"], changed["deletions"]) == ("a.go", 4, 1)


def test_the_files_of_a_large_commit_come_in_pages_of_300(client, github):
    github.push("acme/tinyq", Commit("f" * 40, NOON, files=[(f"{at}.go", 1, 0) for at in range(650)]))
    first = client.get("/repos/acme/tinyq/commits/" + "f" * 40)
    second = client.get(first.links["next"]["url"])
    last = client.get(second.links["next"]["url"])
    assert [len(each.json()["files"]) for each in (first, second, last)] == [300, 300, 50]


def test_an_empty_repository_is_a_conflict(client):
    assert client.get("/repos/acme/empty/commits").status_code == 409


def test_an_unknown_commit_is_refused(client):
    assert client.get("/repos/acme/tinyq/commits/abcdef0").status_code == 422


def test_weekly_commits_are_counted_when_somebody_asks(client, github):
    assert client.get("/repos/acme/tinyq/stats/participation").status_code == 202
    weeks = client.get("/repos/acme/tinyq/stats/participation").json()["all"]
    assert (len(weeks), weeks[-4:]) == (52, [0, 3, 2, 0])
    github.push("acme/tinyq", Commit("e" * 40, NOON))
    assert client.get("/repos/acme/tinyq/stats/participation").status_code == 202


# Issues


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        ({}, [3, 2, 1]),
        ({"state": "all", "direction": "asc"}, [4, 1, 2, 3]),
        ({"state": "closed"}, [4]),
        ({"labels": "good first issue,design"}, [2]),
        ({"labels": "bug,design", "state": "all"}, []),
        ({"since": "2026-08-11T06:00:00Z"}, [3]),
        ({"assignee": "none", "per_page": 1, "page": 2}, [2]),
    ],
)
def test_issues_and_pull_requests_come_mixed(client, params, numbers):
    assert [row["number"] for row in client.get("/repos/acme/tinyq/issues", params=params).json()] == numbers


def test_a_pull_request_says_so(client):
    rows = client.get("/repos/acme/tinyq/issues").json()
    assert [row["number"] for row in rows if "pull_request" in row] == [3]


def test_an_issue_may_have_no_body(client):
    told = client.get("/repos/acme/tinyq/issues/2").json()
    assert (told["body"], told["comments"], told["reactions"]["total_count"]) == (None, 2, 0)


def test_an_issue_changes_as_people_act(client, github):
    github.assign("acme/tinyq", 1, "dev9")
    github.close_issue("acme/tinyq", 1)
    told = client.get("/repos/acme/tinyq/issues/1").json()
    assert (told["state"], told["assignee"]["login"], told["closed_at"][:13]) == ("closed", "dev9", "2026-09-01T12")


def test_a_deleted_issue_is_gone_and_another_unknown(client, github):
    github.delete_issue("acme/tinyq", 1)
    assert [client.get(f"/repos/acme/tinyq/issues/{number}").status_code for number in (1, 77)] == [410, 404]


def test_comments_stand_in_order(client):
    rows = client.get("/repos/acme/tinyq/issues/2/comments").json()
    assert [(row["user"]["login"], row["author_association"]) for row in rows] == [("dev2", "NONE"), ("ghost", "OWNER")]


# Stars


def test_stars_come_latest_first_and_with_their_time_when_asked_for(client):
    timed = every(client, "/users/ada/starred", {"per_page": 2},
                  headers={"Accept": "application/vnd.github.star+json"})  # fmt: skip
    assert [(row["repo"]["full_name"], row["starred_at"]) for row in timed] == [
        ("beta/ops", "2026-08-03T00:00:00Z"),
        ("beta/drops", "2026-08-02T00:00:00Z"),
        ("acme/tinyq", "2026-08-01T00:00:00Z"),
    ]
    assert client.get("/users/ada/starred").json()[0]["full_name"] == "beta/ops"


def test_stars_are_given_and_taken_back(client, github):
    github.unstar("ada", "beta/ops")
    github.star("ada", "acme/empty")
    names = [row["full_name"] for row in client.get("/users/Ada/starred").json()]
    assert names == ["acme/empty", "beta/drops", "acme/tinyq"]
    assert client.get("/repos/beta/ops").json()["stargazers_count"] == 49


def test_nobody_has_no_stars(client):
    assert client.get("/users/nobody/starred").status_code == 404


# Search


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("stars:50..1520", ["acme/tinyq", "beta/ops", "beta/drops"]),
        ("stars:>=51", ["acme/tinyq"]),
        ("stars:<50", ["acme/empty"]),
        ("stars:51..*", ["acme/tinyq"]),
        ("stars:50", ["beta/ops", "beta/drops"]),
        ("language:go stars:>1", ["acme/tinyq"]),
        ('language:"Jupyter Notebook"', ["beta/ops"]),
        ("language:jupyter-notebook", ["beta/ops"]),
        ("language:c++", ["beta/drops"]),
        ("pushed:>=2026-08-20", ["acme/tinyq", "beta/ops"]),
        ("pushed:>2026-08-20", []),
        ("pushed:<=2026-08-20", ["acme/tinyq", "beta/ops", "beta/drops"]),
        ("pushed:2026-08-20T09:30:00Z..2026-08-20T09:30:00Z", ["acme/tinyq"]),
        ("archived:false stars:50", ["beta/ops"]),
        ("stars:50 -rain", ["beta/ops"]),
        ('"tiny: job"', ["acme/tinyq"]),
        ("ops", ["beta/ops"]),
        ("queue", ["acme/tinyq"]),
        ("queue in:readme", ["acme/tinyq", "beta/ops"]),
        ('"tiny job queue"', ["acme/tinyq"]),
        ('"job tiny"', []),
        ("topic:golang", ["acme/tinyq"]),
        ("repo:acme/tinyq repo:beta/ops", ["acme/tinyq", "beta/ops"]),
        ("stars:50 NOT archived:true", ["beta/ops"]),
        ("stars:50 -archived:true", ["beta/ops"]),
        ("fork:only", ["beta/copy"]),
        ("stars:90..91", []),
        ("stars:90..91 fork:true", ["beta/copy"]),
        ("stars:>=50 sort:updated-asc", ["acme/tinyq", "beta/drops", "beta/ops"]),
    ],
)
def test_repositories_are_searched(client, query, names):
    assert full_names(client.get("/search/repositories", params={"q": query})) == names


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("is:issue is:open worker", {"acme/tinyq#1"}),
        ('is:issue "keeps crashing" OR "too slow"', {"acme/tinyq#1", "acme/tinyq#4", "beta/ops#1"}),
        ('("keeps crashing" OR "too slow") is:issue is:open', {"acme/tinyq#1", "beta/ops#1"}),
        ("created:2026-08-11", {"acme/tinyq#2", "acme/tinyq#3", "beta/ops#1"}),
        ("created:2026-08-11T00:00:00Z..2026-08-11T12:00:00Z", {"acme/tinyq#2", "acme/tinyq#3"}),
        ("created:2026-08-11T12:00:01+00:00..2026-08-11T23:59:58Z", set()),
        ("is:pr", {"acme/tinyq#3"}),
        ('label:"good first issue"', {"acme/tinyq#2"}),
        ('label:bug,"help wanted"', {"acme/tinyq#1", "acme/tinyq#4", "beta/ops#1"}),
        ('label:bug label:"help wanted"', set()),
        ("repo:acme/tinyq is:closed", {"acme/tinyq#4"}),
        ("no:assignee is:issue created:>=2026-08-11 is:public", {"acme/tinyq#2", "beta/drops#1"}),
        ("ops archived:false", set()),
        ("ops", {"beta/drops#1"}),
        ("language:go is:open is:issue", {"acme/tinyq#1", "acme/tinyq#2"}),
        ("-linked:pr repo:beta/ops", set()),
    ],
)
def test_issues_are_searched(client, query, found):
    items = client.get("/search/issues", params={"q": query}).json()["items"]
    assert {f"{item['repository_url'].partition('/repos/')[2]}#{item['number']}" for item in items} == found


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "missing"),
        ("x" * 257, "longer than 256"),
        ("a OR b OR c OR d OR e OR f OR g", "More than five"),
        ("repo:no/body", "cannot be searched"),
        ("stars:many", "not a number"),
        ("created:yesterday", "date/time"),
        ("(a OR b", "parenthesis"),
        ("a) OR (b", "parenthesis"),
        ("a OR", "logical operators"),
    ],
)
def test_a_search_that_cannot_be_is_refused(client, query, says):
    answer = client.get("/search/repositories", params={"q": query})
    [fault] = answer.json()["errors"]
    assert (answer.status_code, answer.json()["message"]) == (422, "Validation Failed")
    assert says in fault["message"]


def test_a_search_ends_after_1000_hits():
    github = GitHub(repositories=[Repo(at + 1, f"sample-org/r{at}", stars=at) for at in range(1_050)])
    with asking(github) as (client, _):
        last = client.get("/search/repositories?q=stars:>=0&per_page=100&page=10")
        over = client.get("/search/repositories?q=stars:>=0&per_page=100&page=11")
        thirty = client.get("/search/repositories?q=stars:>=0&page=34")
    assert (last.json()["total_count"], len(last.json()["items"]), "next" in last.links) == (1_050, 100, False)
    assert over.status_code == 422
    assert over.json()["message"] == "Only the first 1000 search results are available"
    assert len(thirty.json()["items"]) == 10


def test_a_search_that_runs_out_of_time_says_so_and_gives_a_part(client, github):
    github.cut_searches_short()
    told = [client.get("/search/repositories?q=stars:>=1").json() for _ in range(2)]
    assert [(each["incomplete_results"], len(each["items"])) for each in told] == [(True, 2), (False, 4)]


# Conditional requests


@pytest.mark.parametrize("path", ["/repos/acme/tinyq", "/repos/acme/tinyq/commits", "/repos/acme/tinyq/issues"])
def test_what_the_caller_has_is_304_and_free(client, path):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"] == "4999"


def test_a_push_changes_the_mark(client, github):
    tag = client.get("/repos/acme/tinyq").headers["ETag"]
    github.push("acme/tinyq", Commit("e" * 40, NOON))
    assert client.get("/repos/acme/tinyq", headers={"If-None-Match": tag}).status_code == 200


def test_a_date_serves_where_there_is_no_mark(client):
    since = {"If-Modified-Since": format_datetime(NOON, usegmt=True)}
    assert client.get("/repos/acme/tinyq", headers=since).status_code == 304


# Limits


def test_each_resource_counts_by_itself(client):
    core = client.get("/repos/acme/tinyq").headers
    searching = client.get("/search/repositories?q=tinyq").headers
    assert [(each["X-RateLimit-Resource"], each["X-RateLimit-Limit"], each["X-RateLimit-Remaining"])
            for each in (core, searching)] == [("core", "5000", "4999"), ("search", "30", "29")]  # fmt: skip
    assert int(core["X-RateLimit-Reset"]) == pytest.approx(NOON.timestamp() + 3600, abs=5)


def test_without_a_token_there_is_less(github):
    with asking(github, headers=AGENT) as (client, _):
        assert client.get("/repos/acme/tinyq").headers["X-RateLimit-Limit"] == "60"
        assert client.get("/search/issues?q=worker").headers["X-RateLimit-Limit"] == "10"
        assert client.post("/graphql", json={"query": "{rateLimit{cost}}"}).status_code == 401


def test_asking_for_the_limits_is_free(client, github):
    client.get("/repos/acme/tinyq")
    github.spend("search")
    told = client.get("/rate_limit").json()["resources"]
    assert (told["core"]["remaining"], told["search"]["remaining"], told["graphql"]["limit"]) == (4999, 0, 5000)


def test_a_used_up_hour_is_403_and_the_next_call_in_it_a_violation(github):
    github.spend("core")
    with asking(github, broken_rules=True) as (client, _):
        first = client.get("/repos/acme/tinyq")
        assert (first.status_code, first.headers["X-RateLimit-Remaining"]) == (403, "0")
        assert first.json()["message"].startswith("API rate limit exceeded")
        assert github.violations == []
        assert client.get("/repos/acme/tinyq").status_code == 403
        assert len(github.violations) == 1


def test_the_last_call_of_a_window_forbids_the_next_in_its_lane_alone(github):
    github.spend("search", leave=1)
    with asking(github, broken_rules=True) as (client, _):
        assert client.get("/search/issues?q=worker").status_code == 200
        assert client.get("/repos/acme/tinyq").status_code == 200
        assert github.violations == []
        assert client.get("/search/issues?q=worker").status_code == 403
        assert len(github.violations) == 1


def test_after_its_reset_a_window_is_whole_again():
    github = GitHub(Clock(600), repositories())
    github.spend("search", leave=1)
    with asking(github) as (client, _):
        answer = client.get("/search/repositories?q=tinyq")
        time.sleep((int(answer.headers["X-RateLimit-Reset"]) - github.clock.now()) / 600 + 0.01)
        assert client.get("/search/repositories?q=tinyq").headers["X-RateLimit-Remaining"] == "29"


@pytest.mark.parametrize(("retry_after", "wait"), [(7, 7), (None, 60)])
def test_after_a_secondary_limit_nobody_may_call(github, retry_after, wait):
    github.tire(retry_after)
    with asking(github, broken_rules=True) as (client, _):
        first = client.get("/repos/acme/tinyq")
        assert (first.status_code, "secondary rate limit" in first.json()["message"]) == (403, True)
        assert first.headers.get("Retry-After") == (str(retry_after) if retry_after else None)
        assert "X-RateLimit-Remaining" not in first.headers
        assert github.violations == []
        early = client.get("/search/issues?q=worker")
        assert (early.status_code, int(early.headers["Retry-After"])) == (403, pytest.approx(wait, abs=2))
        assert len(github.violations) == 1


def test_after_the_window_of_a_secondary_limit_all_is_well():
    github = GitHub(Clock(600), repositories())
    github.tire()
    with asking(github) as (client, _):
        client.get("/repos/acme/tinyq")
        time.sleep(60 / 600 + 0.02)
        assert client.get("/repos/acme/tinyq").status_code == 200


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"message": "You have triggered an abuse detection mechanism."}, 403),
        Reply({"message": "Slow down"}, 429, {"Retry-After": "9"}),
        Reply({"message": "Slow down"}, 429, {"Retry-After": "soon"}),
        Reply({"message": "API rate limit exceeded"}, 403, {"X-RateLimit-Remaining": "0",
              "X-RateLimit-Reset": str(int(NOON.timestamp()) + 900)}),
        Reply(b"<html>", 503, {"Retry-After": "20"}),
    ],
)  # fmt: skip
def test_a_scripted_limit_holds_as_its_own_do(github, reply):
    with asking(github, broken_rules=True) as (client, server):
        server.faults.script("/repos", reply)
        client.get("/repos/acme/tinyq")
        assert github.violations == []
        client.get("/repos/acme/tinyq")
        assert len(github.violations) == 1


@pytest.mark.parametrize("reply", [Reply({"message": "Forbidden"}, 403), Reply(b"<html>", 502), Reply({}, 500)])
def test_another_refusal_forbids_nothing(client, github, reply):
    with asking(github) as (client, server):
        server.faults.script("/repos", reply)
        assert client.get("/repos/acme/tinyq").status_code == reply.status
        assert client.get("/repos/acme/tinyq").status_code == 200


def test_more_than_900_calls_a_minute_are_too_many(github):
    with asking(github, broken_rules=True) as (client, _):
        statuses = [client.get("/repos/acme/empty/languages").status_code for _ in range(901)]
        assert (set(statuses[:900]), statuses[900]) == ({200}, 403)
        assert "more than 900 points" in github.violations[0]


def test_too_many_calls_at_a_time_are_refused(github):
    github.in_flight = InFlight(1)
    with asking(github, broken_rules=True) as (client, server):
        server.faults.script("/repos/acme/tinyq", Reply({}, delay=0.3))
        slow = Thread(target=client.get, args=["/repos/acme/tinyq"])
        slow.start()
        time.sleep(0.1)
        assert client.get("/repos/acme/empty").status_code == 403
        slow.join()
        assert "at a time" in github.violations[0]


def test_who_does_not_say_who_asks_is_refused(github):
    with asking(github, broken_rules=True) as (client, _):
        assert client.get("/repos/acme/tinyq", headers={"User-Agent": ""}).status_code == 403


def test_a_bad_token_is_refused(client):
    answer = client.get("/repos/acme/tinyq", headers={"Authorization": "Bearer other"})
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


# GraphQL


def ask(client: httpx.Client, query: str, **variables: Any) -> dict[str, Any]:
    answer = client.post("/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == 200
    return answer.json()


def data(client: httpx.Client, query: str, **variables: Any) -> dict[str, Any]:
    told = ask(client, query, **variables)
    assert "errors" not in told
    return told["data"]


def test_a_repository_is_described_in_one_call(client):
    query = """query Facts($owner: String!, $name: String!, $topics: Int = 20) {
      it: repository(owner: $owner, name: $name) {
        id databaseId nameWithOwner stargazerCount forkCount watchers { totalCount } isFork isArchived isDisabled
        description homepageUrl url pushedAt primaryLanguage { name } licenseInfo { spdxId name }
        languages(first: 10, orderBy: {field: SIZE, direction: DESC}) { edges { size node { name } } }
        repositoryTopics(first: $topics) { nodes { topic { name } } }
        object(expression: "HEAD:README.md") { __typename ... on Blob { text isTruncated byteSize } }
        issues(states: OPEN) { totalCount }
        defaultBranchRef { name target { ... on Commit { history(since: "2026-08-18T00:00:00Z", first: 2) {
          totalCount nodes { committedDate } } } } }
      }
    }"""
    assert data(client, query, owner="acme", name="tinyq")["it"] == {
        "id": "R_kgDO00000065", "databaseId": 101, "nameWithOwner": "acme/tinyq", "stargazerCount": 1520,
        "forkCount": 44, "watchers": {"totalCount": 30}, "isFork": False, "isArchived": False, "isDisabled": False,
        "description": "A tiny job queue", "homepageUrl": "", "url": "https://github.com/acme/tinyq",
        "pushedAt": "2026-08-20T09:30:00Z", "primaryLanguage": {"name": "Go"},
        "licenseInfo": {"spdxId": "MIT", "name": "MIT License"},
        "languages": {"edges": [{"size": 81_234, "node": {"name": "Go"}}, {"size": 300, "node": {"name": "Makefile"}}]},
        "repositoryTopics": {"nodes": [{"topic": {"name": "queue"}}, {"topic": {"name": "golang"}}]},
        "object": {"__typename": "Blob", "text": "# tinyq\n\nA queue, na\u00efvely.", "isTruncated": False,
                   "byteSize": 27},
        "issues": {"totalCount": 11},
        "defaultBranchRef": {"name": "main", "target": {"history": {"totalCount": 3, "nodes": [
            {"committedDate": "2026-08-20T00:00:00Z"}, {"committedDate": "2026-08-19T00:00:00Z"}]}}},
    }  # fmt: skip


def test_what_a_repository_lacks_is_null(client):
    query = """{repository(owner: "acme", name: "empty") {
      description primaryLanguage{name} licenseInfo{spdxId} object(expression: "HEAD:README.md"){id}
      defaultBranchRef{name} pushedAt languages(first: 1){nodes{name} pageInfo{endCursor hasNextPage}} }}"""
    told = data(client, query)["repository"]
    assert told.pop("languages") == {"nodes": [], "pageInfo": {"endCursor": None, "hasNextPage": False}}
    assert set(told.values()) == {None}


def test_another_file_than_the_readme_is_null(client):
    query = '{repository(owner: "acme", name: "tinyq") {object(expression: "HEAD:README.rst") {... on Blob {text}}}}'
    assert data(client, query) == {"repository": {"object": None}}


SEARCH = """query($q: String!, $after: String) { search(query: $q, type: REPOSITORY, first: 2, after: $after) {
  repositoryCount pageInfo { hasNextPage endCursor } nodes { ...Named } } }
fragment Named on Repository { nameWithOwner }"""


def test_a_search_is_followed_to_the_end(client):
    found, after, more = [], None, True
    while more:
        told = data(client, SEARCH, q="stars:>=1", after=after)["search"]
        found += [node["nameWithOwner"] for node in told["nodes"]]
        after, more = told["pageInfo"]["endCursor"], told["pageInfo"]["hasNextPage"]
    assert (found, told["repositoryCount"]) == (["acme/tinyq", "beta/ops", "beta/drops", "acme/empty"], 4)


def test_a_search_by_graphql_ends_after_1000_hits():
    github = GitHub(repositories=[Repo(at + 1, f"sample-org/r{at}") for at in range(1_050)])
    with asking(github) as (client, _):
        after = base64.b64encode(b"cursor:999").decode()
        told = data(client, SEARCH, q="stars:0", after=after)["search"]
    assert (told["repositoryCount"], len(told["nodes"]), told["pageInfo"]["hasNextPage"]) == (1_050, 1, False)


def test_an_issue_is_described_in_one_call(client):
    query = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on Issue {
      number title body state closed author { login } authorAssociation reactions { totalCount } createdAt
      comments(last: 1) { totalCount nodes { body author { login } authorAssociation createdAt } }
      labels(first: 5) { nodes { name } } assignees(first: 5) { totalCount }
      closedByPullRequestsReferences(first: 5, includeClosedPrs: true) { totalCount }
      repository { nameWithOwner } } } }"""
    ids = [client.get(f"/repos/{path}").json()["node_id"] for path in ("acme/tinyq/issues/2", "beta/ops/issues/1")]
    first, second = data(client, query, ids=ids)["nodes"]
    assert first == {
        "number": 2, "title": "Dark theme", "body": "", "state": "OPEN", "closed": False, "author": {"login": "dev"},
        "authorAssociation": "NONE", "reactions": {"totalCount": 0}, "createdAt": "2026-08-11T00:00:00Z",
        "comments": {"totalCount": 2, "nodes": [{"body": "Do!", "author": None, "authorAssociation": "OWNER",
                                                 "createdAt": "2026-08-13T00:00:00Z"}]},
        "labels": {"nodes": [{"name": "good first issue"}, {"name": "design"}]}, "assignees": {"totalCount": 0},
        "closedByPullRequestsReferences": {"totalCount": 0}, "repository": {"nameWithOwner": "acme/tinyq"},
    }  # fmt: skip
    assert (second["assignees"]["totalCount"], second["closedByPullRequestsReferences"]["totalCount"]) == (1, 1)


def test_a_pull_request_among_found_issues_is_empty(client):
    query = '{search(query: "worker", type: ISSUE, first: 9) {issueCount nodes {... on Issue {number}}}}'
    assert data(client, query) == {"search": {"issueCount": 2, "nodes": [{}, {"number": 1}]}}


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ('labels: ["good first issue", "bug"]', [4, 1, 2]),
        ('labels: ["bug"], states: [OPEN]', [1]),
        ("states: OPEN, orderBy: {field: UPDATED_AT, direction: DESC}", [2, 1]),
        ('filterBy: {since: "2026-08-10T00:00:00Z"}', [1, 2]),
    ],
)
def test_issues_of_a_repository_are_without_pull_requests(client, asked, numbers):
    query = f'{{repository(owner: "acme", name: "tinyq") {{issues(first: 9, {asked}) {{nodes {{number}}}}}}}}'
    told = data(client, query)["repository"]["issues"]["nodes"]
    assert [node["number"] for node in told] == numbers


def test_what_is_unknown_is_null_and_an_error_beside_the_rest(client, github):
    github.delete("beta/ops")
    told = ask(client, "query($ids: [ID!]!) {nodes(ids: $ids) {id}}", ids=["R_kgDO00000065", "R_kgDO00000068"])
    assert told["data"] == {"nodes": [{"id": "R_kgDO00000065"}, None]}
    [error] = told["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["nodes", 1])


def test_a_former_name_is_followed_by_graphql(client, github):
    github.rename("acme/tinyq", "acme/bigq")
    query = '{repository(owner: "acme", name: "tinyq") {nameWithOwner}}'
    assert data(client, query) == {"repository": {"nameWithOwner": "acme/bigq"}}


@pytest.mark.parametrize(
    ("query", "kind", "says"),
    [
        ("{search(query: \"a\", type: ISSUE, first: 101) {issueCount}}", "EXCESSIVE_PAGINATION", "limit of 100"),
        ("{search(query: \"a\", type: ISSUE) {nodes {__typename}}}", "MISSING_PAGINATION_BOUNDARIES", "`first` or"),
        ("{search(query: \"stars:>0\", type: REPOSITORY, first: 100) {nodes {... on Repository {issues(first: 100) "
         "{nodes {comments(first: 100) {nodes {body}}}}}}}}", "MAX_NODE_LIMIT_EXCEEDED", "1,010,100"),
        ("{nodes(ids: [" + '"x", ' * 101 + "]) {id}}", "ARGUMENT_LIMIT", "101"),
        ("{repository(owner: \"acme\", name: \"tinyq\") {stars}}", "undefinedField", "'stars'"),
        ("{repository(owner: \"acme\", name: \"tinyq\") {id(first: 1)}}", None, "arguments"),
        ("{repository(owner: \"acme\", name: \"tinyq\") {owner}}", None, "selections"),
        ("{repository(owner: \"acme\", name: \"tinyq\") {... on Repo {id}}}", None, "Repo"),
        ("query($x: Int!) {node(id: $x) {id}}", None, "$x"),
        ("{node(id: $y) {id}}", None, "$y"),
        ("{node(id: \"x\") {id}", None, "end of file"),
        ("mutation {addStar {id}}", None, "query"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_is_refused_inside_200(client, query, kind, says):
    told = ask(client, query)
    [error] = told["errors"]
    assert "data" not in told
    assert (error.get("type"), says in error["message"]) == (kind, True), error


def test_points_are_counted_by_connections(client):
    query = """{search(query: "stars:>0", type: REPOSITORY, first: 100) {nodes {... on Repository {
      languages(first: 10) {totalCount} repositoryTopics(first: 10) {totalCount} }}}
      rateLimit {limit cost remaining resetAt nodeCount}}"""
    told = data(client, query)["rateLimit"]
    assert (told["limit"], told["cost"], told["remaining"], told["nodeCount"]) == (5000, 2, 4998, 2100)


def test_a_used_up_hour_is_an_error_inside_200(github):
    github.spend("graphql")
    with asking(github) as (client, _):
        answer = client.post("/graphql", json={"query": "{rateLimit{cost}}"})
    assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (200, "0")
    assert answer.json()["errors"][0]["type"] == "RATE_LIMITED"


def test_too_many_readmes_at_once_are_502(client, github):
    github.most_readmes = 1
    query = """{search(query: "stars:>=50", type: REPOSITORY, first: %s) {nodes {... on Repository {
      object(expression: "HEAD:README.md") {... on Blob {text}}}}}}"""
    heavy = client.post("/graphql", json={"query": query % 2})
    assert (heavy.status_code, heavy.headers["Content-Type"]) == (502, "text/html")
    assert client.post("/graphql", json={"query": query % 1}).status_code == 200


def test_a_long_readme_is_cut_off(client, github):
    github.change("acme/tinyq", readme="x" * 600_000)
    query = """{repository(owner: "acme", name: "tinyq") {
      object(expression: "HEAD:README.md") {... on Blob {text isTruncated byteSize}}}}"""
    told = data(client, query)["repository"]["object"]
    assert (len(told["text"]), told["isTruncated"], told["byteSize"]) == (512_000, True, 600_000)


def test_what_is_no_query_is_400(client):
    assert client.post("/graphql", content=b"[]").status_code == 400


# A world of any size


def test_a_made_up_world_is_always_the_same():
    assert synthetic(50, seed=3) == synthetic(50, seed=3) != synthetic(50, seed=4)


def test_a_larger_world_begins_with_the_smaller_one():
    assert synthetic(200)[:50] == synthetic(50)


def test_a_made_up_world_has_the_gaps_of_the_true_one():
    made = synthetic(200)
    assert len({repo.full_name for repo in made}) == 200
    assert 10 <= min(repo.stars for repo in made) < 100 < 10_000 < max(repo.stars for repo in made) <= 100_000
    for gap in (
        lambda repo: repo.archived,
        lambda repo: repo.fork,
        lambda repo: repo.language is None,
        lambda repo: repo.description is None,
        lambda repo: repo.readme is None,
        lambda repo: not repo.commits,
        lambda repo: len(repo.readme or "") > 10_000,
        lambda repo: "\x00" in (repo.description or ""),
    ):
        assert 1 <= sum(map(gap, made)) < 20


def test_odd_characters_arrive_as_they_are():
    made = synthetic(8)
    with asking(GitHub(repositories=made)) as (client, _):
        assert client.get(f"/repos/{made[7].full_name}").json()["description"] == made[7].description


def test_a_made_up_world_has_issues_of_the_last_days():
    made = synthetic(30)
    found = synthetic_issues(made, each=4, today=NOON, days=2)
    assert len(found) == 120
    assert all(NOON - timedelta(days=2) <= each.created_at < NOON for each in found)
    assert {each.is_pull_request for each in found} == {True, False}

"""The collectors of posts, against local servers of the true shapes."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from engine.collectors import github_api, github_issues, hackernews, reddit, stackoverflow
from engine.collectors.spans import Place, Span
from engine.http import Client, Limited, Refused, Unreadable
from engine.testing import hackernews as hn_server
from engine.testing import reddit as reddit_server
from engine.testing import stackexchange as se_server
from engine.testing.github import GitHub, Issue, Repo
from engine.testing.serving import Clock, Reply, Server
from engine.tests.collector_contract import CollectorContract, Listening, walk

DAY = date(2026, 9, 1)
START = datetime(2026, 9, 1, tzinfo=UTC)
TOKEN, KEY, APP, SECRET = "canary-token-1f", "canary-key-2a", "canary-app-3c", "canary-secret-4d"
AGENT = {"User-Agent": "test/1"}


def at(**time: float) -> float:
    return (START + timedelta(**time)).timestamp()


def one_try(base: str, gate: Any = None, **facts: Any) -> Client:
    return Client(base, tries=1, gate=gate, headers={**AGENT, **facts.pop("headers", {})}, **facts)


def everything(collector: Any, query: str) -> list[Any]:
    return [record for _, _, page in walk(collector, query) for record in page.records]


# Issues on GitHub


def issue(number: int, created: datetime, title: str = "The export times out", **facts: Any) -> Issue:
    return Issue("acme/reports", number, title, created_at=created, **facts)


def github(issues: list[Issue]) -> GitHub:
    return GitHub(Clock(600), [Repo(1, "acme/reports")], issues, tokens=(TOKEN,))


def github_issues_of(url: str, gate: Any = None) -> github_issues.GitHubIssues:
    client = one_try(url, gate, headers=github_api.HEADERS, limits=github_api.limits, pace=github_api.pace(TOKEN))
    client.credentials.update(github_api.credentials(TOKEN))
    return github_issues.GitHubIssues(client)


class TestGitHubIssues(CollectorContract):
    query = github_issues.queries(DAY, ["times out", "by hand"])[0]
    path = "/search/issues"
    secrets = (TOKEN,)
    good = {
        "html_url": "https://github.com/acme/reports/issues/7", "title": "The export times out", "body": None,
        "created_at": "2026-09-01T08:00:00Z", "comments": 3, "reactions": {"total_count": 2}, "user": {"login": "dev"},
    }  # fmt: skip
    hostile = (
        {**good, "pull_request": {"url": "https://api.github.com/repos/acme/reports/pulls/7"}},
        {**good, "title": None},
        {**good, "title": ["a", "b"]},
        {**good, "created_at": "yesterday"},
        {**good, "created_at": 1_788_000_000},
        {**good, "comments": -4},
        {**good, "comments": 10**30},
        {**good, "body": {"text": "It stops."}},
        {**good, "user": "dev"},
        {**good, "html_url": "https://github.com/acme/reports/pull/7"},
        {**good, "created_at": "2026-09-02T00:00:00Z"},
    )
    limited = (
        (Reply({"message": "slow down"}, 429, {"Retry-After": "7"}), 7),
        (Reply({"message": "slow down"}, 429, {"Retry-After": "1000000000"}), 3600),
        (Reply({"message": "slow down"}, 429, {"Retry-After": "-1"}), None),
        (Reply({"message": "You have exceeded a secondary rate limit."}, 403), None),
        (Reply({"message": "You have triggered an abuse detection mechanism."}, 403, {"Retry-After": "60"}), 60),
    )

    def upstream(self):
        minutes = [START + timedelta(minutes=5 * number) for number in range(250)]
        return github([issue(number, when) for number, when in enumerate(minutes, 1)])

    def expected(self, upstream):
        return {f"acme/reports#{number}" for number in range(1, 251)}

    def identity(self, record):
        return record.upstream_id

    def collector(self, url, gate=None):
        return github_issues_of(url, gate)

    def page_with(self, rows):
        return {"total_count": len(rows), "incomplete_results": False, "items": rows}

    def endless(self, rows, asked):
        more = f'<http://{asked.headers["host"]}/search/issues?page=2>; rel="next"'
        return self.page_with(rows), 200, {"Link": more}


def test_more_issues_than_a_search_reaches_are_asked_for_by_shorter_stretches():
    issues = [issue(number, START + timedelta(seconds=40 * number)) for number in range(1, 1501)]
    with Server(github(issues)) as server:
        pages = [page for _, _, page in walk(github_issues_of(server.url), TestGitHubIssues.query)]
    assert (bool(pages[0].narrower), len(pages[0].records)) == (True, 0)
    assert len({record.upstream_id for page in pages for record in page.records}) == 1500


def test_incomplete_results_are_asked_for_by_shorter_stretches():
    with Server(github([issue(number, START + timedelta(minutes=number)) for number in range(1, 61)])) as server:
        server.upstream.cut_searches_short(2)
        found = everything(github_issues_of(server.url), TestGitHubIssues.query)
    assert len({post.upstream_id for post in found}) == 60


def test_results_that_stay_incomplete_are_left_and_never_complete():
    with Server(github([issue(1, START)])) as server:
        server.upstream.cut_searches_short(10_000)
        pages = [page for _, _, page in walk(github_issues_of(server.url), TestGitHubIssues.query)]
    ends = [page for page in pages if not page.narrower]
    assert {page.left for page in ends} == {"incomplete results"}


def test_what_moves_up_when_an_issue_vanishes_is_not_lost():
    issues = [issue(number, START + timedelta(minutes=number)) for number in range(1, 251)]
    with Server(github(issues)) as server:
        collector = github_issues_of(server.url)
        first = collector.page(TestGitHubIssues.query, "")
        for number in range(1, 51):
            server.upstream.delete_issue("acme/reports", number)
        rest = collector.page(TestGitHubIssues.query, first.next)
        last = collector.page(TestGitHubIssues.query, rest.next)
    seen = {post.upstream_id for page in (first, rest, last) for post in page.records}
    assert len(seen) == 250


def test_more_issues_in_one_second_than_a_page_holds_are_all_found():
    with Server(github([issue(number, START) for number in range(1, 251)])) as server:
        found = everything(github_issues_of(server.url), TestGitHubIssues.query)
    assert len({post.upstream_id for post in found}) == 250


def test_an_issue_tells_its_votes_its_author_and_where_it_is():
    (post,) = TestGitHubIssues().answered(Reply(TestGitHubIssues().page_with([TestGitHubIssues.good]))).records
    assert (post.url, post.vote_count, post.comment_count, post.author, post.licence, post.body) == (
        "https://github.com/acme/reports/issues/7", 2, 3, "dev", "", "",
    )  # fmt: skip


def test_a_search_holds_six_phrases_and_256_characters_at_most():
    phrases = [f"phrase number {number}" for number in range(60)] + ["x" * 300, '  a "quoted"  one ', ""]
    queries = github_issues.queries(DAY, phrases)
    assert all(len(query) <= 256 and query.count(" OR ") <= 5 for query in queries)
    assert sum(query.count('"') for query in queries) == 2 * 61
    assert any('"a quoted one"' in query for query in queries)


def test_the_hour_of_github_ends_when_it_says():
    with Server(github([issue(1, START)])) as server:
        server.upstream.spend("search", token=TOKEN)
        gate = Listening()
        with pytest.raises(Limited):
            github_issues_of(server.url, gate).page(TestGitHubIssues.query, "")
        assert gate.told[0].wait == pytest.approx(60, abs=20)
        assert not gate.told[0].whole_host
        server.upstream.violations.clear()


def test_graphql_tells_of_its_limit_within_a_good_answer():
    with Server(github([])) as server:
        server.upstream.spend("graphql", token=TOKEN)
        gate = Listening()
        client = one_try(server.url, gate, limits=github_api.limits)
        client.credentials.update(github_api.credentials(TOKEN))
        with pytest.raises(Limited):
            github_api.graphql(client, "{ rateLimit { cost } }", {})
        assert gate.told[0].wait == pytest.approx(3600, abs=60)
        server.upstream.violations.clear()


def test_a_token_that_is_refused_stops_everything():
    with Server(github([issue(1, START)])) as server:
        server.upstream.tokens = ()
        with pytest.raises(Refused) as raised:
            github_issues_of(server.url).page(TestGitHubIssues.query, "")
    assert raised.value.everything


def test_issues_that_are_there_no_more_are_known_by_name_and_a_rename_is_followed():
    with Server(github([issue(1, START), issue(2, START)])) as server:
        server.upstream.delete_issue("acme/reports", 2)
        server.upstream.rename("acme/reports", "acme/papers")
        names = ["acme/reports#1", "acme/reports#2", "acme/nowhere#9"]
        assert github_issues_of(server.url).gone(names) == {"acme/reports#2", "acme/nowhere#9"}


def test_a_move_to_another_host_is_not_followed():
    with Server(github([])) as canary, Server(github([issue(1, START)])) as server:
        away = f"http://localhost:{canary.url.rpartition(':')[2]}/repositories/1"
        server.faults.script("/repos/", Reply(b"", 301, {"Location": away}), times=None)
        with pytest.raises(Exception, match="another host"):
            github_issues_of(server.url).gone(["acme/reports#1"])
        assert canary.asked == []


# Questions on Stack Overflow


def stack_overflow(url: str, gate: Any = None, key: str = KEY) -> stackoverflow.StackOverflow:
    secrets = {"key": key} if key else {}
    client = one_try(f"{url}/2.3", gate, limits=stackoverflow.limits, pace=stackoverflow.PACE, secrets=secrets)
    return stackoverflow.StackOverflow(client)


def question(number: int, created: float, **facts: Any) -> dict[str, Any]:
    return se_server.question(number, "Worker hangs", "<p>It hangs.</p>", created=created, tags=["csv"], **facts)


class TestStackOverflow(CollectorContract):
    query = stackoverflow.queries(DAY, ["csv"])[0]
    path = "/2.3/questions"
    secrets = (KEY,)
    good = {
        "question_id": 7, "link": "https://stackoverflow.com/questions/7/worker", "title": "Worker &quot;hangs&quot;",
        "creation_date": int(at(hours=8)), "score": -3, "answer_count": 2, "content_license": "CC BY-SA 4.0",
        "owner": {"display_name": "Ana &amp; Bo", "user_type": "registered"}, "body": "<p>It hangs.</p>",
    }  # fmt: skip
    hostile = (
        {**good, "question_id": "7"},
        {**good, "question_id": None},
        {**good, "title": 7},
        {**good, "link": None},
        {**good, "link": "https://example.org/questions/7"},
        {**good, "creation_date": "2026-09-01"},
        {**good, "creation_date": -1},
        {**good, "creation_date": 1e300},
        {**good, "creation_date": True},
        {**good, "owner": []},
        {**good, "score": "many"},
        {**good, "creation_date": int(at(days=1))},
    )
    limited = (
        (Reply({"items": [], "has_more": False, "backoff": 10, "quota_max": 300, "quota_remaining": 99}), 10),
        (Reply({"error_id": 502, "error_name": "throttle_violation", "error_message":
                "too many requests from this IP, more requests available in 17524 seconds"}, 400), 17524),
        (Reply({"error_id": 502, "error_name": "throttle_violation",
                "error_message": "Violation of backoff parameter"}, 400), None),
        (Reply(b"<html>Too many requests</html>", 429, {"Retry-After": "30"}), 30),
    )  # fmt: skip

    def upstream(self):
        questions = [question(number, at(minutes=5 * number)) for number in range(1, 251)]
        others = [question(900, at(minutes=-1)), question(901, at(days=1))]
        return se_server.StackExchange(Clock(600), [*questions, *others], key=KEY, identical_after=0)

    def expected(self, upstream):
        return {str(number) for number in range(1, 251)}

    def identity(self, record):
        return record.upstream_id

    def collector(self, url, gate=None):
        return stack_overflow(url, gate)

    def page_with(self, rows):
        return {"items": rows, "has_more": False, "quota_max": 300, "quota_remaining": 287}

    def endless(self, rows, asked):
        return ({**self.page_with(rows), "has_more": True},)


def test_no_question_is_asked_twice_and_none_beyond_the_25th_page():
    questions = [question(number, at(seconds=20 * number)) for number in range(1, 3001)]
    with Server(se_server.StackExchange(Clock(600), questions)) as server:
        found = everything(stack_overflow(server.url, key=""), TestStackOverflow.query)
    assert len({post.upstream_id for post in found}) == 3000
    assert {asked.query["page"] for asked in server.asked} == {"1"}


def test_more_questions_in_one_second_than_a_page_holds_are_all_found():
    questions = [question(number, at()) for number in range(1, 251)]
    with Server(se_server.StackExchange(Clock(600), questions)) as server:
        found = everything(stack_overflow(server.url, key=""), TestStackOverflow.query)
    assert len({post.upstream_id for post in found}) == 250


def test_a_question_has_its_words_and_its_licence():
    (post,) = TestStackOverflow().answered(Reply(TestStackOverflow().page_with([TestStackOverflow.good]))).records
    assert (post.title, post.author, post.licence, post.vote_count, post.comment_count) == (
        'Worker "hangs"', "Ana & Bo", "CC BY-SA 4.0", -3, 2,
    )  # fmt: skip


def test_tags_are_never_joined():
    assert [query.split()[0] for query in stackoverflow.queries(DAY, ["c#", "a;b", "c#", ".net"])] == ["c#", ".net"]


def test_a_little_of_the_quota_is_kept_until_tomorrow():
    body = {"items": [], "has_more": False, "quota_max": 300, "quota_remaining": 5}
    gate = Listening()
    with Server(se_server.StackExchange(Clock(1, at(hours=20)))) as server:
        server.faults.script("/", Reply(body))
        stack_overflow(server.url, gate, key="").page(TestStackOverflow.query, "")
    assert gate.told[0].wait == pytest.approx(4 * 3600, abs=2)
    assert gate.told[0].whole_host


def test_an_unknown_key_stops_everything():
    with Server(se_server.StackExchange(Clock(600))) as server, pytest.raises(Refused) as raised:
        stack_overflow(server.url, key="unknown").page(TestStackOverflow.query, "")
    assert raised.value.everything


def test_questions_that_are_there_no_more_are_known_by_number():
    with Server(se_server.StackExchange(Clock(600), [question(1, at()), question(2, at())])) as server:
        server.upstream.delete(2)
        assert stack_overflow(server.url, key="").gone(["1", "2", "3"]) == {"2", "3"}


# Stories on Hacker News


def hacker_news(url: str, gate: Any = None) -> hackernews.HackerNews:
    search = one_try(f"{url}/api/v1", gate, limits=hackernews.limits, pace=hackernews.PACE)
    return hackernews.HackerNews(search, one_try(f"{url}/v0", gate, limits=hackernews.limits))


class TestHackerNews(CollectorContract):
    query = hackernews.queries(DAY, ["story"])[0]
    path = "/api/v1/search_by_date"
    good = {
        "objectID": "40000001", "author": "alice", "title": "Ask HN: How do you merge bug reports?", "points": 41,
        "num_comments": 17, "created_at_i": int(at(hours=8)), "story_text": "We get <i>many</i>.",
        "url": "https://example.org/article",
    }  # fmt: skip
    hostile = (
        {**good, "objectID": 40000001},
        {**good, "objectID": "../../admin"},
        {**good, "objectID": None},
        {**good, "title": None},
        {**good, "created_at_i": "1"},
        {**good, "created_at_i": None},
        {**good, "points": "many"},
        {**good, "num_comments": -1},
        {**good, "story_text": 3},
        {**good, "created_at_i": int(at()) - 1},
    )
    limited = (
        (Reply({"message": "Too many requests", "status": 429}, 429, {"Retry-After": "9"}), 9),
        (Reply({"message": "Forbidden", "status": 403}, 403), None),
    )

    def upstream(self):
        stories = [hn_server.story(number, "A story", created=at(seconds=60 * number)) for number in range(1, 1301)]
        return hn_server.HackerNews(Clock(600), stories)

    def expected(self, upstream):
        return {str(number) for number in range(1, 1301)}

    def identity(self, record):
        return record.upstream_id

    def collector(self, url, gate=None):
        return hacker_news(url, gate)

    def page_with(self, rows):
        return {"hits": rows, "nbHits": len(rows), "nbPages": 1, "page": 0, "exhaustiveNbHits": True}

    def endless(self, rows, asked):
        return ({**self.page_with(rows), "nbHits": 5},)


def test_no_story_of_the_first_and_the_last_second_is_lost():
    times = [at(), at(hours=12), at(days=1, seconds=-1), at(days=1)]
    stories = [hn_server.story(number, "A story", created=when) for number, when in enumerate(times, 1)]
    with Server(hn_server.HackerNews(Clock(600), stories)) as server:
        assert {post.upstream_id for post in everything(hacker_news(server.url), TestHackerNews.query)} == {
            "1",
            "2",
            "3",
        }


def test_a_guess_of_the_hits_is_not_believed():
    stories = [hn_server.story(number, "A story", created=at(seconds=60 * number)) for number in range(1, 1201)]
    with Server(hn_server.HackerNews(Clock(600), stories)) as server:
        server.upstream.exhaustive = False
        assert len({post.upstream_id for post in everything(hacker_news(server.url), TestHackerNews.query)}) == 1200


def test_a_story_leads_to_its_discussion():
    (post,) = TestHackerNews().answered(Reply(TestHackerNews().page_with([TestHackerNews.good]))).records
    assert post.url == "https://news.ycombinator.com/item?id=40000001"


def test_deleted_dead_and_unknown_stories_are_there_no_more():
    stories = [hn_server.story(number, "A story", created=at()) for number in (1, 2, 3, 4)]
    with Server(hn_server.HackerNews(Clock(600), stories)) as server:
        server.upstream.delete(1)
        server.upstream.kill(2)
        server.upstream.forget(3)
        assert hacker_news(server.url).gone(["1", "2", "3", "4"]) == {"1", "2", "3"}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"gone"', b"{}", b'{"id": 4, "deleted": "yes"}'])
def test_what_is_no_story_does_not_say_that_one_is_gone(body):
    with Server(hn_server.HackerNews(Clock(600))) as server:
        server.faults.script("/v0/", Reply(body))
        with pytest.raises(Unreadable):
            hacker_news(server.url).gone(["4"])


# Posts on Reddit


def reddit_of(url: str, gate: Any = None) -> reddit.Reddit:
    keeper = one_try(f"{url}/api/v1/access_token", gate)
    keeper.credentials.update(reddit.app(APP, SECRET))
    return reddit.Reddit(one_try(url, gate, limits=reddit.limits, pace=reddit.PACE), keeper)


def submission(number: int, created: float, **facts: Any) -> dict[str, Any]:
    return reddit_server.post(f"a{number}", "SaaS", "Invoices twice", "Since v3.", created=created, **facts)


def subreddit(posts: list[dict[str, Any]], **facts: Any) -> reddit_server.Reddit:
    return reddit_server.Reddit(Clock(600), posts, credentials=(APP, SECRET), subreddits=["SaaS"], **facts)


SUBMISSION = {
    "id": "a7", "name": "t3_a7", "title": "Invoices twice", "selftext": "Since v3.", "score": 18,
    "permalink": "/r/SaaS/comments/a7/invoices_twice/", "created_utc": at(hours=8), "num_comments": 9,
    "author": "user7", "removed_by_category": None,
}  # fmt: skip
WRONG: tuple[dict[str, Any], ...] = (
    {"name": None}, {"title": 7}, {"permalink": "https://example.org/"}, {"permalink": "/r/../../x"},
    {"created_utc": "now"}, {"created_utc": None}, {"score": 1.5}, {"num_comments": -1}, {"author": {}},
    {"removed_by_category": "moderator"}, {"selftext": "[removed]"}, {"selftext": "[deleted]"},
    {"created_utc": at(days=1)},
)  # fmt: skip


class TestReddit(CollectorContract):
    query = reddit.queries(DAY, ["SaaS"])[0]
    path = "/r/"
    secrets = (APP, SECRET)
    good = {"kind": "t3", "data": SUBMISSION}
    hostile = (
        *({"kind": "t3", "data": {**SUBMISSION, **wrong}} for wrong in WRONG),
        {"kind": "more", "data": SUBMISSION},
    )
    limited = (
        (Reply({"message": "Too Many Requests", "error": 429}, 429, {"x-ratelimit-reset": "11"}), 11),
        (Reply(b"<html>whoa</html>", 429, {"Retry-After": "20", "x-ratelimit-reset": "11"}), 20),
        (Reply(b"<html>whoa</html>", 429), None),
        (Reply({"kind": "Listing", "data": {"after": None, "children": []}}, 200,
               {"x-ratelimit-remaining": "0.0", "x-ratelimit-reset": "431"}), 431),
    )  # fmt: skip

    def upstream(self):
        before = [submission(number, at(hours=-number)) for number in range(1, 200)]
        during = [submission(1000 + number, at(minutes=5 * number)) for number in range(250)]
        return subreddit([*before, *during])

    def expected(self, upstream):
        return {f"t3_a{1000 + number}" for number in range(250)}

    def identity(self, record):
        return record.upstream_id

    def collector(self, url, gate=None):
        return reddit_of(url, gate)

    def page_with(self, rows):
        return {"kind": "Listing", "data": {"after": None, "children": rows}}

    def endless(self, rows, asked):
        return ({"kind": "Listing", "data": {"after": "t3_a7", "children": rows * 30}},)

    def test_the_pages_end_and_hold_everything(self):
        """Those of the day before are read on the way and told as elsewhere."""
        with Server(self.upstream()) as server:
            pages = [page for _, _, page in walk(self.collector(server.url), self.query)]
            assert {record.upstream_id for page in pages for record in page.records} == self.expected(server.upstream)
        assert len(pages) == 3
        assert [page.left for page in pages] == ["", "", ""]
        assert {reason for page in pages for reason in page.skipped} == {"elsewhere"}


def test_a_listing_that_ends_before_the_day_begins_is_left():
    posts = [submission(number, at(seconds=60 * number)) for number in range(1, 1201)]
    with Server(subreddit(posts)) as server:
        pages = [page for _, _, page in walk(reddit_of(server.url), TestReddit.query)]
    assert "1000 posts" in pages[-1].left


def test_a_young_subreddit_is_complete_though_it_ends_within_the_day():
    with Server(subreddit([submission(1, at(hours=1))])) as server:
        (page,) = [page for _, _, page in walk(reddit_of(server.url), TestReddit.query)]
    assert (len(page.records), page.next, page.left) == (1, "", "")


def test_a_listing_whose_place_vanished_is_left():
    with Server(subreddit([submission(number, at(minutes=number)) for number in range(150)])) as server:
        collector = reddit_of(server.url)
        first = collector.page(TestReddit.query, "")
        name = first.next.split()[1].removeprefix("t3_")
        del server.upstream.posts[name]
        assert collector.page(TestReddit.query, first.next).left


def test_one_token_is_enough_and_a_revoked_one_is_renewed_once():
    with Server(subreddit([submission(1, at(hours=1))])) as server:
        collector = reddit_of(server.url)
        collector.page(TestReddit.query, "")
        collector.page(TestReddit.query, "")
        assert sum(asked.path.endswith("access_token") for asked in server.asked) == 1
        server.upstream.revoke()
        collector.page(TestReddit.query, "")
        assert sum(asked.path.endswith("access_token") for asked in server.asked) == 2


def test_credentials_that_are_refused_stop_everything():
    with Server(subreddit([])) as server:
        server.upstream.credentials = ("other", "other")
        with pytest.raises(Refused) as raised:
            reddit_of(server.url).page(TestReddit.query, "")
    assert raised.value.everything


@pytest.mark.parametrize("kind", ["private", "banned"])
def test_a_subreddit_that_is_closed_is_refused_alone(kind):
    with Server(subreddit([], **{kind: ["SaaS"]})) as server, pytest.raises(Refused) as raised:
        reddit_of(server.url).page(TestReddit.query, "")
    assert not raised.value.everything
    assert kind in str(raised.value)


def test_a_page_for_people_in_place_of_a_refusal_is_a_fault():
    with pytest.raises(Unreadable):
        TestReddit().answered(Reply(b"<html>blocked</html>", 403))


def test_posts_that_are_there_no_more_or_say_nothing_are_known_by_name():
    with Server(subreddit([submission(number, at()) for number in (1, 2, 3, 4)])) as server:
        server.upstream.delete("a1")
        server.upstream.remove("a2")
        server.upstream.forget("a3")
        names = ["t3_a1", "t3_a2", "t3_a3", "t3_a4", "t3_b5"]
        assert reddit_of(server.url).gone(names) == {"t3_a1", "t3_a2", "t3_a3", "t3_b5"}


def test_a_post_is_known_by_its_permalink_and_its_author_may_be_gone():
    body = TestReddit().page_with([{"kind": "t3", "data": {**SUBMISSION, "author": "[deleted]"}}])
    (post,) = TestReddit().answered(Reply(body)).records
    assert (post.url, post.author) == ("https://www.reddit.com/r/SaaS/comments/a7/invoices_twice/", "")


# What they share


def test_what_a_database_refuses_is_taken_out_of_a_text():
    row = {**TestGitHubIssues.good, "title": "It\x00 stops", "body": "half \ud800 a sign"}
    (post,) = TestGitHubIssues().answered(Reply(json.dumps(TestGitHubIssues().page_with([row])).encode())).records
    assert (post.title, post.body) == ("It stops", "half ? a sign")


def test_the_parts_of_a_span_are_the_span():
    span = Span.of(DAY)
    for count in (1, 2, 3, 7, 32, 1000):
        parts = span.parts(count)
        assert (parts[0].first, parts[-1].last, sum(part.seconds for part in parts)) == (span.first, span.last, 86_400)


def test_a_second_has_no_parts():
    assert Span(5, 5).parts(2) == [Span(5, 5)]


def test_a_place_is_read_as_it_was_written():
    place = Place(1_788_220_800, 3)
    assert Place.read(str(place), Span.of(DAY)) == place

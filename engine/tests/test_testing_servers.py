"""The local servers of the APIs: true shapes, true limits, and faults on order."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from threading import Thread
from typing import Any

import httpx
import pytest

from engine.testing import sample
from engine.testing.hackernews import HackerNews, comment, story
from engine.testing.limits import FixedWindow, InFlight, RollingWindow
from engine.testing.reddit import Reddit, post
from engine.testing.serving import Asked, Clock, Reply, Server, Upstream
from engine.testing.stackexchange import StackExchange, question

NOON = 1_788_264_000  # 2026-09-01 12:00 UTC
AGENT = {"User-Agent": "linux:org.example.tests:1.0 (by /u/tester)"}


class Parrot(Upstream):
    """Says what it was asked."""

    def answer(self, asked: Asked) -> Reply:
        return Reply({"path": asked.path, "query": asked.query})


@contextmanager
def asking(upstream: Upstream, broken_rules: bool = False) -> Iterator[tuple[httpx.Client, Server]]:
    """A client at the server of an upstream. broken_rules: the test breaks some, and looks at them itself."""
    with Server(upstream) as server, httpx.Client(base_url=server.url, headers=AGENT) as client:
        yield client, server
        if broken_rules:
            assert upstream.violations
            upstream.violations.clear()


# Serving


def test_a_server_keeps_what_it_was_asked() -> None:
    with asking(Parrot()) as (client, server):
        client.get("/a%20b?x=1&x=2&y=")
        asked = server.asked[0]
    assert (asked.method, asked.path, asked.query) == ("GET", "/a b", {"x": "2", "y": ""})


def test_answers_carry_the_time_of_the_upstream() -> None:
    with asking(Parrot(Clock(start=NOON))) as (client, _):
        date = parsedate_to_datetime(client.get("/").headers["Date"])
    assert 0 <= date.timestamp() - NOON < 5


def test_a_clock_runs_as_many_times_faster_as_it_is_told() -> None:
    clock = Clock(60, start=NOON)
    time.sleep(0.1)
    assert clock.now() >= NOON + 6


def test_scripted_answers_come_in_their_order_and_then_the_api_again() -> None:
    with asking(Parrot()) as (client, server):
        server.faults.script("/a", Reply(status=503), Reply(status=500), times=2)
        assert [client.get("/a").status_code for _ in range(5)] == [503, 500, 503, 500, 200]


def test_a_script_is_for_what_it_matches() -> None:
    with asking(Parrot()) as (client, server):
        server.faults.script(lambda asked: asked.query.get("page") == "2", Reply(status=503), times=None)
        assert [client.get("/", params={"page": page}).status_code for page in (1, 2, 2)] == [200, 503, 503]


def test_a_connection_can_break_in_place_of_an_answer() -> None:
    with asking(Parrot()) as (client, server):
        server.faults.script("/", Reply(reset=True))
        with pytest.raises(httpx.TransportError):
            client.get("/")


def test_a_body_can_end_before_its_length() -> None:
    with asking(Parrot()) as (client, server):
        server.faults.script("/", Reply({"whole": True}, cut=5))
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/")


def test_an_answer_can_drip() -> None:
    with asking(Parrot()) as (client, server):
        server.faults.script("/", Reply(b"0123456789", drip=0.01))
        begun = time.monotonic()
        assert client.get("/").text == "0123456789"
    assert time.monotonic() - begun >= 0.09


def test_a_call_before_a_retry_after_is_over_is_a_violation() -> None:
    upstream = Parrot(Clock())
    with asking(upstream, broken_rules=True) as (client, server):
        server.faults.script("/", Reply(status=503, headers={"Retry-After": "60"}))
        client.get("/")
        assert client.get("/").status_code == 429
        assert "too early" in upstream.violations[0]


def test_a_call_after_a_retry_after_is_none() -> None:
    with asking(Parrot(Clock(600))) as (client, server):
        server.faults.script("/", Reply(status=503, headers={"Retry-After": "60"}))
        client.get("/")
        time.sleep(0.11)
        assert client.get("/").status_code == 200


def test_leaving_a_server_whose_rules_were_broken_raises() -> None:
    with pytest.raises(AssertionError, match="no User-Agent"), Server(Parrot()) as server:
        httpx.get(server.url, headers={"User-Agent": ""})


def test_another_error_is_not_hidden_by_violations() -> None:
    def failing() -> None:
        with Server(Parrot()) as server:
            httpx.get(server.url, headers={"User-Agent": ""})
            raise KeyError("of the test")

    with pytest.raises(KeyError):
        failing()


def test_a_mistake_of_an_upstream_does_not_pass_for_a_broken_connection() -> None:
    upstream = Upstream()
    with asking(upstream, broken_rules=True) as (client, _):
        with pytest.raises(httpx.TransportError):
            client.get("/")
        assert "NotImplementedError" in upstream.violations[0]


def test_more_calls_at_a_time_than_allowed_are_a_violation() -> None:
    upstream = Parrot()
    upstream.in_flight = InFlight(1)
    with asking(upstream, broken_rules=True) as (_, server):
        server.faults.script("/", Reply(delay=0.2), times=None)
        threads = [Thread(target=httpx.get, args=[server.url], kwargs={"headers": AGENT}) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def test_a_fixed_window_is_full_until_it_ends() -> None:
    window = FixedWindow(2, 60)
    assert [window.take(at) for at in (0, 1, 59, 60)] == [True, True, False, True]


def test_an_aligned_window_ends_when_its_day_does() -> None:
    window = FixedWindow(1, 60, aligned=True)
    assert [window.take(at) for at in (50, 59, 60, 119)] == [True, False, True, False]


def test_a_rolling_window_forgets_call_by_call() -> None:
    window = RollingWindow(2, 60)
    assert [window.take(at) for at in (0, 30, 59, 60, 61)] == [True, True, False, True, False]


# StackExchange


def questions(count: int) -> list[dict[str, Any]]:
    return [question(each, f"Question {each}", "<p>Why?</p>", created=NOON + each) for each in range(1, count + 1)]


def asked_for(**facts: Any) -> dict[str, Any]:
    return {"site": "stackoverflow", "order": "asc", "sort": "creation", "pagesize": 100, **facts}


def test_stackexchange_always_compresses() -> None:
    with asking(StackExchange(questions=questions(1))) as (client, _):
        answer = client.get("/2.3/questions", params=asked_for(), headers={"Accept-Encoding": "identity"})
    assert answer.headers["Content-Encoding"] == "gzip"


def test_stackexchange_gives_bodies_only_when_asked() -> None:
    with asking(StackExchange(questions=questions(1))) as (client, _):
        plain = client.get("/2.3/questions", params=asked_for()).json()
        whole = client.get("/2.3/questions", params=asked_for(filter="withbody")).json()
    assert "body" not in plain["items"][0]
    assert whole["items"][0]["body"] == "<p>Why?</p>"


def test_stackexchange_escapes_titles() -> None:
    world = [question(1, 'It\'s "late" & <slow>', created=NOON)]
    with asking(StackExchange(questions=world)) as (client, _):
        title = client.get("/2.3/questions", params=asked_for()).json()["items"][0]["title"]
    assert title == "It&#39;s &quot;late&quot; &amp; &lt;slow&gt;"


def test_stackexchange_gives_pages_until_there_are_no_more() -> None:
    with asking(StackExchange(questions=questions(150))) as (client, _):
        pages = [client.get("/2.3/questions", params=asked_for(page=page)).json() for page in (1, 2)]
    assert [(len(page["items"]), page["has_more"]) for page in pages] == [(100, True), (50, False)]


def test_stackexchange_counts_both_ends_of_a_time_as_inside() -> None:
    with asking(StackExchange(questions=questions(9))) as (client, _):
        times = asked_for(fromdate=NOON + 2, todate=NOON + 4)
        items = client.get("/2.3/questions", params=times).json()["items"]
    assert [item["question_id"] for item in items] == [2, 3, 4]


def test_stackexchange_wants_all_of_several_tags() -> None:
    world = [question(1, "One", created=NOON, tags=["a"]), question(2, "Two", created=NOON, tags=["a", "b"])]
    with asking(StackExchange(questions=world)) as (client, _):
        items = client.get("/2.3/questions", params=asked_for(tagged="a;b")).json()["items"]
    assert [item["question_id"] for item in items] == [2]


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"site": ""}, "bad_parameter"),
        ({"pagesize": 101}, "bad_parameter"),
        ({"fromdate": "soon"}, "bad_parameter"),
        ({"filter": "all"}, "bad_parameter"),
        ({"key": "another"}, "bad_parameter"),
        ({"page": 26}, "access_denied"),
    ],
)
def test_stackexchange_refuses(wrong: dict[str, Any], name: str) -> None:
    with asking(StackExchange()) as (client, _):
        answer = client.get("/2.3/questions", params=asked_for(**wrong))
    assert (answer.status_code in (400, 403), answer.json()["error_name"]) == (True, name)


def test_stackexchange_has_more_quota_and_pages_for_a_key() -> None:
    with asking(StackExchange(key="k")) as (client, _):
        said = client.get("/2.3/questions", params=asked_for(key="k", page=26)).json()
    assert (said["quota_max"], said["quota_remaining"]) == (10_000, 9_999)


def test_stackexchange_forbids_a_method_for_as_long_as_its_backoff() -> None:
    upstream = StackExchange(questions=questions(3), backoff_every=2, backoff=10)
    with asking(upstream, broken_rules=True) as (client, _):
        said = [client.get("/2.3/questions", params=asked_for(page=page)).json() for page in (1, 2, 3)]
        assert client.get("/2.3/questions/1", params=asked_for()).status_code == 200
    assert said[1]["backoff"] == 10
    assert (said[2]["error_id"], said[2]["error_message"]) == (502, "Violation of backoff parameter")


def test_stackexchange_holds_to_the_backoff_of_a_scripted_answer() -> None:
    with asking(StackExchange(), broken_rules=True) as (client, server):
        server.faults.script("/2.3", Reply({"items": [], "has_more": False, "backoff": 5, "quota_remaining": 9}))
        client.get("/2.3/questions", params=asked_for())
        assert client.get("/2.3/questions", params=asked_for(page=2)).status_code == 400


def test_stackexchange_refuses_every_call_when_the_quota_is_used_up() -> None:
    with asking(StackExchange(Clock(start=NOON), quota=1), broken_rules=True) as (client, _):
        assert client.get("/2.3/questions", params=asked_for()).json()["quota_remaining"] == 0
        refused = client.get("/2.3/questions/7", params=asked_for())
    assert refused.status_code == 400
    assert refused.json()["error_message"].startswith("too many requests from this IP, more requests available in 43")


def test_stackexchange_wants_no_request_twice_within_a_minute() -> None:
    with asking(StackExchange(), broken_rules=True) as (client, _):
        for _ in range(2):
            client.get("/2.3/questions", params=asked_for())


def test_a_request_that_failed_may_be_made_again() -> None:
    with asking(StackExchange()) as (client, server):
        server.faults.script("/2.3", Reply(status=500))
        assert [client.get("/2.3/questions", params=asked_for()).status_code for _ in range(2)] == [500, 200]


def test_stackexchange_bans_who_asks_more_than_thirty_times_a_second() -> None:
    with asking(StackExchange(Clock(0.01)), broken_rules=True) as (client, _):
        answers = [client.get("/2.3/questions", params=asked_for(page=page)) for page in range(1, 33)]
    assert answers[30].headers["Content-Type"] == "text/html"
    assert answers[31].status_code == 400


# Reddit


def posts(count: int, subreddit: str = "tools") -> list[dict[str, Any]]:
    return [post(f"p{each}", subreddit, f"Post {each}", created=NOON + each) for each in range(count)]


@contextmanager
def signed_in(upstream: Reddit, broken_rules: bool = False) -> Iterator[httpx.Client]:
    with asking(upstream, broken_rules) as (client, _):
        client.headers["Authorization"] = f"bearer {token(client)['access_token']}"
        yield client


def token(client: httpx.Client, credentials: tuple[str, str] = ("id", "secret")) -> Any:
    form = {"grant_type": "client_credentials"}
    return client.post("/api/v1/access_token", data=form, auth=credentials).json()


def names(answer: httpx.Response) -> list[str]:
    return [child["data"]["name"] for child in answer.json()["data"]["children"]]


def test_reddit_gives_a_token_to_who_knows_the_secret() -> None:
    with asking(Reddit()) as (client, _):
        assert token(client)["expires_in"] == 86_400
        assert token(client, ("id", "guessed")) == {"message": "Unauthorized", "error": 401}


def test_reddit_knows_no_token_that_has_expired() -> None:
    with signed_in(Reddit(Clock(60), posts(1), expires_in=3)) as client:
        time.sleep(0.06)
        answer = client.get("/r/tools/new")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_reddit_lists_the_newest_first_page_after_page() -> None:
    with signed_in(Reddit(posts=posts(5))) as client:
        first = client.get("/r/Tools/new", params={"limit": 3})
        second = client.get("/r/Tools/new", params={"limit": 3, "after": first.json()["data"]["after"]})
    assert names(first) + names(second) == ["t3_p4", "t3_p3", "t3_p2", "t3_p1", "t3_p0"]
    assert second.json()["data"]["after"] is None


def test_reddit_lists_no_more_than_about_a_thousand() -> None:
    with signed_in(Reddit(posts=posts(12), depth=10)) as client:
        answer = client.get("/r/tools/new", params={"limit": 100})
    assert len(names(answer)) == 10
    assert answer.json()["data"]["after"] is None


def test_reddit_tells_its_limits_in_floats_and_seconds_left() -> None:
    with signed_in(Reddit(Clock(start=NOON), posts(1))) as client:
        headers = client.get("/r/tools/new").headers
    assert (headers["x-ratelimit-remaining"], headers["x-ratelimit-used"]) == ("999.0", "1")
    assert 590 < int(headers["x-ratelimit-reset"]) <= 600


def test_reddit_refuses_calls_over_its_limit_until_the_window_ends() -> None:
    with signed_in(Reddit(posts=posts(1), calls=1), broken_rules=True) as client:
        assert [client.get("/r/tools/new").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    ("path", "status"), [("/r/secret/new", 403), ("/r/bad/new", 404), ("/r/none/new", 404), ("/r/none/search", 302)]
)
def test_reddit_has_its_reasons_to_list_nothing(path: str, status: int) -> None:
    with signed_in(Reddit(private=["secret"], banned=["bad"])) as client:
        assert client.get(path).status_code == status


def test_reddit_answers_a_generic_user_agent_with_a_page() -> None:
    with asking(Reddit()) as (client, _):
        answer = client.get("/r/tools/new", headers={"User-Agent": "python-httpx/0.28"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (429, "text/html; charset=UTF-8")


def test_reddit_escapes_texts_unless_asked_for_raw_ones() -> None:
    with signed_in(Reddit(posts=[post("a", "tools", "a < b & c", created=NOON)])) as client:
        titles = [
            client.get("/r/tools/new", params=params).json()["data"]["children"][0]["data"]["title"]
            for params in ({}, {"raw_json": 1})
        ]
    assert titles == ["a &lt; b &amp; c", "a < b & c"]


def test_reddit_blanks_what_was_deleted_or_removed() -> None:
    upstream = Reddit(posts=posts(2))
    upstream.delete("p0")
    upstream.remove("p1")
    with signed_in(upstream) as client:
        new, old = (child["data"] for child in client.get("/r/tools/new").json()["data"]["children"])
    assert (old["author"], old["selftext"], "author_fullname" in old) == ("[deleted]", "[deleted]", False)
    assert (new["selftext"], new["removed_by_category"]) == ("[removed]", "moderator")


def test_reddit_gives_up_to_a_hundred_posts_by_their_ids() -> None:
    upstream = Reddit(posts=posts(3))
    upstream.forget("p1")
    with signed_in(upstream) as client:
        found = client.get("/api/info", params={"id": "t3_p2,t3_p1,t3_p0,t3_none"})
        refused = client.get("/api/info", params={"id": ",".join(f"t3_{each}" for each in range(101))})
    assert (names(found), refused.status_code) == (["t3_p2", "t3_p0"], 400)


# Hacker News


def search(client: httpx.Client, **params: Any) -> Any:
    return client.get("/api/v1/search_by_date", params={"hitsPerPage": 1000, **params}).json()


def test_hackernews_leaves_out_what_is_null() -> None:
    with asking(HackerNews(items=[story(1, "Ask HN: Why?", created=NOON)])) as (client, _):
        hit = search(client)["hits"][0]
    assert hit["objectID"] == "1"
    assert {"url", "story_text", "comment_text", "parent_id"}.isdisjoint(hit)


def test_hackernews_compares_times_as_told() -> None:
    world = [story(each, "A story", created=NOON + each) for each in range(5)]
    with asking(HackerNews(items=world)) as (client, _):
        found = search(client, numericFilters=f"created_at_i>={NOON + 1},created_at_i<{NOON + 3}")
    assert [hit["objectID"] for hit in found["hits"]] == ["2", "1"]


def test_hackernews_finds_by_tags() -> None:
    world = [
        story(1, "Ask HN: Why?", created=NOON, by="ann"),
        story(2, "Show HN: This", created=NOON),
        comment(3, 1, "Since.", created=NOON),
    ]
    with asking(HackerNews(items=world)) as (client, _):
        found = [
            {hit["objectID"] for hit in search(client, tags=tags)["hits"]}
            for tags in ("story", "story,ask_hn", "(ask_hn,show_hn)", "story_1", "author_ann")
        ]
    assert found == [{"1", "2"}, {"1"}, {"1", "2"}, {"1", "3"}, {"1"}]


def test_hackernews_reaches_no_more_than_its_wall_whatever_the_page() -> None:
    world = [story(each, "A story", created=NOON + each) for each in range(25)]
    with asking(HackerNews(items=world, wall=10)) as (client, _):
        first, second = (search(client, page=page, hitsPerPage=10) for page in (0, 1))
    assert (first["nbHits"], first["nbPages"], len(first["hits"]), second["hits"]) == (25, 1, 10, [])


@pytest.mark.parametrize(
    "wrong", [{"hitsPerPage": 1001}, {"page": "next"}, {"numericFilters": "created_at>1"}, {"numericFilters": "points"}]
)
def test_hackernews_refuses_with_its_own_error(wrong: dict[str, Any]) -> None:
    with asking(HackerNews()) as (client, _):
        assert search(client, **wrong)["status"] == 400


def test_hackernews_counts_its_calls_an_hour() -> None:
    with asking(HackerNews(calls=1), broken_rules=True) as (client, _):
        search(client)
        assert search(client, page=1)["status"] == 429
        assert client.get("/v0/maxitem.json").status_code == 200


def test_firebase_knows_before_the_search_what_is_gone() -> None:
    upstream = HackerNews(items=[story(each, "A story", created=NOON) for each in (1, 2, 3, 4)])
    upstream.delete(1)
    upstream.kill(2)
    upstream.forget(3)
    with asking(upstream) as (client, _):
        deleted, dead, nothing, kept = (client.get(f"/v0/item/{each}.json").json() for each in (1, 2, 3, 4))
        assert search(client)["nbHits"] == 4
        upstream.reindex()
        assert search(client)["nbHits"] == 1
        assert set(client.get("/v0/updates.json").json()["items"]) == {1, 2, 3}
    assert (deleted["deleted"], "title" in deleted, dead["dead"], nothing) == (True, False, True, None)
    assert kept["title"] == "A story"


def test_hackernews_gives_an_item_with_all_below_it() -> None:
    world = [story(1, "A story", created=NOON, kids=[2]), comment(2, 1, "Yes.", created=NOON)]
    with asking(HackerNews(items=world)) as (client, _):
        whole = client.get("/api/v1/items/1").json()
        assert client.get("/api/v1/items/9").status_code == 404
    assert (whole["id"], whole["children"][0]["text"], whole["children"][0]["story_id"]) == (1, "Yes.", 1)


# The sample


@pytest.mark.parametrize(
    ("source", "addresses"),
    [
        ("stackoverflow", lambda: [each["link"] for each in sample.questions()]),
        ("reddit", lambda: [each["url"] for each in sample.reddit_posts()]),
        ("hackernews", lambda: [f"https://news.ycombinator.com/item?id={each['id']}" for each in sample.stories()]),
        (
            "github",
            lambda: [
                f"https://github.com/{each.repo}/issues/{each.number}"
                for each in sample.issues()
                if "good first issue" not in each.labels
            ],
        ),
    ],
)
def test_the_addresses_of_the_sample_come_out_as_they_are(source: str, addresses: Callable[[], list[str]]) -> None:
    assert addresses() == [line["url"] for line in sample.posts(source)]


def test_every_project_of_the_sample_is_a_repository_with_an_id_of_its_own() -> None:
    found = {each.id: each.full_name for each in sample.repositories()}
    assert {line["full_name"] for line in sample.lines("projects.jsonl")} <= set(found.values())
    assert len(found) == len(sample.repositories())


def test_people_starred_repositories_that_are_there() -> None:
    there = {each.full_name for each in sample.repositories()}
    assert {name for rows in sample.stars().values() for name, _ in rows} <= there


# All of them, by hand


def test_all_servers_start_by_one_command_and_tell_their_addresses() -> None:
    command = [sys.executable, "-m", "engine.testing", "--clock", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as servers:
        assert servers.stdout
        told = dict(line.strip().split("=", 1) for line in iter(servers.stdout.readline, "\n"))
        answer = httpx.get(told["HACKERNEWS_FIREBASE_URL"] + "/maxitem.json", headers=AGENT)
        servers.terminate()
        assert "source=hackernews asked=1 violations=0" in servers.stdout.read()
    assert (answer.status_code, servers.returncode, told["ALLOW_PRIVATE_UPSTREAMS"]) == (200, 0, "1")

"""What the sources do wrong, through the real runner and gate: a day is never complete too soon, and loses nothing."""

import gzip
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import timedelta
from email.utils import formatdate
from functools import partial
from itertools import pairwise

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from engine import runs
from engine.http import Client
from engine.models import Fetch, Run, Upstream
from engine.pipeline import Scope
from engine.testing import hackernews, stackexchange
from engine.testing.github import GitHub, Issue, Repo
from engine.testing.limits import InFlight
from engine.testing.reddit import Reddit, post
from engine.testing.serving import Asked, Clock, Reply, Server
from issues.models import Keyword, RawItem
from issues.pipeline import ISSUES
from issues.tests import upstreams
from issues.tests.factories import DAY
from issues.tests.upstreams import SECRET, START, at, collect, only_feeds

pytestmark = pytest.mark.django_db

PAGES = {"hackernews": "/api/", "stackoverflow": "/2.3/", "reddit": "/r/", "github": "/search/"}
FEEDS = {"hackernews": "story", "stackoverflow": "csv", "reddit": "SaaS"}
SIGN_IN = Reply(b"<!doctype html><html><body>Sign in</body></html>", headers={"Content-Type": "text/html"})
HASTY = 600  # how many times faster a clock runs where even a minute would take a test too long
BROKEN = Reply(b"<html>", 502)


def make(source: str, count: int = 1) -> upstreams.Upstream:
    """A world with so many posts on the day, a minute apart at most."""
    moments = [at(seconds=86_000 * number / count) for number in range(count)]
    numbered = list(enumerate(moments, 1))
    if source == "stackoverflow":
        return upstreams.questions(*moments)
    if source == "hackernews":
        stories = [hackernews.story(number, f"Tool {number}", created=when) for number, when in numbered]
        return hackernews.HackerNews(Clock(upstreams.TIMES), stories)
    if source == "reddit":
        rows = [post(f"a{number}", "SaaS", f"Tool {number}", created=when) for number, when in numbered]
        before = post("a0", "SaaS", "The day before", created=at(days=-1))
        return Reddit(Clock(upstreams.TIMES), [before, *rows], credentials=("app", SECRET))
    issues = [
        Issue("acme/reports", number, f"Tool {number} times out", created_at=START + timedelta(seconds=when - at()))
        for number, when in numbered
    ]
    return GitHub(Clock(upstreams.TIMES), [Repo(1, "acme/reports")], issues)


@pytest.fixture
def serve():
    """Serves a source; leaving the test fails where a call came too early."""
    entered = []

    def started(source: str, world: upstreams.Upstream, times: int = upstreams.TIMES) -> Server:
        if source in FEEDS:
            only_feeds(source, FEEDS[source])
        Keyword.objects.exclude(text="times out").delete()
        world.clock = Clock(times, world.clock.now())
        entered.append(upstreams.served(source, world))
        server = entered[-1].__enter__()
        entered.append(override_settings(TIMING=upstreams.replace(upstreams.settings.TIMING, upstream=1 / times)))
        entered[-1].__enter__()
        return server

    yield started
    for each in reversed(entered):
        each.__exit__(None, None, None)


def until_done(source: str, world: upstreams.Upstream, turns: int = 8) -> Run:
    """The day, again and again as after the pauses that its questions have to keep."""
    for _ in range(turns):
        done = collect(source)
        if done.state != Run.State.WAITING:
            break
        assert done.postponed, done.error
        after_the_pause(world)
    return done


def after_the_pause(world: upstreams.Upstream) -> None:
    """When the questions may be asked again, by the clock of the source too."""
    Fetch.objects.update(next_attempt_at=None)
    world.clock.start += 60


def asked_pages(server: Server, source: str) -> list[Asked]:
    return [each for each in server.asked if each.path.startswith(PAGES[source])]


def pauses(asked: list[Asked]) -> list[float]:
    """Seconds between the requests, by the clock of the source."""
    return [later.at - earlier.at for earlier, later in pairwise(asked)]


def stands(run: Run) -> tuple[str, int, int]:
    """waiting is no failure: no attempt of the run, no fault of a question."""
    return run.state, run.attempts, max(Fetch.objects.values_list("attempts", flat=True), default=0)


# F13: limits that name their time, or do not


def in_seconds(world: upstreams.Upstream, seconds: float) -> str:
    return formatdate(world.clock.now() + seconds, usegmt=True)


@pytest.mark.parametrize("source", PAGES)
@pytest.mark.parametrize(("named", "least"), [("7", 7), ("date", 7), ("-1", 60)])
def test_a_short_window_is_waited_out_by_asking_nothing(serve, source, named, least):
    world = make(source)
    server = serve(source, world, HASTY)

    def limited(asked: Asked) -> Reply:
        told = in_seconds(world, 8) if named == "date" else named
        return Reply({"message": "slow down"}, 429, {"Retry-After": told} if told else {})

    server.faults.script(PAGES[source], limited)
    done = collect(source)
    assert (done.state, RawItem.objects.count()) == (Run.State.DONE, 1)
    assert pauses(asked_pages(server, source))[0] >= least


@pytest.mark.parametrize("source", PAGES)
@pytest.mark.parametrize(("named", "seconds"), [("1000000000", 3600), ("date", 1800)])
def test_a_long_window_makes_the_run_wait_for_an_hour_at_most(serve, source, named, seconds):
    world = make(source)
    server = serve(source, world)
    told = in_seconds(world, 1800) if named == "date" else named
    server.faults.script(PAGES[source], Reply({"message": "slow down"}, 429, {"Retry-After": told}))
    waits = collect(source)
    assert stands(waits) == (Run.State.WAITING, 0, 0)
    assert waits.next_attempt_at
    left = (waits.next_attempt_at - timezone.now()).total_seconds() * upstreams.TIMES
    assert seconds - 120 < left <= seconds + 1
    assert stands(collect(source)) == (Run.State.WAITING, 0, 0)
    assert len(asked_pages(server, source)) == 1


@pytest.mark.parametrize("source", PAGES)
def test_a_source_that_limits_without_end_is_no_fault_of_the_question(serve, source):
    server = serve(source, make(source), HASTY)
    server.faults.script(PAGES[source], Reply({"message": "slow down"}, 429, {"Retry-After": "1"}), times=None)
    for _ in range(6):
        assert stands(collect(source)) == (Run.State.WAITING, 0, 0)
    server.faults.clear()
    assert until_done(source, server.upstream).state == Run.State.DONE
    assert RawItem.objects.count() == 1


@pytest.mark.parametrize("source", PAGES)
def test_a_window_that_a_failing_source_names_is_kept_too(serve, source):
    server = serve(source, make(source), HASTY)
    server.faults.script(PAGES[source], Reply(b"<html>", 502, {"Retry-After": "40"}))
    done = until_done(source, server.upstream)
    assert (done.state, RawItem.objects.count()) == (Run.State.DONE, 1)
    assert pauses(asked_pages(server, source))[0] >= 40


# F14: GitHub's two limits


def test_a_secondary_limit_without_a_time_is_left_a_minute_and_then_twice_as_long(serve):
    world = make("github")
    server = serve("github", world, HASTY)
    world.tire(times=3)
    assert collect("github").state == Run.State.DONE
    assert [gap >= least for gap, least in zip(pauses(server.asked), (60, 120, 240), strict=True)] == [True] * 3


def test_a_reset_is_honoured_within_two_seconds(serve):
    world = make("github")
    server = serve("github", world, 10)

    def spent(asked: Asked) -> Reply:
        told = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{int(world.clock.now()) + 6}"}
        return Reply({"message": "API rate limit exceeded"}, 403, told)

    server.faults.script(PAGES["github"], spent)
    assert collect("github").state == Run.State.DONE
    assert 5 <= pauses(server.asked)[0] <= 8


# F15: less than there is


def test_incomplete_results_are_split_and_never_complete(serve):
    world = make("github", 12)
    server = serve("github", world, HASTY)
    world.cut_short = 10**6
    waits = collect("github")
    assert waits.state == Run.State.WAITING
    assert not Fetch.objects.filter(state=Fetch.State.COMPLETE).exists()
    world.cut_short = 0
    assert until_done("github", server.upstream).state == Run.State.DONE
    assert RawItem.objects.count() == 12


def test_results_that_stay_incomplete_leave_the_day_in_part(serve):
    world = make("github", 3)
    server = serve("github", world, HASTY)
    world.cut_short = 10**6
    assert until_done("github", server.upstream).state == Run.State.PARTLY
    assert set(Fetch.objects.values_list("state", flat=True)) == {Fetch.State.SPLIT, Fetch.State.LEFT}
    assert set(Fetch.objects.filter(state="left").values_list("reason", flat=True)) == {"incomplete results"}


def test_more_hits_than_a_search_shows_are_all_found(serve):
    server = serve("github", make("github", 1_040), HASTY)
    assert collect("github").state == Run.State.DONE
    assert (RawItem.objects.count(), Fetch.objects.filter(state=Fetch.State.SPLIT).count()) == (1_040, 1)
    assert len(server.asked) < 20


# F16: StackExchange says it in the body


def test_after_a_backoff_the_method_is_quiet_for_so_long(serve):
    world = make("stackoverflow", 150)
    server = serve("stackoverflow", world, HASTY)
    world.back_off(10)
    assert collect("stackoverflow").state == Run.State.DONE
    assert pauses(server.asked)[0] >= 10


@pytest.mark.parametrize("status", [400, 502])
def test_a_throttle_violation_makes_the_run_wait_as_long_as_it_says(serve, status):
    server = serve("stackoverflow", make("stackoverflow"))
    said = "too many requests from this IP, more requests available in 17524 seconds"
    body = {"error_id": 502, "error_name": "throttle_violation", "error_message": said}
    server.faults.script(PAGES["stackoverflow"], Reply(body, status))
    waits = collect("stackoverflow")
    assert stands(waits) == (Run.State.WAITING, 0, 0)
    assert waits.next_attempt_at
    left = (waits.next_attempt_at - timezone.now()).total_seconds() * upstreams.TIMES
    assert left == pytest.approx(17_524, abs=120)


def test_a_spent_quota_is_waited_for_until_the_next_day(serve):
    rows = upstreams.questions(at(hours=1)).questions.values()
    night = at(days=3, hours=23, minutes=30)
    world = stackexchange.StackExchange(Clock(upstreams.TIMES, night), rows, quota=7)
    server = serve("stackoverflow", world)
    only_feeds("stackoverflow", "csv", "excel", "pdf", "xlsx")
    assert stands(collect("stackoverflow")) == (Run.State.WAITING, 0, 0)
    asked = len(server.asked)
    Upstream.objects.update(quiet_until=None)  # that night is over
    world.clock = Clock(upstreams.TIMES, at(days=4, minutes=1))
    assert collect("stackoverflow").state == Run.State.DONE
    assert (asked, len(server.asked)) == (2, 4)


# F17: what is no post, and what is no page


def test_hits_that_are_null_or_deleted_are_counted_and_the_rest_is_kept(serve):
    world = make("hackernews")
    server = serve("hackernews", world)

    def with_others(asked: Asked) -> Reply:
        body = world.answer(asked).body
        return Reply({**body, "hits": [None, {"objectID": "7", "deleted": True}, *body["hits"]], "nbHits": 3})

    server.faults.script(PAGES["hackernews"], with_others)
    done = collect("hackernews")
    skipped = {name: count for name, count in done.counts["collect"].items() if name.startswith("skipped")}
    assert (done.state, RawItem.objects.count(), sum(skipped.values())) == (Run.State.DONE, 1, 2)


def test_posts_that_were_taken_back_are_counted_and_the_rest_is_kept(serve):
    world = make("reddit", 3)
    serve("reddit", world)
    world.delete("a1")
    world.remove("a2")
    done = collect("reddit")
    assert (done.state, done.counts["collect"]["skipped_removed"], RawItem.objects.count()) == (Run.State.DONE, 2, 1)


@pytest.mark.parametrize("source", PAGES)
def test_a_day_without_posts_is_complete(serve, source):
    serve(source, make(source, 0))
    assert (collect(source).state, RawItem.objects.count()) == (Run.State.DONE, 0)


def test_a_page_for_people_that_refuses_is_no_refusal_of_reddit(serve):
    server = serve("reddit", make("reddit"), HASTY)
    server.faults.script(PAGES["reddit"], Reply(SIGN_IN.body, 403, SIGN_IN.headers))
    assert collect("reddit").state == Run.State.WAITING
    assert until_done("reddit", server.upstream).state == Run.State.DONE
    assert RawItem.objects.count() == 1


# F17, F18, F19: a page in the middle that cannot be read, or does not come


PAGE = b'{"items": [{"title": "It sto'
UNREADABLE = {
    "sign in": SIGN_IN,
    "nothing": Reply(b""),
    "truncated JSON": Reply(PAGE),
    "too long a Content-Length": Reply(PAGE, headers={"Content-Length": "9000"}, cut=len(PAGE)),
    "too short a Content-Length": Reply(b'{"items": [], "has_more": false}', headers={"Content-Length": "9"}),
    "gzip garbage": Reply(b"\x1f\x8b\x08garbage", headers={"Content-Encoding": "gzip"}),
    "half of a gzip": Reply(gzip.compress(PAGE * 90)[:-30], headers={"Content-Encoding": "gzip"}),
    "plain said to be gzip": Reply(b'{"items": []}', headers={"Content-Encoding": "gzip"}),
    "unknown packing": Reply(b"x", headers={"Content-Encoding": "br"}),
    "invalid UTF-8": Reply(b'{"items": ["\xff\xfe"], "has_more": false}'),
    "deep": Reply(b"[" * 200_000),
    "breaks off": Reply(PAGE * 100, cut=900),
    "reset": Reply(reset=True),
    "500": Reply(b"", 500),
    "503": Reply(SIGN_IN.body, 503),
    "504": BROKEN,
    "header of a megabyte": Reply(b"{}", 500, headers={"X-Long": "y" * 1_000_000}),
}


@pytest.mark.parametrize("fault", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_page_that_cannot_be_read_is_asked_for_again_from_where_it_stood(serve, fault):
    world = make("stackoverflow", 150)
    server = serve("stackoverflow", world, HASTY)
    server.faults.script(PAGES["stackoverflow"], world.answer, fault)
    seen = []
    for _ in range(3):
        seen.append(collect("stackoverflow"))
        if seen[-1].state == Run.State.DONE:
            break
        stands = Fetch.objects.get()
        assert (stands.state, stands.pages, bool(stands.cursor), RawItem.objects.count()) == ("open", 1, True, 100)
        after_the_pause(world)
    assert (seen[-1].state, RawItem.objects.count(), len(server.asked)) == (Run.State.DONE, 150, 3)


@pytest.mark.parametrize("source", [source for source in PAGES if source != "hackernews"])
@pytest.mark.parametrize("fault", [SIGN_IN, Reply(PAGE), Reply(reset=True)], ids=["sign in", "truncated", "reset"])
def test_what_is_no_page_ends_no_day(serve, source, fault):
    server = serve(source, make(source), HASTY)
    server.faults.script(PAGES[source], fault)
    assert (until_done(source, server.upstream).state, RawItem.objects.count()) == (Run.State.DONE, 1)
    assert len(asked_pages(server, source)) == 2


# F18: nobody there


@pytest.mark.parametrize("fault", [BROKEN, Reply(reset=True)], ids=["502", "reset"])
def test_a_source_that_is_down_is_tried_five_times_and_then_once_a_minute(serve, fault):
    server = serve("hackernews", make("hackernews"), HASTY)
    server.faults.script(PAGES["hackernews"], fault, times=None)
    assert (collect("hackernews").state, len(server.asked)) == (Run.State.WAITING, 5)
    Fetch.objects.update(next_attempt_at=None)
    collect("hackernews")
    assert [gap for gap in pauses(server.asked)[4:] if gap < 60] == []
    assert len(set(pauses(server.asked)[:4])) == 4  # spread, not in step


@pytest.mark.parametrize("address", ["https://{}", "http://nowhere.invalid", "http://127.0.0.1:9"])
def test_a_source_that_cannot_be_connected_to_makes_the_run_wait(serve, address):
    server = serve("hackernews", make("hackernews"), HASTY)
    with override_settings(HACKERNEWS_API_URL=address.format(server.url.partition("://")[2])):
        waits = collect("hackernews")
    assert (waits.state, waits.attempts, waits.postponed) == (Run.State.WAITING, 0, True)
    assert len(waits.error) < 300
    assert until_done("hackernews", server.upstream).state == Run.State.DONE


# F20: what never ends, or is too much


def chunks() -> Reply:
    """A body in parts of a byte, without a last one."""
    return Reply(b"1\r\n \r\n" * 9_999, headers={"Transfer-Encoding": "chunked"}, drip=0.01)


def bomb() -> bytes:
    """100 MB in 100 kB, made without ever holding them."""
    pack = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join([*(pack.compress(b" " * 100_000) for _ in range(1_000)), pack.flush()])


@pytest.mark.parametrize(
    "fault",
    [Reply(delay=9), Reply(b" " * 9_999, drip=0.01), chunks()],
    ids=["silence", "a byte at a time", "no last chunk"],
)
def test_what_never_ends_is_given_up_at_the_deadline(serve, fault, monkeypatch):
    monkeypatch.setattr("engine.collecting.Client", partial(Client, deadline=0.3))
    server = serve("hackernews", make("hackernews"), HASTY)
    server.faults.script(PAGES["hackernews"], fault)
    waits = collect("hackernews")
    assert (waits.state, "did not answer within 0.3 s" in waits.error, len(server.asked)) == ("waiting", True, 1)
    assert until_done("hackernews", server.upstream).state == Run.State.DONE


@pytest.mark.parametrize("packed", [True, False], ids=["bomb", "long body"])
def test_too_much_is_not_read_to_its_end(serve, packed):
    body = bomb() if packed else b" " * 11_000_000
    server = serve("hackernews", make("hackernews"), HASTY)
    server.faults.script(PAGES["hackernews"], Reply(body, headers={"Content-Encoding": "gzip"} if packed else {}))
    tracemalloc.start()
    waits = collect("hackernews")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (waits.state, "longer than 10,000,000 bytes" in waits.error) == (Run.State.WAITING, True)
    assert peak < 64_000_000


def test_too_many_small_parts_are_not_read(serve):
    server = serve("hackernews", make("hackernews"), HASTY)
    body = gzip.compress(b'{"nbHits": 1, "hits": [' + b"{}," * 3_000_000 + b"{}]}")
    server.faults.script(PAGES["hackernews"], Reply(body, headers={"Content-Encoding": "gzip"}))
    tracemalloc.start()
    waits = collect("hackernews")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (waits.state, "more than 500,000 parts" in waits.error) == (Run.State.WAITING, True)
    assert peak < 64_000_000


# F21: pages that lead nowhere, repeat themselves or move


def test_questions_without_end_are_left_and_kept_once(serve):
    world = make("stackoverflow", 5)
    server = serve("stackoverflow", world, HASTY)
    endless = lambda asked: stackexchange.packed({**stackexchange.content(world.answer(asked)), "has_more": True})  # noqa: E731
    server.faults.script(PAGES["stackoverflow"], endless, times=None)
    assert until_done("stackoverflow", world).state == Run.State.PARTLY
    assert RawItem.objects.count() == 5
    assert not Fetch.objects.filter(state=Fetch.State.COMPLETE).exists()
    assert len(server.asked) <= 5 * 27


@pytest.mark.parametrize("empty", [True, False], ids=["empty", "the same"])
def test_listings_without_end_are_left_and_kept_once(serve, empty):
    world = make("reddit", 3)
    server = serve("reddit", world, HASTY)

    def endless(asked: Asked) -> Reply:
        body = world.answer(asked).body if not asked.query.get("after") else {"kind": "Listing", "data": {}}
        rows = [post(f"a{number}", "SaaS", f"Tool {number}", created=at(hours=number)) for number in range(1, 4)]
        children = [] if empty else [{"kind": "t3", "data": row} for row in rows]
        return Reply({**body, "data": {"after": "t3_a2", "children": children}})

    server.faults.script(PAGES["reddit"], endless, times=None)
    until_done("reddit", server.upstream)
    assert RawItem.objects.count() == (0 if empty else 3)
    assert not Fetch.objects.filter(state=Fetch.State.COMPLETE).exists()
    assert len(asked_pages(server, "reddit")) <= 5 * 500


def moved(source: str, world: upstreams.Upstream) -> None:
    """What the source does between two pages of a list."""
    if source == "stackoverflow":
        world.delete(3)
    elif source == "github":
        world.delete_issue("acme/reports", 3)
    else:
        world.add(post("zz", "SaaS", "A newer one", created=at(days=1, hours=1)))


@pytest.mark.parametrize("source", ["stackoverflow", "github", "reddit"])
def test_items_that_move_between_two_pages_are_neither_lost_nor_doubled(serve, source):
    world = make(source, 150)
    server = serve(source, world, HASTY)

    def first(asked: Asked) -> Reply:
        reply = world.answer(asked)
        moved(source, world)
        return reply

    server.faults.script(PAGES[source], first)
    assert until_done(source, server.upstream).state == Run.State.DONE
    assert len(set(RawItem.objects.values_list("url_hash", flat=True))) == RawItem.objects.count() == 150


def test_a_listing_that_lost_the_post_to_go_on_from_is_read_anew(serve):
    world = make("reddit", 150)
    server = serve("reddit", world, HASTY)

    def first(asked: Asked) -> Reply:
        reply = world.answer(asked)
        del world.posts[reply.body["data"]["after"].removeprefix("t3_")]
        return reply

    server.faults.script(PAGES["reddit"], first)
    assert collect("reddit").state == Run.State.WAITING
    assert not Fetch.objects.filter(state=Fetch.State.COMPLETE).exists()
    assert until_done("reddit", server.upstream).state == Run.State.DONE
    assert RawItem.objects.count() == 150  # the one that is gone was read before


# Two at once


def together(*work: Callable[[], object]) -> list[object]:
    """What came of each, in a thread with a connection of its own."""
    came: list[object] = [None] * len(work)

    def one(place: int) -> None:
        try:
            came[place] = work[place]()
        except Exception as error:  # noqa: BLE001  told, and not lost in its thread
            came[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return came


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("source", PAGES)
def test_two_workers_on_two_days_of_a_source_never_ask_at_once_nor_in_a_window(serve, source):
    world = make(source, 8)
    world.in_flight = InFlight(1)
    server = serve(source, world, HASTY)
    number = [0]

    def third(asked: Asked) -> bool:
        number[0] += asked.path.startswith(PAGES[source])
        return number[0] % 3 == 0 and asked.path.startswith(PAGES[source])

    if source in FEEDS:
        only_feeds(source, FEEDS[source], *[f"other{at}" for at in range(3)])
    tired = [Reply({"message": "slow down"}, 429, {"Retry-After": "20"}), Reply({"message": "slow down"}, 429)]
    server.faults.script(third, *tired, times=2)
    days = [partial(runs.run, ISSUES, Scope(day=DAY + timedelta(days=ahead), source=source)) for ahead in (0, 1)]
    states = [getattr(each, "state", each) for each in together(*days)]
    assert set(states) <= {Run.State.DONE, Run.State.PARTLY}
    assert RawItem.objects.count() == 8

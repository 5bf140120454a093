"""What every collector keeps to, whatever it collects. A test class of a collector inherits these tests."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import pytest

from engine.http import Gate, HttpError, Limit, Unreadable
from engine.records import Collector, Page
from engine.testing.serving import Asked, Reply, Server, Upstream

MOST_REQUESTS = 400  # after which a collector is thought to go in circles
PAGE_FOR_PEOPLE = b"<!doctype html><html><body><h1>Please sign in</h1></body></html>"
NO_PAGES = {
    "html": PAGE_FOR_PEOPLE,
    "half": b'{"items": [{"title": "It sto',
    "nothing": b"",
    "bytes": b"\xff\xfe\x00{",
    "null": b"null",
    "list": b"[]",
    "other": b'{"message": "Welcome"}',
    "number": b"17",
    "wrong": b'{"items": 3, "hits": "many", "data": [], "kind": 7, "total_count": "x", "has_more": "yes"}',
}


class Listening:
    """A gate that lets everybody through and remembers what it was told."""

    def __init__(self) -> None:
        self.entered: list[tuple[str, float]] = []
        self.told: list[Limit] = []

    def enter(self, host: str, lane: str, per_minute: float, longest: float) -> None:
        self.entered.append((lane, per_minute))

    def leave(self, host: str, lane: str, limit: Limit | None, failed: str) -> None:
        self.told += [limit] if limit else []


def walk(collector: Collector[Any], query: str) -> Iterator[tuple[str, str, Page[Any]]]:
    """Each page of a question and of those that it is asked by instead: question, cursor, page."""
    waiting = [(query, "")]
    for _ in range(MOST_REQUESTS):
        if not waiting:
            return
        asked, cursor = waiting.pop(0)
        page = collector.page(asked, cursor)
        yield asked, cursor, page
        waiting += [(asked, page.next)] if page.next else []
        waiting += [(each, "") for each in page.narrower]
    raise AssertionError(f"more than {MOST_REQUESTS} requests")


class CollectorContract:
    """A subclass says how its upstream, its collector and the rows of its pages look.

    query: a question whose records fill more than one page; path: of the requests that give pages; good: a row that
    is a record; hostile: rows that are none; limited: replies that speak of a limit, with the seconds they name, None
    for none; secrets: what the collector authenticates with.
    """

    query: ClassVar[str]
    path: ClassVar[str]
    good: ClassVar[Any]
    hostile: ClassVar[Sequence[Any]] = ()
    limited: ClassVar[Sequence[tuple[Reply, float | None]]] = ()
    secrets: ClassVar[Sequence[str]] = ()

    def upstream(self) -> Upstream:
        """With a world of records for `query`."""
        raise NotImplementedError

    def expected(self, upstream: Any) -> set[str]:
        """What `identity` says of each record that the world holds for `query`."""
        raise NotImplementedError

    def identity(self, record: Any) -> str:
        raise NotImplementedError

    def collector(self, url: str, gate: Gate | None = None) -> Collector[Any]:
        """One that tries each request once."""
        raise NotImplementedError

    def page_with(self, rows: Sequence[Any]) -> Any:
        """The body of an answer that holds those rows, the only page there is."""
        raise NotImplementedError

    @contextmanager
    def served(self) -> Iterator[Server]:
        with Server(self.upstream()) as server:
            yield server
            server.upstream.violations.clear()  # of scripted answers and of questions that a test repeats

    def answered(self, *replies: Any) -> Page[Any]:
        """The page that comes of those answers."""
        with self.served() as server:
            server.faults.script(self.path, *replies, times=None)
            return self.collector(server.url).page(self.query, "")

    def test_the_pages_end_and_hold_everything(self):
        with Server(self.upstream()) as server:
            pages = [page for _, _, page in walk(self.collector(server.url), self.query)]
            records = [record for page in pages for record in page.records]
            assert {self.identity(record) for record in records} == self.expected(server.upstream)
        assert len(pages) > 1
        assert not any(page.left or page.skipped for page in pages)

    def test_a_cursor_goes_on_where_another_collector_ended(self):
        with self.served() as server:
            pages = list(walk(self.collector(server.url), self.query))
            for query, cursor, page in pages:
                assert self.collector(server.url).page(query, cursor) == page

    def test_what_is_asked_twice_is_told_twice(self):
        with self.served() as server:
            first, second = (list(walk(self.collector(server.url), self.query)) for _ in range(2))
        assert first == second

    @pytest.mark.parametrize("body", NO_PAGES.values(), ids=NO_PAGES.keys())
    def test_what_is_no_page_is_never_an_empty_one(self, body):
        with pytest.raises(Unreadable):
            self.answered(Reply(body))

    def test_an_answer_that_breaks_off_is_no_page(self):
        with pytest.raises(HttpError):
            self.answered(Reply(self.page_with([self.good]), cut=20))

    def test_a_row_that_is_a_record_is_kept_beside_others_that_are_none(self):
        page = self.answered(Reply(self.page_with([*self.hostile, self.good])))
        assert len(page.records) == 1
        assert sum(page.skipped.values()) == len(self.hostile)

    def test_reasons_are_few_words_of_ours(self):
        page = self.answered(Reply(self.page_with(list(self.hostile))))
        assert all(len(reason) < 60 and reason.isprintable() for reason in page.skipped)

    def test_rows_of_any_shape_are_skipped_with_a_reason(self):
        rows: list[Any] = [
            None,
            7,
            "row",
            [],
            {},
            True,
            {"title": None},
            {"data": None, "kind": "t3"},
            {"data": {}, "kind": None},
        ]
        page = self.answered(Reply(self.page_with(rows)))
        assert (list(page.records), sum(page.skipped.values())) == ([], len(rows))

    def test_limits_are_told_to_the_gate(self):
        for reply, seconds in self.limited:
            gate = Listening()
            with self.served() as server:
                server.faults.script(self.path, reply, times=None)
                with suppress(HttpError):
                    self.collector(server.url, gate).page(self.query, "")
            closed = [limit for limit in gate.told if limit.limited or limit.wait or limit.remaining == 0]
            told = closed[-1].wait if closed[-1].wait is not None else closed[-1].resets_in
            assert told == (seconds if seconds is None else pytest.approx(seconds, abs=2)), reply

    def test_no_error_tells_a_credential(self):
        def echo(asked: Asked) -> Reply:
            """What a careless server says: all that it was sent."""
            words = {"message": str(asked), "error_message": str(asked), "error_id": 400, "reason": str(asked)}
            return Reply(words, status)

        for status in (400, 401, 403, 404, 405, 410, 418, 422, 451, 500):
            with pytest.raises(HttpError) as raised:
                self.answered(echo)
            assert not [secret for secret in self.secrets if secret in str(raised.value)], status

    def test_a_server_that_says_there_is_always_more_comes_to_an_end(self):
        with self.served() as server:
            rows = [self.good] * 3
            server.faults.script(self.path, lambda asked: Reply(*self.endless(rows, asked)), times=None)
            collector = self.collector(server.url)
            assert any(page.left for _, _, page in walk(collector, self.query))

    def endless(self, rows: Sequence[Any], asked: Asked) -> tuple[Any, ...]:
        """Body, status and headers of an answer that says that more follows."""
        raise NotImplementedError

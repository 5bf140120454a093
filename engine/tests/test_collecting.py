"""The loop that collects: a page a transaction, faults with their question, nothing complete too soon."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from engine import collecting, pruning
from engine.http import HttpError, Limited, Quiet, Refused, Unreadable
from engine.models import Fetch
from engine.pipeline import Later, StageError
from engine.records import Page

pytestmark = pytest.mark.django_db
DAY = date(2026, 9, 1)
SOON = timezone.now() + timedelta(minutes=3)


class Scripted:
    """Answers what the script has for (query, cursor); a list is taken one after the other, the last for ever."""

    def __init__(self, **script: Any) -> None:
        self.script = script
        self.asked: list[str] = []

    def page(self, query: str, cursor: str) -> Page[str]:
        self.asked.append(f"{query}:{cursor}")
        found: Any = self.script[query]
        found = found[cursor] if isinstance(found, dict) else found
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        answer: Page[str] = found
        return answer


class Kept:
    def __init__(self) -> None:
        self.records: list[str] = []

    def __call__(self, records: Sequence[str]) -> Counter[str]:
        self.records += records
        return Counter(stored=len(records))


def collect(collector: Scripted, kept: Kept | None = None) -> Counter[str]:
    collecting.plan("meal", "market", DAY, sorted(collector.script))
    total: Counter[str] = Counter()
    for counts in collecting.collect("meal", "market", DAY, collector, kept or Kept()):
        total.update(counts)
    return total


def stands(query: str) -> tuple[str, str]:
    row = Fetch.objects.get(query=query)
    return row.state, row.reason


TWO_PAGES = {"": Page(["a", "b"], next="2"), "2": Page(["c"])}


def test_pages_are_asked_for_in_order_until_the_source_says_that_was_all():
    kept, market = Kept(), Scripted(q=TWO_PAGES)
    collect(market, kept)
    assert (market.asked, kept.records, stands("q")) == (["q:", "q:2"], ["a", "b", "c"], ("complete", ""))


def test_what_is_complete_is_not_asked_again():
    market = Scripted(q=TWO_PAGES)
    collect(market)
    assert (collect(market), len(market.asked)) == (Counter(), 2)


def test_a_page_that_cannot_be_stored_is_asked_for_again():
    market = Scripted(q=TWO_PAGES)

    def broken(records: Sequence[str]) -> Counter[str]:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError):
        collect(market, broken)
    kept = Kept()
    collect(market, kept)
    assert kept.records == ["a", "b", "c"]


def test_a_process_that_is_killed_repeats_one_page_at_most():
    market = Scripted(q=TWO_PAGES)
    collecting.plan("meal", "market", DAY, ["q"])
    next(collecting.collect("meal", "market", DAY, market, Kept()))
    collect(market)
    assert market.asked == ["q:", "q:2"]


def test_a_fault_stays_with_its_question():
    kept = Kept()
    with pytest.raises(Later, match="broken"):
        collect(Scripted(a=Unreadable("broken"), b=Page(["b"])), kept)
    assert (kept.records, stands("a")[0], stands("b")[0]) == (["b"], "open", "complete")


def test_a_fault_does_not_move_the_cursor():
    market = Scripted(q={"": Page(["a"], next="2"), "2": [HttpError("away"), Page(["b"])]})
    with pytest.raises(Later):
        collect(market)
    Fetch.objects.update(next_attempt_at=Now())
    collect(market)
    assert market.asked == ["q:", "q:2", "q:2"]


def test_after_five_faults_a_question_is_left_and_the_run_says_so():
    market = Scripted(q=HttpError("away"))
    for _ in range(4):
        with pytest.raises(Later):
            collect(market)
        Fetch.objects.update(next_attempt_at=Now())
    assert collect(market)["failed"] == 1
    assert stands("q") == ("left", "away")


def test_a_server_that_wants_to_be_left_alone_makes_the_run_wait_until_then():
    with pytest.raises(Later) as later:
        collect(Scripted(a=Quiet(SOON, "too fast"), b=Page(["b"])))
    assert (later.value.until, str(later.value)) == (SOON, "too fast")


def test_a_wait_is_no_fault_of_the_question():
    with pytest.raises(Later):
        collect(Scripted(q=Quiet(SOON, "too fast")))
    assert Fetch.objects.get().attempts == 0


def test_a_limit_is_no_fault_of_the_question():
    with pytest.raises(Later):
        collect(Scripted(egg={"": Limited("api.example its limit", 429, None)}))
    assert Fetch.objects.get().attempts == 0


def test_what_a_source_refuses_is_left_and_the_rest_goes_on():
    kept = Kept()
    assert collect(Scripted(a=Refused("no such place"), b=Page(["b"])), kept)["failed"] == 1
    assert (kept.records, stands("a")) == (["b"], ("left", "no such place"))


def test_refused_credentials_stop_the_source():
    market = Scripted(a=Refused("bad key", everything=True), b=Page(["b"]))
    with pytest.raises(StageError, match="bad key"):
        collect(market)
    assert market.asked == ["a:"]


def test_too_much_is_asked_for_by_narrower_questions():
    kept = Kept()
    collect(Scripted(q=Page(narrower=["q1", "q2"]), q1=Page(["a"]), q2=Page(["b"])), kept)
    assert (sorted(kept.records), stands("q")[0]) == (["a", "b"], "split")


def test_a_source_that_gave_less_than_it_has_is_asked_anew():
    kept, market = Kept(), Scripted(q=[Page(["a"], left="incomplete results"), Page(["a", "b"])])
    with pytest.raises(Later, match="incomplete results"):
        collect(market, kept)
    Fetch.objects.update(next_attempt_at=Now())
    collect(market, kept)
    assert (kept.records, stands("q")[0]) == (["a", "a", "b"], "complete")


def test_a_source_that_always_gives_less_is_never_complete():
    market = Scripted(q=Page(["a"], left="incomplete results"))
    for _ in range(4):
        with pytest.raises(Later):
            collect(market)
        Fetch.objects.update(next_attempt_at=Now())
    assert collect(market)["failed"] == 1
    assert stands("q") == ("left", "incomplete results")


def test_pages_that_go_round_in_a_circle_end(monkeypatch):
    monkeypatch.setattr(collecting, "PAGES", 7)
    market = Scripted(q={"": Page(["a"], next="2"), "2": Page(["b"], next="3"), "3": Page(["c"], next="2")})
    collect(market)
    assert (len(market.asked), stands("q")) == (7, ("left", "it has more than 7 pages"))


def test_a_page_that_leads_to_itself_ends():
    market = Scripted(q={"": Page(["a"], next="2"), "2": Page(["b"], next="2")})
    collect(market)
    assert (market.asked, stands("q")[0]) == (["q:", "q:2"], "left")


def test_an_owner_who_was_taken_over_stores_nothing():
    class Overtaken(Scripted):
        def page(self, query: str, cursor: str) -> Page[str]:
            found = super().page(query, cursor)
            if len(self.asked) == 1:
                Fetch.objects.update(cursor="2", pages=1)
            return found

    counts = collect(Overtaken(q=TWO_PAGES))
    assert (counts["superseded"], counts["stored"]) == (1, 1)


def test_what_was_left_can_be_asked_for_again():
    collect(Scripted(q=Refused("private")))
    collecting.ask_again("meal", "market", DAY)
    kept = Kept()
    collect(Scripted(q=Page(["a"])), kept)
    assert kept.records == ["a"]


def test_questions_that_nobody_asked_for_long_are_deleted_open_ones_too():
    for query, days in (("egg", 91), ("ham", 1)):
        Fetch.objects.create(
            pipeline="meal", source="market", day=DAY, query=query, changed_at=Now() - timedelta(days=days)
        )
    assert (pruning.fetches(3), Fetch.objects.get().query) == (1, "ham")

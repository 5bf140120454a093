"""The live store shows the visible issues, whatever happened on the way. All of it against a real PocketBase."""

import time
from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.db.models import F
from django.utils.module_loading import import_string
from structlog.testing import capture_logs

from engine import metrics
from engine.models import Anomaly, Audit
from issues import pocketbase, publishing, relaying
from issues.models import Assignment, Issue, LiveIssue, RawItem
from issues.pocketbase import StoreAway
from issues.tests.factories import make_topic, publish
from issues.tests.live_store import PASSWORD, Child
from ostsite.schedules import LIVE_STORE

PAST = datetime(2026, 1, 1, tzinfo=UTC)
SHOWN = ("number", "title", "category", "description", "impact", "would_pay", "state")

pytestmark = pytest.mark.django_db


def make_issues(topics: int = 2, posts: int = 6) -> list[int]:
    for topic in range(topics):
        make_topic(topic, posts)
    publish()
    ids = list(Issue.objects.order_by("pk").values_list("pk", flat=True))
    publishing.enqueue(ids)
    return ids


def another_issue() -> None:
    make_topic(2, 6)
    publish()
    publishing.enqueue_all()


def change(pk: int, **facts: object) -> None:
    Issue.objects.filter(pk=pk).update(**facts)
    publishing.enqueue([pk])


def due_again() -> None:
    """As if every pause and every lease were over."""
    LiveIssue.objects.filter(state="waiting").update(next_attempt_at=None, lease_until=PAST)


def shows_the_visible_issues(live) -> bool:
    """Each once, with all its posts and nothing else; said by the tables of issues, not by the outbox."""
    visible = Issue.objects.visible()
    wanted = Counter(visible.annotate(number=F("pk")).values_list(*SHOWN))
    records = live.records("issues")
    posts = Assignment.objects.filter(issue__in=visible, clustering__state="live").distinct()
    wanted_posts = Counter(posts.values_list("issue", "item__url", "item__title"))
    number = {record["id"]: record["number"] for record in records}
    found_posts = Counter((number.get(row["issue"]), row["url"], row["title"]) for row in live.records("evidence"))
    found = Counter(tuple(record[name] for name in SHOWN) for record in records)
    assert (found, found_posts) == (wanted, wanted_posts)
    return True


# Equality


def test_all_is_shown(live):
    make_issues()
    assert (relaying.relay(), shows_the_visible_issues(live)) == ({"sent": 14}, True)


def test_a_second_run_asks_nothing_and_changes_nothing(live, proxy):
    ids = make_issues()
    relaying.relay()
    before = live.records("issues") + live.records("evidence")
    proxy.watch()
    publishing.enqueue(ids)
    assert (relaying.relay(), proxy.asked) == ({}, [])
    assert live.records("issues") + live.records("evidence") == before


def test_a_rename_is_one_write(live, proxy):
    ids = make_issues()
    relaying.relay()
    proxy.watch()
    change(ids[0], title="Renamed by a person")
    relaying.relay()
    assert ([line.split()[0] for line in proxy.writes], shows_the_visible_issues(live)) == (["PATCH"], True)


def test_what_is_hidden_goes_with_its_posts(live):
    ids = make_issues()
    relaying.relay()
    change(ids[0], hidden=True)
    assert (relaying.relay(), shows_the_visible_issues(live)) == ({"withdrawn": 7}, True)


def test_what_is_shown_again_comes_back(live):
    ids = make_issues()
    for hidden in (True, False):
        change(ids[0], hidden=hidden)
        relaying.relay()
    assert shows_the_visible_issues(live)


def test_where_batches_are_taken_one_request_carries_many(live, proxy):
    live.take_batches(True)
    make_issues()
    relaying.relay()
    assert (proxy.writes, shows_the_visible_issues(live)) == (["POST /api/batch"] * 2, True)


def test_hostile_text_arrives_as_text(live):
    ids = make_issues(1)
    RawItem.objects.update(title='<img src=x onerror=alert(1)> {{ 7*7 }} \u202e"];drop')
    change(ids[0], title="<script>alert(1)</script>", description="<svg/onload=alert(1)> ${7*7}")
    relaying.relay()
    (record,) = live.records("issues")
    assert (record["title"], record["description"]) == ("<script>alert(1)</script>", "<svg/onload=alert(1)> ${7*7}")
    assert {row["title"] for row in live.records("evidence")} == {'<img src=x onerror=alert(1)> {{ 7*7 }} "];drop'}
    assert relaying.resync() == {}


# When the store is away, or says no


def test_a_store_that_is_down_changes_nothing_and_gets_all_of_it_later(live):
    ids = make_issues()
    relaying.relay()
    live.stop()
    try:
        change(ids[0], title="Renamed by a person")
        change(ids[1], hidden=True)
        before = list(LiveIssue.objects.order_by("pk").values())
        with pytest.raises(StoreAway):
            relaying.relay()
        assert list(LiveIssue.objects.order_by("pk").values()) == before
    finally:
        live.start()
    relaying.relay()
    assert shows_the_visible_issues(live)


def test_a_store_that_goes_down_on_the_way_costs_no_attempt(live, proxy):
    make_issues()
    proxy.watch(5, "before", lambda: bool(proxy.http.server_close()))
    with pytest.raises(StoreAway):
        relaying.relay()
    assert set(LiveIssue.objects.values_list("attempts", "lease", "error")) == {(0, "", "")}


def test_a_store_that_limits_costs_no_attempt(live, proxy):
    make_issues()
    proxy.says = 429
    with pytest.raises(StoreAway):
        relaying.relay()
    assert set(LiveIssue.objects.values_list("attempts", "lease", "error")) == {(0, "", "")}


def test_a_token_that_expires_on_the_way_is_renewed(live, proxy):
    make_issues()
    proxy.watch(3, "before", lambda: live.end_all_tokens() is None)
    assert (relaying.relay(), shows_the_visible_issues(live)) == ({"sent": 14}, True)


@pytest.mark.parametrize("batches", [False, True])
def test_one_rejected_record_ends_as_a_dead_letter_while_the_others_go_on(live, batches):
    live.take_batches(batches)
    ids = make_issues()
    live.limit_titles(100)
    change(ids[0], title="x" * 110)
    assert relaying.relay() == {"refused": 1, "sent": 7}
    for _ in range(7):
        due_again()
        relaying.relay()
    dead = LiveIssue.objects.get(state="dead")
    assert (dead.issue_id, dead.attempts, "title: Must be no more than 100" in dead.error) == (ids[0], 8, True)
    assert Anomaly.objects.get().kind == "live store"
    assert {record["number"] for record in live.records("issues")} == {ids[1]}
    due_again()
    assert relaying.relay() == {}
    live.limit_titles(200)
    LiveIssue.objects.again()
    relaying.relay()
    assert shows_the_visible_issues(live)


def test_a_late_relay_does_not_overwrite_what_is_newer(live):
    (pk,) = make_issues(1)
    (late,) = LiveIssue.objects.claim(1)
    due_again()
    change(pk, title="Renamed by a person")
    relaying.relay()
    with live.store() as store:  # the paused one wakes up and goes on as if nothing had been
        relaying.send(store, [late], Counter())
    relaying.relay()
    assert shows_the_visible_issues(live)


# Killed


SINGLE = [(1, "before"), (1, "after"), (3, "after"), (4, "before"), (5, "after")]
BATCHED = [(1, "before"), (1, "after"), (2, "after")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("batches", "kills"), [(False, SINGLE), (True, BATCHED)])
def test_a_killed_relay_leaves_no_duplicate_and_nothing_behind(live, proxy, batches, kills):
    live.take_batches(batches)
    first, second = make_issues()
    relaying.relay()
    another_issue()
    change(first, title="Renamed by a person")
    change(second, hidden=True)
    for write, phase in kills:  # counted anew by each relay
        child = Child()
        proxy.watch(write, phase, child.kill)
        assert child.run(relaying.relay) == -9
        due_again()
    proxy.watch()
    assert (Child().run(relaying.relay), shows_the_visible_issues(live)) == (0, True)
    assert publishing.standing()["waiting"] == 0


# What the store holds otherwise


def test_an_older_copy_is_brought_up_to_date(live, tmp_path):
    first, second = make_issues()
    relaying.relay()
    old = live.copy(tmp_path / "old")
    another_issue()
    change(first, title="Renamed by a person")
    change(second, hidden=True)
    relaying.relay()
    live.put_back(old)
    found = relaying.resync()
    assert (found["differing"], found["stray"]) == (1 + 7 + 7, 0)
    relaying.relay()
    assert shows_the_visible_issues(live)


def test_an_outbox_that_is_older_than_the_store_takes_away_what_it_does_not_know(live):
    make_issues()
    relaying.relay()
    LiveIssue.objects.filter(issue=Issue.objects.first()).delete()
    Issue.objects.filter(pk=Issue.objects.first().pk).update(hidden=True)
    assert relaying.resync()["stray"] == 7
    relaying.relay()
    assert shows_the_visible_issues(live)


def test_what_somebody_changed_or_deleted_there_is_mended(live):
    make_issues()
    relaying.relay()
    one, other = live.records("issues")
    live.ask("PATCH", f"/api/collections/issues/records/{one['id']}", json={"title": "Vandalised"})
    live.ask("DELETE", f"/api/collections/issues/records/{other['id']}")
    assert relaying.resync()["differing"] == 1 + 7
    relaying.relay()
    assert shows_the_visible_issues(live)


def test_records_of_others_are_left_alone(live):
    make_issues()
    relaying.relay()
    theirs = {"title": "Asked by a person", "origin": "person"}
    live.ask("POST", "/api/collections/issues/records", json=theirs)
    relaying.resync()
    relaying.relay()
    assert [row["title"] for row in live.records("issues") if row["origin"] == "person"] == ["Asked by a person"]


def test_a_long_list_is_compared_page_by_page(live, monkeypatch):
    make_issues()
    relaying.relay()
    monkeypatch.setattr(pocketbase, "PAGE", 4)
    monkeypatch.setattr(relaying, "PAGE", 4)
    gone = live.records("evidence")[5]
    live.ask("DELETE", f"/api/collections/evidence/records/{gone['id']}")
    assert relaying.resync() == {"differing": 1}
    relaying.relay()
    assert shows_the_visible_issues(live)


def test_a_store_that_is_named_later_gets_everything(live, settings):
    url, settings.POCKETBASE_URL = settings.POCKETBASE_URL, ""
    make_issues()
    settings.POCKETBASE_URL = url
    assert relaying.relay() == {}
    assert relaying.resync()["queued"] == 14
    relaying.relay()
    assert shows_the_visible_issues(live)


def test_another_store_gets_everything(live):
    make_issues()
    relaying.relay()
    live.make_anew()
    relaying.resync()
    relaying.relay()
    assert shows_the_visible_issues(live)


# By the clock, by hand


def test_a_scheduled_pass_says_what_it_did(live):
    make_issues()
    assert [relaying.by_clock(), relaying.by_clock()] == ["sent=14", "nothing waits"]


def test_each_chore_of_the_schedules_is_one(settings):
    planned = [plan.arguments[0] for plan in LIVE_STORE]
    assert set(planned) <= settings.CHORES.keys()
    assert [import_string(settings.CHORES[name]) for name in planned] == [relaying.by_clock, relaying.resync_by_clock]


def test_what_waits_and_what_was_refused_is_counted_for_metrics():
    LiveIssue.objects.create(remote_id="a" * 15, collection="issues", state="dead")
    assert 'ost_live_records{state="dead"} 1.0' in metrics.exposition().decode()


def test_a_scheduled_pass_takes_an_outage_quietly(settings):
    settings.POCKETBASE_URL = "http://127.0.0.1:9"
    make_issues(1)
    assert relaying.by_clock() == "away"


def test_who_watches_sends_what_waits(live, monkeypatch):
    make_issues()

    def sleep(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("issues.relaying.time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    with pytest.raises(KeyboardInterrupt):
        relaying.watch(5)
    assert shows_the_visible_issues(live)


@pytest.mark.django_db(transaction=True)
def test_who_watches_tells_an_outage_once_and_asks_on(settings, monkeypatch):
    settings.POCKETBASE_URL = "http://127.0.0.1:9"
    monkeypatch.setattr("issues.pocketbase.PAUSE", 0.01)
    make_issues(1)
    pauses = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("issues.relaying.time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    with capture_logs() as told, pytest.raises(KeyboardInterrupt):
        relaying.watch(5)
    assert ([line["event"] for line in told], pauses) == (["live_store_away"], [relaying.AWAY] * 3)


def test_without_a_live_store_a_scheduled_pass_does_nothing():
    make_issues(1)
    assert (relaying.by_clock(), relaying.resync_by_clock()) == ("nothing waits", "no live store")


def test_the_command_makes_the_collections_and_sends(live, ost):
    live.ask("DELETE", "/api/collections/evidence")
    live.ask("DELETE", "/api/collections/issues")
    make_issues()
    ended = ost("sync_live_issues", "--make-collections")
    assert (ended.code, ended.out) == (0, "state=done collections=2 sent=14 waiting=0 dead=0\n")


def test_the_command_says_what_lacks(live, ost):
    live.ask("DELETE", "/api/collections/evidence")
    make_issues(1)
    ended = ost("sync_live_issues")
    assert (ended.code, "no collection evidence" in ended.err, "--make-collections" in ended.err) == (1, True, True)


def test_the_command_resyncs(live, ost):
    make_issues()
    relaying.relay()
    live.make_anew()
    assert ost("sync_live_issues", "--resync").summary["differing"] == "14"
    assert shows_the_visible_issues(live)


def test_the_command_without_a_store_names_the_setting(ost):
    ended = ost("sync_live_issues")
    assert (ended.code, "POCKETBASE_URL is not set" in ended.err) == (2, True)


def test_dead_letters_make_the_command_end_with_one_and_again_is_audited(live, ost):
    make_issues(1)
    LiveIssue.objects.filter(collection="issues").update(state="dead")
    ended = ost("sync_live_issues")
    assert (ended.code, ended.summary["state"], ended.summary["dead"]) == (1, "partly", "1")
    assert ost("sync_live_issues", "--again").code == 0
    assert Audit.objects.get().subject == "1 live records"
    assert shows_the_visible_issues(live)


def test_the_password_is_in_no_row_and_no_line(live, ost, caplog):
    make_issues(1)
    with caplog.at_level("DEBUG", "issues"):
        ended = ost("sync_live_issues", "--resync")
    assert PASSWORD not in ended.out + ended.err + caplog.text + str(list(LiveIssue.objects.values()))

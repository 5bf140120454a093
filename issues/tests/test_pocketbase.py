"""The client, against a real PocketBase."""

import logging
import time

import pytest

from engine.http import Answer
from issues import pocketbase
from issues.pocketbase import Rejected, Store, StoreAway, Write
from issues.tests.live_store import EMAIL, PASSWORD

ONE, TWO, THREE = "a" * 15, "b" * 15, "c" * 15


def issue(remote_id: str = ONE, known: bool = False, **facts: object) -> Write:
    return Write("issues", remote_id, {"title": "Exports stop", "origin": "collected", **facts}, known)


def gone(remote_id: str = ONE) -> Write:
    return Write("issues", remote_id, None, known=True)


@pytest.fixture
def store(live):
    with live.store() as opened:
        yield opened


def titles(live) -> dict[str, str]:
    return {row["id"]: row["title"] for row in live.records("issues")}


def test_a_record_is_made_where_there_is_none(live, store):
    store.write(issue())
    assert titles(live) == {ONE: "Exports stop"}


def test_a_record_that_is_there_already_is_changed(live, store):
    store.write(issue())
    store.write(issue(title="Renamed"))
    assert titles(live) == {ONE: "Renamed"}


def test_a_record_that_was_thought_to_be_there_is_made(live, store):
    store.write(issue(known=True))
    assert titles(live) == {ONE: "Exports stop"}


def test_deleting_twice_is_no_fault(live, store):
    store.write(issue())
    store.write(gone())
    store.write(gone())
    assert titles(live) == {}


def test_what_is_read_is_what_was_written(store):
    store.write(issue(sources=["a", "b"], posts=3, first_seen="2026-09-01 00:00:00.000Z", would_pay=True))
    found = store.get("issues", ONE)
    assert (found["sources"], found["posts"], found["first_seen"], found["would_pay"]) == (
        ["a", "b"], 3, "2026-09-01 00:00:00.000Z", True,
    )  # fmt: skip
    assert store.get("issues", TWO) is None


def test_a_refused_record_is_named_with_its_field(store):
    with pytest.raises(Rejected, match="title: Must be no more than 200"):
        store.write(issue(title="x" * 201))


def test_a_post_without_its_issue_is_refused(store):
    with pytest.raises(Rejected, match="issue: "):
        store.write(Write("evidence", TWO, {"issue": ONE}, known=False))


def test_an_issue_takes_its_posts_with_it(live, store):
    store.write(issue())
    store.write(Write("evidence", TWO, {"issue": ONE}, known=False))
    store.write(gone())
    assert live.records("evidence") == []


# Lists


def test_a_list_holds_ours_alone_and_goes_on_where_it_ended(store, monkeypatch):
    monkeypatch.setattr(pocketbase, "PAGE", 2)
    for remote_id in (ONE, TWO, THREE):
        store.write(issue(remote_id))
    store.write(issue("d" * 15, origin="a person"))
    first = store.page("issues")
    second = store.page("issues", first[-1]["id"])
    assert [[row["id"] for row in page] for page in (first, second)] == [[ONE, TWO], [THREE]]


# Batches


def test_without_batches_it_says_so_and_asks_no_more(live, store):
    assert not store.write_all([issue(ONE), issue(TWO)])
    assert (store.batches, titles(live)) == (False, {})


def test_a_batch_makes_changes_and_deletes(live, store):
    live.take_batches(True)
    store.write(issue(ONE))
    store.write(issue(TWO))
    assert store.write_all([issue(ONE, title="Renamed"), gone(TWO), issue(THREE)])
    assert titles(live) == {ONE: "Renamed", THREE: "Exports stop"}


def test_of_a_batch_with_one_bad_record_nothing_is_done(live, store):
    live.take_batches(True)
    assert not store.write_all([issue(ONE), issue(TWO, title="x" * 201)])
    assert titles(live) == {}


# Who


def test_an_expired_token_is_renewed_once(live, store):
    store.write(issue())
    live.end_all_tokens()
    store.write(issue(TWO))
    assert set(titles(live)) == {ONE, TWO}


def test_an_expired_token_of_a_batch_is_renewed_by_what_follows(live, store):
    live.take_batches(True)
    live.end_all_tokens()
    assert not store.write_all([issue(ONE), issue(TWO)])
    store.write(issue(ONE))
    assert store.write_all([issue(ONE), issue(TWO)])


def test_a_record_that_a_guest_may_not_see_is_not_thought_gone(live, store):
    store.write(issue())
    live.ask("PATCH", "/api/collections/issues", json={"deleteRule": "@request.auth.id != ''"})
    live.end_all_tokens()
    store.signed_in -= 3600
    store.write(gone())
    assert titles(live) == {}


def test_a_wrong_password_is_told_without_it(live, caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreAway) as told, Store(live.url, EMAIL, "another-planted"):
        pass
    assert str(told.value) == "POCKETBASE_EMAIL or POCKETBASE_PASSWORD is refused"
    assert "another-planted" not in caplog.text


def test_nothing_that_is_secret_is_logged(live, caplog):
    with caplog.at_level(logging.INFO), live.store() as store:
        token = store.http.credentials["Authorization"]
        store.write(issue())
    assert not [secret for secret in (token, PASSWORD) if secret in caplog.text]


# When it is not there


def test_a_store_that_is_not_there_is_away():
    began = time.monotonic()
    with pytest.raises(StoreAway, match=r"127\.0\.0\.1"), Store("http://127.0.0.1:9", EMAIL, PASSWORD):
        pass
    assert time.monotonic() - began < 15


def test_what_is_no_pocketbase_is_called_none(live):
    with pytest.raises(StoreAway, match="no PocketBase"), Store(f"{live.url}/api/nothing", EMAIL, PASSWORD):
        pass


def test_a_store_that_goes_away_is_no_refusal(live, store):
    live.stop()
    try:
        with pytest.raises(StoreAway):
            store.write(issue())
    finally:
        live.start()


def test_a_record_that_a_well_store_fails_on_is_refused(proxy):
    with Store(proxy.url, EMAIL, PASSWORD) as store:
        proxy.says = 500
        with pytest.raises(Rejected, match="answers 500"):
            store.write(issue())


def test_a_superuser_who_may_not_write_is_no_refusal(proxy):
    with Store(proxy.url, EMAIL, PASSWORD) as store:
        proxy.says = 403
        with pytest.raises(StoreAway, match="may not do this: HTTP 403 because"):
            store.write(issue())


def test_a_deletion_that_is_refused_is_told(proxy):
    with Store(proxy.url, EMAIL, PASSWORD) as store:
        proxy.says = 400
        with pytest.raises(Rejected, match="HTTP 400 because"):
            store.write(gone())


def test_a_batch_without_an_answer_was_not_done(proxy):
    with Store(proxy.url, EMAIL, PASSWORD) as store:
        proxy.says = 500
        assert not store.write_all([issue(ONE), issue(TWO)])


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_a_refusal_that_is_no_object_is_told_by_its_status(body):
    assert pocketbase.complaint(Answer(418, {}, body)) == "HTTP 418"


def test_an_answer_that_is_no_json_is_no_store():
    with pytest.raises(StoreAway, match="the store answers 200: no JSON"):
        pocketbase.said(Answer(200, {}, b"<html>"))


# Collections


def test_a_missing_collection_is_named(live, store):
    live.ask("DELETE", "/api/collections/evidence")
    with pytest.raises(StoreAway, match="no collection evidence"):
        store.ready()
    with pytest.raises(StoreAway, match="no collection evidence"):
        store.write(Write("evidence", TWO, {"issue": ONE}, known=False))


def test_a_missing_field_is_named_and_added_without_loss(live, store):
    fields = [each for each in live.ask("GET", "/api/collections/issues")["fields"] if each["name"] != "posts"]
    live.ask("PATCH", "/api/collections/issues", json={"fields": fields})
    store.write(issue())
    with pytest.raises(StoreAway, match="collection issues lacks posts"):
        store.ready()
    assert store.make_collections() == 1
    store.ready()
    assert titles(live) == {ONE: "Exports stop"}


def test_collections_that_are_whole_are_left_as_they_are(store):
    assert store.make_collections() == 0


def test_new_collections_are_open_to_nobody_else(live):
    assert {live.ask("GET", "/api/collections/issues")[rule] for rule in ("listRule", "viewRule", "createRule")} == {
        None
    }

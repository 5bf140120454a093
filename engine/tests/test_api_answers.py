"""Pages, repeated writes, and what the caller holds already."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from engine.api import idempotency
from engine.models import IdempotentReply, Run
from engine.tests import echo
from engine.tests.echo import done, make_key, signed

pytestmark = [pytest.mark.django_db, pytest.mark.urls("engine.tests.echo")]
ECHO, RUNS = "/api/echo/", "/api/runs/"


def make_runs(*attempts):
    return [Run.objects.create(pipeline=f"p{n}", attempts=each).pk for n, each in enumerate(attempts)]


def follow(client, address, way="next"):
    """The results of each page, and the last page."""
    pages, found = [], {way: address}
    while found[way]:
        found = client.get(found[way]).json()
        pages.append(found["results"])
    return pages, found


# Pages


@pytest.mark.parametrize(("descending", "places"), [(True, (3, 0, 2, 4, 6, 1, 5)), (False, (5, 1, 0, 2, 4, 6, 3))])
def test_the_pages_hold_each_row_once_in_order(client, monkeypatch, descending, places):
    monkeypatch.setattr(echo.Runs, "by", echo.Runs.by._replace(descending=descending))
    rows = make_runs(2, 1, 2, 3, 2, 0, 2)
    pages, _ = follow(client, f"{RUNS}?page_size=2")
    expected = [rows[place] for place in places]
    assert pages == [expected[:2], expected[2:4], expected[4:6], expected[6:]]


def test_the_way_back_shows_the_same_pages(client):
    make_runs(2, 1, 2, 3, 2, 0, 2)
    there, last = follow(client, f"{RUNS}?page_size=2")
    back, first = follow(client, last["previous"], "previous")
    assert (back[::-1], first["next"] is not None) == (there[:-1], True)


def test_the_first_page_has_none_before_it(client):
    make_runs(*range(3))
    assert client.get(f"{RUNS}?page_size=2").json()["previous"] is None


def test_a_list_that_fits_has_one_page(client):
    make_runs(1, 2)
    answer = client.get(f"{RUNS}?page_size=2").json()
    assert (answer["next"], answer["previous"]) == (None, None)


def test_nothing_is_an_empty_page(client):
    assert client.get(RUNS).json() == {"next": None, "previous": None, "results": []}


def test_a_row_that_comes_meanwhile_shifts_no_page(client):
    rows = make_runs(5, 4, 3)
    following = client.get(f"{RUNS}?page_size=2").json()["next"]
    Run.objects.create(pipeline="new", attempts=9)
    assert client.get(following).json()["results"] == [rows[2]]


def test_pages_are_followed_after_the_row_of_the_cursor_is_gone(client):
    rows = make_runs(5, 4, 3)
    following = client.get(f"{RUNS}?page_size=2").json()["next"]
    Run.objects.filter(pk=rows[1]).delete()
    assert client.get(following).json()["results"] == [rows[2]]


def test_the_next_page_keeps_filters_and_size(client):
    make_runs(*range(3))
    following = client.get(f"{RUNS}?page_size=1&stack=a&stack=b").json()["next"]
    assert "stack=a&stack=b&page_size=1&cursor=" in following


def cursor_of(client, address):
    return client.get(address).json()["next"].rpartition("cursor=")[2]


@pytest.mark.parametrize("change", [f"{RUNS}?stack=b&", f"{RUNS}?", "/api/ranking/?"])
def test_a_cursor_fits_no_other_list(client, change):
    make_runs(1, 2)
    cursor = cursor_of(client, f"{RUNS}?page_size=1&stack=a")
    answer = client.get(f"{change}cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


def test_a_cursor_fits_no_other_person(client):
    make_runs(1, 2)
    cursor = cursor_of(client, f"{RUNS}?page_size=1")
    assert client.get(f"{RUNS}?cursor={cursor}", **signed(make_key())).status_code == 400


def test_a_ranking_has_pages_too(client):
    pages, last = follow(client, "/api/ranking/?page_size=2")
    back, _ = follow(client, last["previous"], "previous")
    assert (pages, back) == ([[3, 1], [4, 15], [9]], [[4, 15], [3, 1]])


# Repeated writes


@pytest.fixture
def write(client):
    done.clear()
    who = signed(make_key())

    def send(key="k", text="a", **headers):
        return client.post(ECHO, {"text": text}, "application/json", HTTP_IDEMPOTENCY_KEY=key, **{**who, **headers})

    return send


def test_a_repeated_write_is_done_once_and_answered_alike(write):
    first, second = write(), write()
    assert (second.status_code, second.json(), len(done)) == (201, first.json(), 1)
    assert ("Idempotent-Replayed" in first, second["Idempotent-Replayed"]) == (False, "true")


def test_another_key_is_another_write(write):
    write("k1")
    write("k2")
    assert len(done) == 2


def test_without_a_key_every_write_is_done(client):
    done.clear()
    who = signed(make_key())
    for _ in range(2):
        client.post(ECHO, {"text": "a"}, "application/json", **who)
    assert len(done) == 2


def test_the_key_of_another_request_is_refused(write):
    write(text="a")
    answer = write(text="b")
    assert (answer.status_code, answer.json()["code"], len(done)) == (422, "idempotency_key_reused", 1)


def test_the_keys_of_two_people_are_two(write):
    write()
    assert write(**signed(make_key(username="bob_webdev"))).status_code == 201
    assert len(done) == 2


def test_of_two_people_with_one_key_each_gets_their_own_answer_again(write):
    bob = signed(make_key(username="bob_webdev"))
    first, second = write(), write(**bob)
    assert (write().json(), write(**bob).json()) == (first.json(), second.json())


def test_a_refusal_is_replayed_too(write):
    answers = [write(text="x" * 11) for _ in range(2)]
    assert [each.status_code for each in answers] == [400, 400]
    assert "Idempotent-Replayed" in answers[1]


def test_an_answer_without_a_body_is_replayed(client):
    done.clear()
    who = {**signed(make_key()), "HTTP_IDEMPOTENCY_KEY": "k"}
    answers = [client.delete(ECHO, **who) for _ in range(2)]
    assert [(each.status_code, each.content) for each in answers] == [(204, b"")] * 2
    assert done == ["delete"]


def test_after_a_fault_of_ours_the_write_may_be_tried_again(write):
    with pytest.raises(RuntimeError):
        write(text="burn")
    assert not IdempotentReply.objects.exists()


def test_while_the_first_is_at_work_the_second_waits(write):
    write()
    IdempotentReply.objects.update(status=None)
    answer = write()
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (409, "at_work", "1")


def test_what_died_at_work_is_taken_over(write):
    write()
    IdempotentReply.objects.update(status=None, begun_at=timezone.now() - timedelta(seconds=61))
    assert (write().status_code, len(done)) == (201, 2)


def test_who_was_taken_over_keeps_no_answer(write):
    write()
    IdempotentReply.objects.update(status=None, begun_at=timezone.now() - timedelta(seconds=61))
    kept = IdempotentReply.objects.get()
    late = idempotency.Claim(kept.pk, kept.begun_at)
    write()
    idempotency.end(late, None)
    assert IdempotentReply.objects.get().status == 201


def test_after_a_day_a_key_is_new(write):
    write(text="a")
    IdempotentReply.objects.update(begun_at=timezone.now() - timedelta(hours=25))
    assert (write(text="b").status_code, len(done)) == (201, 2)


def test_old_answers_are_pruned(write):
    write("old")
    IdempotentReply.objects.update(begun_at=timezone.now() - timedelta(hours=25))
    write("new")
    assert (idempotency.prune(), IdempotentReply.objects.get().key) == (1, "new")


@pytest.mark.parametrize("key", ["", "x" * 201, "a\x07b", "é", "x" * 10_000])
def test_a_key_that_is_none_is_refused(write, key):
    answer = write(key)
    assert (answer.status_code, answer.json()["code"], done) == (400, "bad_idempotency_key", [])


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_done():
    done.clear()
    who, found = signed(make_key()), []

    def send():
        try:
            answer = Client().post(ECHO, {"text": "a"}, "application/json", HTTP_IDEMPOTENCY_KEY="k", **who)
            found.append(answer.status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), set(found) <= {201, 409}, len(found)) == (1, True, 8)


# What the caller holds already


def test_an_unchanged_answer_is_not_sent_again(client):
    first = client.get(RUNS)
    again = client.get(RUNS, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])


def test_a_changed_answer_is_sent(client):
    first = client.get(RUNS)
    make_runs(1)
    assert client.get(RUNS, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 200


def test_one_of_several_tags_is_enough(client):
    tag = client.get(RUNS)["ETag"].removeprefix("W/")
    assert client.get(RUNS, HTTP_IF_NONE_MATCH=f'"a", {tag}').status_code == 304


@pytest.mark.parametrize("header", ["garbage", '"', "W/", "\xff", "x" * 10_000])
def test_a_tag_that_is_none_is_ignored(client, header):
    assert client.get(RUNS, HTTP_IF_NONE_MATCH=header).status_code == 200


@pytest.mark.parametrize(("name", "value"), [("RANGE", "bytes=0-1"), ("IF_MODIFIED_SINCE", "Sat, 01 Jan 99999 0:0:0")])
def test_what_is_not_offered_is_ignored(client, name, value):
    assert client.get(RUNS, **{f"HTTP_{name}": value}).status_code == 200


def test_answers_differ_by_caller(client):
    assert set(client.get(RUNS)["Vary"].split(", ")) >= {"Authorization", "Cookie"}


def test_a_private_answer_is_kept_by_no_one_between(client):
    key = signed(make_key())
    assert [client.get(path, **key)["Cache-Control"] for path in (ECHO, RUNS)] == ["private, no-cache"] * 2


def test_a_public_answer_may_be_kept(client):
    assert client.get(RUNS)["Cache-Control"] == "no-cache"


def test_an_error_is_kept_by_nobody(client):
    assert client.get(ECHO)["Cache-Control"] == "private, no-store"


def test_a_session_keeps_its_pages(client):
    client.force_login(User.objects.create(username="bob_webdev"))
    assert client.get(ECHO)["Cache-Control"] == "private, no-cache"

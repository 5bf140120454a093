"""Whatever comes in: a clear answer below 500, as {code, message, field}."""

import json

import pytest
from django.test import Client

from engine.api.parsing import loads
from engine.tests.echo import done, make_key, signed

pytestmark = [pytest.mark.django_db, pytest.mark.urls("engine.tests.echo")]
ECHO = "/api/echo/"


@pytest.fixture
def post(client):
    key = signed(make_key())

    def send(body, content_type="application/json", **headers):
        raw = body if isinstance(body, bytes | str) else json.dumps(body)
        return client.generic("POST", ECHO, raw, content_type, **key, **headers)

    return send


BAD_JSON = {
    "deep lists": b'{"text": ' + b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "51 levels": b'{"text":' + b"[" * 50 + b"]" * 50 + b"}",
    "NaN": b'{"text": NaN}',
    "Infinity": b'{"text": -Infinity}',
    "1e400": b'{"text": 1e400}',
    "5000 digits": b'{"text": ' + b"1" * 5000 + b"}",
    "2^63": b'{"text": 9223372036854775808}',
    "NUL": rb'{"text": "a\u0000"}',
    "surrogate": rb'{"text": "\ud800"}',
    "NUL in a key": rb'{"\u0000": 1}',
    "list": b"[]",
    "null": b"null",
    "text": b'"a"',
    "number": b"7",
    "nothing": b" ",
    "half": b'{"text": "a"',
    "two": b"{}{}",
    "no UTF-8": b'{"text": "\xff"}',
    "BOM": b'\xef\xbb\xbf{"text": "a"}',
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
    "UTF-32": '{"text": "a"}'.encode("utf-32"),
    "twice": b'{"text": "a", "text": "b"}',
    "twice below": b'{"text": {"a": 1, "a": 2}}',
    "control": b'{"text": "a\nb"}',
    "comma": b'{"text": "a",}',
    "single quotes": b"{'text': 'a'}",
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
def test_what_is_no_strict_json_object_is_refused(post, body):
    answer = post(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_json")


def test_what_every_reader_understands_is_read():
    body = {"a": [1, -1.5, None, True, "é\n"], "b": {"c": 2**63 - 1}}
    assert loads(json.dumps(body).encode()) == body


def test_fifty_levels_are_read():
    assert loads(b'{"a":' + b"[" * 49 + b"]" * 49 + b"}")


@pytest.mark.parametrize(
    "content_type",
    ["application/xml", "", "text/plain", "application/json; charset=bogus", "application/json; charset=utf-16",
     "application/x-www-form-urlencoded", "multipart/form-data; boundary=\x7f", "multipart/form-data", "*/*", ";",
     "application/json; boundary=a"],
)  # fmt: skip
def test_another_kind_of_body_is_not_read(post, content_type):
    answer = post('{"text": "a"}', content_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
def test_utf8_may_be_said(post, content_type):
    assert post('{"text": "a"}', content_type).status_code == 201


@pytest.mark.parametrize("key", [{}, {"HTTP_IDEMPOTENCY_KEY": "a"}])
def test_three_megabytes_are_too_much(post, key):
    answer = post(b'{"text": "' + b"a" * 3_000_000 + b'"}', **key)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.fixture
def page(settings, django_user_model):
    """A browser of somebody signed in, with the cookie of the CSRF check but no token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(django_user_model.objects.create(username="bob_webdev"))
    client.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32
    return client


def test_a_form_with_too_many_fields_is_refused(page):
    answer = page.post(ECHO, {f"a{n}": "1" for n in range(1001)})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_broken_form_is_refused(page):
    answer = page.generic("POST", ECHO, b"--x", "multipart/form-data; boundary=")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "required", "text"),
        ({"text": "x" * 11}, "max_length", "text"),
        ({"text": 7}, "invalid", "text"),
        ({"text": None}, "null", "text"),
        ({"text": ["a"]}, "invalid", "text"),
        ({"text": "a\u202eb"}, "invalid", "text"),
        ({"text": "a", "number": "x"}, "invalid", "number"),
        ({"text": "a", "number": 1.5}, "invalid", "number"),
        ({"text": "a", "number": True}, "invalid", "number"),
        ({"text": "a", "tags": ["ab", "abcd"]}, "max_length", "tags.1"),
        ({"text": "a", "tags": "ab"}, "not_a_list", "tags"),
        ({"text": "a", "id": 7}, "unknown", "id"),
        ({"text": "a", "is_staff": True}, "unknown", "is_staff"),
    ],
)
def test_the_first_fault_of_a_body_is_named(post, body, code, field):
    answer = post(body)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, code, field)


def test_nothing_of_a_refused_body_is_done(post):
    done.clear()
    post({"text": "a", "owner": "bob"})
    assert done == []


def test_what_the_database_cannot_hold_is_the_callers_fault(post):
    answer = post({"text": "widen"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


# Parameters


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=0", "page_size"),
        ("page_size=-5", "page_size"),
        ("page_size=101", "page_size"),
        ("page_size=100000000", "page_size"),
        ("page_size=1.0", "page_size"),
        ("page_size=1_0", "page_size"),
        ("page_size=%D9%A1", "page_size"),
        ("page_size=", "page_size"),
        ("page_size=NaN", "page_size"),
        ("page_size=" + "9" * 5000, "page_size"),
        ("page_size=1&page_size=2", "page_size"),
        ("colour=red", "colour"),
        ("_connector=OR%201=1", "_connector"),
        ("_negated=1", "_negated"),
        ("user__password__startswith=p", "user__password__startswith"),
        ("format=exe", "format"),
        ("cursor=", "cursor"),
        ("cursor=cD1hYmM=", "cursor"),
        ("cursor=cD0lMDA=", "cursor"),
        ("cursor=bz0xMDAwMDAwMDAwMDAwMDA=", "cursor"),
        ("cursor=%F0%9F%92%A9:a", "cursor"),
        ("cursor=eyJrZXkiOiIxIn0:" + "a" * 43, "cursor"),
        ("cursor=" + "a" * 10_000, "cursor"),
    ],
)
def test_a_wrong_parameter_is_named(client, query, field):
    answer = client.get(f"/api/runs/?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_what_is_allowed_is_said(client):
    assert client.get("/api/runs/?a=1").json()["message"] == (
        "Unknown parameter; allowed: page_size, stack, cursor."
    )  # fmt: skip


def test_a_parameter_that_may_be_repeated_is(client):
    assert client.get("/api/runs/?stack=a&stack=b").status_code == 200


def test_a_write_takes_no_parameter(client):
    answer = client.post(f"{ECHO}?force=1", {"text": "a"}, "application/json", **signed(make_key()))
    assert answer.status_code == 400


# Methods and forms


@pytest.mark.parametrize("method", ["PUT", "TRACE", "OPTIONS", "PATCH", "BREW", "INITIAL"])
def test_another_method_is_refused(client, method):
    answer = client.generic(method, ECHO)
    assert (answer.status_code, answer.json()["code"], answer["Allow"]) == (
        405, "method_not_allowed", "GET, HEAD, POST, DELETE")  # fmt: skip


def test_xml_is_not_given(client):
    answer = client.get("/api/runs/", HTTP_ACCEPT="application/xml")
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


def test_head_is_get_without_a_body(client):
    head, get = client.head("/api/runs/"), client.get("/api/runs/")
    counted = ("X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Request-ID")
    said, expected = ({name: value for name, value in each.items() if name not in counted} for each in (head, get))
    assert (said, head.content) == (expected, b"")

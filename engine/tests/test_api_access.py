"""Who asks, what they may, and how often."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from engine.models import Allowance, ApiKey
from engine.tests.echo import make_key, signed

pytestmark = [pytest.mark.django_db, pytest.mark.urls("engine.tests.echo")]
ECHO = "/api/echo/"
WRONG = [
    "", "Token", "Token a b", "Basic YTpi", "Bearer", "Bearer ost_", "Bearer ost_" + "x" * 43, "Bearer é\xff",
    "Bearer ost_" + "x" * 1_000_000, "Digest qop=auth", "\x01", "Bearer ost_aaaaaaaaaaaaaaaaaaaaaaaa, Bearer b",
]  # fmt: skip


def test_a_key_names_its_owner(client):
    assert client.get(ECHO, **signed(make_key())).json() == {"user": "alice_ml"}


def test_the_word_token_is_understood_too(client):
    assert client.get(ECHO, HTTP_AUTHORIZATION=f"Token {make_key()}").status_code == 200


@pytest.mark.parametrize("header", WRONG, ids=range(len(WRONG)))
def test_whatever_is_no_key_gets_the_same_401(client, header):
    answer = client.get(ECHO, HTTP_AUTHORIZATION=header)
    expected = {"code": "invalid_key", "message": "The Authorization header holds no valid key.", "field": None}
    assert (answer.status_code, answer.json(), "WWW-Authenticate" in answer) == (401, expected, True)


@pytest.mark.parametrize("change", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(1)}])
def test_a_revoked_or_expired_key_is_none(client, change):
    key = make_key()
    ApiKey.objects.update(**change)
    assert client.get(ECHO, **signed(key)).status_code == 401


def test_the_key_of_a_person_who_was_shut_out_is_none(client):
    key = make_key()
    User.objects.update(is_active=False)
    assert client.get(ECHO, **signed(key)).status_code == 401


def test_a_wrong_key_is_refused_on_public_addresses_too(client):
    assert client.get("/api/runs/", **signed("ost_" + "x" * 43)).status_code == 401


def test_a_key_beats_the_cookie(client):
    client.force_login(User.objects.create(username="bob_webdev"))
    assert client.get(ECHO, **signed(make_key())).json() == {"user": "alice_ml"}


def test_a_wrong_key_is_not_mended_by_a_cookie(client):
    client.force_login(User.objects.create(username="bob_webdev"))
    assert client.get(ECHO, HTTP_AUTHORIZATION="Token").status_code == 401


def test_a_use_is_noted_once_an_hour(client, django_assert_num_queries):
    key = make_key()
    client.get(ECHO, **signed(key))
    assert ApiKey.objects.get().used_at
    with django_assert_num_queries(1):  # the key; of the allowance some was taken ahead
        client.get(ECHO, **signed(key))


def test_nobody_gets_401_on_what_is_private(client):
    answer = client.get(ECHO)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_the_public_is_read_by_nobody_in_particular(client):
    assert client.get("/api/runs/").status_code == 200


def test_somebody_signed_in_is_known(client):
    client.force_login(User.objects.create(username="bob_webdev"))
    assert client.get(ECHO).json() == {"user": "bob_webdev"}


def test_a_write_from_a_page_without_the_csrf_token_is_refused():
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create(username="bob_webdev"))
    answer = client.post(ECHO, {"text": "a"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_a_write_with_a_key_needs_no_csrf_token():
    client = Client(enforce_csrf_checks=True)
    assert client.post(ECHO, {"text": "a"}, "application/json", **signed(make_key())).status_code == 201


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [(["read"], 200, 403), (["write"], 200, 201), (["conversations:write"], 403, 403), (["read", "write"], 200, 201)],
)
def test_a_key_does_what_its_scopes_say(client, scopes, reads, writes):
    key = signed(make_key(*scopes))
    assert client.get(ECHO, **key).status_code == reads
    assert client.post(ECHO, {"text": "a"}, "application/json", **key).status_code == writes


def test_a_lacking_scope_is_named(client):
    answer = client.post(ECHO, {"text": "a"}, "application/json", **signed(make_key("read")))
    assert answer.json() == {"code": "missing_scope", "message": "The key lacks the scope write.", "field": None}


def test_the_public_needs_no_scope(client):
    assert client.get("/api/runs/", **signed(make_key("conversations:write"))).status_code == 200


@pytest.mark.parametrize(("scope", "permitted", "status"), [("conversations:write", True, 201),
                         ("conversations:write", False, 403), ("write", True, 403)])  # fmt: skip
def test_a_scope_counts_only_if_its_owner_has_the_permission(client, scope, permitted, status):
    key = make_key(scope)
    if permitted:
        User.objects.get().user_permissions.add(Permission.objects.get(codename="view_run"))
    assert client.post("/api/conversations/", {}, "application/json", **signed(key)).status_code == status


# How often


@pytest.fixture
def few(settings):
    """Three requests a minute."""
    rates = {"anon": 3, "user": 3, "try": 3}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}


def statuses(client, count, **headers):
    return [client.get("/api/runs/", **headers).status_code for _ in range(count)]


def test_an_answer_tells_what_is_left(client, few):
    answer = client.get("/api/runs/")
    assert (answer["X-RateLimit-Limit"], answer["X-RateLimit-Remaining"]) == ("3", "2")
    assert 1 <= int(answer["X-RateLimit-Reset"]) <= 60


def test_too_many_requests_are_told_when_to_come_again(client, few):
    assert statuses(client, 4) == [200, 200, 200, 429]
    answer = client.get("/api/runs/")
    assert (answer.json()["code"], 1 <= int(answer["Retry-After"]) <= 60) == ("throttled", True)


def test_addresses_are_counted_apart(client, few):
    assert statuses(client, 3, REMOTE_ADDR="192.0.2.1") + statuses(client, 1, REMOTE_ADDR="192.0.2.2") == [200] * 4


def test_a_whole_network_of_ipv6_counts_as_one_address(client, few):
    assert statuses(client, 3, REMOTE_ADDR="2001:db8::1") + statuses(client, 1, REMOTE_ADDR="2001:db8::2") == [
        200, 200, 200, 429]  # fmt: skip


def test_a_forwarded_address_is_not_believed(client, few):
    assert [client.get("/api/runs/", HTTP_X_FORWARDED_FOR=f"192.0.2.{n}").status_code for n in range(4)][-1] == 429


def test_behind_our_own_proxy_its_word_counts_and_no_other(client, few, settings):
    settings.PROXY_COUNT = 1
    said = [f"203.0.113.{number}, 192.0.2.1" for number in range(4)]
    assert [client.get("/api/runs/", HTTP_X_FORWARDED_FOR=each).status_code for each in said][-1] == 429
    assert client.get("/api/runs/", HTTP_X_FORWARDED_FOR="192.0.2.1, 192.0.2.2").status_code == 200


def test_what_is_no_address_counts_as_one(client, few, settings):
    settings.PROXY_COUNT = 1
    said = [f"nobody-{number}" for number in range(4)]
    assert [client.get("/api/runs/", HTTP_X_FORWARDED_FOR=each).status_code for each in said][-1] == 429


def test_all_keys_of_a_person_count_together(client, few):
    first, second = make_key(), make_key()
    assert statuses(client, 3, **signed(first)) + statuses(client, 1, **signed(second)) == [200, 200, 200, 429]


def test_who_tries_keys_is_counted_by_address(client, few):
    assert statuses(client, 4, **signed("ost_" + "x" * 43)) == [401, 401, 401, 429]


def test_somebody_known_is_not_counted_by_address(client, few):
    statuses(client, 3)
    assert client.get("/api/runs/", **signed(make_key())).status_code == 200


def test_a_refused_request_is_counted(client):
    client.get(ECHO)
    assert Allowance.objects.get().taken == 1

"""Keys of the API: one's own, shown once, and each change after the password once more."""

import re
import time
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.models import ApiKey
from recommendations.pages.keys import AT_MOST

pytestmark = pytest.mark.django_db
PAGE = "/profile/keys/"
RIGHT = {"name": "nightly script", "scopes": ["read"], "days": "30"}


@pytest.fixture
def alice() -> User:
    user = User(username="alice_ml")
    user.set_password("correct horse 9")
    user.save()
    return user


@pytest.fixture(autouse=True)
def quick(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def visits(user: User, confirmed: bool = True) -> Client:
    client = Client()
    client.force_login(user)
    if confirmed:
        session = client.session
        record = {"method": "password", "at": time.time(), "reauthenticated": True}
        session["account_authentication_methods"] = [record]
        session["account_authentication_methods_user"] = str(user.pk)
        session.save()
    return client


def key_of(user: User, name: str = "a", days: int = 30) -> ApiKey:
    return ApiKey.objects.issue(user, name, ["read"], days)[0]


def text_in(answer) -> str:
    return "".join(re.findall(r"<code>(ost_[\w-]{40,})</code>", answer.content.decode()))


def test_strangers_sign_in_first(client):
    assert client.get(PAGE)["Location"].startswith("/accounts/login/")


def test_a_new_key_is_shown_and_works(alice):
    answer = visits(alice).post(PAGE, RIGHT)
    key = ApiKey.objects.behind(text_in(answer))
    assert answer.status_code == 200
    assert key is not None
    assert (key.user, key.name, key.scopes) == (alice, "nightly script", ["read"])
    assert timedelta(days=29) < key.expires_at - timezone.now() <= timedelta(days=30)


def test_it_is_shown_once_and_kept_nowhere(alice):
    client = visits(alice)
    answer = client.post(PAGE, RIGHT)
    assert "no-store" in answer["Cache-Control"]
    assert text_in(client.get(PAGE)) == ""


def test_its_text_is_in_no_row(alice):
    text = text_in(visits(alice).post(PAGE, RIGHT))
    assert text.startswith("ost_")
    assert text not in str(ApiKey.objects.values().get())


def test_a_key_lasts_ninety_days_unless_one_says_otherwise(alice):
    assert 'value="90"' in visits(alice).get(PAGE).content.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "x" * 81}, {"name": "a\0b"}, {"scopes": []}, {"scopes": ["admin"]},
        {"scopes": ["conversations:write"]}, {"days": "0"}, {"days": "366"}, {"days": "x"}, {"days": "9" * 5000},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused(alice, wrong: dict[str, Any]):
    answer = visits(alice).post(PAGE, {**RIGHT, **wrong})
    assert (answer.status_code, ApiKey.objects.count()) == (422, 0)
    assert 'role="alert"' in answer.content.decode()


def test_staff_may_hand_in_conversations(alice):
    User.objects.update(is_staff=True)
    alice.refresh_from_db()
    visits(alice).post(PAGE, {**RIGHT, "scopes": ["read", "conversations:write"]})
    assert ApiKey.objects.get().scopes == ["read", "conversations:write"]


def test_there_is_an_end_to_how_many_keys_one_has(alice):
    for _ in range(AT_MOST):
        key_of(alice)
    answer = visits(alice).post(PAGE, RIGHT)
    assert (answer.status_code, ApiKey.objects.count()) == (422, AT_MOST)
    assert "Revoke one first" in answer.content.decode()


def test_keys_that_ended_do_not_count(alice):
    for _ in range(AT_MOST):
        key_of(alice)
    ApiKey.objects.filter(pk=key_of(alice).pk - 1).update(expires_at=timezone.now())
    ApiKey.objects.filter(pk=ApiKey.objects.latest("pk").pk).update(revoked_at=timezone.now())
    assert visits(alice).post(PAGE, RIGHT).status_code == 200


def test_only_ones_own_keys_are_listed(alice):
    key_of(User.objects.create(username="bob_webdev"), "bobs key")
    mine = key_of(alice, "my key")
    page = visits(alice).get(PAGE).content.decode()
    assert "bobs key" not in page
    assert mine.shown in page


def test_a_hostile_name_is_only_text(alice):
    key_of(alice, "<script>alert(1)</script>")
    assert "<script>alert" not in visits(alice).get(PAGE).content.decode()


def test_a_revoked_key_works_no_more_and_is_gone_from_the_list(alice):
    key, text = ApiKey.objects.issue(alice, "a", ["read"], 30)
    client = visits(alice)
    assert client.post(f"{PAGE}{key.pk}/revoke/")["Location"] == PAGE
    assert ApiKey.objects.behind(text) is None
    client.get(PAGE)
    assert key.shown not in client.get(PAGE).content.decode()


def test_revoking_is_a_post(alice):
    assert visits(alice).get(f"{PAGE}{key_of(alice).pk}/revoke/").status_code == 405


def test_a_key_of_somebody_else_is_not_there(alice):
    key = key_of(User.objects.create(username="bob_webdev"))
    assert visits(alice).post(f"{PAGE}{key.pk}/revoke/").status_code == 404
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize("pk", ["0", "9" * 30])
def test_a_key_that_never_was_is_not_there(alice, pk):
    assert visits(alice).post(f"{PAGE}{pk}/revoke/").status_code == 404


def test_the_list_needs_no_confirmation(alice):
    assert visits(alice, confirmed=False).get(PAGE).status_code == 200


def test_a_change_is_asked_about_and_then_made(alice):
    client = visits(alice, confirmed=False)
    asked = client.post(PAGE, RIGHT)
    assert unquote(asked["Location"]) == f"/accounts/reauthenticate/?next={PAGE}"
    assert not ApiKey.objects.exists()
    answer = client.post(asked["Location"], {"password": "correct horse 9", "next": PAGE})
    assert ApiKey.objects.behind(text_in(answer)) == ApiKey.objects.get()


def test_revoking_is_asked_about_too(alice):
    key = key_of(alice)
    client = visits(alice, confirmed=False)
    assert client.post(f"{PAGE}{key.pk}/revoke/")["Location"].startswith("/accounts/reauthenticate/")
    assert ApiKey.objects.get().revoked_at is None


def test_ten_more_keys_cost_no_more_queries(alice):
    client, counts = visits(alice), []
    for _ in range(2):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            client.get(PAGE)
        counts.append(len(seen))
        for _ in range(10):
            key_of(alice)
    assert counts[0] == counts[1] <= 12

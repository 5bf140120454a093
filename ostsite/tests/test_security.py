"""Security: what every answer carries, cookies, forms of other sites, addresses that lead elsewhere."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as present
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client
from django.urls import get_resolver
from rest_framework.views import APIView

from ostsite.tests.people import PASSWORD, confirmed, person, staff, visits

pytestmark = pytest.mark.django_db
STRONG = "0123456789abcdefghij" * 3
SECURED = {"SECRET_KEY": STRONG, "SITE_URL": "https://ost.example", "ALLOWED_HOSTS": "ost.example"}
PRINT = "from django.conf import settings as s; print(*[getattr(s, name) for name in {}], sep='|')"


@pytest.fixture(autouse=True)
def quick(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def web() -> Client:
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


# Set up for the world


def test_a_deployment_over_https_passes_every_check(manage):
    code, _, said = manage("check", "--deploy", "--fail-level", "WARNING", **SECURED)
    assert (code, said) == (0, ""), said


@pytest.mark.parametrize(
    ("site", "hosts", "found"),
    [
        ("https://ost.example", ["ost.example"], []),
        ("https://www.ost.example:8443", [".ost.example"], []),
        ("http://[::1]:8000", ["[::1]"], []),
        ("https://ost.example", ["www.ost.example"], ["ost.E002"]),
    ],
)
def test_links_to_the_site_lead_to_one_of_its_hosts(settings, site, hosts, found):
    settings.SITE_URL, settings.ALLOWED_HOSTS = site, hosts
    seen = run_checks(tags=["urls"], include_deployment_checks=True)
    assert [message.id for message in seen if str(message.id).startswith("ost.")] == found


def told(manage, *names: str, **environment: str) -> list[str]:
    _, out, error = manage("shell", "--no-imports", "-c", PRINT.format(names), **environment)
    assert not error
    return out.strip().split("|")


def test_over_https_cookies_belong_to_this_host_alone(manage):
    names = [
        f"{cookie}_COOKIE_{what}"
        for cookie in ("SESSION", "CSRF")
        for what in ("NAME", "SECURE", "HTTPONLY", "SAMESITE", "DOMAIN", "PATH")
    ]
    found = told(manage, *names, **SECURED)
    kept = ["True", "True", "Lax", "None", "/"]
    assert found == ["__Host-session", *kept, "__Host-csrf", *kept]


def test_over_https_plain_http_is_sent_there_for_a_year(manage):
    assert told(manage, "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SECURE_PROXY_SSL_HEADER", **SECURED) == [
        "True",
        "31536000",
        "None",
    ]


def test_behind_a_proxy_it_says_how_the_client_came(manage):
    assert told(manage, "SECURE_PROXY_SSL_HEADER", PROXY_COUNT="1", **SECURED) == [
        "('HTTP_X_FORWARDED_PROTO', 'https')"
    ]


def test_github_may_be_gone_to_only_where_it_is_set_up(manage):
    policy = "CONTENT_SECURITY_POLICY"
    assert "github" not in told(manage, policy)[0]
    assert "https://github.com" in told(manage, policy, GITHUB_OAUTH_CLIENT_ID="a", GITHUB_OAUTH_CLIENT_SECRET="b")[0]


# What every answer carries

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
POLICY = {
    "default-src 'self'", "img-src 'self' data:", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'",
    "form-action 'self'",
}  # fmt: skip
ANSWERS = (
    "/",
    "/projects/",
    "/nowhere",
    "/accounts/login/",
    "/accounts/signup/",
    "/admin/",
    "/api/v1/nowhere/",
    "/?q=%00",
)


def secured(answer) -> None:
    assert {name: answer.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert set(answer["Content-Security-Policy"].split("; ")) == POLICY
    assert not {"Server", "X-Powered-By"} & set(answer.headers)


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_says_what_a_browser_may_do(web, path):
    secured(web.get(path))


def test_so_do_pages_for_staff():
    secured(visits(staff()).get("/admin/"))


def test_so_does_an_answer_to_a_form_without_its_token(web):
    secured(web.post("/accounts/login/"))


# Forms of other sites

FORMS = (
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/logout/",
    "/accounts/password/reset/",
    "/profile/keys/",
    "/act/",
)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_its_token_is_refused(web, path):
    answer = web.post(path)
    assert answer.status_code == 403
    assert 'class="wordmark"' in answer.content.decode()


def views(patterns: list[Any]) -> Iterator[Any]:
    for each in patterns:
        yield from views(each.url_patterns) if hasattr(each, "url_patterns") else [each.callback]


def test_no_page_is_exempt_from_the_token():
    """Views of the API are: they see to it themselves, for who comes without a key."""
    exempt = [view for view in views(get_resolver().url_patterns) if getattr(view, "csrf_exempt", False)]
    assert [view for view in exempt if not issubclass(getattr(view, "cls", object), APIView)] == []


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.example"])
def test_a_form_of_another_site_is_refused(web, origin):
    web.get("/accounts/login/")
    token = web.cookies[present.CSRF_COOKIE_NAME].value
    words = {"csrfmiddlewaretoken": token, "login": "a", "password": "b"}
    assert web.post("/accounts/login/", words).status_code == 200
    assert web.post("/accounts/login/", words, headers={"Origin": origin}).status_code == 403


def test_a_token_of_somebody_else_is_refused(web):
    web.get("/accounts/login/")
    other = Client()
    other.get("/accounts/login/")
    words = {"csrfmiddlewaretoken": other.cookies[present.CSRF_COOKIE_NAME].value}
    assert web.post("/accounts/login/", words).status_code == 403


# Addresses that lead elsewhere

ELSEWHERE = (
    "//evil.example", "///evil.example", "https:evil.example", "https:/evil.example", "https://evil.example/",
    "http://testserver@evil.example/", "javascript:alert(1)", "data:text/html,x", "\\\\evil.example", "/\\evil.example",
    "\thttps://evil.example", "//evil.example\r\nSet-Cookie: a=b", "https://testserver.evil.example/", "x" * 100_000,
)  # fmt: skip


@pytest.mark.parametrize("away", ELSEWHERE, ids=lambda each: repr(each)[:30])
def test_signing_in_leads_nowhere_else(client, away):
    person()
    answer = client.post("/accounts/login/", {"login": "alice_ml", "password": PASSWORD, "next": away})
    assert answer.status_code == 302
    assert answer["Location"] == "/welcome/" or away.startswith("x")
    assert "evil" not in answer["Location"]


@pytest.mark.parametrize("away", ELSEWHERE[:-1], ids=lambda each: repr(each)[:30])
def test_signing_out_and_signing_up_lead_nowhere_else(client, away):
    words = {"username": "bob_webdev", "password1": PASSWORD, "password2": PASSWORD, "next": away}
    assert client.post("/accounts/signup/", words)["Location"] == "/welcome/"
    assert client.post("/accounts/logout/", {"next": away})["Location"] == "/"


def test_confirming_leads_nowhere_else():
    client = visits(person())
    answer = client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": "//evil.example"})
    assert "evil" not in answer["Location"]


# What is kept on the way


@pytest.mark.parametrize("path", ["/projects/", "/profile/keys/", "/accounts/email/", "/nowhere"])
def test_what_somebody_signed_in_sees_is_kept_nowhere(path):
    assert "no-store" in visits(person()).get(path)["Cache-Control"]


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/"])
def test_forms_for_a_password_are_kept_nowhere(client, path):
    assert "no-store" in client.get(path)["Cache-Control"]


# What no table can hold


@pytest.mark.parametrize("value", ['"\\000aaaaaaaaaaaaaaaa"', "a" * 10_000, "\\", '"é"', "=;"])
def test_a_cookie_that_means_nothing_breaks_nothing(web, value):
    answer = web.get("/accounts/email/", headers={"Cookie": f"{present.SESSION_COOKIE_NAME}={value}"})
    assert answer.status_code in (302, 400)


@pytest.mark.parametrize("host", ["evil.example", "a" * 300, "testserver:0:0", "[::1", "x\\y"])
def test_a_host_that_is_not_ours_is_refused(web, host):
    assert web.get("/accounts/login/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "words",
    [
        {"login": "a\0b"},
        {"login": "x" * 100_000},
        {"login": "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")},
    ],
)
def test_words_that_mean_nobody_sign_nobody_in(client, words):
    assert client.post("/accounts/login/", {"password": "b", **words}).status_code == 200


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-HTTP-Method-Override"]
)
def test_headers_that_a_proxy_would_set_mean_nothing_without_one(client, header):
    answer = client.get("/accounts/login/", headers={header: "evil.example"})
    assert answer.status_code == 200
    assert "evil" not in answer.content.decode()


def test_nobody_becomes_more_by_signing_up(client):
    more = {"is_staff": "1", "is_superuser": "1", "id": "1", "last_login": "2020-01-01"}
    client.post("/accounts/signup/", {"username": "mallory", "password1": PASSWORD, "password2": PASSWORD, **more})
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser) == (False, False)


def test_deleting_ones_data_needs_the_password_again():
    user = person()
    answer = visits(user).post("/profile/delete/", {"username": user.username})
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert User.objects.filter(pk=user.pk).exists()
    confirmed(user).post("/profile/delete/", {"username": user.username})
    assert not User.objects.filter(pk=user.pk).exists()

"""Accounts: a name and a password are enough; nobody learns who else is here; every page of it is the site's."""

import base64
import re
from html.parser import HTMLParser

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from engine.models import Audit
from ostsite.management.commands.reset_link import Command as ResetLink
from ostsite.tests.people import PASSWORD, code_for, code_of, confirmed, person, staff, visits
from recommendations.models import Profile

pytestmark = pytest.mark.django_db
ROOT = "/accounts/login/"


class Counting(MD5PasswordHasher):
    """Counts how often a password is hashed, which is what takes time."""

    calls = 0

    def encode(self, password, salt):
        Counting.calls += 1
        return super().encode(password, salt)


class MailAway(BaseEmailBackend):
    """A mail server that does not answer."""

    def send_messages(self, email_messages):
        raise ConnectionRefusedError


@pytest.fixture(autouse=True)
def quick(settings) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.Counting"]
    settings.MFA_TOTP_TOLERANCE = 1  # a test may run where one code follows the other


@pytest.fixture
def alice() -> User:
    return person("alice_ml", email="alice@ost.example")


def sign_in(client: Client, login: str = "alice_ml", password: str = PASSWORD, **more: str):
    return client.post(ROOT, {"login": login, "password": password, **more})


def found(pattern: str, text: str) -> str:
    """What stands in the pattern's group, where it is first found."""
    return re.findall(pattern, text)[0]


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


# Signing up


def sign_up(client: Client, username: str = "alice_ml", **more: str):
    words = {"username": username, "password1": PASSWORD, "password2": PASSWORD, **more}
    return client.post(reverse("account_signup"), words)


def test_a_name_and_a_password_are_enough(client):
    answer = sign_up(client)
    assert answer["Location"] == reverse("welcome")
    assert is_signed_in(client)


def test_who_signed_up_has_a_profile(client):
    sign_up(client)
    assert Profile.objects.get().user.username == "alice_ml"


def test_a_name_is_taken_in_any_case(client, alice):
    assert "already exists" in sign_up(client, "Alice_ML").content.decode()
    assert User.objects.count() == 1


@pytest.mark.parametrize("password", ["short 1", "password123", "1234567890123", "alice_ml1"])
def test_a_weak_password_is_refused(client, password):
    sign_up(client, password1=password, password2=password)
    assert not User.objects.exists()


def test_signing_up_does_not_tell_whose_address_is_known(client, alice):
    known, unknown = (
        sign_up(client, "bob_webdev", email="alice@ost.example"),
        sign_up(Client(), "carol_ops", email="c@c.example"),
    )
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])


def test_a_mail_server_that_is_away_stops_nobody(client, settings):
    settings.EMAIL_BACKEND = f"{__name__}.MailAway"
    assert sign_up(client, email="alice@ost.example").status_code == 302
    assert is_signed_in(client)


# Signing in


@pytest.mark.parametrize("login", ["alice_ml", "ALICE_ML", "alice@ost.example", " alice_ml "])
def test_signing_in_is_by_name_or_address(client, alice, login):
    sign_in(client, login)
    assert is_signed_in(client)


def test_whoever_was_not_welcomed_is_welcomed_first(client, alice):
    assert sign_in(client)["Location"] == reverse("welcome")


def test_whoever_was_welcomed_comes_to_their_list(client, alice):
    Profile.objects.create(user=alice, welcomed_at=timezone.now())
    assert sign_in(client)["Location"] == reverse("for_you")


def test_after_signing_in_one_goes_on_where_one_wanted_to(client, alice):
    assert sign_in(client, next="/projects/?q=a")["Location"] == "/projects/?q=a"


def alerts(answer) -> list[str]:
    return re.findall(r'role="alert">([^<]*)<', answer.content.decode())


def test_an_unknown_name_and_a_wrong_password_are_told_in_the_same_words(client, alice):
    person("dave", is_active=False)
    told = [alerts(sign_in(client, login, "wrong")) for login in ("alice_ml", "nobody", "dave")]
    assert told == [["The username and/or password you specified are not correct."]] * 3


@pytest.mark.parametrize("login", ["alice_ml", "alice@ost.example", "nobody", "nobody@ost.example", "imported"])
def test_whether_somebody_is_known_does_not_show_in_the_time(client, alice, login):
    User.objects.create(username="imported", password="!")
    Counting.calls = 0
    sign_in(client, login, "wrong")
    assert Counting.calls == 1


def test_a_session_gets_another_key_at_signing_in(client, alice):
    before = client.session  # made, and its cookie with it
    sign_in(client)
    assert client.session.session_key != before.session_key
    assert not client.session.exists(before.session_key)


def test_signing_out_is_a_post(client, alice):
    sign_in(client)
    client.get(reverse("account_logout"))
    assert is_signed_in(client)


def old_session(client: Client) -> Client:
    """Another browser with the same cookie."""
    other = Client()
    name = settings.SESSION_COOKIE_NAME
    other.cookies[name] = client.cookies[name].value
    return other


def test_after_signing_out_the_session_is_dead(client, alice):
    sign_in(client)
    old = old_session(client)
    assert client.post(reverse("account_logout"))["Location"] == reverse("home")
    assert old.get(reverse("account_email")).status_code == 302


def test_after_another_password_every_session_is_dead(alice):
    here, there = visits(alice), visits(alice)
    words = {"oldpassword": PASSWORD, "password1": "another horse 9", "password2": "another horse 9"}
    assert here.post(reverse("account_change_password"), words).status_code == 302
    assert there.get(reverse("account_email")).status_code == 302
    assert here.get(reverse("account_email")).status_code == 302


# Too often


def test_after_five_failures_a_name_has_to_wait(client, alice):
    codes = [sign_in(client, password=f"wrong {number}").status_code for number in range(6)]
    assert codes == [200] * 5 + [429]


def test_while_it_waits_the_right_password_does_not_help(client, alice):
    for _ in range(5):
        sign_in(client, password="wrong")
    answer = sign_in(client)
    assert (answer.status_code, answer["Retry-After"], is_signed_in(client)) == (429, "60", False)
    assert "<h1>" in answer.content.decode()


def test_somebody_elses_failures_keep_nobody_out(client, alice):
    for _ in range(6):
        sign_in(client, "bob_webdev", "wrong")
    sign_in(client)
    assert is_signed_in(client)


def test_after_ten_failures_a_minute_an_address_has_to_wait(client):
    codes = [sign_in(client, f"user{number}", "wrong").status_code for number in range(11)]
    assert codes == [200] * 10 + [429]


def test_what_a_client_says_of_its_address_changes_nothing(client):
    codes = [
        client.post(
            ROOT, {"login": f"u{n}", "password": "wrong"}, headers={"X-Forwarded-For": f"192.0.2.{n}"}
        ).status_code
        for n in range(11)
    ]
    assert codes[-1] == 429


def test_behind_a_proxy_each_client_counts_for_itself(client, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    codes = {
        client.post(
            ROOT, {"login": f"u{n}", "password": "x"}, headers={"X-Forwarded-For": f"6.6.6.6, 192.0.2.{n}"}
        ).status_code
        for n in range(11)
    }
    assert codes == {200}


def test_who_comes_around_a_proxy_breaks_nothing(client, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    answer = client.post(ROOT, {"login": "u", "password": "x"}, headers={"X-Forwarded-For": "192.0.2.1"})
    assert answer.status_code == 200


def test_while_nobody_can_count_nobody_signs_in(client, alice, settings):
    """A Redis on a port where none is."""
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1"}}
    answer = sign_in(client)
    assert (answer.status_code, answer["Retry-After"], is_signed_in(client)) == (503, "5", False)


# Another password


def test_a_link_to_another_password_comes_by_mail(client, alice):
    client.post(reverse("account_reset_password"), {"email": "alice@ost.example"})
    assert "/accounts/password/reset/key/" in mail.outbox[0].body


def test_asking_for_another_password_does_not_tell_whose_address_is_known(client, alice):
    asked = [
        client.post(reverse("account_reset_password"), {"email": each}) for each in ("alice@ost.example", "x@x.example")
    ]
    assert len({(each.status_code, each["Location"]) for each in asked}) == 1
    assert len(mail.outbox) == 2


def follow(link: str) -> Client:
    client = Client()
    form = client.get(link.removeprefix("http://127.0.0.1:8000"))["Location"]
    client.post(form, {"password1": PASSWORD, "password2": PASSWORD})
    return client


def reset_link(capsys, *arguments: str) -> tuple[int, str, str]:
    return ResetLink().ended(["manage.py", "reset_link", *arguments]), *capsys.readouterr()


def test_an_imported_user_sets_a_password_by_the_operators_link(client, capsys):
    User.objects.create(username="imported", password="!")
    code, link, _ = reset_link(capsys, "imported")
    follow(link.strip())
    sign_in(client, "imported")
    assert (code, is_signed_in(client)) == (0, True)


def test_a_link_holds_once(capsys, client):
    User.objects.create(username="imported", password="!")
    link = reset_link(capsys, "imported")[1].strip().removeprefix("http://127.0.0.1:8000")
    follow(link)
    assert "does not hold any more" in client.get(link).content.decode()


def test_a_link_is_noted(capsys):
    User.objects.create(username="imported", password="!")
    reset_link(capsys, "imported")
    assert Audit.objects.values_list("action", "subject").get() == ("reset link", "imported")


@pytest.mark.parametrize("name", ["nobody", "a\0b", "\udc80", "x" * 500])
def test_a_link_for_nobody_is_refused_in_one_line(capsys, name):
    code, out, error = reset_link(capsys, name)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert "allowed: the exact name of one" in error


# Email


def test_an_address_is_added_after_a_confirmation_only(alice):
    add = {"email": "mallory@ost.example", "action_add": ""}
    assert visits(alice).post(reverse("account_email"), add)["Location"].startswith(reverse("account_reauthenticate"))
    confirmed(alice).post(reverse("account_email"), add)
    assert EmailAddress.objects.filter(email="mallory@ost.example").count() == 1


# A second factor


def test_who_has_a_second_factor_is_not_in_without_it(client):
    user = staff()
    answer = sign_in(client, user.username)
    assert (answer["Location"], is_signed_in(client)) == (reverse("mfa_authenticate"), False)
    client.post(reverse("mfa_authenticate"), {"code": code_of(user)})
    assert is_signed_in(client)


def test_a_second_factor_is_set_up_from_the_page(alice):
    client = confirmed(alice)
    page = client.get(reverse("mfa_activate_totp")).content.decode()
    secret = found(r'id="authenticator_secret"[^>]*>(\w+)<', page)
    client.post(reverse("mfa_activate_totp"), {"code": code_for(secret)})
    assert set(Authenticator.objects.values_list("user", "type")) == {(alice.pk, "totp"), (alice.pk, "recovery_codes")}


def test_a_second_factor_is_set_up_after_a_confirmation_only(alice):
    assert visits(alice).get(reverse("mfa_activate_totp"))["Location"].startswith(reverse("account_reauthenticate"))


def test_the_picture_of_the_secret_is_black_on_white(alice):
    data = found(
        r'src="data:image/svg\+xml;base64,([^"]+)"', confirmed(alice).get(reverse("mfa_activate_totp")).content.decode()
    )
    assert 'fill="white"' in base64.b64decode(data).decode()


# Pages


class Page(HTMLParser):
    """What is wrong with a page, and what it shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.inputs: list[str | None] = []
        self.wrong: list[str] = []
        self.stack: list[str] = []
        self.headings = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        if "style" in said or any(name.startswith("on") for name in said) or tag == "style":
            self.wrong.append(f"inline style or script in {tag}")
        if (tag == "script" and not said.get("src")) or (tag == "img" and not said.get("alt")):
            self.wrong.append(f"{tag} {said}")
        if tag in ("p", "div", "ul", "form", "section", "h2") and "p" in self.stack:
            self.wrong.append(f"{tag} within p")
        if tag == "form" and "form" in self.stack:
            self.wrong.append("form within form")
        if "id" in said:
            self.ids.append(said["id"])
        if tag == "label" and "for" in said:
            self.labelled.add(said["for"])
        if tag in ("input", "textarea", "select") and said.get("type") != "hidden":
            self.inputs.append(said.get("id"))
        self.headings += tag == "h1"
        if tag not in ("meta", "link", "input", "img", "hr", "br"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            self.wrong.append(f"{tag} closes what is still open")

    def faults(self) -> list[str]:
        return [
            *self.wrong,
            *(f"twice {each}" for each in set(self.ids) if self.ids.count(each) > 1),
            *(f"no label of {each}" for each in self.inputs if each not in self.labelled),
            *([] if self.headings == 1 else [f"{self.headings} h1"]),
            *(f"open {tag}" for tag in self.stack),
        ]


OPEN = (
    "account_login", "account_signup", "account_reset_password", "account_reset_password_done",
    "account_reset_password_from_key_done", "account_inactive", "account_email_verification_sent",
    "socialaccount_login_cancelled",
)  # fmt: skip
OWN = (
    "account_logout", "account_change_password", "account_email", "account_reauthenticate", "mfa_index",
    "mfa_activate_totp", "socialaccount_connections",
)  # fmt: skip
STAFF = ("mfa_index", "mfa_deactivate_totp", "mfa_generate_recovery_codes", "mfa_reauthenticate")


def fine(answer, status: int = 200) -> None:
    page = answer.content.decode()
    assert answer.status_code == status
    assert Page(page).faults() == []
    assert 'class="wordmark"' in page


@pytest.mark.parametrize("name", OPEN)
def test_a_page_for_anybody_is_one_of_ours(client, name):
    fine(client.get(reverse(name)))


@pytest.mark.parametrize("name", OWN)
def test_a_page_of_an_account_is_one_of_ours(alice, name):
    EmailAddress.objects.create(user=alice, email="alice@ost.example", primary=True)
    fine(confirmed(alice).get(reverse(name)))


@pytest.mark.parametrize("name", STAFF)
def test_a_page_of_the_second_factor_is_one_of_ours(name):
    fine(confirmed(staff()).get(reverse(name)))


def test_recovery_codes_are_shown_on_one_of_our_pages():
    client = confirmed(staff())
    fine(client.post(reverse("mfa_generate_recovery_codes"), follow=True))


@pytest.mark.parametrize("name", ["account_login", "account_signup", "account_reset_password"])
def test_a_form_with_errors_is_one_of_our_pages(client, name):
    fine(client.post(reverse(name), {"email": "x", "login": "x", "password": "y"}))


def test_the_page_for_the_second_factor_is_one_of_ours(client):
    sign_in(client, staff().username)
    fine(client.get(reverse("mfa_authenticate")))


def test_the_pages_of_the_link_in_a_mail_are_ours(client, alice):
    client.post(reverse("account_reset_password"), {"email": "alice@ost.example"})
    link = found(r"(/accounts/password/reset/key/\S+)", str(mail.outbox[0].body))
    fine(client.get(link, follow=True))
    fine(client.get(link.replace("-", "-0", 1)))


def test_the_page_that_confirms_an_address_is_one_of_ours(client):
    sign_up(client, email="alice@ost.example")
    link = found(r"(/accounts/confirm-email/\S+)", str(mail.outbox[0].body))
    fine(client.get(link))
    client.post(link)
    assert EmailAddress.objects.get().verified


def test_the_page_to_set_a_first_password_is_one_of_ours():
    imported = User.objects.create(username="imported", password="!")
    fine(visits(imported).get(reverse("account_set_password")))


@pytest.mark.parametrize(
    "address",
    ["phone/verify/", "phone/change/", "login/code/", "signup/passkey/", "sessions/", "2fa/webauthn/", "github/login/"],
)
def test_what_is_not_offered_is_not_there(client, address):
    assert client.get(f"/accounts/{address}").status_code == 404


@pytest.mark.parametrize(
    "address",
    ["password/reset/key/zzzzzzzzzzzzz-x/", "password/reset/key/0-set-password/", "confirm-email/a:b:c/",
     "password/reset/key/1-%ED%A0%80/", "3rdparty/signup/", "github/login/callback/?state=x&code=y"],
)  # fmt: skip
def test_an_address_that_means_nothing_breaks_nothing(client, address):
    assert client.get(f"/accounts/{address}").status_code < 500


def test_the_login_page_offers_github_only_where_it_is_set_up(client):
    assert "GitHub" not in client.get(ROOT).content.decode()

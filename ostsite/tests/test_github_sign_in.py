"""Signing in with GitHub, through a server that answers as GitHub does."""

import base64
import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from django.contrib.auth.models import User
from django.test import Client

from engine.models import Audit
from ostsite.tests.people import PASSWORD, code_of, confirmed, person, staff, visits
from recommendations.models import Profile, StarImport

pytestmark = pytest.mark.django_db
PROFILE = {
    "login": "alice_ml", "id": 1001, "node_id": "MDQ6VXNlcjEwMDE=", "type": "User", "site_admin": False,
    "html_url": "https://github.com/alice_ml", "avatar_url": "https://avatars.githubusercontent.com/u/1001?v=4",
    "name": "Alice Example", "company": "@ost", "location": "Nowhere", "email": "alice@ost.example", "bio": None,
    "public_repos": 3, "followers": 0, "created_at": "2020-01-01T00:00:00Z",
}  # fmt: skip
TOKEN = "gho_" + "s" * 36


class GitHub(ThreadingHTTPServer):
    """Hands out one code per visit, one token for it, and the profile to whoever has the token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.profile = dict(PROFILE)
        self.challenges: dict[str, str] = {}
        self.asked: list[str] = []
        self.broken = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def authorize(self, location: str) -> tuple[str, dict[str, str]]:
        """What the person's browser does there: the address to come back to, and what the site asked for."""
        asked = {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}
        code = f"code{len(self.challenges)}"
        self.challenges[code] = asked["code_challenge"]
        back = urlsplit(asked["redirect_uri"]).path
        return f"{back}?code={code}&state={asked['state']}", asked


class Answers(BaseHTTPRequestHandler):
    server: GitHub

    def do_POST(self) -> None:
        assert self.path == "/login/oauth/access_token"
        said = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        digest = hashlib.sha256(said.get("code_verifier", [""])[0].encode()).digest()
        challenge = self.server.challenges.pop(said["code"][0], None)
        right = (said["client_id"], said["client_secret"]) == (["ost"], ["hush"])
        if right and challenge == base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            self.answer(200, f"access_token={TOKEN}&scope=read%3Auser&token_type=bearer", "form")
        else:
            self.answer(200, "error=bad_verification_code&error_description=expired", "form")

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.broken:
            self.answer(502, "<h1>Unicorn!</h1>", "html")
        elif self.headers["Authorization"] != f"token {TOKEN}":
            self.answer(401, json.dumps({"message": "Bad credentials"}), "json")
        else:
            self.answer(200, json.dumps(self.server.profile), "json")

    def answer(self, status: int, body: str, kind: str) -> None:
        kinds = {"form": "application/x-www-form-urlencoded", "html": "text/html", "json": "application/json"}
        self.send_response(status)
        self.send_header("Content-Type", f"{kinds[kind]}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def github(settings, monkeypatch) -> Iterator[GitHub]:
    ours = settings.SOCIALACCOUNT_PROVIDERS["github"]
    app = {"client_id": "ost", "secret": "hush"}
    settings.SOCIALACCOUNT_PROVIDERS = {"github": {**ours, "APPS": [app]}}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.MFA_TOTP_TOLERANCE = 1
    with GitHub() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for name, path in (
            ("access_token_url", "/login/oauth/access_token"), ("authorize_url", "/login/oauth/authorize"),
            ("profile_url", "/user"), ("emails_url", "/user/emails"),
        ):  # fmt: skip  # allauth reads GITHUB_URL once, when it is loaded
            monkeypatch.setattr(GitHubOAuth2Adapter, name, server.address + path)
        yield server
        server.shutdown()


def go(github: GitHub, client: Client | None = None, process: str = "login", **more: str):
    """From the button to coming back; the browser and the last answer."""
    client = client or Client()
    sent = client.post(f"/accounts/github/login/?process={process}", more)
    back, _ = github.authorize(sent["Location"])
    return client, client.get(back)


def name_in(client: Client) -> str:
    """Who is signed in there."""
    pk = client.session.get("_auth_user_id")
    return User.objects.get(pk=pk).username if pk else ""


def test_a_stranger_gets_a_user_of_that_name(github):
    client, answer = go(github)
    assert (name_in(client), answer["Location"]) == ("alice_ml", "/welcome/")
    assert Profile.objects.filter(user__username="alice_ml").exists()


def test_who_came_before_comes_in_as_the_same(github):
    go(github)
    github.profile["login"] = "alice_renamed"
    client, _ = go(github)
    assert (name_in(client), User.objects.count()) == ("alice_ml", 1)


def test_only_reading_the_profile_is_asked_for(github):
    sent = Client().post("/accounts/github/login/")
    _, asked = github.authorize(sent["Location"])
    assert (asked["scope"], asked["code_challenge_method"]) == ("read:user", "S256")


def test_no_token_and_nothing_personal_is_kept(github):
    client, _ = go(github)
    user = User.objects.get()
    assert not SocialToken.objects.exists()
    assert not EmailAddress.objects.exists()
    assert SocialAccount.objects.get().extra_data == {"login": "alice_ml"}
    assert (user.email, user.first_name, user.last_name) == ("", "", "")
    assert TOKEN not in str(dict(client.session))
    assert github.asked == ["/user"]


# Claiming an imported user


@pytest.mark.parametrize("name", ["alice_ml", "Alice_ML"])
def test_an_imported_user_of_that_name_is_claimed(github, name):
    imported = User.objects.create(username=name, password="!")
    client, _ = go(github)
    assert (name_in(client), User.objects.count()) == (name, 1)
    assert SocialAccount.objects.get().user == imported
    assert Audit.objects.values_list("action", "subject", "note").get() == ("claim", name, "github account 1001")


def test_who_has_a_password_is_claimed_by_nobody(github):
    person("alice_ml")
    client, _ = go(github)
    assert name_in(client) not in ("", "alice_ml")


@pytest.mark.parametrize("facts", [{"is_staff": True}, {"is_superuser": True}, {"is_active": False}])
def test_staff_and_who_is_shut_out_is_claimed_by_nobody(github, facts):
    User.objects.create(username="alice_ml", password="!", **facts)
    client, _ = go(github)
    assert name_in(client) not in ("", "alice_ml")


def test_who_was_claimed_is_not_claimed_again(github):
    go(github)
    github.profile["id"] = 2002
    client, _ = go(github)
    assert name_in(client) not in ("", "alice_ml")


def test_of_two_names_that_differ_in_case_none_is_claimed(github):
    for name in ("alice_ml", "ALICE_ML"):
        User.objects.create(username=name, password="!")
    client, _ = go(github)
    assert name_in(client) not in ("", "alice_ml", "ALICE_ML")


def test_a_name_that_is_taken_becomes_another_like_it(github):
    person("alice_ml")
    client, _ = go(github)
    assert name_in(client).startswith("alice_ml")


def test_connecting_claims_nobody(github, settings):
    User.objects.create(username="alice_ml", password="!")
    bob = person("bob_webdev")
    client, answer = go(github, confirmed(bob), process="connect")
    assert (name_in(client), answer["Location"]) == ("bob_webdev", "/accounts/3rdparty/")
    assert SocialAccount.objects.get().user == bob


def test_connecting_needs_the_password_again(github):
    _, answer = go(github, visits(person("bob_webdev")), process="connect")
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert not SocialAccount.objects.exists()


def test_a_second_factor_is_asked_for_here_too(github):
    user = staff("carol_ops")
    SocialAccount.objects.create(user=user, provider="github", uid="1001")
    client, answer = go(github)
    assert (name_in(client), answer["Location"]) == ("", "/accounts/2fa/authenticate/")
    client.post("/accounts/2fa/authenticate/", {"code": code_of(user)})
    assert name_in(client) == "carol_ops"


def test_the_last_way_in_cannot_be_taken_away(github):
    client, _ = go(github)
    client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert SocialAccount.objects.exists()


def test_a_connection_is_taken_away_where_there_is_a_password(github):
    client, _ = go(github, confirmed(person("bob_webdev")), process="connect")
    client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert not SocialAccount.objects.exists()


# What goes wrong


def test_a_state_of_somebody_else_is_refused(github):
    sent = Client().post("/accounts/github/login/")
    back, _ = github.authorize(sent["Location"])
    victim = Client()
    assert (victim.get(back).status_code, name_in(victim)) == (401, "")


def test_a_code_works_once(github):
    client = Client()
    back, _ = github.authorize(client.post("/accounts/github/login/")["Location"])
    client.get(back)
    client.post("/accounts/logout/")
    assert (client.get(back).status_code, name_in(client)) == (401, "")


def test_a_code_that_github_did_not_give_is_refused(github):
    client = Client()
    back, _ = github.authorize(client.post("/accounts/github/login/")["Location"])
    assert client.get(back.replace("code=", "code=x")).status_code == 401


def test_who_changes_their_mind_is_told_how_to_go_on(github):
    client = Client()
    _, asked = github.authorize(client.post("/accounts/github/login/")["Location"])
    answer = client.get(f"/accounts/github/login/callback/?error=access_denied&state={asked['state']}")
    assert answer["Location"] == "/accounts/3rdparty/login/cancelled/"


def test_while_github_is_out_of_order_that_is_said(github):
    github.broken = True
    client, answer = go(github)
    assert (answer.status_code, name_in(client)) == (401, "")
    assert 'class="wordmark"' in answer.content.decode()


def test_after_github_one_goes_on_where_one_wanted_to(github):
    client = Client()
    back, _ = github.authorize(client.post("/accounts/github/login/?next=/projects/")["Location"])
    assert client.get(back)["Location"] == "/projects/"


def test_after_github_one_goes_nowhere_else(github):
    client = Client()
    back, _ = github.authorize(client.post("/accounts/github/login/?next=//evil.example/")["Location"])
    assert "evil" not in client.get(back)["Location"]


def test_going_to_github_begins_with_a_form(github):
    answer = Client().get("/accounts/github/login/")
    assert answer.status_code == 200
    assert 'method="post"' in answer.content.decode()


def test_the_login_page_offers_it(github):
    assert "Sign in with GitHub" in Client().get("/accounts/login/").content.decode()


def test_a_password_stays_a_way_in(github):
    go(github, confirmed(person("bob_webdev")), process="connect")
    other = Client()
    other.post("/accounts/login/", {"login": "bob_webdev", "password": PASSWORD})
    assert name_in(other) == "bob_webdev"


# Stars


@pytest.mark.parametrize("process", ["login", "connect"])
def test_who_comes_with_github_has_their_stars_read(github, process):
    github.profile["login"] = "alice-ml"
    go(github, confirmed(person("bob_webdev")) if process == "connect" else None, process=process)
    found = StarImport.objects.get()
    assert (found.login, found.state) == ("alice-ml", "waiting")
    assert found.user == SocialAccount.objects.get().user


def test_signing_in_asks_github_for_no_stars(github):
    github.profile["login"] = "alice-ml"
    go(github)
    assert [path for path in github.asked if "starred" in path] == []


def test_who_ended_the_reading_of_stars_comes_back_without_it(github):
    github.profile["login"] = "alice-ml"
    go(github)
    StarImport.objects.update(state="stopped")
    go(github)
    assert StarImport.objects.get().state == "stopped"


def test_who_signs_in_with_a_password_has_no_stars_read():
    confirmed(person("bob_webdev"))
    assert not StarImport.objects.exists()

"""Sources that tell us our own credentials, or send us elsewhere: nothing is told on, and nobody else is asked."""

import base64
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.urls import reverse

from engine import metrics, runs
from engine.models import Fetch, Run, Source
from engine.models import Upstream as Gate
from engine.pipeline import Scope
from engine.testing import hackernews, reddit, stackexchange
from engine.testing.__main__ import ADDRESSES
from engine.testing.github import Commit, GitHub, Issue, Repo
from engine.testing.serving import Asked, Clock, Reply, Server, Upstream
from engine.tests.staff import sign_in, staff
from issues.models import Feed, Keyword, RawItem
from recommendations.models import NamedRepository, Project, RepositoryQuery

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]
HASTY = 600
DAY = date(2026, 9, 1)
START = datetime(DAY.year, DAY.month, DAY.day, 1, tzinfo=UTC)
CREDENTIALS = {
    "GITHUB_ACCESS_TOKEN": "canary-Of-The-Token",
    "STACKEXCHANGE_KEY": "canary-Of+The/Key((",
    "REDDIT_CLIENT_ID": "canary-Of-The-App",
    "REDDIT_CLIENT_SECRET": "canary-Of-The-Secret",
}
PARTITIONS = [("issues", name) for name in ("github", "stackoverflow", "reddit", "hackernews")]
PARTITIONS += [("recommendations", "github")]
APP = (CREDENTIALS["REDDIT_CLIENT_ID"], CREDENTIALS["REDDIT_CLIENT_SECRET"])


def worlds() -> dict[str, Upstream]:
    """A post and a repository of each, told only to whoever has the credentials."""
    clock, when = Clock(HASTY), START.timestamp()
    home = Repo(1, "octo/tool1", language="Python", stars=50, pushed_at=START, commits=[Commit("a" * 40, START)])
    tokens = [CREDENTIALS["GITHUB_ACCESS_TOKEN"]]
    posts = [reddit.post(name, "SaaS", "A tool", created=when - back) for name, back in (("a0", 86_400), ("a1", 0))]
    return {
        "github": GitHub(clock, [home], [Issue("octo/tool1", 1, "It times out", created_at=START)], tokens=tokens),
        "stackoverflow": stackexchange.StackExchange(
            clock,
            [stackexchange.question(1, "A tool", created=when, tags=["csv"])],
            key=CREDENTIALS["STACKEXCHANGE_KEY"],
        ),
        "reddit": reddit.Reddit(clock, posts, credentials=APP),
        "hackernews": hackernews.HackerNews(clock, [hackernews.story(1, "A tool", created=when)]),
    }


@pytest.fixture
def servers() -> Iterator[dict[str, Server]]:
    """Each source, switched on, with credentials of ours."""
    switch_on()
    with ExitStack() as stack:
        found = {name: stack.enter_context(Server(world)) for name, world in worlds().items()}
        urls = {name: f"{found[of].url}{path}" for of, paths in ADDRESSES.items() for name, path in paths.items()}
        timing = replace(settings.TIMING, upstream=1 / HASTY)
        with override_settings(ALLOW_PRIVATE_UPSTREAMS=True, TIMING=timing, **urls, **CREDENTIALS):
            yield found
        for server in found.values():
            server.upstream.violations.clear()  # of the same request again at once, which a test asks for


def switch_on() -> None:
    for pipeline, name in PARTITIONS:
        Source.objects.create(pipeline=pipeline, name=name, on=True)
    Keyword.objects.exclude(text="times out").delete()
    for model in (Feed, RepositoryQuery):
        model.objects.all().delete()
    for source, name in (("stackoverflow", "csv"), ("reddit", "SaaS"), ("hackernews", "story")):
        Feed.objects.create(source=source, name=name, gated=False)
    RepositoryQuery.objects.create(language="Python", stars_from=10, pushed_within_days=4_000)
    NamedRepository.objects.create(full_name="octo/tool1", commits=3)


def collect(pipeline: str, source: str) -> Run:
    """As if nothing had been asked before."""
    Gate.objects.all().delete()
    Fetch.objects.all().delete()
    Project.objects.update(detailed_for=None, details_after=None)
    NamedRepository.objects.update(commits_for=None, commits_after=None)
    found = runs.get_pipeline(pipeline)
    return runs.run(found, Scope(day=DAY if found.by_day else None, source=source))


# Credentials


def said_back(asked: Asked) -> str:
    return f"you sent {asked.headers.get('authorization')} {asked.query} {asked.body!r}"


def echo(status: int) -> Any:
    """All that was sent, wherever an answer has words."""

    def answer(asked: Asked) -> Reply:
        said = said_back(asked)
        names = ("message", "error_message", "error_name", "reason", "error", "title", "kind")
        errors = [{"type": "NO", "message": said, "path": ["nodes", 0, said]}]
        body = {**dict.fromkeys(names, said), "error_id": 400, "errors": errors, "data": None, "items": said}
        return Reply(body, status, {"ETag": f'"{said[:90]}"', "Link": f'<http://x.invalid/{said}>; rel="next"'})

    return answer


def sent_away(asked: Asked) -> Reply:
    """With the credential in the address, also where a host's name is lower case."""
    word = (asked.headers.get("authorization") or asked.query.get("key") or "none").split()[-1]
    return Reply(b"", 302, {"Location": f"http://{word.strip('=').replace('+', '').replace('/', '')}.invalid/{word}"})


FAULTS = {
    **{str(status): echo(status) for status in (200, 401, 403, 404, 500)},
    "page": lambda asked: Reply(said_back(asked).encode(), 403, {"Content-Type": "text/html"}),
    "reset": Reply(reset=True),
    "away": sent_away,
}


def everything() -> Iterator[tuple[str, str]]:
    """Where something is kept or shown, and what."""
    for model in apps.get_models():
        yield model.__name__, str(list(model.objects.values()))
    yield "metrics", metrics.exposition().decode()
    client = sign_in(staff("root", superuser=True))
    for name in ("source", "fetch", "upstream", "run"):
        yield name, client.get(reverse(f"admin:engine_{name}_changelist")).content.decode()
    for model in (Fetch, Run):
        for row in model.objects.all():
            page = reverse(f"admin:engine_{model.__name__.lower()}_change", args=[row.pk])
            yield page, client.get(page).content.decode()


def secrets_of(servers: dict[str, Server]) -> set[str]:
    """Also what was made of them, and what a source gave us in their place."""
    pair = base64.b64encode(":".join(APP).encode()).decode()
    return {*CREDENTIALS.values(), pair, *servers["reddit"].upstream.tokens}


def found_in(text: str, secrets: set[str]) -> list[str]:
    return [secret for secret in secrets if secret.lower() in text.lower()]


def test_no_fault_of_a_source_tells_a_credential(servers, capfd, caplog):
    """The answers of each source are replaced by a fault, and those of its second request too."""
    caplog.set_level(logging.DEBUG)
    reasons: list[str] = []
    for (pipeline, source), fault in product(PARTITIONS, FAULTS.values()):
        server = servers[source]
        for lets_through in (0, 1) if source == "reddit" or pipeline == "recommendations" else (0,):
            server.faults.clear()
            server.faults.script(lambda asked: True, *[server.upstream.answer] * lets_through, *[fault] * 9)
            done = collect(pipeline, source)
            reasons += [done.error, *(f"{row}" for model in (Fetch, Gate) for row in model.objects.values())]
    secrets = secrets_of(servers)
    assert len(secrets) > 6
    assert [(place, leaked) for place, text in everything() if (leaked := found_in(text, secrets))] == []
    assert found_in("".join(capfd.readouterr()) + caplog.text, secrets) == []
    assert found_in("".join(reasons), secrets) == []
    assert "you sent" in "".join(reasons)


@pytest.mark.parametrize("token", ["canary of two\r\nX-Own: 1", "canäry", "canary two", ""])
def test_a_token_that_fits_into_no_header_is_no_token(servers, token):
    given = Reply({"access_token": token, "expires_in": 3600})
    servers["reddit"].faults.script("/api/v1/access_token", given)
    waits = collect("issues", "reddit")
    assert (waits.state, waits.postponed, "can" in waits.error.lower()) == (Run.State.WAITING, True, False)


@pytest.mark.django_db(transaction=True)
def test_a_process_with_all_its_log_tells_no_credential(servers):
    connected, told = connection.settings_dict, ""
    url = "postgresql://{USER}:{PASSWORD}@/{NAME}?host={HOST}&port={PORT}".format(**connected)
    urls = {name: getattr(settings, name) for paths in ADDRESSES.values() for name in paths}
    given = {"DATABASE_URL": url, "LOG_LEVEL": "DEBUG", "ALLOW_PRIVATE_UPSTREAMS": "1", **urls, **CREDENTIALS}
    environment = {**os.environ, **given, "DJANGO_SETTINGS_MODULE": "ostsite.live_like"}
    servers["reddit"].faults.script("/r/", echo(404), times=None)
    command = [sys.executable, "manage.py", "run_pipeline", "issues", "--source", "reddit", "--day", DAY.isoformat()]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    told = done.stdout + done.stderr
    assert "left behind" in told
    assert found_in(told, secrets_of(servers)) == []
    assert found_in(str(list(Fetch.objects.values())), secrets_of(servers)) == []


# Elsewhere


@contextmanager
def canary() -> Iterator[Server]:
    """Somebody who is never to be asked."""

    class Anybody(Upstream):
        def answer(self, asked: Asked) -> Reply:
            return Reply({})

    with Server(Anybody()) as server:
        yield server
        assert server.asked == []


@pytest.mark.parametrize(("pipeline", "source"), PARTITIONS)
@pytest.mark.parametrize("status", [302, 308])
def test_a_source_sends_us_to_nobody_else(servers, pipeline, source, status):
    with canary() as other:
        away = Reply(b"", status, {"Location": f"{other.url}/stolen"})
        servers[source].faults.script(lambda asked: "access_token" not in asked.path, away, times=None)
        assert collect(pipeline, source).state in (Run.State.WAITING, Run.State.PARTLY)


@pytest.mark.parametrize(("pipeline", "source", "path"), [
    ("issues", "github", "/search/issues"), ("recommendations", "github", "/repos/octo/tool1/commits"),
])  # fmt: skip
def test_a_next_page_elsewhere_is_not_asked_for(servers, pipeline, source, path):
    with canary() as other:

        def and_on(asked: Asked) -> Reply:
            reply = servers[source].upstream.answer(asked)
            link = {"Link": f'<{other.url}/stolen?page=2>; rel="next"'}
            return Reply(reply.body, 200, {**reply.headers, **link})

        servers[source].faults.script(path, and_on, times=None)
        collect(pipeline, source)


HOSTILE = ("javascript:alert(1)", "http://169.254.169.254/latest/meta-data", "//evil.invalid/x", "data:text/html,x")


@pytest.mark.parametrize("address", HOSTILE)
def test_addresses_in_what_was_said_are_asked_by_nobody_and_kept_only_where_they_can_be_shown(servers, client, address):
    servers["stackoverflow"].upstream.edit(1, link=address)
    servers["reddit"].upstream.edit("a1", permalink=address, url=address)
    servers["github"].upstream.change("octo/tool1", homepage=address)
    servers["hackernews"].upstream.edit(1, url=address)
    with canary() as other:
        servers["hackernews"].upstream.edit(1, url=f"{other.url}/article")
        for partition in PARTITIONS:
            collect(*partition)
    kept = [*RawItem.objects.values_list("url", flat=True)]
    assert [each for each in kept if not each.startswith(("http://", "https://"))] == []
    page = client.get("/projects/octo/tool1", follow=True).content.decode()
    assert Project.objects.get().homepage == address
    assert (f'href="{address}"' in page) == address.startswith("http://")


PRIVATE = ["127.1", "2130706433", "localhost", "[::ffff:127.0.0.1]"]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_dialled_by_no_source(servers, host):
    with canary() as other, override_settings(ALLOW_PRIVATE_UPSTREAMS=False):
        port = other.url.rpartition(":")[2]
        names = {name: f"http://{host}:{port}" for paths in ADDRESSES.values() for name in paths}
        with override_settings(**names):
            states = {collect(*partition).state for partition in PARTITIONS}
    assert states == {Run.State.WAITING}


def test_a_name_that_leads_elsewhere_the_second_time_is_looked_up_once(servers, monkeypatch):
    looked_up = []

    async def names(self: object, host: str, port: int, **_: object) -> list[Any]:
        looked_up.append(host)
        return [(2, 1, 6, "", (["10.1.1.1", "127.0.0.1"][len(looked_up) > 1], port))]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", names)
    with canary() as other:
        address = f"http://rebound.invalid:{other.url.rpartition(':')[2]}"
        with override_settings(ALLOW_PRIVATE_UPSTREAMS=False, HACKERNEWS_API_URL=address):
            assert collect("issues", "hackernews").state == Run.State.WAITING
    assert looked_up == ["rebound.invalid"]

"""A site with a row of every table, every address of it, and whoever may come: for tests of the whole."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple, cast
from urllib.parse import unquote_to_bytes

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.admin import site
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success

from engine.models import Anomaly, ApiKey, Audit, Fetch, Source, Upstream, WorkerGroup
from issues.models import Clustering, Issue, IssueEdit, IssueEmbedding, ItemEmbedding, RawItem
from issues.tests.rows import make_found
from ostsite.tests.people import confirmed, person, staff
from recommendations import profiles
from recommendations.models import (
    Campaign,
    CategoryEmbedding,
    Engagement,
    Fact,
    Impression,
    Intent,
    IntentEmbedding,
    Message,
    MessageEmbedding,
    NamedRepository,
    ProfileEmbedding,
    Project,
    ProjectEmbedding,
    RepositoryQuery,
    StarImport,
)
from recommendations.tests import factories as make
from recommendations.tests.first_issue_rows import make_first_issue

# Settings of tests of the whole: passwords cost no time, and there is a token for the figures.
UNHURRIED = {
    "METRICS_TOKEN": "for-tests",
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "REST_FRAMEWORK": {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": dict.fromkeys(("anon", "user", "try"), 10**9),  # who asks for all asks often
    },
}


PROBES = ("livez", "health", "metrics")  # answered before any address is looked up


class Place(NamedTuple):
    """An address of the site as the resolver has it; without a name the route stands for it."""

    name: str
    route: str


@cache
def places() -> list[Place]:
    """Every address there is."""
    return [*walked(get_resolver().url_patterns), *(Place(name, name) for name in PROBES)]


def walked(patterns: list[Any], before: str = "", space: str = "") -> Iterator[Place]:
    for each in patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from walked(each.url_patterns, route, f"{each.namespace}:" if each.namespace else space)
        elif isinstance(each, URLPattern):
            yield Place(f"{space}{each.name}" if each.name else route, route)


@contextmanager
def undone() -> Iterator[None]:
    """What is done meanwhile in the database is not done afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# What an address that is a regular expression looks like.
SPELLED = {
    "account_confirm_email": "accounts/confirm-email/Mg:abcdef:ghijkl/",
    "account_reset_password_from_key": "accounts/password/reset/key/2-abc-def/",
    "admin:app_list": "admin/engine/",
    "admin/(?P<url>.*)$": "admin/nowhere",
}
EMBEDDINGS = (
    ProjectEmbedding,
    ProfileEmbedding,
    CategoryEmbedding,
    MessageEmbedding,
    IntentEmbedding,
    ItemEmbedding,
    IssueEmbedding,
)


class World:
    """Rows of every table, most of them alice's; bob is somebody else."""

    def __init__(self) -> None:
        self.undo: Callable[[], AbstractContextManager[None]] = undone
        self.people = people()
        self.project = self.catalogue()
        self.hers()
        self.machinery()
        self.keys = keys(self.people["alice"], self.people["bob"])
        self.clients = {name: confirmed(user, seconds_ago=-3000) for name, user in self.people.items()}
        self.clients |= {name: Client(headers=signed(text)) for name, text in self.keys.items()}
        self.clients["anon"] = Client()
        self.cookies = {name: copy.deepcopy(client.cookies) for name, client in self.clients.items()}

    def catalogue(self) -> Project:
        alice = self.people["alice"]
        make.make_model()
        make.make_weights(author=self.people["root"])
        games, python = make.make_category("Games", topics=["game"]), make.make_stack("Python", topics=["python"])
        project, *_ = make.make_projects(3, description="A tool")
        make.belongs(project, games, python, source="curated")
        profiles.say(alice, bio="I train models", stacks=[python.pk], categories=[games.pk])
        make.give_vector(alice, [1, 0, 0])
        make.score()
        CategoryEmbedding.objects.want({games.pk: "Games"})
        post = {"source": "github", "url": "https://example.org/1", "url_hash": "1", "collected_on": timezone.now()}
        item = RawItem.objects.create(title="The export stops halfway", **post)
        ItemEmbedding.objects.want({item.pk: item.title})
        today = timezone.now().date()
        seen = {"first_seen": today, "last_seen": today}
        issue = Issue.objects.create(title="The export stops", label_state="labelled", **seen)
        IssueEmbedding.objects.want({issue.pk: issue.title})
        make_found(item, issue, self.people["curator"])
        return project

    def hers(self) -> None:
        alice, project = self.people["alice"], self.project
        make.act(alice, project, "like")
        make_first_issue(project)
        StarImport.objects.create(user=alice, login="alice-ml", state="done", found=1, stored=1, next_at=None)
        Impression.objects.create(user=alice, project=project, request="0" * 32, rank=1)
        message = Message.objects.create(user=alice, message_id="m1", text="my own words", said_at=timezone.now())
        MessageEmbedding.objects.want({message.pk: "my own words"})
        Fact.objects.create(user=alice, interest="my own", message=message, sentence="my own words", confidence=1,
                            said_at=message.said_at)  # fmt: skip
        intent = Intent.objects.create(name="mend something", prototype="How do I mend this?")
        IntentEmbedding.objects.want({intent.pk: intent.prototype})
        campaign = Campaign.objects.create(name="A tool for all", kind="project", subject=project.pk)
        Engagement.objects.create(user=alice, campaign=campaign, last_at=message.said_at)
        EmailAddress.objects.create(user=alice, email="alice_ml@example.org")
        SocialAccount.objects.create(user=alice, provider="github", uid="1")

    def machinery(self) -> None:
        for table in EMBEDDINGS:
            table.objects.update(vector_hash="")  # a list of texts holds those that wait
        now = timezone.now()
        for table, name in ((Success, "a"), (Failure, "b")):
            table.objects.create(id=name * 32, name=name, func="f", started=now, stopped=now, success=name == "a")
        OrmQ.objects.create(key="ost", payload="x", lock=now)
        Schedule.objects.create(func="f", name="once")
        WorkerGroup.objects.create(name="g", host="h", pid=1)
        Anomaly.objects.create(kind="odd", subject="one", message="It is odd.")
        Audit.objects.create(actor="root", action="look", subject="one")
        Source.objects.create(pipeline="recommendations", name="github", on=True)
        Fetch.objects.create(pipeline="recommendations", source="github", query="language:Go", state="left")
        RepositoryQuery.objects.create(language="Go")
        NamedRepository.objects.create(full_name="octo/tool")
        Upstream.objects.create(host="api.example", lane="search", own_pace=30)

    def client(self, who: str) -> Client:
        """Somebody's browser, in which the password was typed once more, for as long as the tests last; or a key's."""
        client = self.clients[who]
        client.cookies = copy.deepcopy(self.cookies[who])  # an earlier test may have signed them out
        return client

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """What is asked for meanwhile lasts until the test ends."""
        self.undo = nullcontext
        try:
            yield
        finally:
            self.undo = undone

    def ask(
        self, who: str, method: str, address: str, said: Any = None, as_a_browser: bool = False, **headers: str
    ) -> HttpResponse:
        """Their request; what it would write is gone afterwards. said: a form, or JSON under /api/.

        as_a_browser: where another site made them send it, without the token of the form.
        """
        client, (path, _, query) = self.client(who), address.partition("?")
        client.handler.enforce_csrf_checks = as_a_browser  # type: ignore[attr-defined]
        for_programs = path.startswith("/api/")
        body = json.dumps(said or {}) if for_programs else encode_multipart(BOUNDARY, said or {})
        request = {
            "data": b"" if method in ("GET", "HEAD") else body,
            "content_type": "application/json" if for_programs else MULTIPART_CONTENT,
            "headers": headers,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),  # as a server hands it on
            "QUERY_STRING": query,
        }
        with nullcontext() if method in ("GET", "HEAD") else self.undo():
            return cast(HttpResponse, client.generic(method, "/", **request))

    def address(self, place: Place) -> str:
        """The address of that place for what is alice's."""
        spelled = SPELLED.get(place.name, SPELLED.get(place.route, place.route))
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: self.value(place, found[1]), spelled)

    def value(self, place: Place, argument: str) -> str:
        if model := model_of(place):
            return str(self.row(model)) if argument in ("object_id", "pk", "id") else argument
        said = {
            "owner": self.project.owner,
            "name": self.project.name,
            "username": "alice_ml",
            "kind": "like",
            "number": str(Issue.objects.visible().earliest("pk").pk),
            "day": str(Clustering.objects.filter(state="live").earliest("day").day),
            "pk": str(ApiKey.objects.filter(user=self.people["alice"], revoked_at=None).first().pk),  # type: ignore[union-attr]
        }
        if argument == "pk" and place.name in ("issue", "issue_curate", "issue_act"):
            return said["number"]
        if argument == "pk" and place.name == "edit_undo":
            return str(IssueEdit.objects.earliest("pk").pk)
        return said.get(argument, "1")

    @cache  # noqa: B019  the world lives as long as its tests
    def row(self, model: str) -> Any:
        """The id of a row of that table: hers where it is a person's."""
        if model == "auth_user":
            return self.people["alice"].pk
        table = next(table for table in site._registry if f"{table._meta.app_label}_{table._meta.model_name}" == model)
        return table._default_manager.values_list("pk", flat=True).order_by("pk").first()


def signed(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def people() -> dict[str, User]:
    found = {
        "alice": person("alice_ml", email="alice_ml@example.org"),
        "bob": person("bob_webdev"),
        "staff": staff("carol_staff"),
        "curator": staff("dora_curator"),
        "operator": staff("egon_ops"),
        "root": staff("root", is_superuser=True),
    }
    for role in ("curator", "operator"):
        found[role].groups.add(Group.objects.get(name=role))
    for user in found.values():
        profiles.of(user)
    return found


def keys(alice: User, bob: User) -> dict[str, str]:
    """name -> text of a key."""
    issued = {
        "reads": ApiKey.objects.issue(alice, "reads", ["read"], 1),
        "writes": ApiKey.objects.issue(alice, "writes", ["read", "write"], 1),
        "bob's": ApiKey.objects.issue(bob, "bob's", ["read", "write"], 1),
        "revoked": ApiKey.objects.issue(alice, "revoked", ["read", "write"], 1),
        "expired": ApiKey.objects.issue(alice, "expired", ["read", "write"], 1),
    }
    ApiKey.objects.filter(name="revoked").update(revoked_at=Now())
    ApiKey.objects.filter(name="expired").update(expires_at=Now() - timedelta(days=1))
    return {name: text for name, (_, text) in issued.items()}


def model_of(place: Place) -> str:
    """The table that an address of the admin is about: "engine_run"; "" for any other address."""
    found = re.match(r"admin/(\w+)/(\w+)/", place.route)
    return f"{found[1]}_{found[2]}" if found else ""

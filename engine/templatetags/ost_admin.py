"""What the first page of the admin shows: what waits for a person, and the tables in two groups."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django import template
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.template import Context
from django.urls import reverse

from engine.embeddings import filling
from engine.models import Anomaly, Embedding, Run

register = template.Library()

MACHINERY = ("account", "auth", "django_q", "engine", "mfa", "socialaccount")


class Waiting(NamedTuple):
    """How many of what, and where they are listed."""

    number: int
    label: str
    url: str


@register.inclusion_tag("admin/engine/_operate.html", takes_context=True)
def operate(context: Context) -> dict[str, Any]:
    """The staff's pages, on each of them and on the first page of the admin; those that this person may see."""
    request = context.get("request")
    match = request.resolver_match if request else None
    if request is None or match is None or match.app_name != "admin":
        return {}
    here = str(match.url_name)
    stems = {address.rpartition("_")[0] + "_" for address, _ in settings.STAFF_PAGES.values()}  # engine_run_
    if here != "index" and not here.startswith(tuple(stems)):
        return {}
    return {"pages": list(listed(request.user, here))}


def listed(user: User | AnonymousUser, here: str) -> Iterator[tuple[str, str, bool]]:
    for name, (address, permission) in settings.STAFF_PAGES.items():
        if user.has_perm(permission):
            yield name, reverse(f"admin:{address}"), here == address


@register.simple_tag
def waiting_for_a_person(user: User | AnonymousUser) -> list[Waiting]:
    """What this person may see of it, with a 0 where nothing waits."""
    return [*machinery(user), *texts(user)]


def machinery(user: User | AnonymousUser) -> Iterator[Waiting]:
    if user.has_perm("engine.view_run"):
        stuck = Run.objects.filter(state=Run.State.QUARANTINED).count()
        yield Waiting(stuck, "runs quarantined", reverse("admin:engine_run_changelist") + "?state__exact=quarantined")
    if user.has_perm("engine.view_anomaly"):
        unseen = Anomaly.objects.filter(seen_at=None).count()
        yield Waiting(unseen, "anomalies", reverse("admin:engine_anomaly_changelist") + "?state=new")


def texts(user: User | AnonymousUser) -> Iterator[Waiting]:
    for table in filling.tables():  # a handful of tables, each with an index of these rows
        names = table._meta
        if user.has_perm(f"{names.app_label}.view_{names.model_name}"):
            stuck = table.objects.quarantined().count()
            address = reverse(f"admin:{names.app_label}_{names.model_name}_changelist")
            yield Waiting(stuck, f"texts of {table.subject_name} quarantined", f"{address}?state=quarantined")


def texts_of(app: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in app["models"] if issubclass(each["model"], Embedding)]


@register.filter
def grouped(apps: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The apps of the index: those with what people curate, then the machinery, the texts of every app with it."""
    curated = [app for app in apps if app["app_label"] not in MACHINERY]
    machines = [app for app in apps if app["app_label"] in MACHINERY]
    machines += [
        {**app, "name": f"Texts of {app['name']}", "models": held} for app in curated if (held := texts_of(app))
    ]
    curated = [{**app, "models": [each for each in app["models"] if each not in texts_of(app)]} for app in curated]
    curated = [app for app in curated if app["models"]]
    return [(name, found) for name, found in (("Curate", curated), ("Operate", machines)) if found]

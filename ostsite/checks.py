"""System checks: what is wrong with the deployment, each with an id and a hint.

A value that no process can start with is refused while the settings load; here stands what needs the apps.
"""

import os
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import Error as DatabaseError
from django.http.request import split_domain_port, validate_host

from engine.models import EmbeddingModel
from recommendations.models import Weights

SEEDED = {
    "semantic": "RECOMMENDATION_SEMANTIC_WEIGHT",
    "category": "RECOMMENDATION_CATEGORY_WEIGHT",
    "tech": "RECOMMENDATION_TECH_WEIGHT",
    "popularity": "RECOMMENDATION_POPULARITY_WEIGHT",
    "popularity_threshold": "RECOMMENDATION_POPULARITY_THRESHOLD",
    "min_similarity": "RECOMMENDATION_MIN_SIMILARITY",
    "top_n": "RECOMMENDATION_TOP_N",
}


@register(Tags.security, deploy=True)
def hosts_are_named(**kwargs: Any) -> list[CheckMessage]:
    if not settings.DEBUG and (not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS):
        hint = "Set ALLOWED_HOSTS to the names the site is reached by, separated by commas."
        return [Error("ALLOWED_HOSTS names no host, or all.", hint=hint, id="ost.E001")]
    return []


@register(Tags.urls, deploy=True)
def site_is_one_of_the_hosts(**kwargs: Any) -> list[CheckMessage]:
    """Links in mails lead to SITE_URL; whoever follows one must not be refused."""
    host = urlsplit(settings.SITE_URL).netloc
    if validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        return []
    hint = "Add the host of SITE_URL to ALLOWED_HOSTS."
    return [Error("SITE_URL is none of the ALLOWED_HOSTS.", hint=hint, id="ost.E002")]


@register(Tags.security, deploy=True)
def remote_database_is_encrypted(**kwargs: Any) -> list[CheckMessage]:
    """Where nothing is said, the driver goes on in clear text when the server, or whoever plays it, has no TLS.

    Any sslmode is an answer, also `disable` for a network that leads nowhere else.
    """
    facts: dict[str, Any] = settings.DATABASES["default"]
    said = facts.get("OPTIONS", {}).get("sslmode") or os.environ.get("PGSSLMODE")
    if said or all(is_here(host) for host in str(facts["HOST"]).split(",")):
        return []
    hint = "Add ?sslmode=verify-full&sslrootcert=system to DATABASE_URL, or the mode that your server has."
    return [Warning("DATABASE_URL names another machine, and no sslmode.", hint=hint, id="ost.W003")]


def is_here(host: str) -> bool:
    """Whether it is this machine: a socket's folder, nothing, or a loopback address."""
    if not host or host[0] in "/@" or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@register(Tags.database)
def live_model_rules(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """A model named by the settings that is not the one whose vectors are served."""
    if not databases:
        return []
    try:
        live = EmbeddingModel.objects.filter(state="live").exclude(used_at=None).first()
    except DatabaseError:
        return []
    wanted = EmbeddingModel.objects.named_by_settings()
    if live is None or all(getattr(live, field) == value for field, value in wanted.items()):
        return []
    name = "MODEL_NAME" if live.provider == "local" else "EMBEDDING_MODEL"
    provider = "" if live.provider == wanted["provider"] else f"EMBEDDING_PROVIDER={live.provider}, "
    hint = (
        "The live model rules; `manage.py models` shows how far the other is, `models --live` puts it live."
        f" To keep this one set {provider}{name}={live.name} and MODEL_DIMENSIONS={live.dimensions}."
    )
    return [Warning(f"{name} or MODEL_DIMENSIONS differs from the live model.", hint=hint, id="ost.W002")]


@register(Tags.database)
def live_rows_rule(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Variables that seeded a row and differ from it now: the row rules."""
    if not databases:
        return []
    try:
        row = Weights.objects.order_by("-version").first()
    except DatabaseError:
        return []  # not migrated yet, or not there: the command itself says so
    differing = [name for field, name in SEEDED.items() if row and getattr(row, field) != getattr(settings, name)]
    hint = "The live row rules; publish new weights, or set the variable to what it holds."
    return [Warning(f"{name} differs from the live weights.", hint=hint, id="ost.W001") for name in differing]

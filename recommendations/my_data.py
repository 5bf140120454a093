"""All that is stored of a person: given to them as one document, and deleted when they say so."""

from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.utils import timezone

from engine.models import Allowance, Audit
from recommendations.models import Intent, Profile, Response


@dataclass(frozen=True)
class Table:
    """Which columns of a table a person gets. where: which of their rows, when not all."""

    columns: str
    where: dict[str, Any] = field(default_factory=dict)


# Every table whose rows belong to a person. No secret is given: no digest of a key, no seed of a second factor.
GIVEN = {
    "account.EmailAddress": Table("email verified primary"),
    "admin.LogEntry": Table("action_time action_flag object_repr change_message"),
    "engine.ApiKey": Table("name shown scopes created_at expires_at revoked_at used_at"),
    "engine.IdempotentReply": Table("key status begun_at"),
    "issues.IssueEdit": Table("kind issue__title value at undone_at"),
    "mfa.Authenticator": Table("type created_at last_used_at"),
    "recommendations.Engagement": Table("campaign__name intent__name count last_at"),
    "recommendations.Impression": Table("project__full_name rank source weights__version request shown_at"),
    "recommendations.Interaction": Table("project__full_name kind at count from_github"),
    "recommendations.Fact": Table(
        "stack__name category__name project__full_name interest sentence confidence count state said_at"
    ),
    "recommendations.Message": Table("message_id text said_at stored_at intent__name nearness"),
    "recommendations.Profile": Table("bio location company job_title interests changed_at welcomed_at"),
    "recommendations.ProfileCategory": Table("category__name source confidence applies"),
    "recommendations.ProfileTechStack": Table("stack__name source confidence applies"),
    "recommendations.Recommendation": Table(
        "rank project__full_name score raw_score components parts stacks categories nearest__full_name moved_because"
        " cold_start wrote",
        {"generation__state": "live"},
    ),
    "recommendations.StarImport": Table("login state found stored skipped left_out error fetched_at"),
    "recommendations.Weights": Table("version reason created_at"),
    "socialaccount.SocialAccount": Table("provider uid last_login date_joined extra_data"),
}
LEFT_OUT = {
    "auth.User_groups": "named in `account`",
    "auth.User_user_permissions": "named in `account`",
    "recommendations.MessageEmbedding": "numbers made from the messages",
    "recommendations.Saying": "which message says which fact: both are given",
    "recommendations.ProfileEmbedding": "numbers made from the profile",
}


def everything(user: User) -> dict[str, Any]:
    """All that is stored of them, ready for JSON: a list of rows a table, named like its model."""
    return {
        "exported_at": timezone.now(),
        "account": account(user),
        **{label.partition(".")[2]: rows_of(label, user, table) for label, table in GIVEN.items()},
        "Response": answers_of(user),
        "ledger": list(Audit.objects.filter(actor=user.username).values("action", "subject", "note", "at")),
        "left_out": LEFT_OUT,
    }


def account(user: User) -> dict[str, Any]:
    names = ("username", "email", "first_name", "last_name", "date_joined", "last_login", "is_staff", "is_superuser")
    return {
        **{name: getattr(user, name) for name in names},
        "groups": list(user.groups.values_list("name", flat=True)),
        "permissions": list(user.user_permissions.values_list("codename", flat=True)),
    }


def rows_of(label: str, user: User, table: Table) -> list[dict[str, Any]]:
    """Their rows of one table, oldest first, with the given columns."""
    model = apps.get_model(label)
    mine = {owner_field(model): user.pk}
    rows = model._default_manager.filter(**mine, **table.where).order_by("pk").values(*table.columns.split())
    return [{name.replace("__", "_"): value for name, value in row.items()} for row in rows]


def answers_of(user: User) -> list[dict[str, Any]]:
    """What they did with what they were shown: rows that name them only by what was shown."""
    mine = Response.objects.filter(impression__user=user).order_by("pk")
    named = mine.values_list("impression__project__full_name", "impression__request", "kind", "at")
    return [dict(zip(("project_full_name", "request", "kind", "at"), row, strict=True)) for row in named]


def owner_field(model: type[models.Model]) -> str:
    """What names the person in a row: a user, or a profile, whose key is that of its user."""
    return next(each.name for each in model._meta.fields if each.related_model in (User, Profile))


@transaction.atomic
def forget(user: User) -> None:
    """Delete a person and all that is theirs.

    What they did to the site as staff stays in its ledgers under their name. Nothing new comes meanwhile: a row
    that refers to a locked user waits, and then fails.
    """
    pk = User.objects.select_for_update().get(pk=user.pk).pk
    end_sessions(pk)
    if user.messages.exists():  # a proposal quotes messages of whoever; the next night makes others
        Intent.objects.filter(state=Intent.State.PROPOSED).delete()
    Allowance.objects.filter(subject=f"user:{pk}").delete()
    user.delete()


def end_sessions(user: int) -> None:
    """Sign a person out wherever they are: a session holds their name. Only signed-in people have one."""
    theirs = [
        session.pk for session in Session.objects.iterator() if session.get_decoded().get("_auth_user_id") == str(user)
    ]
    Session.objects.filter(pk__in=theirs).delete()


def summary(user: User) -> list[tuple[str, int]]:
    """What a deletion takes with it, in words: how many of each, those they have none of left out."""
    counts = (
        ("stars, likes, saves and other acts", "recommendations.Interaction"),
        ("tech stacks", "recommendations.ProfileTechStack"),
        ("categories", "recommendations.ProfileCategory"),
        ("messages", "recommendations.Message"),
        ("facts read from messages", "recommendations.Fact"),
        ("notes of what you took up", "recommendations.Engagement"),
        ("recommendations", "recommendations.Recommendation"),
        ("notes of what you were shown", "recommendations.Impression"),
        ("API keys", "engine.ApiKey"),
    )
    found = [(words, count_of(label, user)) for words, label in counts]
    return [(words, count) for words, count in found if count]


def count_of(label: str, user: User) -> int:
    model = apps.get_model(label)
    return model._default_manager.filter(**{owner_field(model): user.pk}).count()

"""Keys of the JSON API, how often somebody asked, and the answers that a repeated write gets again."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import Q
from django.db.models.functions import Now

from engine.postgresql import prepared

PREFIX = "ost_"
SHOWN = 12  # characters of a key by which its owner knows it again


class Along(NamedTuple):
    """What else to read by the statement that looks up a key: columns, the joins they come from, their parameters.

    A view that is asked all the time saves a round trip by it. The joins must be LEFT JOINs: the key is what counts.
    """

    columns: str
    joins: str
    parameters: tuple[Any, ...]


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def issue(self, user: User, name: str, scopes: list[str], days: int) -> tuple[ApiKey, str]:
        """A new key and its text, which is stored nowhere and shown once."""
        text = PREFIX + secrets.token_urlsafe(32)
        key = self.model(user=user, name=name, scopes=scopes, digest=digest_of(text), shown=text[:SHOWN])
        key.expires_at = Now() + timedelta(days=days)
        key.save()
        key.refresh_from_db()
        return key, text

    def valid(self) -> ApiKeyQuerySet:
        return self.filter(revoked_at=None, expires_at__gt=Now())

    def behind(self, text: str, along: Along | None = None) -> ApiKey | None:
        """The valid key with that text, its owner with it. The digest is what is looked up, so time tells nothing."""
        along = along or Along("", "", ())
        own, theirs = fields_of(self.model), fields_of(User)
        with prepared() as cursor:
            cursor.execute(statement_for(along.columns, along.joins), (*along.parameters, digest_of(text)))
            row = cursor.fetchone()
        if row is None:
            return None
        key = self.model.from_db(self.db, own, row[: len(own)])
        key.user = User.from_db(self.db, theirs, row[len(own) : len(own) + len(theirs)])
        key.along = row[len(own) + len(theirs) :]
        return key


@cache
def fields_of(model: type[models.Model]) -> list[str]:
    """The columns of a table, which are also the names of its values."""
    return [field.attname for field in model._meta.concrete_fields]


@cache
def statement_for(columns: str, joins: str) -> str:
    """Written out: every request with a key asks this, and to build the query anew takes longer than to answer it."""
    keys, users = ([f"{name}.{field}" for field in fields_of(model)] for name, model in (("k", ApiKey), ("u", User)))
    return (
        f"SELECT {', '.join([*keys, *users, *filter(None, [columns])])}"  # noqa: S608  names of columns, from our code
        f" FROM engine_apikey k JOIN auth_user u ON u.id = k.user_id {joins}"
        " WHERE k.digest = %s AND k.revoked_at IS NULL AND k.expires_at > now() AND u.is_active"
    )


def digest_of(text: str) -> str:
    """256 random bits need no slow hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class ApiKey(models.Model):
    """What a program of a person signs its requests with. Only the digest of it is kept."""

    class Scope(models.TextChoices):
        READ = "read", "read what I may read"
        WRITE = "write", "write feedback and my profile"
        CONVERSATIONS = "conversations:write", "hand in conversations"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80, help_text="what it is for")
    shown = models.CharField(max_length=20, help_text="how it begins")
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=30, choices=Scope.choices))
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True, help_text="to the hour")

    objects = ApiKeyQuerySet.as_manager()

    along: tuple[Any, ...] = ()  # what was read together with it

    class Meta:
        verbose_name = "API key"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.shown}…"

    def note_use(self) -> None:
        """Remember that it is in use, at most once an hour: a read is no reason for a write each time."""
        stale = Q(used_at=None) | Q(used_at__lt=Now() - timedelta(hours=1))
        ApiKey.objects.filter(stale, pk=self.pk).update(used_at=Now())


class AllowanceManager(models.Manager["Allowance"]):
    def take(self, subject: str, seconds: int, count: int = 1) -> tuple[int, float]:
        """Count so many more within the present window: how many that makes, and the seconds until the window ends.

        One statement on the database's clock, so that any number of processes count together and none is lost.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO engine_allowance (subject, since, taken) VALUES (%(subject)s,"
                " to_timestamp(floor(extract(epoch FROM now()) / %(seconds)s) * %(seconds)s), %(count)s)"
                " ON CONFLICT (subject) DO UPDATE SET since = excluded.since, taken = excluded.taken + CASE"
                " WHEN engine_allowance.since = excluded.since THEN engine_allowance.taken ELSE 0 END"
                " RETURNING taken, %(seconds)s - extract(epoch FROM now() - since)",
                {"subject": subject, "seconds": seconds, "count": count},
            )
            taken, left = cursor.fetchone()
        return taken, float(left)


class Allowance(models.Model):
    """How often a subject ("anon:192.0.2.1", "user:7", "try:192.0.2.1") asked since its window began.

    The table is unlogged: after a crash of the server the counts begin anew, and nothing else is lost.
    """

    subject = models.CharField(max_length=100, primary_key=True)
    since = models.DateTimeField()
    taken = models.PositiveIntegerField()

    objects = AllowanceManager()

    def __str__(self) -> str:
        return self.subject


class IdempotentReply(models.Model):
    """The answer to a write that came with an Idempotency-Key; status null while it is at work."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64, help_text="of method, path and body")
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True, default="")
    begun_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "idempotent replies"
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key

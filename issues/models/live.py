"""The outbox: what another system, the live store, is to show of our issues, and what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Case, Exists, OuterRef, Q, Value, When
from django.db.models.functions import Now

from engine.bulk import copy_in
from engine.owner import owner
from issues.models.issue import Issue

UNKNOWN = "?"  # in place of a hash: somebody is at it, or was and never said how it went
LEASE = 120.0  # seconds that a claim holds
ATTEMPTS = 8


FREED: dict[str, Any] = {"lease": "", "lease_until": None, "touched_at": Now()}


class LiveIssueQuerySet(models.QuerySet["LiveIssue"]):
    def due(self) -> LiveIssueQuerySet:
        """What may be sent now. A post waits for its issue to be there; an issue goes after its posts."""
        same = LiveIssue.objects.filter(issue=OuterRef("issue"))
        unsent = same.filter(collection=LiveIssue.Collection.ISSUES).exclude(state=LiveIssue.State.SENT)
        posts = same.filter(
            collection=LiveIssue.Collection.EVIDENCE, state__in=[LiveIssue.State.WAITING, LiveIssue.State.SENT]
        )
        early = Q(collection=LiveIssue.Collection.EVIDENCE) & ~Q(wanted_hash="") & Exists(unsent)
        late = Q(collection=LiveIssue.Collection.ISSUES, wanted_hash="") & Exists(posts)
        return (
            self.filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=Now()), state=LiveIssue.State.WAITING)
            .free()
            .exclude(early)
            .exclude(late)
        )

    def free(self) -> LiveIssueQuerySet:
        """What nobody holds at this moment."""
        return self.filter(Q(lease_until=None) | Q(lease_until__lt=Now()))

    def claim(self, count: int) -> list[LiveIssue]:
        """Lease up to `count` due rows, issues first. The rows as they were before, so that `sent_hash` tells more."""
        lease = owner()
        with transaction.atomic():
            rows = self.due().order_by("-collection", "pk").select_for_update(skip_locked=True, of=("self",))
            mine = list(rows[:count])
            until = Now() + timedelta(seconds=LEASE)
            self.filter(pk__in=[row.pk for row in mine]).update(lease=lease, lease_until=until, sent_hash=UNKNOWN)
        for row in mine:
            row.lease = lease
        return mine

    def again(self) -> int:
        """Dead ones get another chance; returns how many."""
        dead = self.filter(state=LiveIssue.State.DEAD)
        return dead.update(state=LiveIssue.State.WAITING, attempts=0, next_attempt_at=None, error="")

    def now(self) -> datetime:
        """What the database's clock says."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            found: datetime = cursor.fetchone()[0]
            return found

    def found(
        self, collection: str, after: str, until: str, hashes: Mapping[str, str], at: datetime
    ) -> tuple[int, int]:
        """What the store holds, from the first id to the second, each exclusive and inclusive; "" has no end.

        hashes: of its records there. at: when it was asked; what was touched since is left alone. Returns how many
        records were not as thought, and how many of them are none of the outbox: those are to go.
        """
        rows = self.filter(collection=collection, remote_id__gt=after)
        rows = rows.filter(remote_id__lte=until) if until else rows
        thought = dict(rows.values_list("remote_id", "sent_hash"))
        strays = [LiveIssue.stray(collection, remote_id) for remote_id in hashes if remote_id not in thought]
        other = [(key, hashes.get(key, "")) for key in thought if thought[key] != hashes.get(key, "")]
        with transaction.atomic():
            LiveIssue.objects.bulk_create(strays, ignore_conflicts=True, batch_size=1000)
            copy_in("found_live", {"remote_id": "text", "hash": "text"}, other)
            with connection.cursor() as cursor:
                cursor.execute(FOUND, {"at": at})
                return cursor.rowcount, len(strays)


# `state` follows from the two hashes, but for what is dead.
FOUND = """
UPDATE issues_liveissue l SET sent_hash = f.hash, touched_at = statement_timestamp(), state = CASE
    WHEN l.wanted_hash = f.hash THEN CASE f.hash WHEN '' THEN 'withdrawn' ELSE 'sent' END
    WHEN l.state = 'dead' THEN 'dead' ELSE 'waiting' END
FROM pg_temp.found_live f
WHERE l.remote_id = f.remote_id AND l.touched_at < %(at)s AND (l.lease_until IS NULL OR l.lease_until < now())
"""


class LiveIssue(models.Model):
    """One record of the live store: an issue, or a post that is evidence of one.

    payload, wanted_hash: what it is to be; null and "" where it is to be gone. sent_hash: of what the store holds. The
    row waits while the two hashes differ, so what changes to and fro is never sent. issue null: nothing of ours.
    """

    class Collection(models.TextChoices):
        ISSUES = "issues"
        EVIDENCE = "evidence"

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        DEAD = "dead", "refused too often"
        WITHDRAWN = "withdrawn"

    remote_id = models.CharField(max_length=15, unique=True, db_collation="C")
    collection = models.CharField(max_length=10, choices=Collection.choices)
    issue = models.ForeignKey(Issue, null=True, blank=True, on_delete=models.SET_NULL, related_name="live")
    payload = models.JSONField(null=True, blank=True)
    wanted_hash = models.CharField(max_length=64, blank=True, default="")
    sent_hash = models.CharField(max_length=64, blank=True, default="")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="refusals in a row")
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    lease = models.CharField(max_length=80, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True, default="")
    touched_at = models.DateTimeField(db_default=Now(), help_text="when it last changed, or was sent")

    objects = LiveIssueQuerySet.as_manager()

    class Meta:
        verbose_name = "live record"
        indexes = [models.Index(fields=["-collection", "id"], condition=Q(state="waiting"), name="live_waiting")]

    def __str__(self) -> str:
        return f"{self.collection} {self.remote_id}"

    @classmethod
    def stray(cls, collection: str, remote_id: str) -> LiveIssue:
        """A record of ours that should not be."""
        return cls(collection=collection, remote_id=remote_id, sent_hash=UNKNOWN)

    # How a claim ends. Each is one row in a transaction of its own, so that nobody waits for it with locks in hand.

    @property
    def mine(self) -> models.QuerySet[LiveIssue]:
        return LiveIssue.objects.filter(pk=self.pk, lease=self.lease)

    def settle(self) -> None:
        """The store has what this claim was to send."""
        state = Case(
            When(
                wanted_hash=self.wanted_hash, then=Value(self.State.SENT if self.wanted_hash else self.State.WITHDRAWN)
            ),
            default=Value(self.State.WAITING),
        )
        done: dict[str, Any] = {
            "sent_hash": self.wanted_hash,
            "state": state,
            "attempts": 0,
            "next_attempt_at": None,
            "error": "",
        }
        if not self.mine.update(**done, **FREED):
            self.send_anew()

    def send_anew(self) -> None:
        """This claim had run out, so old may lie over new now: whoever holds the row meanwhile settles nothing."""
        LiveIssue.objects.filter(pk=self.pk).update(sent_hash=UNKNOWN, state=self.State.WAITING, **FREED)

    def refuse(self, reason: str) -> bool:
        """The store took it not; it comes again later, up to ATTEMPTS times. True: that was the last."""
        attempts = self.attempts + 1
        dead = attempts >= ATTEMPTS
        wait = timedelta(seconds=settings.TIMING.wait_after(attempts))
        told: dict[str, Any] = {
            "attempts": attempts,
            "error": reason[:300],
            "state": self.State.DEAD if dead else self.State.WAITING,
            "next_attempt_at": None if dead else Now() + wait,
        }
        if self.mine.filter(wanted_hash=self.wanted_hash).update(**told, **FREED):
            return dead
        self.hand_back()
        return False

    def hand_back(self) -> None:
        """As if this claim had not been, but that nobody knows what the store holds."""
        self.mine.update(**FREED)

"""What people said of issues; it is law for every later run."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.text import clip, printable
from issues.models.issue import Issue


class IssueEditQuerySet(models.QuerySet["IssueEdit"]):
    def standing(self) -> IssueEditQuerySet:
        """Those not undone, in the order they were made."""
        return self.filter(undone_at=None).order_by("pk")


class IssueEdit(models.Model):
    """One decision of a curator. It is never changed but for being undone, and then it counts no more.

    value: of set, {field: value}; of split, pin and differ, {"items": {item id: issue id or null}}.
    """

    class Kind(models.TextChoices):
        MERGE = "merge", "merged into the other"
        SPLIT = "split", "posts made a problem of their own, the other"
        SET = "set", "renamed or put into another category"
        HIDE = "hide", "hidden"
        LOCK = "lock", "locked"
        PIN = "pin", "posts put where they belong"
        DIFFER = "differ", "not the same as the other"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="edits")
    other = models.ForeignKey(Issue, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    value = models.JSONField(default=dict, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(db_default=Now())
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = IssueEditQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["kind"], condition=Q(undone_at=None), name="standing_edits")]
        permissions = [("curate_issue", "Can merge, split, rename, hide and pin issues")]

    def __str__(self) -> str:
        return f"issue {self.issue_id} {self.get_kind_display()}"

    @property
    def words(self) -> dict[str, str]:
        """What the issue says by it, short and fit to be shown."""
        return {name: clip(printable(str(value)), 80) for name, value in self.value.get("fields", {}).items()}

    @property
    def posts(self) -> int:
        """How many posts it is about."""
        return len(self.value.get("items", {}))

"""Posts, as their sources gave them."""

from __future__ import annotations

from datetime import date, timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.models import Embedding
from engine.text import printable


class RawItemQuerySet(models.QuerySet["RawItem"]):
    def within(self, day: date, window: int = 1) -> RawItemQuerySet:
        """The items of that day and of those before it, `window` days in all."""
        return self.filter(collected_on__gt=day - timedelta(days=window), collected_on__lte=day)

    def to_check(self, source: str, since: date) -> RawItemQuerySet:
        """Those that a source gave since that day, by when they were last known to be there."""
        return self.filter(source=source, collected_on__gte=since).exclude(upstream_id="").order_by("checked_at", "pk")


class RawItem(models.Model):
    """One post. said: its body without code, logs, quotes, signatures; twin_of: the first post that says the same.

    url_hash: SHA-256 of the normalised url, by which a post is known; collected_on: the UTC day it counts for.
    author_hash: keyed, so that authors can be counted and not named; author: the name, kept only where a licence asks
    for it. cleaned_by: the version of the cleaner. upstream_id: what its source knows it by, "" where it came in by a
    file; checked_at: when it was last known to be there.
    """

    source = models.CharField(max_length=40)
    url = models.TextField()
    url_hash = models.CharField(max_length=64, unique=True)
    title = models.TextField()
    body = models.TextField(blank=True, default="")
    said = models.TextField(blank=True, default="")
    cleaned_by = models.CharField(max_length=10, blank=True, default="")
    language = models.CharField(max_length=8, blank=True, default="", help_text="ISO 639-1; empty where unsure")
    created_at = models.DateTimeField(null=True, blank=True)
    collected_on = models.DateField()
    comment_count = models.PositiveIntegerField(null=True, blank=True)
    vote_count = models.IntegerField(null=True, blank=True)
    author_hash = models.CharField(max_length=64, blank=True, default="")
    author = models.CharField(max_length=100, blank=True, default="")
    licence = models.CharField(max_length=100, blank=True, default="")
    twin_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="twins")
    stored_at = models.DateTimeField(db_default=Now())
    upstream_id = models.CharField(max_length=250, blank=True, default="")
    checked_at = models.DateTimeField(db_default=Now())

    objects = RawItemQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["collected_on", "source"], name="item_day"),
            models.Index(fields=["source", "checked_at"], name="item_checked", condition=~Q(upstream_id="")),
        ]
        constraints = [models.CheckConstraint(condition=~Q(title=""), name="item_has_a_title")]

    def __str__(self) -> str:
        return printable(self.title)[:80]


class ItemEmbedding(Embedding):
    subject_name = "items"
    subject = models.ForeignKey(RawItem, on_delete=models.CASCADE, related_name="embeddings", db_index=False)

    class Meta(Embedding.Meta):
        pass

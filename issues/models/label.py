"""What a model, or the extractive labeller, said of a cluster."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Category(models.TextChoices):
    AI = "ai"
    FINANCE = "finance"
    COMPLIANCE = "compliance"
    LOGISTICS = "logistics"
    HEALTHTECH = "healthtech"
    DEVTOOLS = "devtools"
    ECOMMERCE = "ecommerce"
    OTHER = "other"


class Impact(models.TextChoices):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class LabelQuerySet(models.QuerySet["Label"]):
    def reusable(self) -> LabelQuerySet:
        """What may answer again: never what failed."""
        return self.filter(state=Label.State.LABELLED)


class Labelled(models.Model):
    """What a label says; an issue takes all of it."""

    title = models.CharField(max_length=120, blank=True, default="")
    category = models.CharField(max_length=20, choices=Category.choices, default=Category.OTHER)
    description = models.TextField(blank=True, default="")
    would_pay = models.BooleanField(default=False)
    impact = models.CharField(max_length=10, choices=Impact.choices, default=Impact.LOW)
    claims = models.JSONField(default=list, blank=True)

    class Meta:
        abstract = True


class Label(Labelled):
    """One answer, kept by what was asked. prompt_hash: of the prompt and the names of the models, or of the extractor.

    claims: what would_pay and impact rest on, [{"field", "item", "words"}], each found verbatim in that item.
    reason: why it failed or was deferred; then it is tried again at next_attempt_at.
    """

    class State(models.TextChoices):
        LABELLED = "labelled"
        FAILED = "label_failed"
        DEFERRED = "deferred"

    class Source(models.TextChoices):
        LLM = "llm"
        EXTRACT = "extract"

    prompt_hash = models.CharField(max_length=64, unique=True)
    fingerprint = models.CharField(max_length=64, blank=True, default="", help_text="of the exemplars' titles")
    sources = ArrayField(models.CharField(max_length=40), default=list, help_text="of the exemplars")
    state = models.CharField(max_length=15, choices=State.choices)
    source = models.CharField(max_length=10, choices=Source.choices)
    model = models.CharField(max_length=200, blank=True, default="")
    reason = models.CharField(max_length=300, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    calls = models.PositiveSmallIntegerField(default=0)
    prompt_tokens = models.PositiveIntegerField(default=0)
    answer_tokens = models.PositiveIntegerField(default=0)
    cost = models.FloatField(default=0, help_text="US dollars")
    made_at = models.DateTimeField(db_default=Now())

    objects = LabelQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["fingerprint"], name="label_fingerprint")]
        constraints = [
            models.CheckConstraint(condition=~Q(state="labelled") | ~Q(title=""), name="a_label_has_a_title"),
            models.CheckConstraint(condition=Q(state="labelled") | ~Q(reason=""), name="a_failure_has_a_reason"),
        ]

    def __str__(self) -> str:
        return self.title or f"{self.state}: {self.reason}"

"""Problems that live across days."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import GeneratedField, Q
from django.db.models.functions import Now

from engine.models import Embedding
from engine.text import printable
from issues.models.clustering import LIVE, Assignment
from issues.models.label import Label, Labelled


class IssueQuerySet(models.QuerySet["Issue"]):
    def visible(self) -> IssueQuerySet:
        """What readers see: labelled, seen on some live day, not hidden by a curator."""
        return self.filter(label_state=Label.State.LABELLED, hidden=False).exclude(state=Issue.State.GONE)


class Issue(Labelled):
    """One problem, whatever clusters it was found in. Its evidence is a query on the live clusterings.

    label_state and reason: whether it could be labelled; without a label it has no title. into, hidden, locked: what
    curators made of it; into: the issue that it is merged into, itself never merged.
    """

    class State(models.TextChoices):
        NEW = "new", "first seen on its last day"
        GROWING = "growing"
        STEADY = "steady"
        QUIET = "quiet", "not seen on the newest day"
        GONE = "gone", "merged into another, or its day was clustered anew without it"

    label = models.ForeignKey(Label, null=True, on_delete=models.PROTECT, related_name="issues")
    label_state = models.CharField(max_length=15, choices=Label.State.choices, default=Label.State.DEFERRED)
    label_source = models.CharField(max_length=10, choices=Label.Source.choices, default=Label.Source.EXTRACT)
    reason = models.CharField(max_length=300, blank=True, default="")
    state = models.CharField(max_length=10, choices=State.choices, default=State.NEW)
    first_seen = models.DateField()
    last_seen = models.DateField()
    into = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="merged")
    hidden = models.BooleanField(default=False)
    locked = models.BooleanField(default=False, help_text="no later label changes what it says")
    created_at = models.DateTimeField(db_default=Now())
    search = GeneratedField(
        expression=SearchVector("title", weight="A", config="english")
        + SearchVector("description", weight="B", config="english"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = IssueQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["state", "-last_seen"], name="issue_newest"),
            GinIndex(fields=["search"], name="issue_search"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(label_state="labelled") | ~Q(title=""), name="a_labelled_issue_has_a_title"
            ),
        ]

    def __str__(self) -> str:
        return printable(self.title) or f"issue {self.pk}, {self.get_label_state_display()}"

    @property
    def is_visible(self) -> bool:
        """Whether readers see it, by the rule of IssueQuerySet.visible."""
        return self.label_state == Label.State.LABELLED and not self.hidden and self.state != Issue.State.GONE

    @property
    def evidence(self) -> models.QuerySet[Assignment]:
        """Its items on every day that is live, the surest first."""
        live = Assignment.objects.filter(LIVE, issue=self)
        return live.select_related("item").order_by("-membership", "item_id")


class IssueEmbedding(Embedding):
    """What it says, as a vector: for search and for the projects that could solve it."""

    subject_name = "issues"
    subject = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="embeddings", db_index=False)

    class Meta(Embedding.Meta):
        pass


class IssueDay(models.Model):
    """How much of it was seen on one day. authors, sources: how many different ones, and which."""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="days", db_index=False)
    day = models.DateField()
    items = models.PositiveIntegerField()
    authors = models.PositiveIntegerField()
    sources = ArrayField(models.CharField(max_length=40), default=list)
    votes = models.IntegerField(default=0)
    comments = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issue", "day"], name="an_issue_once_a_day")]

    def __str__(self) -> str:
        return f"issue {self.issue_id} on {self.day}"


class Lineage(models.Model):
    """What a run did with an issue on a day: born, known again, split off from another, merged into another."""

    class Kind(models.TextChoices):
        BORN = "born"
        KNOWN = "known", "known again"
        SPLIT = "split", "split off from the other"
        MERGED = "merged", "merged into the other"

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="lineage", db_index=False)
    day = models.DateField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    other = models.ForeignKey(Issue, null=True, on_delete=models.CASCADE, related_name="+")
    why = models.CharField(max_length=200, blank=True, default="", help_text="share of members, or distance")

    class Meta:
        verbose_name_plural = "lineage"
        constraints = [
            models.UniqueConstraint(fields=["issue", "day", "kind", "other"], name="lineage_once", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return f"issue {self.issue_id} {self.kind} on {self.day}"


class Suggestion(models.Model):
    """Two issues that a run found near each other and did not dare to call one. alike: cosine of the clusters."""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="suggestions")
    other = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    alike = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issue", "other", "day"], name="suggested_once_a_day")]

    def __str__(self) -> str:
        return f"issue {self.issue_id} may be issue {self.other_id}"

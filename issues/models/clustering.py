"""Which posts of a day are about the same thing."""

from __future__ import annotations

from datetime import date

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.models import EmbeddingModel
from issues.models.item import RawItem
from issues.models.label import Label


class ClusteringQuerySet(models.QuerySet["Clustering"]):
    def live(self, day: date) -> Clustering | None:
        """The one that readers see of that day, if any was published."""
        return self.filter(day=day, state=Clustering.State.LIVE).first()

    def take_over(self, draft: Clustering, fence: int) -> bool:
        """Make the draft that claim's alone to write; False when a later claim has it."""
        return bool(self.filter(pk=draft.pk, fence__lte=fence).update(fence=fence))

    def held(self, draft: Clustering, fence: int) -> ClusteringQuerySet:
        """The draft, while that claim has it."""
        return self.filter(pk=draft.pk, fence=fence, state=Clustering.State.DRAFT)


class Clustering(models.Model):
    """All clusters of a day. A draft is seen by nobody; one a day is live; the others are history.

    inputs: digest of the items, vectors and parameters it is made from; finished: all of it is written.
    outlier_ratio: the share of items in no cluster. outcome: what to expect of it.
    """

    class State(models.TextChoices):
        DRAFT = "draft"
        LIVE = "live"
        RETIRED = "retired"

    class Outcome(models.TextChoices):
        CLUSTERED = "clustered"
        EMPTY = "empty", "no items"
        TOO_FEW = "too_few", "too few items for a cluster"
        ALL_ALIKE = "all_alike", "all items are one cluster"
        ALL_NOISE = "all_noise", "no cluster among the items"

    day = models.DateField()
    window = models.PositiveSmallIntegerField(default=1, help_text="days, this one the last")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    model = models.ForeignKey(EmbeddingModel, on_delete=models.PROTECT, related_name="+")
    method = models.CharField(max_length=20)
    parameters = models.JSONField(default=dict)
    inputs = models.CharField(max_length=64)
    finished = models.BooleanField(default=False)
    outcome = models.CharField(max_length=15, choices=Outcome.choices, default=Outcome.EMPTY)
    items = models.PositiveIntegerField(default=0)
    outlier_ratio = models.FloatField(null=True, blank=True)
    missing_sources = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    fence = models.BigIntegerField(default=0)
    published_at = models.DateTimeField(null=True, blank=True)

    objects = ClusteringQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day"], condition=Q(state="live"), name="one_live_clustering_a_day"),
            models.UniqueConstraint(fields=["day"], condition=Q(state="draft"), name="one_draft_clustering_a_day"),
        ]

    def __str__(self) -> str:
        return f"clustering {self.pk} of {self.day}"

    def unlabelled(self) -> models.QuerySet[Cluster]:
        """Its clusters without a label, and those whose label failed and may be tried again by now."""
        due = Q(label__next_attempt_at__lte=Now()) & ~Q(label__state=Label.State.LABELLED)
        return self.clusters.filter(Q(label=None) | due)


LIVE = Q(clustering__state=Clustering.State.LIVE)  # of what belongs to a clustering: readers see it


class Cluster(models.Model):
    """One of them. number: from 0, the largest first; mean_distance: of its items to their mean, as unit vectors.

    membership: the mean of its items'. fingerprint: of the exemplars' titles, "" with fewer than three. found: which
    issue the run took it for; issue: the one that it speaks for, after what curators said.
    """

    clustering = models.ForeignKey(Clustering, on_delete=models.CASCADE, related_name="clusters", db_index=False)
    number = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    mean_distance = models.FloatField()
    membership = models.FloatField()
    centroid = ArrayField(models.FloatField())
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    label = models.ForeignKey(Label, null=True, on_delete=models.PROTECT, related_name="clusters")
    found = models.ForeignKey("issues.Issue", null=True, on_delete=models.SET_NULL, related_name="+")
    issue = models.ForeignKey("issues.Issue", null=True, on_delete=models.SET_NULL, related_name="clusters")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["clustering", "number"], name="a_cluster_number_once")]

    def __str__(self) -> str:
        return f"cluster {self.number} of {self.clustering_id}"


class Assignment(models.Model):
    """Where one item went. cluster null: noise, which stays to be browsed. exemplar: 1 to 5 where it speaks for it.

    membership: how surely it is in its cluster, 0 to 1; of noise 0. issue: what the item is evidence of.
    """

    clustering = models.ForeignKey(Clustering, on_delete=models.CASCADE, related_name="assignments", db_index=False)
    item = models.ForeignKey(RawItem, on_delete=models.CASCADE, related_name="assignments")
    cluster = models.ForeignKey(Cluster, null=True, on_delete=models.CASCADE, related_name="assignments")
    membership = models.FloatField(default=0)
    exemplar = models.PositiveSmallIntegerField(null=True)
    issue = models.ForeignKey("issues.Issue", null=True, on_delete=models.SET_NULL, related_name="assignments")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["clustering", "item"], name="an_item_once_a_clustering")]

    def __str__(self) -> str:
        return f"item {self.item_id} in {self.cluster_id or 'noise'}"

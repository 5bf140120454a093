"""Where the items of a day stand on its map, and what those in no cluster are near to."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from issues.models.clustering import Assignment, Cluster, Clustering


class Chart(models.Model):
    """A live clustering was drawn: its clusters have places, its items spots."""

    clustering = models.OneToOneField(Clustering, on_delete=models.CASCADE, primary_key=True)
    made_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"chart of {self.clustering_id}"


class Place(models.Model):
    """The disc of a cluster on the map, and the phrases that tell it from the other clusters of the day, best first."""

    cluster = models.OneToOneField(Cluster, on_delete=models.CASCADE, primary_key=True)
    x = models.FloatField()
    y = models.FloatField()
    radius = models.FloatField()
    phrases = ArrayField(models.TextField(), default=list)

    def __str__(self) -> str:
        return f"place of {self.cluster_id}"


class Spot(models.Model):
    """An item on the map. Of noise: the nearest cluster with the cosine to its centroid, and the pocket it is in."""

    assignment = models.OneToOneField(Assignment, on_delete=models.CASCADE, primary_key=True)
    x = models.FloatField()
    y = models.FloatField()
    nearest = models.ForeignKey(Cluster, null=True, on_delete=models.SET_NULL, related_name="near_noise")
    alike = models.FloatField(null=True)
    pocket = models.PositiveSmallIntegerField(null=True, help_text="from 0, the closest one of the day first")

    def __str__(self) -> str:
        return f"spot of {self.assignment_id}"

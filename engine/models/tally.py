"""Counters that all processes of all hosts add up in one place, so that none of them has to be asked."""

from django.db import models


class Tally(models.Model):
    """One figure that only grows. labels: as JSON with sorted keys, so that equal labels are one row."""

    name = models.CharField(max_length=80)
    labels = models.CharField(max_length=300, blank=True, default="")
    value = models.FloatField(default=0)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="tally_once")]
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.name}{self.labels}"

"""Counters that all processes of all hosts add up in one place; and what days were, of what nothing else keeps."""

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


class Daily(models.Model):
    """What a day was, to compare later days with. Rows of long ago go."""

    name = models.CharField(max_length=120, help_text="what the figures are of")
    day = models.DateField()
    figures = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "day"], name="daily_once")]
        verbose_name_plural = "days"

    def __str__(self) -> str:
        return f"{self.name} {self.day}"

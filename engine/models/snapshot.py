"""What the machinery looked like at a full hour, so that a figure which only grows can be shown over time."""

from django.db import models


class Snapshot(models.Model):
    """One hour, its newest look. tallies: name -> labels as JSON -> value. backlog: model id -> subject -> [texts
    waiting, quarantined]. stages: "pipeline/stage" -> what waits for it. sizes: table -> bytes with its indexes."""

    at = models.DateTimeField(unique=True, help_text="the full hour")
    taken_at = models.DateTimeField()
    tallies = models.JSONField(default=dict)
    backlog = models.JSONField(default=dict)
    stages = models.JSONField(default=dict)
    sizes = models.JSONField(default=dict)

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"

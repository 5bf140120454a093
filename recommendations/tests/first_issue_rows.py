"""First issues with plain defaults, for tests."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from recommendations.first_labels import normalised
from recommendations.models import FirstIssue, Project
from recommendations.taking import readiness


def make_first_issue(project: Project, number: int = 1, **facts: Any) -> FirstIssue:
    """One that can be taken, looked at just now, unless told otherwise."""
    now = timezone.now()
    labels = facts.pop("labels", ["good first issue"])
    usual = {"title": f"Mend part {number}", "node_id": f"I_{project.pk}_{number}", "body": 600, "checked_at": now}
    usual |= {"created_at": now - timedelta(days=40), "updated_at": now - timedelta(days=2)}
    row = FirstIssue(
        project=project,
        number=number,
        labels=labels,
        names=[normalised(label) for label in labels],
        **{**usual, **facts},
    )
    row.score = readiness(row.known, row.checked_at).score
    row.save()
    return row

"""Rows of first issues wherever they stand: what a project offers, and where their state is had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from recommendations import first_issues
from recommendations.models import FirstIssue, Project

OF_A_PROJECT = 5


def address_of_look(rows: Sequence[FirstIssue], bare: bool = False) -> str:
    """Where these rows are had as they stand now; "" when nothing of them is stale, or nobody may be asked."""
    now = timezone.now()
    if not any(row.is_stale(now) for row in rows) or not first_issues.can_look():
        return ""
    asked = [("id", row.pk) for row in rows] + ([("bare", 1)] if bare else [])
    return f"{reverse('first_issues_look')}?{urlencode(asked)}"


def of_project(project: Project) -> dict[str, Any]:
    """The section of a project's page: its readiest ones, and how many there are."""
    offered = FirstIssue.objects.takeable().filter(project=project)
    rows = list(offered.with_project()[:OF_A_PROJECT])
    count = offered.count() if len(rows) == OF_A_PROJECT else len(rows)
    more = f"{reverse('first_issues')}?{urlencode({'project': project.full_name})}"
    return {"rows": rows, "count": count, "look": address_of_look(rows, bare=True), "more": more}

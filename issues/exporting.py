"""Clusters and issues as lines for other programs."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db.models import QuerySet

from issues.models import Assignment, Issue, IssueDay, Lineage
from issues.models.clustering import LIVE

AT_ONCE = 200  # issues whose evidence is read together


def clusters(day: date | None = None) -> Iterator[dict[str, Any]]:
    """Where each item went, of one day or of all; -1: in no cluster."""
    live = Assignment.objects.filter(LIVE)
    chosen = live.filter(clustering__day=day) if day else live
    rows = chosen.order_by("clustering__day", "item").values_list(
        "item__url", "item__source", "clustering__day", "cluster", "membership", "issue"
    )
    for url, source, on, cluster, membership, issue in rows.iterator(chunk_size=5000):
        place = {"cluster": cluster or -1, "membership": round(membership, 4), "issue": issue}
        yield {"url": url, "source": source, "day": on.isoformat(), **place}


def issues() -> Iterator[dict[str, Any]]:
    """Every issue, those most lately seen first, with what it counted and the urls of its evidence."""
    ordered = Issue.objects.exclude(state=Issue.State.GONE).order_by("-last_seen", "pk")
    ids = list(ordered.values_list("pk", flat=True))
    for start in range(0, len(ids), AT_ONCE):
        yield from described(ordered.filter(pk__in=ids[start : start + AT_ONCE]))


def largest(day: date, count: int) -> list[dict[str, Any]]:
    """The issues that most posts of a day are about."""
    rows = IssueDay.objects.filter(day=day, items__gt=0).order_by("-items", "issue").values_list("issue", flat=True)
    order = list(rows[:count])
    found = {line["id"]: line for line in described(Issue.objects.filter(pk__in=order))}
    return [found[pk] for pk in order]


def described(chosen: QuerySet[Issue]) -> Iterator[dict[str, Any]]:
    found = list(chosen)
    ids = [issue.pk for issue in found]
    days = by_issue(IssueDay.objects.filter(issue__in=ids).order_by("day"))
    told = by_issue(Lineage.objects.filter(issue__in=ids).order_by("day", "kind"))
    live = Assignment.objects.filter(LIVE, issue__in=ids)
    evidence: dict[int, list[str]] = {}
    for pk, url in live.order_by("-membership", "item").values_list("issue", "item__url").iterator():
        evidence.setdefault(pk or 0, []).append(url)
    for issue in found:
        urls = list(dict.fromkeys(evidence.get(issue.pk, [])))  # a window of days shows a post on several
        yield facts(issue, days.get(issue.pk, []), told.get(issue.pk, []), urls)


def by_issue(rows: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.issue_id, []).append(row)
    return found


def facts(issue: Issue, days: list[IssueDay], lineage: list[Lineage], evidence: list[str]) -> dict[str, Any]:
    return {
        "id": issue.pk,
        "title": issue.title or None,
        "category": issue.category,
        "description": issue.description,
        "would_pay": issue.would_pay,
        "impact": issue.impact,
        "claims": issue.claims,
        "label_state": issue.label_state,
        "label_source": issue.label_source,
        "reason": issue.reason,
        "state": issue.state,
        "first_seen": issue.first_seen.isoformat(),
        "last_seen": issue.last_seen.isoformat(),
        "days": [
            {"day": row.day.isoformat(), "items": row.items, "authors": row.authors, "sources": row.sources}
            for row in days
        ],
        "lineage": [
            {"day": row.day.isoformat(), "kind": row.kind, "other": row.other_id, "why": row.why} for row in lineage
        ],
        "evidence": evidence,
    }

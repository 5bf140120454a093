"""What happened to one problem: what runs and curators did with it, and when it grew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.template.defaultfilters import pluralize

from issues import reading
from issues.folding import GROWTH
from issues.models import Issue, IssueEdit, Lineage
from issues.pages.rows import shown
from issues.reading import Figures


@dataclass(frozen=True)
class Entry:
    """Something that happened to the issue. other: another one that it concerns, where readers see it."""

    at: date
    text: str
    other: Issue | None = None
    why: str = ""
    undone: str = ""

    @property
    def other_title(self) -> str:
        return shown(self.other.title, 120) if self.other else ""


def history(issue: Issue, figures: Figures) -> list[Entry]:
    """What runs and curators did and what it grew to, the earliest first."""
    runs = [of_lineage(row, issue) for row in reading.lineage(issue)]
    people = [of_edit(edit, issue) for edit in reading.edits(issue)]
    return sorted([*runs, *growth(figures.days), *people], key=lambda entry: entry.at)


BY_RUN: Mapping[str, tuple[str, str]] = {
    Lineage.Kind.BORN: ("First seen", ""),
    Lineage.Kind.KNOWN: ("Known again", "Known again as this one"),
    Lineage.Kind.SPLIT: ("Split off from", "This split off from it:"),
    Lineage.Kind.MERGED: ("Merged by a run into", "A run merged into it:"),
}


def of_lineage(row: Lineage, issue: Issue) -> Entry:
    mine = row.issue_id == issue.pk
    other = row.other if mine else row.issue
    return Entry(row.day, BY_RUN[row.kind][0 if mine else 1] or "Seen", seen(other, issue), shown(row.why, 200))


def seen(other: Issue | None, issue: Issue) -> Issue | None:
    """The other issue, where readers see it and it is not this one."""
    return other if other and other.pk != issue.pk and (other.is_visible or other.into_id) else None


def growth(days: Mapping[date, Mapping[str, int]]) -> list[Entry]:
    """The days on which it grew by the rule that calls an issue growing."""
    totals = {day: sum(counts.values()) for day, counts in days.items()}
    found = []
    for day, count in list(totals.items())[1:]:
        before = totals.get(day - timedelta(days=1), 0)
        if count >= GROWTH * before and count >= before + 2:
            found.append(Entry(day, f"Grew from {before} to {count} post{pluralize(count)} a day"))
    return found


BY_CURATOR: Mapping[str, tuple[str, str]] = {
    IssueEdit.Kind.MERGE: ("Merged into", "Merged into it:"),
    IssueEdit.Kind.SPLIT: ("Posts made an issue of their own:", "Made of posts of"),
    IssueEdit.Kind.SET: ("", ""),
    IssueEdit.Kind.HIDE: ("Hidden", ""),
    IssueEdit.Kind.LOCK: ("Locked: no later label changes what it says", ""),
    IssueEdit.Kind.PIN: ("Posts put where they belong", ""),
    IssueEdit.Kind.DIFFER: ("Said not to be the same as", "Said not to be the same as"),
}


def of_edit(edit: IssueEdit, issue: Issue) -> Entry:
    mine = edit.issue_id == issue.pk
    text = renamed(edit) if edit.kind == IssueEdit.Kind.SET else BY_CURATOR[edit.kind][0 if mine else 1]
    undone = f"undone on {day(edit.undone_at)}" if edit.undone_at else ""
    other = edit.other if mine else edit.issue
    return Entry(edit.at.date(), text or edit.get_kind_display(), seen(other, issue), "by a curator", undone)


def renamed(edit: IssueEdit) -> str:
    """Which of its words a curator changed, and into what."""
    fields = edit.value.get("fields") if isinstance(edit.value, dict) else None
    if not isinstance(fields, dict):
        return "Changed"
    if "title" in fields:
        return f"Renamed “{shown(str(fields['title']), 120)}”"
    said = [f"{name.replace('_', ' ')}: {shown(str(value), 60)}" for name, value in fields.items()]
    return f"Set {', '.join(said)}" if said else "Changed"


def day(at: datetime) -> str:
    return f"{at:%-d %B %Y}"

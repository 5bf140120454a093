"""What curators do to issues. Each act is one row that later runs obey, folded into the live days at once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from engine.text import printable, squeeze
from issues import folding
from issues.folding import SAID, Where
from issues.law import law_of
from issues.models import Assignment, Category, Cluster, Impact, Issue, IssueEdit, Label

Kind = IssueEdit.Kind
LONGEST_TITLE = 120
MOST_POSTS = 2_000  # that one act moves


class Refused(Exception):
    """The act makes no sense as things stand; the message says why, for whoever asked."""


class Conflict(Refused):
    """Somebody else changed the issue since it was looked at."""


# What was looked at


def seen_of(issue: int) -> str:
    """A token of all that curators have said of an issue so far; an act names the one that its page showed."""
    return all_seen([issue])[0]


def all_seen(issues: Sequence[int]) -> list[str]:
    """One for each: the newest edit that names it, and how many of those that name it are undone."""
    newest, undone = dict.fromkeys(issues, 0), dict.fromkeys(issues, 0)
    about = IssueEdit.objects.filter(Q(issue__in=issues) | Q(other__in=issues))
    for pk, issue, other, undone_at in about.order_by("pk").values_list("pk", "issue", "other", "undone_at"):
        for each in {issue, other} & newest.keys():
            newest[each] = pk
            undone[each] += undone_at is not None
    return [f"{newest[issue]}-{undone[issue]}" for issue in issues]


def check_seen(issue: Issue, seen: str | None) -> None:
    """Raises Conflict when the issue is not as it was shown; None for who does not look, like a command."""
    if seen is None or seen == seen_of(issue.pk):
        return
    last = IssueEdit.objects.filter(Q(issue=issue) | Q(other=issue)).select_related("actor").order_by("-pk").first()
    who = last.actor.get_username() if last and last.actor else "somebody"
    what = last.get_kind_display() if last else "changed"
    raise Conflict(
        f"{who} was faster: this issue has changed since you opened it (last: {what}). Look again, then decide."
    )


# The acts


def merge(*, issue: Issue, other: Issue, by: User | None, seen: str | None = None) -> IssueEdit:
    """The issue becomes part of the other, and its page leads there; undoing it is the unmerge."""
    with transaction.atomic():
        check_open(issue, seen)
        check_open(other, None)
        if issue == other:
            raise Refused("An issue cannot be merged into itself.")
        return enact(Kind.MERGE, issue, by, other=other)


def split(*, issue: Issue, items: Collection[int], title: str, by: User | None, seen: str | None = None) -> IssueEdit:
    """Some posts of an issue become an issue of their own, which later runs recognise by them."""
    title = checked_title(title)
    with transaction.atomic():
        check_open(issue, seen)
        check_evidence(issue, items)
        said = {name: getattr(issue, name) for name in SAID} | {"title": title, "claims": []}
        dates = {"first_seen": issue.first_seen, "last_seen": issue.last_seen}
        made = Issue.objects.create(**said, **dates, label_state=Label.State.LABELLED, label_source=issue.label_source)
        homes = {str(item): made.pk for item in sorted(items)}
        return enact(Kind.SPLIT, issue, by, other=made, value={"items": homes, "fields": said})


def change(*, issue: Issue, fields: Mapping[str, Any], by: User | None, seen: str | None = None) -> IssueEdit:
    """Another title, description, category, impact or would-pay, whatever labels say from now on."""
    said = checked_fields(fields)
    with transaction.atomic():
        check_open(issue, seen)
        news = {name: value for name, value in said.items() if getattr(issue, name) != value}
        if not news:
            raise Refused("Nothing was changed.")
        return enact(Kind.SET, issue, by, value={"fields": news})


def hide(*, issue: Issue, by: User | None, seen: str | None = None) -> IssueEdit:
    """No reader sees it any more, nor any program that this one publishes to."""
    with transaction.atomic():
        check_open(issue, seen)
        if issue.hidden:
            raise Refused("It is hidden already.")
        return enact(Kind.HIDE, issue, by)


def lock(*, issue: Issue, by: User | None, seen: str | None = None) -> IssueEdit:
    """What it says stays as it is, whatever later labels say."""
    with transaction.atomic():
        check_open(issue, seen)
        if issue.locked:
            raise Refused("It is locked already.")
        return enact(Kind.LOCK, issue, by, value={"fields": {name: getattr(issue, name) for name in SAID}})


def pin(
    *, issue: Issue, items: Collection[int], here: bool = True, by: User | None, seen: str | None = None
) -> IssueEdit:
    """Posts belong to this issue whatever a run finds, or, with here=False, to no issue at all."""
    with transaction.atomic():
        check_open(issue, seen)
        if here:
            check_posts(items)
        else:
            check_evidence(issue, items)
        return enact(
            Kind.PIN, issue, by, value={"items": {str(item): issue.pk if here else None for item in sorted(items)}}
        )


def differ(*, issue: Issue, other: Issue, by: User | None, seen: str | None = None) -> IssueEdit:
    """The two are not the same: each keeps its posts, whatever a run makes of them, and nobody is asked again."""
    with transaction.atomic():
        check_open(issue, seen)
        check_open(other, None)
        if issue == other:
            raise Refused("An issue is the same as itself.")
        if folding.law().differ(issue.pk, other.pk):
            raise Refused("That was said already.")
        evidence = Assignment.objects.filter(folding.LIVE, issue__in=[issue, other]).order_by("item")
        homes = {str(item): home for item, home in evidence.values_list("item", "issue")}
        return enact(Kind.DIFFER, issue, by, other=other, value={"items": homes})


def undo(*, edit: IssueEdit, by: User | None, seen: str | None = None) -> IssueEdit:
    """As if it had never been said. Raises Refused while a later edit rests on it."""
    with transaction.atomic():
        folding.lock()
        edit = IssueEdit.objects.select_related("issue").get(pk=edit.pk)
        check_seen(edit.issue, seen)
        if edit.undone_at:
            raise Refused("It is undone already.")
        check_nothing_rests_on(edit)
        where = concerned(edit)
        IssueEdit.objects.filter(pk=edit.pk).update(undone_at=Now(), undone_by=by)
        if edit.kind == Kind.SPLIT and edit.other_id:
            take_back(edit)
        folding.fold(where, {issue for issue in (edit.issue_id, edit.other_id) if issue})
        if edit.kind == Kind.SPLIT and edit.other_id:
            Issue.objects.filter(pk=edit.other_id).delete()
        edit.refresh_from_db()
        return edit


# How an act is done


def enact(
    kind: str, issue: Issue, by: User | None, *, other: Issue | None = None, value: Mapping[str, Any] | None = None
) -> IssueEdit:
    edit = IssueEdit.objects.create(kind=kind, issue=issue, other=other, value=dict(value or {}), actor=by)
    folding.fold(concerned(edit), {each.pk for each in (issue, other) if each})
    return edit


def concerned(edit: IssueEdit) -> Where:
    """The posts and issues that the edit, standing or not, makes a difference to."""
    named = {issue for issue in (edit.issue_id, edit.other_id) if issue}
    both = folding.law().family(named) | law_of([edit]).family(named)
    return Where(items=[int(item) for item in edit.value.get("items", {})], issues=both)


def take_back(edit: IssueEdit) -> None:
    """What later runs found to be the issue that a split made is the issue that it was split from, again."""
    Cluster.objects.filter(found=edit.other_id).update(found=edit.issue_id)


# What is refused


def check_open(issue: Issue, seen: str | None) -> None:
    """Holds off all others; then the issue has to be as it was shown, and not merged away."""
    folding.lock()
    try:
        issue.refresh_from_db()
    except Issue.DoesNotExist:
        raise Refused("The issue is there no more.") from None
    check_seen(issue, seen)
    if issue.into_id:
        raise Refused(f"“{issue}” is merged into “{issue.into}”; undo that first, or act there.")


def check_evidence(issue: Issue, items: Collection[int]) -> None:
    """Some of its posts, and not all of them."""
    check_posts(items)
    evidence = set(Assignment.objects.filter(folding.LIVE, issue=issue).values_list("item", flat=True))
    if strange := set(items) - evidence:
        raise Refused(f"{len(strange)} of these posts are no evidence of this issue.")
    if evidence == set(items):
        raise Refused("These are all of its posts; leave at least one.")


def check_posts(items: Collection[int]) -> None:
    if not items:
        raise Refused("No post was chosen.")
    if len(items) > MOST_POSTS:
        raise Refused(f"{len(items)} posts are too many at once; at most {MOST_POSTS}.")
    live = Assignment.objects.filter(folding.LIVE, item__in=items).values("item").distinct().count()
    if live != len(set(items)):
        raise Refused("Some of these posts are on no published day.")


def check_nothing_rests_on(edit: IssueEdit) -> None:
    """What was said of the issue that a split made has to be taken back first."""
    if edit.kind != Kind.SPLIT or not edit.other_id:
        return
    later = IssueEdit.objects.standing().filter(pk__gt=edit.pk)
    resting = later.filter(Q(issue=edit.other_id) | Q(other=edit.other_id)).first()
    if resting:
        raise Refused(f"A later act rests on it: {resting}. Undo that first.")


def checked_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ValidationError, by field, for what no issue may say."""
    checks: dict[str, Callable[[Any], Any]] = {
        "title": checked_title,
        "description": lambda text: squeeze(printable(str(text)))[:2_000],
        "category": lambda name: chosen(Category, name, "category"),
        "impact": lambda name: chosen(Impact, name, "impact"),
        "would_pay": bool,
    }
    if unknown := fields.keys() - checks.keys():
        raise ValidationError(f"unknown fields: {', '.join(sorted(unknown))}")
    return {name: checks[name](value) for name, value in fields.items()}


def checked_title(title: str) -> str:
    title = squeeze(printable(title))
    if not any(letter.isalnum() for letter in title):
        raise ValidationError({"title": "A title needs words."})
    if len(title) > LONGEST_TITLE:
        raise ValidationError({"title": f"A title has at most {LONGEST_TITLE} characters; this one has {len(title)}."})
    return title


def chosen(names: type[Category] | type[Impact], name: str, field: str) -> str:
    if name not in names.values:
        raise ValidationError({field: f"“{str(name)[:40]}” is none; allowed: {', '.join(names.values)}"})
    return str(name)

"""What curators do: acts on an issue, what runs were unsure of, and the log of both, with its undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import wraps
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from engine.pages import number, page_at
from engine.text import printable
from engine.urls import BadUrl, url_hash
from issues import edits
from issues.edits import LONGEST_TITLE, Conflict, Refused
from issues.models import Category, Impact, Issue, IssueEdit, Lineage, RawItem, Suggestion
from issues.pages.rows import rows_of

CURATE = "issues.curate_issue"
ON_A_PAGE = 20
POSTS = 50  # of an issue on one page of its posts
FOUND = 10  # issues that a search for the other one shows
LONGEST_SEARCH = 200
CONFLICT, UNPROCESSABLE = 409, 422
View = Callable[..., HttpResponse]


def may_curate(user: Any) -> bool:
    """Curators are staff: of nobody else is a permission asked for."""
    return bool(user.is_staff and user.has_perm(CURATE))


def curator(view: View) -> View:
    """For those who may; a stranger goes to sign in first."""

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, **named: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), resolve_url("account_login"))
        if not may_curate(request.user):
            raise PermissionDenied("Curators only.")
        return view(request, **named)

    return guarded


class SaidForm(forms.Form):
    """What an issue says."""

    title = forms.CharField(max_length=LONGEST_TITLE)
    description = forms.CharField(max_length=2_000, required=False, widget=forms.Textarea(attrs={"rows": 4}))
    category = forms.ChoiceField(choices=Category.choices)
    impact = forms.ChoiceField(choices=Impact.choices)
    would_pay = forms.BooleanField(label="Somebody would pay for a solution", required=False)


# The page of one issue's posts and neighbours


@require_safe
@curator
def curate(request: HttpRequest, pk: int) -> HttpResponse:
    """All that can be done with one issue."""
    issue = get_object_or_404(Issue.objects.select_related("into"), pk=pk)
    asked = sought(request.GET)
    return render(request, "issues/curate.html", told_of(request, issue, asked))


def told_of(request: HttpRequest, issue: Issue, asked: str = "", form: SaidForm | None = None) -> dict[str, Any]:
    said = {name: getattr(issue, name) for name in SaidForm.base_fields}
    said |= {name: printable(said[name]) for name in ("title", "description")}
    return {
        "issue": issue,
        "form": form or SaidForm(initial=said),
        "seen": edits.seen_of(issue.pk),
        "page": page_at(issue.evidence, request.GET.get("page", ""), POSTS),
        "asked": asked,
        "others": rows_of(others(issue, asked), solved=False),
        "history": standing(issue),
    }


def sought(query: QueryDict) -> str:
    asked = query.get("q", "").strip()
    if len(asked) > LONGEST_SEARCH or "\0" in asked:
        raise BadRequest(f"A search takes {LONGEST_SEARCH} characters at most.")
    return asked


def others(issue: Issue, asked: str) -> list[Issue]:
    """Issues that it could be the same as: those that the search finds, or those that a run found near."""
    labelled = Issue.objects.filter(into=None, label_state="labelled").exclude(pk=issue.pk)
    if asked:
        by_number = Q(pk=int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 10 else Q()
        return list(labelled.filter(Q(title__icontains=asked) | by_number).order_by("-last_seen", "pk")[:FOUND])
    near = Suggestion.objects.filter(Q(issue=issue) | Q(other=issue)).values_list("issue", "other")
    named = {pk for both in near for pk in both}
    return list(labelled.filter(pk__in=named).order_by("-last_seen", "pk")[:FOUND])


def standing(issue: Issue) -> QuerySet[IssueEdit]:
    """What curators said of it that still counts, the newest first."""
    about = IssueEdit.objects.filter(Q(issue=issue) | Q(other=issue), undone_at=None)
    return about.select_related("issue", "other", "actor").order_by("-pk")[:POSTS]


# Acts


@require_POST
@curator
def act(request: HttpRequest, pk: int) -> HttpResponse:
    """One act on an issue. What the page showed has to be still so: otherwise nothing is done, and why is said."""
    issue = get_object_or_404(Issue, pk=pk)
    form = request.POST
    perform = ACTS.get(form.get("do", ""))
    if perform is None:
        raise BadRequest(f"Allowed: do={', '.join(ACTS)}.")
    try:
        edit = perform(issue, form, {"by": cast(User, request.user), "seen": form.get("seen", "")})
    except (Refused, ValidationError) as error:
        return refused(request, issue, error)
    messages.success(request, f"Done: {edit.get_kind_display()}. It can be undone below, at any time.")
    return redirect("issue_curate", pk=(edit.other_id if edit.kind == IssueEdit.Kind.MERGE else None) or issue.pk)


def refused(request: HttpRequest, issue: Issue, error: Refused | ValidationError) -> HttpResponse:
    """Why nothing was done, beside the issue as it is now."""
    why = error.messages if isinstance(error, ValidationError) else [str(error)]
    status = CONFLICT if isinstance(error, Conflict) else UNPROCESSABLE
    answer = {"issue": issue, "why": why, "conflict": status == CONFLICT}
    return render(request, "issues/refused.html", answer, status=status)


Act = Callable[[Issue, QueryDict, Mapping[str, Any]], IssueEdit]


def change(issue: Issue, form: QueryDict, how: Mapping[str, Any]) -> IssueEdit:
    said = SaidForm(form)
    if not said.is_valid():
        raise ValidationError([f"{name}: {text}" for name, texts in said.errors.items() for text in texts])
    return edits.change(issue=issue, fields=said.cleaned_data, **how)


def merge(issue: Issue, form: QueryDict, how: Mapping[str, Any]) -> IssueEdit:
    return edits.merge(issue=issue, other=other_of(form), **how)


def differ(issue: Issue, form: QueryDict, how: Mapping[str, Any]) -> IssueEdit:
    return edits.differ(issue=issue, other=other_of(form), **how)


def split(issue: Issue, form: QueryDict, how: Mapping[str, Any]) -> IssueEdit:
    return edits.split(issue=issue, items=posts_of(issue, form), title=form.get("title", ""), **how)


def unpin(issue: Issue, form: QueryDict, how: Mapping[str, Any]) -> IssueEdit:
    return edits.pin(issue=issue, items=posts_of(issue, form), here=False, **how)


def move(issue: Issue, form: QueryDict, how: Mapping[str, Any]) -> IssueEdit:
    """Posts to another issue: pinned there; how the other one was seen is not asked."""
    return edits.pin(issue=other_of(form), items=posts_of(issue, form), by=how["by"])


def pin(issue: Issue, form: QueryDict, how: Mapping[str, Any]) -> IssueEdit:
    """A post that no run counts for it, by its address or its number."""
    posts = [number(each) for each in form.getlist("post")]
    return edits.pin(issue=issue, items=posts or [post_at(form.get("url", ""))], **how)


ACTS: Mapping[str, Act] = {
    "change": change,
    "merge": merge,
    "differ": differ,
    "split": split,
    "move": move,
    "pin": pin,
    "unpin": unpin,
    "hide": lambda issue, form, how: edits.hide(issue=issue, **how),
    "lock": lambda issue, form, how: edits.lock(issue=issue, **how),
}


def other_of(form: QueryDict) -> Issue:
    return get_object_or_404(Issue, pk=number(form.get("other", "")))


def posts_of(issue: Issue, form: QueryDict) -> list[int]:
    """The posts that were ticked, or all that a day brought."""
    if day := form.get("day"):
        brought = issue.evidence.filter(clustering__day=day_of(day)).values_list("item", flat=True)
        return list(brought.order_by("item"))
    return [number(each) for each in form.getlist("post")]


def post_at(url: str) -> int:
    try:
        known = RawItem.objects.filter(url_hash=url_hash(url.strip())).values_list("pk", flat=True).first()
    except BadUrl as error:
        raise Refused(f"That is no address of a post: {error}.") from None
    if known is None:
        raise Refused("No post of that address is stored.")
    return known


def day_of(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadRequest("A day is written as 2026-09-01.") from error


@require_POST
@curator
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    edit = get_object_or_404(IssueEdit.objects.select_related("issue"), pk=pk)
    try:
        edits.undo(edit=edit, by=cast(User, request.user), seen=request.POST.get("seen") or None)
    except Refused as error:
        return refused(request, edit.issue, error)
    messages.success(request, f"Undone: {edit.get_kind_display()}.")
    return redirect("issue_curate", pk=edit.issue_id)


# The inbox and the log


@require_safe
@curator
def inbox(request: HttpRequest) -> HttpResponse:
    """Pairs that a run found near each other and left to a person, the nearest first."""
    page = page_at(unanswered().order_by("-alike", "pk"), request.GET.get("page", ""), ON_A_PAGE)
    pairs = [(each, each.issue, each.other) for each in page]
    rows = {row.issue.pk: row for row in rows_of(list({issue for _, *both in pairs for issue in both}), solved=False)}
    asked = [
        {
            "suggestion": each,
            "one": rows[one.pk],
            "other": rows[other.pk],
            "rows": [rows[one.pk], rows[other.pk]],
            "seen": seen,
        }
        for (each, one, other), seen in zip(pairs, edits.all_seen([one.pk for _, one, _ in pairs]), strict=True)
    ]
    return render(request, "issues/inbox.html", {"page": page, "asked": asked})


def unanswered() -> QuerySet[Suggestion]:
    """Suggestions of pairs of which both are still issues, and of which nobody said that they differ."""
    said = IssueEdit.objects.filter(kind=IssueEdit.Kind.DIFFER, undone_at=None)
    answered = said.filter(
        Q(issue=OuterRef("issue"), other=OuterRef("other")) | Q(issue=OuterRef("other"), other=OuterRef("issue"))
    )
    both = Suggestion.objects.filter(issue__into=None, other__into=None, issue__hidden=False, other__hidden=False)
    seen = both.exclude(issue__state=Issue.State.GONE).exclude(other__state=Issue.State.GONE)
    newest = seen.filter(issue__label_state="labelled", other__label_state="labelled")
    return newest.exclude(Exists(answered)).select_related("issue", "other")


@require_safe
@curator
def log(request: HttpRequest) -> HttpResponse:
    """What people did, or what runs did by themselves, the newest first; each with its reason and its undo."""
    by = request.GET.get("by", "people")
    if by not in ("people", "runs"):
        raise BadRequest("Allowed: by=people, by=runs.")
    rows: QuerySet[Any] = (
        IssueEdit.objects.select_related("issue", "other", "actor", "undone_by").order_by("-pk")
        if by == "people"
        else Lineage.objects.select_related("issue", "other").order_by("-day", "-pk")
    )
    page = page_at(rows, request.GET.get("page", ""), POSTS)
    for row, seen in zip(page, edits.all_seen([row.issue_id for row in page]), strict=True):
        row.seen = seen
    return render(request, "issues/log.html", {"page": page, "by": by})

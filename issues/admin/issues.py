"""Issues: to look at, to hide and to lock; all else that curators do has a page of its own."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.contrib.postgres.search import SearchQuery
from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from engine.admin.base import note
from issues import edits
from issues.admin.clusterings import LabelFilter
from issues.admin.lists import (
    Chosen,
    Rows,
    claims_of,
    counted,
    light,
    lines,
    list_link,
    number_in,
    plain,
    row_link,
    shown,
    those_chosen,
    unbroken,
)
from issues.edits import Refused
from issues.models import Issue, IssueDay, Lineage, Suggestion

AT_ONCE = 50  # a page of them; each is an act of its own
ACTS: dict[str, Callable[..., Any]] = {"hide": edits.hide, "lock": edits.lock}
DONE = {"hide": "hidden", "lock": "locked"}


class MarkFilter(admin.SimpleListFilter):
    title = parameter_name = "curated"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("hidden", "hidden"), ("locked", "locked"), ("merged", "merged into another")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        chosen = {"hidden": Q(hidden=True), "locked": Q(locked=True), "merged": Q(into__isnull=False)}
        return queryset.filter(chosen.get(self.value() or "", Q()))


@admin.register(Issue)
class IssueAdmin(Rows):
    list_display = ("says", "category", "impact", "is_now", "posts", "lately", "marks")
    list_filter = ("state", MarkFilter, "label_state", "category", "impact", "would_pay", LabelFilter)
    search_help_text = "words of what it says, or its number"
    fields = readonly_fields = (
        "says", "told", "category", "impact", "would_pay", "quoted", "state", "posts", "days", "curated", "made_by",
        "label_state", "why_none", "rest",
    )  # fmt: skip
    actions = ("hide_them", "lock_them")
    why_none = shown("reason", "why it has no label")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        days = IssueDay.objects.filter(issue=OuterRef("pk")).order_by().values("issue")
        posts = Coalesce(Subquery(days.annotate(many=Sum("items")).values("many")), 0)
        return light(super().get_queryset(request).defer("search").select_related("into"), "into").annotate(posts=posts)

    def sought(self, queryset: QuerySet, asked: str) -> QuerySet:
        """Through the index of the search that readers have."""
        if number := number_in(asked):
            return queryset.filter(pk=number)
        return queryset.filter(search=SearchQuery(asked, search_type="websearch", config="english"))

    def view_on_site(self, obj: Issue) -> str:
        return reverse("issue", args=[obj.pk])

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        extra = {"curates": self.has_curate_permission(request)}
        return self.changeform_view(request, object_id, extra_context=extra)

    # What is shown

    @admin.display(description="title")
    def says(self, issue: Issue) -> str:
        return plain(str(issue)) or f"issue {issue.pk}"

    @admin.display(description="description")
    def told(self, issue: Issue) -> str:
        return lines(issue.description)

    @admin.display(description="posts")
    def posts(self, issue: Any) -> str:
        return f"{issue.posts:,}"

    @admin.display(description="state")
    def is_now(self, issue: Issue) -> str:
        return issue.state

    @admin.display(description="last seen")
    def lately(self, issue: Issue) -> str:
        return unbroken(issue.last_seen)

    @admin.display(description="seen")
    def days(self, issue: Issue) -> str:
        if issue.first_seen == issue.last_seen:
            return issue.last_seen.isoformat()
        return f"{issue.first_seen.isoformat()} to {issue.last_seen.isoformat()}"

    @admin.display(description="curators")
    def marks(self, issue: Issue) -> str:
        marked = {"merged": issue.into_id, "hidden": issue.hidden, "locked": issue.locked}
        return ", ".join(word for word, so in marked.items() if so) or "–"

    @admin.display(description="curators")
    def curated(self, issue: Issue) -> str:
        return format_html("merged into {}", row_link(issue.into)) if issue.into else self.marks(issue)

    @admin.display(description="rests on")
    def quoted(self, issue: Issue) -> str:
        return claims_of(issue)

    @admin.display(description="made by")
    def made_by(self, issue: Issue) -> str:
        return row_link(issue.label, f"label {issue.label_id}, {issue.get_label_source_display()}")

    @admin.display(description="more")
    def rest(self, issue: Issue) -> str:
        names = {
            "rawitem": "its posts", "cluster": "its clusters", "issueedit": "what curators did",
            "lineage": "what runs did", "suggestion": "what may be the same",
        }  # fmt: skip
        links = ((list_link(table, said, issue=issue.pk),) for table, said in names.items())
        return format_html_join(" · ", "{}", links)

    # What is done

    def has_curate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("issues.curate_issue")

    @admin.action(description="Hide …", permissions=["curate"])
    def hide_them(self, request: HttpRequest, queryset: QuerySet[Issue]) -> HttpResponse | None:
        return self.act(request, queryset, "hide")

    @admin.action(description="Lock what they say …", permissions=["curate"])
    def lock_them(self, request: HttpRequest, queryset: QuerySet[Issue]) -> HttpResponse | None:
        return self.act(request, queryset, "lock")

    def act(self, request: HttpRequest, queryset: QuerySet[Issue], act: str) -> HttpResponse | None:
        """First the page that shows what is chosen, then the act, refused for what has changed in between."""
        chosen = those_chosen(self, request, queryset, AT_ONCE)
        if not chosen:
            return None
        issues = Issue.objects.filter(pk__in=chosen).order_by("pk")
        if "sure" not in request.POST:
            return self.asked(request, list(issues), act)
        self.done(request, [issue for issue in issues if self.enacted(request, issue, act)], act)
        return None

    def asked(self, request: HttpRequest, issues: list[Issue], act: str) -> HttpResponse:
        seen = edits.all_seen([issue.pk for issue in issues])
        context = {
            **self.admin_site.each_context(request),
            "title": f"{act.capitalize()} {counted(len(issues), 'issue')}?",
            "opts": self.opts,
            "act": act,
            "chosen": [(issue, self.says(issue), token) for issue, token in zip(issues, seen, strict=True)],
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/issues/issue/act.html", context)

    def enacted(self, request: HttpRequest, issue: Issue, act: str) -> bool:
        try:
            ACTS[act](issue=issue, by=cast(User, request.user), seen=request.POST.get(f"seen-{issue.pk}", ""))
        except Refused as refusal:
            self.message_user(request, f"{self.says(issue)}: {plain(str(refusal), 400)}", messages.ERROR)
            return False
        return True

    def done(self, request: HttpRequest, issues: list[Issue], act: str) -> None:
        if issues:
            named = " ".join(str(issue.pk) for issue in issues)
            note(request, f"{act} issues", counted(len(issues), "issue"), named)
            told = f"{counted(len(issues), 'issue')} {DONE[act]}. It can be undone under issue edits."
            self.message_user(request, told, messages.SUCCESS)


class NamedIssue(Chosen):
    """Rows that name the issue as the one or as the other."""

    title = parameter_name = "issue"
    table = Issue

    def rows_of(self, queryset: QuerySet, pk: int) -> QuerySet:
        return queryset.filter(Q(issue=pk) | Q(other=pk))


class Pairs(Rows):
    """Rows about an issue and, often, another. They are found by the number of either."""

    search_help_text = "the number of an issue"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return light(super().get_queryset(request).select_related("issue", "other"), "issue", "other")

    def sought(self, queryset: QuerySet, asked: str) -> QuerySet:
        number = number_in(asked)
        return queryset.filter(Q(issue=number) | Q(other=number)) if number else queryset.none()

    @admin.display(description="issues")
    def pair(self, row: Any) -> str:
        """The one, and the other where there is one."""
        named = (plain(str(issue), 60) or f"issue {issue.pk}" for issue in (row.issue, row.other) if issue)
        return " → ".join(named)

    @admin.display(description="issue")
    def one(self, row: Any) -> str:
        return row_link(row.issue)

    @admin.display(description="the other")
    def another(self, row: Any) -> str:
        return row_link(row.other)


@admin.register(Lineage)
class LineageAdmin(Pairs):
    list_display = ("told", "on", "because")
    list_filter = ("kind", ("day", admin.DateFieldListFilter), NamedIssue)
    fields = readonly_fields = ("happened", "day", "one", "another", "because")

    because = shown("why")

    @admin.display(description="what a run did")
    def told(self, row: Lineage) -> str:
        return f"{row.kind}: {self.pair(row)}"

    @admin.display(description="day")
    def on(self, row: Lineage) -> str:
        return unbroken(row.day)

    @admin.display(description="what a run did")
    def happened(self, row: Lineage) -> str:
        return row.get_kind_display()


@admin.register(Suggestion)
class SuggestionAdmin(Pairs):
    list_display = ("pair", "on", "nearness")
    list_filter = (("day", admin.DateFieldListFilter), NamedIssue)
    fields = readonly_fields = ("day", "one", "another", "nearness")

    @admin.display(description="day")
    def on(self, row: Suggestion) -> str:
        return unbroken(row.day)

    @admin.display(description="alike in meaning")
    def nearness(self, row: Suggestion) -> str:
        return f"{row.alike:.2f}"

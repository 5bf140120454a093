"""Where is collected from: which sources are on, how each of their days stands, and how servers are treated."""

from datetime import date, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST

from engine import collecting, jobs, ledger, standing
from engine.admin.base import Admin, ReadOnly, note
from engine.models import Fetch, Run, Source, Upstream
from engine.pipeline import Scope
from engine.runs import get_pipeline

DAYS = 14  # columns of the matrix


class Kept(Admin):
    """Rows that the machinery adds and takes away; people only change some of their fields."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Source)
class SourceAdmin(Kept):
    """The list is the page of how collecting stands."""

    list_display = ("__str__", "on", "changed_at")
    readonly_fields = ("pipeline", "name", "changed_at")
    fields = ("pipeline", "name", "on", "changed_at")
    ordering = ("pipeline", "name")

    def get_urls(self) -> list[URLPattern]:
        collect = require_POST(self.admin_site.admin_view(self.collect))
        return [path("collect/", collect, name="engine_source_collect"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        today = timezone.now().date()
        days = [today - timedelta(days=back) for back in range(DAYS, 0, -1)]
        rows = standing.sources(days)
        shown = {
            "title": "Sources",
            "days": days,
            "by_day": [row for row in rows if get_pipeline(row.source.pipeline).by_day],
            "whole": [row for row in rows if not get_pipeline(row.source.pipeline).by_day],
            "upstreams": Upstream.objects.all(),
            "now": timezone.now(),
            "operates": request.user.has_perm("engine.change_run"),
        }
        frame = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, "admin/engine/source/change_list.html", frame | shown)

    def collect(self, request: HttpRequest) -> HttpResponse:
        """Collect a source, or one of its days, once more: what was left, and of what is complete all."""
        if not request.user.has_perm("engine.change_run"):
            raise PermissionDenied
        scope, pipeline = asked_for(request)
        live = Run.objects.of(pipeline, scope.day, scope.source).live().exists()
        day = scope.day or timezone.now().date()  # without days of its own it asks anew each day
        if not live and not collecting.ask_again(pipeline, scope.source, day):
            collecting.ask_again(pipeline, scope.source, day, everything=True)
        note(request, "collect again", " ".join(filter(None, [pipeline, scope.source, str(scope.day or "")])))
        try:
            run = jobs.request(pipeline, scope)
        except ledger.Busy as busy:
            self.message_user(request, f"Not done: {busy}.", messages.ERROR)
        else:
            going = "is at work already" if run.state == Run.State.RUNNING else "is due at once"
            self.message_user(request, f"Run {run.pk}, {run}, {going}.", messages.SUCCESS)
        return redirect("admin:engine_source_changelist")


def asked_for(request: HttpRequest) -> tuple[Scope, str]:
    """The partition that a form names, of a source that is on. Raises BadRequest."""
    name, _, source = request.POST.get("source", "").partition("/")
    row = Source.objects.filter(pipeline=name, name=source, on=True).first()
    if row is None:
        raise BadRequest("There is no such source, or it is off.")
    if not get_pipeline(name).by_day:
        return Scope(source=source), name
    try:
        day = date.fromisoformat(request.POST.get("day", ""))
    except ValueError:
        raise BadRequest("That is no day.") from None
    if not timezone.now().date() - timedelta(days=366) <= day < timezone.now().date():
        raise BadRequest("A day of the last year that is over.")
    return Scope(day=day, source=source), name


@admin.register(Fetch)
class FetchAdmin(ReadOnly):
    list_display = ("__str__", "state", "reason", "pages", "records", "attempts", "next_attempt_at", "changed_at")
    list_filter = ("state", "pipeline", "source", ("changed_at", admin.DateFieldListFilter))
    search_fields = ("query", "reason")
    search_help_text = "words of the question, or of the reason"
    ordering = ("-pk",)
    fields = (
        "pipeline", "source", "day", "query", "cursor", "state", "reason", "pages", "records", "attempts", "rounds",
        "next_attempt_at", "changed_at",
    )  # fmt: skip
    actions = ("ask_again",)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("engine.change_fetch")

    @admin.action(description="Ask again from the first page", permissions=["operate"])
    def ask_again(self, request: HttpRequest, queryset: QuerySet[Fetch]) -> None:
        on = Source.objects.filter(on=True, pipeline=OuterRef("pipeline"), name=OuterRef("source"))
        chosen = Fetch.objects.filter(pk__in=list(queryset.filter(Exists(on)).values_list("pk", flat=True)))
        count = collecting.open_again(chosen)
        opened = chosen.open().order_by()
        for pipeline, source, day in opened.values_list("pipeline", "source", "day").distinct():
            jobs.request(pipeline, Scope(day=day if get_pipeline(pipeline).by_day else None, source=source))
        note(request, "ask again", f"{count} questions")
        self.message_user(request, f"{count} questions of sources that are on are asked again.", messages.SUCCESS)


@admin.register(Upstream)
class UpstreamAdmin(Kept):
    list_display = ("__str__", "per_minute", "own_pace", "remaining", "quota", "resets_at", "quiet_until", "reason")
    readonly_fields = (
        "host", "lane", "own_pace", "quota", "remaining", "resets_at", "quiet_until", "reason", "failures", "asked",
        "answered_at",
    )  # fmt: skip
    fields = ("host", "lane", "per_minute", *readonly_fields[2:])
    ordering = ("host", "lane")

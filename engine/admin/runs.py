"""The ledger: what ran, what waits, what people did by hand, and the buttons that go with it."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.views.decorators.http import require_POST

from engine import history, jobs, ledger, runs, standing
from engine.admin import operating
from engine.admin.base import ReadOnly, note
from engine.models import Audit, Run, WorkerGroup
from engine.pipeline import Scope


def in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())


class Runs(ChangeList):
    """With what each run on the page took, and what runs of its kind usually take: two queries a page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        shown: list[Any] = list(self.result_list)
        seconds = history.worked([run.pk for run in shown]) if shown else {}
        past = history.past({(run.pipeline, run.source) for run in shown}) if shown else {}
        for run in shown:
            run.seconds, run.past = seconds[run.pk], past[run.pipeline, run.source]
        self.result_list = shown


@admin.register(Run)
class RunAdmin(ReadOnly):
    list_display = ("partition", "standing", "took", "did", "asked_for")
    list_filter = ("state", "pipeline", ("created_at", admin.DateFieldListFilter))
    search_fields = ("source", "error")
    search_help_text = "a source, or words of the reason"
    ordering = ("-pk",)
    actions = ("run_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return history.with_step(super().get_queryset(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Runs

    @admin.display(description="run", ordering="pipeline")
    def partition(self, run: Run) -> str:
        return str(run)

    @admin.display(description="counts")
    def did(self, run: Run) -> str:
        """A line a stage; what is 0 stands on the run's own page."""
        told = ((stage, in_words({name: number for name, number in counts.items() if number}))
                for stage, counts in run.counts.items())  # fmt: skip
        return format_html_join("", "<span>{}: {}</span>", ((stage, words or "nothing") for stage, words in told))

    @admin.display(description="asked for, UTC", ordering="created_at")
    def asked_for(self, run: Run) -> SafeString:
        claims = format_html("<span>{} claims</span>", run.fence) if run.fence > 1 else ""
        at = date_format(run.created_at, "j M, H:i")
        return format_html('<time datetime="{}">{}</time>{}', run.created_at.isoformat(), at, claims)

    @admin.display(description="state, and why", ordering="state")
    def standing(self, run: Run) -> SafeString:
        state = render_to_string("admin/engine/run/_cell.html", {"run": run, "progress": history.progress(run)})
        why = format_html('<span class="reason">{}</span>', Truncator(run.error).chars(160)) if run.error else ""
        return format_html("{}{}", state, why)

    @admin.display(description="worked on")
    def took(self, run: Any) -> str:
        return render_to_string("admin/engine/run/_took.html", {"seconds": run.seconds, "usual": run.past.usual})

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("engine.change_run")

    def get_urls(self) -> list[URLPattern]:
        ask = require_POST(self.admin_site.admin_view(self.request_run))
        again = require_POST(self.admin_site.admin_view(self.again))
        return [
            path("request/", ask, name="engine_run_request"),
            path("<int:pk>/again/", again, name="engine_run_again"),
            *operating.urls(self.admin_site),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        names = [name for name in settings.PIPELINES if not runs.get_pipeline(name).by_day]
        shown = {
            "pipelines": names if self.has_operate_permission(request) else [],
            "fresh": {"/".join(source): last for source, last in standing.freshness().items()},
            "sees_sources": request.user.has_perm("engine.view_source"),
            "title": "Runs",
        }
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """A page to read; what can be done with a run has its own address."""
        run = self.get_object(request, unquote(object_id))
        if run is None:
            return self.changeform_view(request, object_id)  # which says so
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request, run):
            raise PermissionDenied
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"Run {run.pk}", "subtitle": run}
        frame |= {"run": run, "told": history.told(run), "operates": self.has_operate_permission(request)}
        return TemplateResponse(request, "admin/engine/run/run.html", frame)

    @admin.action(description="Run again", permissions=["operate"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        for pk in queryset.values_list("pk", flat=True)[:100]:  # a page holds fifty
            self.once_more(request, pk)

    def again(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_operate_permission(request):
            raise PermissionDenied
        self.once_more(request, pk)
        return redirect("admin:engine_run_changelist")

    def once_more(self, request: HttpRequest, pk: int) -> None:
        try:
            jobs.ring(ledger.run_again(pk, request.user.get_username()))
        except ledger.NotAllowed as refusal:
            self.message_user(request, f"Not done: {refusal}.", messages.ERROR)
        else:
            self.message_user(request, f"Run {pk} is due at once.", messages.SUCCESS)

    def request_run(self, request: HttpRequest) -> HttpResponse:
        """Make the pipeline's run due at once."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        name = request.POST.get("pipeline", "")
        if name not in settings.PIPELINES or runs.get_pipeline(name).by_day:
            raise BadRequest("There is no such pipeline.")
        note(request, "run the pipeline", name)
        run = jobs.request(name, Scope())
        going = "is at work already" if run.state == Run.State.RUNNING else "is due at once"
        self.message_user(request, f"Run {run.pk} of {name} {going}.", messages.SUCCESS)
        return redirect(reverse("admin:engine_run_changelist"))


@admin.register(Audit)
class AuditAdmin(ReadOnly):
    list_display = ("at", "actor", "action", "subject", "note")
    list_display_links = None
    list_filter = ("action", ("at", admin.DateFieldListFilter))
    search_fields = ("actor__exact", "subject__startswith")
    search_help_text = "who, or how what it was done to begins"
    ordering = ("-pk",)
    fields = ("at", "actor", "action", "subject", "note")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "title": "What people did by hand"})


@admin.register(WorkerGroup)
class WorkerGroupAdmin(ReadOnly):
    list_display = ("name", "host", "pid", "started_at", "seen_at", "answered_at", "ended_at", "fault")
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    ordering = ("-pk",)
    fields = list_display

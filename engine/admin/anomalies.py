"""What should not be: newest first, each with its sentence, what was seen beside what is usual, and its run."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from engine.admin.base import Admin, note
from engine.models import Anomaly
from engine.unusual import time_of

STATES = {"new": Q(seen_at=None), "seen": Q(seen_at__isnull=False)}
WIDTH, HEIGHT = 120, 14  # of a bar


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("new", "not seen yet"), ("seen", "seen")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(STATES.get(self.value() or "", Q()))


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Those that there are; a handful."""
        kinds = Anomaly.objects.order_by("kind").values_list("kind", flat=True).distinct()
        return [(kind, kind) for kind in kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Anomaly)
class AnomalyAdmin(Admin):
    """Whoever may take one off the list may say that it was seen: it stays, and is new again if it goes on."""

    list_display = ("kind", "message", "beside_usual", "its_run", "when", "state")
    list_filter = (StateFilter, KindFilter)
    search_fields = ("subject", "message")
    search_help_text = "a source, a stage, a run, or words of the sentence"
    ordering = ("-last_at", "-pk")
    fields = readonly_fields = (
        "kind", "subject", "message", "beside_usual", "its_run", "state", "count", "first_at", "last_at", "seen_at",
    )  # fmt: skip
    actions = ("say_seen", "say_new")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "title": "Anomalies"})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("engine.delete_anomaly")

    @admin.display(description="value, and what is usual")
    def beside_usual(self, anomaly: Anomaly) -> str | SafeString:
        return bar(anomaly.figures, UNITS.get(anomaly.kind, written)) if is_whole(anomaly.figures) else ""

    @admin.display(description="run")
    def its_run(self, anomaly: Anomaly) -> str | SafeString:
        if anomaly.run_id is None:
            return ""
        return format_html(
            '<a href="{}">run {}</a>', reverse("admin:engine_run_change", args=[anomaly.run_id]), anomaly.run_id
        )

    @admin.display(description="noticed", ordering="last_at")
    def when(self, anomaly: Anomaly) -> SafeString:
        """Once, or how often since when."""
        last, first = (date_format(each, "j M, H:i") for each in (anomaly.last_at, anomaly.first_at))
        since = f", {anomaly.count:,} times since {first}" if anomaly.count > 1 else ""
        return format_html('<time datetime="{}">{} UTC</time>{}', anomaly.last_at.isoformat(), last, since)

    @admin.display(description="state", ordering="seen_at")
    def state(self, anomaly: Anomaly) -> str:
        return "seen" if anomaly.seen_at else "new"

    @admin.action(description="Seen: it needs nobody any more", permissions=["operate"])
    def say_seen(self, request: HttpRequest, queryset: QuerySet[Anomaly]) -> None:
        self.say(request, queryset.filter(seen_at=None), "seen", seen_at=Now())

    @admin.action(description="New again", permissions=["operate"])
    def say_new(self, request: HttpRequest, queryset: QuerySet[Anomaly]) -> None:
        self.say(request, queryset.exclude(seen_at=None), "new again", seen_at=None)

    def say(self, request: HttpRequest, rows: QuerySet[Anomaly], what: str, **values: Any) -> None:
        chosen = Anomaly.objects.filter(pk__in=rows.values_list("pk", flat=True)[:200])  # a page holds fifty
        names = [str(each) for each in chosen]
        count = chosen.update(**values)
        note(request, f"anomaly {what}", f"{count} anomalies", "\n".join(names))
        self.message_user(request, f"{count} {'is' if count == 1 else 'are'} {what}.", messages.SUCCESS)


def written(value: float) -> str:
    """Whole where it is large, with what tells it apart where it is small."""
    return f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.2g}"


UNITS: dict[str, Callable[[float], str]] = {"duration": time_of, "failures": "{:.1%}".format, "misses": "{:.1%}".format}


def is_whole(figures: dict[str, Any]) -> bool:
    return all(isinstance(figures.get(name), int | float) for name in ("value", "middle", "low", "high"))


def bar(figures: dict[str, float], write: Callable[[float], str]) -> SafeString:
    """A line from 0 to the most; on it what is usual as a band, its middle as a stroke, and the value as a dot."""
    most = 1.1 * max(figures["value"], figures["high"]) or 1
    at = {name: f"{6 + (WIDTH - 12) * max(value, 0) / most:.1f}" for name, value in figures.items()}
    wide = f"{max(float(at['high']) - float(at['low']), 2):.1f}"
    shape = format_html(
        '<svg class="usual" width="{}" height="{}" viewBox="0 0 {} {}" aria-hidden="true" focusable="false">'
        '<path class="axis" d="M6 7H{}"/><rect class="band" x="{}" y="3" width="{}" height="8" rx="2"/>'
        '<path class="middle" d="M{} 2v10"/><circle class="value" cx="{}" cy="7" r="4"/></svg>',
        WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH - 6, at["low"], wide, at["middle"], at["value"],
    )  # fmt: skip
    told = (write(figures[name]) for name in ("value", "low", "high"))
    return format_html('{}<span class="figures"><b>{}</b> <span>usually {} to {}</span></span>', shape, *told)

"""Texts that wait for their vector, a list for each table of them; most of all those that wait for a person."""

from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.text import Truncator

from engine.admin.base import ReadOnly, note
from engine.models import Embedding

WAITING = Q(quarantined_at=None)
SKIPPED = Q(quarantined_at__isnull=False, skipped_at__isnull=False)
QUARANTINED = Q(quarantined_at__isnull=False, skipped_at=None)
STATES = {"quarantined": QUARANTINED, "skipped": SKIPPED, "waiting": WAITING}


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """With how many there are: one question to the index that holds just these rows."""
        rows = model_admin.get_queryset(request)
        counts = rows.aggregate(**{state: Count("pk", filter=such) for state, such in STATES.items()})
        return [(state, f"{state} ({count:,})") for state, count in counts.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(STATES.get(self.value() or "", Q()))


class EmbeddingAdmin(ReadOnly):
    """Without the text in the list: it may be somebody's own words."""

    list_display = ("of", "condition", "attempts", "reason", "wanted_at", "model")
    list_display_links = ("condition",)  # the first column leads to whose text it is
    list_select_related = ("model",)
    list_filter = (StateFilter,)
    ordering = ("-pk",)
    fields = (
        "of",
        "condition",
        "error",
        "attempts",
        "next_attempt_at",
        "quarantined_at",
        "skipped_at",
        "wanted_at",
        "model",
        "text",
    )
    readonly_fields = ("of", "condition")
    actions = ("try_again", "skip")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """One partial index holds just these."""
        return super().get_queryset(request).filter(~Q(vector_hash=F("text_hash"))).defer("vector")

    @admin.display(description="text of")
    def of(self, row: Any) -> str:
        subject = type(row)._meta.get_field("subject").related_model._meta
        label = f"{subject.verbose_name} {row.subject_id}"
        try:
            address = reverse(f"admin:{subject.app_label}_{subject.model_name}_change", args=[row.subject_id])
        except NoReverseMatch:
            return label
        return format_html('<a href="{}">{}</a>', address, label)

    @admin.display(description="state")
    def condition(self, row: Any) -> str:
        if row.quarantined_at:
            return "skipped" if row.skipped_at else "quarantined"
        return "tried before" if row.attempts else "waiting"

    @admin.display(description="reason")
    def reason(self, row: Any) -> str:
        """What is said first; all of it is on the row's own page."""
        return Truncator(" ".join(row.error.split())).chars(120) or "-"

    def has_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    @admin.action(description="Try again", permissions=["again"])
    def try_again(self, request: HttpRequest, queryset: Any) -> None:
        freed = self.model._default_manager.filter(pk__in=queryset.values("pk")).again()
        note(request, "try again", f"{freed} {self.opts.verbose_name_plural}")
        self.message_user(request, f"{freed} texts wait for their vector again.", messages.SUCCESS)

    @admin.action(description="Skip: never try again while the words are these", permissions=["again"])
    def skip(self, request: HttpRequest, queryset: Any) -> None:
        skipped = self.model._default_manager.filter(pk__in=queryset.values("pk")).skip()
        note(request, "skip", f"{skipped} {self.opts.verbose_name_plural}")
        self.message_user(request, f"{skipped} quarantined texts are given up until they change.", messages.SUCCESS)


def tables() -> list[type[Embedding]]:
    return [model for model in apps.get_models() if issubclass(model, Embedding)]


for table in tables():
    admin.site.register(table, EmbeddingAdmin)

"""Keywords and feeds: what is asked for, what is kept of it, and two ways to switch many at once."""

from typing import ClassVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from engine.admin.base import Admin, note
from issues.admin.lists import counted
from issues.models import Feed, Keyword


class Switched(Admin):
    """Rows that are on or off."""

    actions = ("switch_on", "switch_off")
    list_per_page = 100

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    @admin.action(description="Switch on", permissions=["switch"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        self.switch(request, queryset, True)

    @admin.action(description="Switch off", permissions=["switch"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        self.switch(request, queryset, False)

    def switch(self, request: HttpRequest, queryset: QuerySet[Model], on: bool) -> None:
        rows = list(self.model._default_manager.filter(pk__in=queryset.values("pk"), on=not on))
        self.model._default_manager.filter(pk__in=[row.pk for row in rows]).update(on=on)
        word = "on" if on else "off"
        told = counted(len(rows), str(self.opts.verbose_name))
        note(request, f"switch {word}", told, ", ".join(map(str, rows)))
        self.message_user(
            request, f"{told} switched {word}. Days that are complete stay as they are.", messages.SUCCESS
        )


@admin.register(Keyword)
class KeywordAdmin(Switched):
    list_display = ("text", "group", "weight", "on")
    list_filter = ("group", "on")
    search_fields: ClassVar = ("text",)
    fields = ("text", "group", "weight", "on")


@admin.register(Feed)
class FeedAdmin(Switched):
    list_display = ("name", "source", "gated", "on")
    list_filter = ("source", "gated", "on")
    search_fields: ClassVar = ("name",)
    fields = ("source", "name", "gated", "on")

"""The outbox to the live store: what waits, what was refused for good, and the button that sends it again."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from engine.admin.base import ReadOnly, note
from issues.models import LiveIssue


@admin.register(LiveIssue)
class LiveIssueAdmin(ReadOnly):
    list_display = ("remote_id", "collection", "issue", "state", "attempts", "error", "touched_at")
    list_select_related = ("issue",)
    list_filter = ("state", "collection")
    search_fields = ("remote_id__exact", "error")
    search_help_text = "a record's id in the live store, or words of the refusal"
    ordering = ("-pk",)
    fields = (*list_display, "next_attempt_at", "lease_until", "payload")
    actions = ("send_again",)

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("issues.change_liveissue")

    @admin.action(description="Send again", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[LiveIssue]) -> None:
        freed = LiveIssue.objects.filter(pk__in=queryset.values("pk")).again()
        note(request, "send again", f"{freed} live records")
        self.message_user(request, f"{freed} records will be sent again.", messages.SUCCESS)

"""First issues and the lists of stars, to look at: GitHub says what is in them."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from engine.admin.base import ReadOnly
from recommendations.models import FirstIssue, StarImport


@admin.register(FirstIssue)
class FirstIssueAdmin(ReadOnly):
    list_display = ("title", "project", "state", "score", "assignees", "pulls", "claimed_at", "checked_at")
    list_select_related = ("project",)
    list_filter = ("state",)
    search_fields = ("project__full_name__istartswith",)
    search_help_text = "how the name of a project begins"
    ordering = ("-pk",)
    fields = (
        "project", "number", "title", "labels", "state", "locked", "assignees", "pulls", "comments", "claimed_at",
        "author_association", "body", "score", "why", "created_at", "updated_at", "closed_at", "checked_at", "asked_at",
        "there",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("search", "project__readme", "project__search")

    @admin.display(description="why so ready")
    def why(self, issue: FirstIssue) -> str:
        return " ".join(part.says for part in issue.ready.parts)

    @admin.display(description="on GitHub")
    def there(self, issue: FirstIssue) -> str:
        return format_html('<a href="{}" rel="noopener noreferrer">{}</a>', issue.url, issue)


@admin.register(StarImport)
class StarImportAdmin(ReadOnly):
    list_display = ("user", "login", "state", "found", "stored", "fetched_at", "next_at")
    list_select_related = ("user",)
    list_filter = ("state",)
    search_fields = ("user__username__exact",)
    search_help_text = "a user name, in full"
    ordering = ("-pk",)
    fields = (
        "user", "login", "state", "found", "stored", "skipped", "error", "attempts", "fetched_at", "next_at",
        "lease_until",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("user__password", "pages", "begun", "left_out")

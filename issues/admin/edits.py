"""What curators did, and its undoing."""

from collections.abc import Iterable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from engine.admin.base import note
from issues import edits
from issues.admin.issues import NamedIssue, Pairs
from issues.admin.lists import counted, light, moment, number_in, plain, those_chosen
from issues.edits import Refused
from issues.models import IssueEdit

AT_ONCE = 50  # a page of them; each is undone by itself
SAID_OF = ("title", "description", "category", "impact", "would_pay")


class StandingFilter(admin.SimpleListFilter):
    title = parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "it counts"), ("no", "undone")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() in ("yes", "no"):
            return queryset.filter(undone_at__isnull=self.value() == "yes")
        return queryset


@admin.register(IssueEdit)
class IssueEditAdmin(Pairs):
    list_display = ("told", "who", "when", "taken_back")
    list_filter = ("kind", StandingFilter, ("at", admin.DateFieldListFilter), NamedIssue)
    search_help_text = "the number of an issue, or a user name"
    fields = readonly_fields = ("did", "one", "another", "said", "who", "when", "undone")
    actions = ("undo",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        people = ("actor", "undone_by")
        found = super().get_queryset(request).select_related("issue", "other", *people)
        return light(found.defer(*(f"{name}__password" for name in people)), "issue", "other")

    def sought(self, queryset: QuerySet, asked: str) -> QuerySet:
        return super().sought(queryset, asked) if number_in(asked) else queryset.filter(actor__username=asked)

    @admin.display(description="what was done")
    def told(self, edit: IssueEdit) -> str:
        """In short: of a new name or place what it was, of posts how many."""
        names = [name for name in SAID_OF if name != "description"] if edit.kind == IssueEdit.Kind.SET else []
        gist = plain(said_in(edit, names))
        return f"{edit.kind}: {self.pair(edit)}{f' ({gist})' if gist else ''}"

    @admin.display(description="what was done")
    def did(self, edit: IssueEdit) -> str:
        return edit.get_kind_display()

    @admin.display(description="what was said")
    def said(self, edit: IssueEdit) -> str:
        return said_in(edit, SAID_OF) or "–"

    @admin.display(description="who")
    def who(self, edit: IssueEdit) -> str:
        return edit.actor.get_username() if edit.actor else "–"

    @admin.display(description="when")
    def when(self, edit: IssueEdit) -> str:
        return moment(edit.at)

    @admin.display(description="undone")
    def undone(self, edit: IssueEdit) -> str:
        by = f"by {edit.undone_by.get_username()}" if edit.undone_by else ""
        return format_html("{} {}", moment(edit.undone_at), by)

    @admin.display(description="undone by")
    def taken_back(self, edit: IssueEdit) -> str:
        if edit.undone_at is None:
            return "–"
        return edit.undone_by.get_username() if edit.undone_by else "somebody"

    def has_curate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("issues.curate_issue")

    @admin.action(description="Undo", permissions=["curate"])
    def undo(self, request: HttpRequest, queryset: QuerySet[IssueEdit]) -> None:
        """The newest first, for a later one may rest on an earlier."""
        chosen = IssueEdit.objects.filter(pk__in=those_chosen(self, request, queryset, AT_ONCE))
        done = [edit for edit in chosen.select_related("issue").order_by("-pk") if self.done(request, edit)]
        if done:
            note(request, "undo edits", counted(len(done), "edit"), "; ".join(f"{edit.pk}: {edit}" for edit in done))
            self.message_user(request, f"{counted(len(done), 'edit')} undone.", messages.SUCCESS)

    def done(self, request: HttpRequest, edit: IssueEdit) -> bool:
        try:
            edits.undo(edit=edit, by=cast(User, request.user))
        except Refused as refusal:
            self.message_user(request, f"{plain(str(edit))}: {plain(str(refusal), 400)}", messages.ERROR)
        except IssueEdit.DoesNotExist:  # it went with an issue that an undone split had made
            self.message_user(request, f"{plain(str(edit))}: it is there no more.", messages.WARNING)
        else:
            return True
        return False


def said_in(edit: IssueEdit, names: Iterable[str]) -> str:
    """Those fields as they were to be from then on, and how many posts were put somewhere."""
    fields, items = edit.value.get("fields", {}), edit.value.get("items", {})
    words = [f"{name.replace('_', ' ')}: {plain(str(fields[name]), 2_000)}" for name in names if name in fields]
    return "; ".join([*words, *([counted(len(items), "post")] if items else [])])

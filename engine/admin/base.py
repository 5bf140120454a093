"""What every admin page of ours shares: no address breaks it, nobody overwrites what he did not see, all is noted."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.db import DataError, connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from engine.models import Audit

LOOKUPS = ("exact", "gte", "in", "isempty", "isnull", "lt")  # those that a filter of a list makes
LONGEST_SEARCH = 200
CHANGED = "Somebody else changed this in the meantime, so nothing was saved. Open the page again to see how it is now."


def note(request: HttpRequest, action: str, subject: str, text: str = "") -> None:
    """Add to what people did by hand."""
    actor = request.user.get_username()
    Audit.objects.create(actor=actor, action=action[:60], subject=subject[:150], note=text[:2000])


class Guarded(forms.ModelForm):
    """A form that is refused when its row is no longer as it was when the form was opened.

    templates/admin/change_form.html draws `seen`; the row is locked before it is compared, see Admin.get_object.
    """

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored = "" if self.instance._state.adding else digest_of(self.state())
        self.initial["seen"] = self.stored

    def state(self) -> list[Any]:
        """What is stored in the fields that this form changes."""
        return [(name, plain(self.initial[name])) for name in sorted(self.fields) if name in self.initial]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.stored and self.data.get(self.add_prefix("seen")) != self.stored:
            raise ValidationError(CHANGED, code="conflict")
        return cleaned


def plain(value: Any) -> Any:
    """A stored value as something that is written the same way each time."""
    if isinstance(value, list) and value and isinstance(value[0], Model):
        return sorted(str(row.pk) for row in value)
    return value


def digest_of(values: list[Any]) -> str:
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()


class Admin(admin.ModelAdmin):
    """Django's, with lists that stay fast on big tables and bad addresses that get a 400."""

    form = Guarded
    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the filters of this list ask for; a regex, or a password, is asked for by nobody."""
        names = {filtered(each) for each in self.get_list_filter(request)}
        stem, _, last = lookup.rpartition("__")
        return bool(names & {lookup, *([stem, stem.removesuffix("__id")] if last in LOOKUPS else [])})

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            return super().get_changelist_instance(request)
        except (IncorrectLookupParameters, DataError, ValueError, OverflowError) as error:
            raise BadRequest("The list has no such filter, order or page.") from error

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if len(search_term) > LONGEST_SEARCH:
            raise BadRequest(f"A search takes {LONGEST_SEARCH} characters at most.")
        return super().get_search_results(request, queryset, search_term)

    def response_action(self, request: HttpRequest, queryset: QuerySet, *args: Any) -> HttpResponse | None:
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(chosen)
            except ValidationError as error:
                raise BadRequest("There is no such row.") from error
        return super().response_action(request, queryset, *args)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for name in super().get_fields(request, obj) if name != "seen"]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row; one that is about to be changed is held until it is."""
        found = super().get_object(request, object_id, from_field)
        if found is not None and request.method == "POST" and connection.in_atomic_block:
            list(self.model._base_manager.select_for_update().filter(pk=found.pk).values_list("pk"))
            return super().get_object(request, object_id, from_field)
        return found

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """The rows themselves: what hangs on one of them may be thousands, and goes with it unnamed."""
        names = [str(each) for each in objs]
        return names, {str(self.opts.verbose_name_plural): len(names)}, set(), []

    # Django's own log goes with the person who acted; what people did by hand is kept.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        note(request, f"add {self.opts.verbose_name}", str(obj), said(message))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        note(request, f"change {self.opts.verbose_name}", str(obj), said(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Any]) -> Any:
        rows = list(queryset)
        actor, action = request.user.get_username(), f"delete {self.opts.verbose_name}"[:60]
        Audit.objects.bulk_create([Audit(actor=actor, action=action, subject=str(row)[:150]) for row in rows])
        return super().log_deletions(request, rows)  # type: ignore[arg-type]  # any rows serve


def filtered(each: Any) -> str:
    """The parameter, or the field, that an entry of list_filter is about."""
    if isinstance(each, tuple | list):
        return str(each[0])
    return str(getattr(each, "parameter_name", None) or each)


def said(message: Any) -> str:
    """A message of the log in words."""
    return LogEntry(change_message=message if isinstance(message, str) else json.dumps(message)).get_change_message()


class ReadOnly(Admin):
    """What only the machinery writes, or what nobody may rewrite."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyRows(admin.TabularInline):
    """Rows that belong to the one shown, for whoever may see that one."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

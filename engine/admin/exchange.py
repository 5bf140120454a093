"""Tables in and out of the admin: CSV or JSON, what would change first, then the change."""

from collections.abc import Sequence
from typing import Any

import tablib
from django import forms
from django.core.cache import cache
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from import_export.admin import ImportExportMixin
from import_export.formats import base_formats
from import_export.forms import ConfirmImportForm, ExportForm, ImportForm
from import_export.resources import Diff, ModelResource
from import_export.results import Result
from import_export.tmp_storages import CacheStorage
from import_export.widgets import Widget

from engine.admin.base import Admin, note

LARGEST_FILE = 2 * 1024 * 1024
MOST_ROWS = 2_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would run


def checked(table: tablib.Dataset) -> tablib.Dataset:
    """The table, if it is one. Raises ValueError with what is wrong."""
    headers = list(table.headers or ())
    if not headers:
        raise ValueError("the first row does not name the columns")
    if len(set(headers)) < len(headers):
        raise ValueError("a column is named twice")
    if len(table) > MOST_ROWS:
        raise ValueError(f"more than {MOST_ROWS:,} rows")
    return table


class Csv(base_formats.CSV):
    """A cell that a spreadsheet would take for a formula goes out behind an apostrophe, and comes in without it."""

    def create_dataset(self, in_stream: Any, **kwargs: Any) -> tablib.Dataset:
        table = checked(super().create_dataset(in_stream, **kwargs))
        return tablib.Dataset(*([bare(cell) for cell in row] for row in table), headers=table.headers)

    def export_data(self, dataset: tablib.Dataset, **kwargs: Any) -> Any:
        rows = ([inert(cell) for cell in row] for row in dataset)
        return super().export_data(tablib.Dataset(*rows, headers=dataset.headers), **kwargs)


class Json(base_formats.JSON):
    def create_dataset(self, in_stream: Any, **kwargs: Any) -> tablib.Dataset:
        return checked(super().create_dataset(in_stream, **kwargs))


def inert(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def bare(cell: Any) -> Any:
    return cell[1:] if isinstance(cell, str) and cell[:1] == "'" and cell[1:].startswith(FORMULA) else cell


class Lines(Widget):
    """A list; in a cell, one entry a line."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> list[str]:
        entries = value if isinstance(value, list) else str(value or "").splitlines()
        return list(dict.fromkeys(str(entry).strip() for entry in entries if str(entry).strip()))

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "\n".join(value or ())


class Plain(Diff):
    """Before and after without the inline style of the original: the site's policy lets none through."""

    def as_html(self) -> list[str]:
        return [shown("" if self.new else old, now) for old, now in zip(self.left, self.right, strict=False)]


def shown(old: Any, now: Any) -> str:
    old, now = (str("" if value is None else value) for value in (old, now))
    if old == now:
        return now
    return format_html("<del>{}</del> <ins>{}</ins>", old, now) if old else format_html("<ins>{}</ins>", now)


class Resource(ModelResource):
    """All of a file or nothing of it."""

    class Meta:
        use_transactions = True
        skip_unchanged = True
        clean_model_instances = True

    @classmethod
    def get_diff_class(cls) -> type[Diff]:
        return Plain


class Kept(CacheStorage):
    """An upload between its preview and its confirmation, for an hour, for any process of the site."""

    CACHE_LIFETIME = 3600

    def read(self) -> Any:
        found = cache.get(self.CACHE_PREFIX + self.name)
        if found is None:
            raise BadRequest("That upload is not kept any more. Upload the file again.")
        return found


class Upload(ImportForm):
    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size > LARGEST_FILE:
            raise forms.ValidationError("The file is larger than 2 MB.")
        return file


class Confirmation(ConfirmImportForm):
    format = forms.TypedChoiceField(choices=[("0", "CSV"), ("1", "JSON")], widget=forms.HiddenInput)
    import_file_name = forms.RegexField(r"^[0-9a-f]{32}$", widget=forms.HiddenInput)
    resource = forms.RegexField(r"^0?$", widget=forms.HiddenInput, required=False)


class Exchange(ImportExportMixin, Admin):
    """A table that can be exported by those who may see it, and imported by those who may add to it and change it."""

    formats: Sequence[type[base_formats.Format]] = (Csv, Json)
    import_form_class = Upload
    confirm_form_class = Confirmation
    export_form_class = ExportForm
    tmp_storage_class = Kept
    skip_admin_log = True  # `note` keeps it: a line for the whole file

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(self.has_view_permission(request))

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_import_data_kwargs(**kwargs), "rollback_on_validation_errors": True}

    def add_data_read_fail_error_to_form(self, form: forms.Form, e: Exception) -> None:
        form.add_error("import_file", f"The file cannot be read as a table: {str(e)[:200] or type(e).__name__}.")

    def process_result(self, result: Result, request: HttpRequest) -> HttpResponse:
        if result.has_errors() or result.has_validation_errors():
            raise BadRequest("The rows have changed since the preview. Upload the file again.")
        totals = ", ".join(f"{count} {kind}" for kind, count in result.totals.items() if count)
        note(request, "import", str(self.opts.verbose_name_plural), totals)
        return super().process_result(result, request)

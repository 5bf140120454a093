"""What is asked of GitHub: queries, and repositories named one by one."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from engine.admin.base import Admin, Guarded
from recommendations.models import NamedRepository, RepositoryQuery

SITE = "github.com/"


class QueryForm(Guarded):
    def clean_language(self) -> str:
        language = " ".join(self.cleaned_data["language"].split())
        if '"' in language or not language.isprintable():
            raise forms.ValidationError("A language is named without quotes, as GitHub names it.")
        return language


@admin.register(RepositoryQuery)
class RepositoryQueryAdmin(Admin):
    form = QueryForm
    list_display = ("__str__", "language", "stars_from", "stars_to", "pushed_within_days", "at_most", "on")
    list_filter = ("on",)
    search_fields = ("language",)
    fields = ("language", "stars_from", "stars_to", "pushed_within_days", "at_most", "on")


class NamedForm(Guarded):
    # Longer than a name is, because an address is taken for one too.
    full_name = forms.CharField(max_length=300, help_text="owner/name, or the repository's address on GitHub")

    def clean_full_name(self) -> str:
        """The name alone; what is left is checked as a name."""
        given = str(self.cleaned_data["full_name"]).strip().removesuffix(".git")
        for start in ("https://", "http://", "www.", SITE):
            given = given.removeprefix(start)
        name = "/".join(given.rstrip("/").split("/")[:2])
        NamedRepository._meta.get_field("full_name").run_validators(name)
        same = NamedRepository.objects.filter(full_name__iexact=name).exclude(pk=self.instance.pk)
        if same.exists():
            raise forms.ValidationError("It is named already.")
        return name


@admin.register(NamedRepository)
class NamedRepositoryAdmin(Admin):
    form = NamedForm
    list_display = ("full_name", "commits", "on", "project", "commits_for", "reason")
    list_select_related = ("project",)
    list_filter = ("on",)
    search_fields = ("full_name",)
    fields = ("full_name", "commits", "on", "project", "commits_for", "reason")
    readonly_fields = ("project", "commits_for", "reason")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("project__readme", "project__search")

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        """What was known of another name, or of fewer commits, is asked for anew."""
        if {"full_name", "commits"} & set(form.changed_data):
            obj.etag = obj.commits_etag = obj.reason = ""
            obj.commits_for = obj.commits_after = None
        if "full_name" in form.changed_data:
            obj.project = None
        super().save_model(request, obj, form, change)
        self.message_user(request, "It is asked for with the next run of the source github.", messages.INFO)

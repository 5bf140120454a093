"""Categories and tech stacks: their names, and the rules by which a run places projects under them."""

import unicodedata
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.postgres.fields import ArrayField
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from import_export.fields import Field
from import_export.results import Result

from engine.admin.base import Guarded
from engine.admin.exchange import Exchange, Lines, Resource
from recommendations.admin import curating
from recommendations.models import (
    Category,
    ProfileCategory,
    ProfileTechStack,
    ProjectCategory,
    ProjectTechStack,
    TechStack,
)
from recommendations.models.taxonomy import Term

LONGEST_LINE = 200


class LinesField(forms.CharField):
    """A list, one entry a line; empty lines and repeated entries are dropped."""

    widget = forms.Textarea

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 20_000, "widget": forms.Textarea(attrs={"rows": 4}), **kwargs})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        text = super().clean(value)
        ProhibitNullCharactersValidator()(text)
        lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
        if any(len(line) > LONGEST_LINE for line in lines):
            raise forms.ValidationError(f"A line has {LONGEST_LINE} characters at most.")
        return lines

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), "\n".join((data or "").splitlines()))


class TermForm(Guarded):
    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if not any(unicodedata.category(sign)[0] in "LNPS" for sign in name):
            raise forms.ValidationError("A name has letters, digits or signs that can be seen.")
        same = self._meta.model._default_manager.filter(name__iexact=name).exclude(pk=self.instance.pk)
        if same.exists():
            raise forms.ValidationError("There is one of that name already.")
        return name

    def clean_topics(self) -> list[str]:
        return [topic.lower() for topic in self.cleaned_data["topics"]]


class TermResource(Resource):
    """Rows are found again by their name."""

    aliases = Field(attribute="aliases", column_name="aliases", widget=Lines())
    topics = Field(attribute="topics", column_name="topics", widget=Lines())
    words = Field(attribute="words", column_name="words", widget=Lines())


class CategoryResource(TermResource):
    class Meta(Resource.Meta):
        model = Category
        import_id_fields = ("name",)
        fields = export_order = ("name", "aliases", "topics", "words", "description")

    def after_import(self, dataset: Any, result: Result, **kwargs: Any) -> None:
        names = dataset["name"] if "name" in (dataset.headers or ()) else []
        curating.describe(list(Category.objects.filter(name__in=names)))


class TechStackResource(TermResource):
    languages = Field(attribute="languages", column_name="languages", widget=Lines())

    class Meta(Resource.Meta):
        model = TechStack
        import_id_fields = ("name",)
        fields = export_order = ("name", "kind", "aliases", "languages", "topics", "words")


def number(links: type[models.Model], field: str) -> Coalesce:
    """How many links that apply each term has."""
    mine = links._default_manager.filter(**{field: OuterRef("pk")}, applies=True).order_by().values(field)
    return Coalesce(Subquery(mine.annotate(many=Count("pk")).values("many")), 0)


class TermAdmin(Exchange):
    form = TermForm
    search_fields = ("name", "aliases__icontains")
    ordering = ("name",)
    links: tuple[type[models.Model], type[models.Model], str]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        projects, people, field = self.links
        return super().get_queryset(request).annotate(projects=number(projects, field), people=number(people, field))

    @admin.display(description="projects", ordering="projects")
    def projects(self, term: Any) -> str:
        return f"{term.projects:,}"

    @admin.display(description="people", ordering="people")
    def people(self, term: Any) -> str:
        return f"{term.people:,}"

    @admin.display(description="other names")
    def other_names(self, term: Term) -> str:
        return ", ".join(term.aliases)

    def formfield_for_dbfield(self, db_field: models.Field, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        if isinstance(db_field, ArrayField):
            help_text = f"{db_field.help_text}; one a line" if db_field.help_text else "one a line"
            return LinesField(required=False, help_text=help_text, label=db_field.verbose_name.capitalize())
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        curating.retold(obj, renamed=change and "name" in form.changed_data)
        if form.changed_data:
            self.announce(request)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        curating.delete([obj])
        self.announce(request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        curating.delete(list(queryset))
        self.announce(request)

    def process_result(self, result: Result, request: HttpRequest) -> HttpResponse:
        self.announce(request)
        return super().process_result(result, request)

    def announce(self, request: HttpRequest) -> None:
        told = "The next run places the projects anew."
        if request.user.has_perm("engine.change_run"):
            runs = reverse("admin:engine_run_changelist")
            told = format_html('{} <a href="{}">Run it now</a>', told, runs)
        self.message_user(request, told, messages.INFO)


@admin.register(Category)
class CategoryAdmin(TermAdmin):
    resource_classes = (CategoryResource,)
    links = (ProjectCategory, ProfileCategory, "category")
    list_display = ("name", "other_names", "projects", "people")
    fields = ("name", "description", "aliases", "topics", "words")


@admin.register(TechStack)
class TechStackAdmin(TermAdmin):
    resource_classes = (TechStackResource,)
    links = (ProjectTechStack, ProfileTechStack, "stack")
    list_display = ("name", "kind", "other_names", "projects", "people")
    list_filter = ("kind",)
    fields = ("name", "kind", "aliases", "languages", "topics", "words")

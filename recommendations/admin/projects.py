"""Projects: facts to look at, and links to correct. What a curator says of a link stays."""

import re
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.search import SearchQuery
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from engine.admin.base import LONGEST_SEARCH, Admin, Guarded, note
from recommendations.admin import curating
from recommendations.admin.project_files import csv_lines, json_lines, rows_of
from recommendations.models import Category, Project, ProjectCategory, ProjectTechStack, TechStack

MOST = 900  # projects that one action changes; a form has 1,000 fields at most
MOST_LINKS = 100  # of a project, of one kind


class LinkForm(forms.ModelForm):
    """What a link is about stays; the auto link of the old term would only come back."""

    term: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[self.term].disabled = self.instance.pk is not None


class CategoryForm(LinkForm):
    term = "category"


class StackForm(LinkForm):
    term = "stack"


class LinkRows(admin.TabularInline):
    """For whoever may change the project."""

    extra = 0
    max_num = MOST_LINKS
    readonly_fields: ClassVar[Any] = ("source", "confidence")
    term: ClassVar[str]

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Django would read 2,000 forms when a request names that number: ten seconds."""
        return super().get_formset(request, obj, absolute_max=MOST_LINKS, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).select_related("project", self.term)
        return rows.defer("project__readme", "project__search")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("recommendations.change_project")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("recommendations.change_project")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("recommendations.change_project")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Every row offers the same terms: they are read once."""
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        known = request.META.setdefault("ost.choices", {})
        if db_field.name not in known:
            known[db_field.name] = [("", "---------"), *((t.pk, str(t)) for t in db_field.related_model.objects.all())]
        field.choices = known[db_field.name]
        return field


class CategoryRows(LinkRows):
    model = ProjectCategory
    form = CategoryForm
    term = "category"
    fields = ("category", "applies", "source", "confidence", "by_vector")
    readonly_fields = ("source", "confidence", "by_vector")
    verbose_name_plural = "categories; deleting one says that the project is none of it, and no run puts it back"


class StackRows(LinkRows):
    model = ProjectTechStack
    form = StackForm
    term = "stack"
    fields = ("stack", "applies", "source", "confidence")
    verbose_name_plural = "stacks; deleting one says that the project is not made with it, and no run puts it back"


class ProjectForm(Guarded):
    def state(self) -> list[Any]:
        """What curators said so far: a run may place the project anew meanwhile without being in anybody's way."""
        return [
            sorted(table.filter(source=curating.CURATED).values_list("pk", "applies"))
            for table in (self.instance.category_links, self.instance.stack_links)
        ]


class LinksFilter(admin.SimpleListFilter):
    title = "links"
    parameter_name = "links"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("curated", "a curator's word"), ("no_category", "no category"), ("no_stack", "no stack")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        categories, stacks = (
            table._default_manager.filter(project=OuterRef("pk")) for table in (ProjectCategory, ProjectTechStack)
        )
        if self.value() == "curated":
            word = {"source": curating.CURATED}
            return queryset.filter(Exists(categories.filter(**word)) | Exists(stacks.filter(**word)))
        if self.value() == "no_category":
            return queryset.exclude(Exists(categories.filter(applies=True)))
        if self.value() == "no_stack":
            return queryset.exclude(Exists(stacks.filter(applies=True)))
        return queryset


class TermFilter(admin.SimpleListFilter):
    terms: type[Category] | type[TechStack]
    table: type[ProjectCategory] | type[ProjectTechStack]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in self.terms._default_manager.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        chosen = self.value()
        if not chosen:
            return queryset
        if chosen not in {pk for pk, _ in self.lookup_choices}:
            raise BadRequest(f"There is no such {self.title}.")
        mine = self.table._default_manager.filter(
            project=OuterRef("pk"), applies=True, **{str(self.parameter_name): chosen}
        )
        return queryset.filter(Exists(mine))


class CategoryFilter(TermFilter):
    title = parameter_name = "category"
    terms, table = Category, ProjectCategory


class StackFilter(TermFilter):
    title = parameter_name = "stack"
    terms, table = TechStack, ProjectTechStack


class Saying(forms.Form):
    """Under which term the chosen projects belong, or do not."""

    category = forms.ModelChoiceField(Category.objects.all(), required=False)
    stack = forms.ModelChoiceField(TechStack.objects.all(), required=False)
    applies = forms.TypedChoiceField(
        choices=[("yes", "they belong under it"), ("no", "they do not")],
        coerce=lambda said: said == "yes",
        initial="yes",
        widget=forms.RadioSelect,
        label="What is said",
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if bool(said.get("category")) == bool(said.get("stack")):
            raise forms.ValidationError("Choose a category or a stack.")
        return said

    @property
    def term(self) -> Category | TechStack:
        return self.cleaned_data["category"] or self.cleaned_data["stack"]


def names(table: type[ProjectCategory] | type[ProjectTechStack], term: str) -> ArraySubquery:
    """The names of a project's terms, the surest first."""
    mine = table._default_manager.filter(project=OuterRef("pk"), applies=True).order_by("-confidence", "pk")
    return ArraySubquery(mine.values(f"{term}__name"))


@admin.register(Project)
class ProjectAdmin(Admin):
    form = ProjectForm
    list_display = ("full_name", "language", "stars", "categories", "stacks", "pushed_at", "is_archived")
    list_filter = (CategoryFilter, StackFilter, LinksFilter, "is_archived", "is_disabled", "is_fork", "asks_newcomers")
    search_fields = ("full_name",)
    search_help_text = "words of its name, topics or description"
    ordering = ("-pk",)
    inlines = (CategoryRows, StackRows)
    actions = ("place",)
    change_list_template = "admin/recommendations/project/change_list.html"
    fieldsets = (
        (None, {"fields": ("address", "description", "language", "topics", "license", "homepage")}),
        ("Figures", {"fields": ("stars", "forks", "watchers", "open_issues", "languages")}),
        (
            "State",
            {
                "fields": (
                    "is_archived",
                    "is_disabled",
                    "is_fork",
                    "asks_newcomers",
                    "first_seen_at",
                    "gone_at",
                    "gone_reason",
                )
            },
        ),
        ("Dates", {"fields": ("created_at", "updated_at", "pushed_at")}),
        ("README", {"fields": ("readme",), "classes": ("collapse",)}),
    )
    readonly_fields = tuple(str(name) for _, group in fieldsets for name in group["fields"])

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        found: Any = super().get_queryset(request)
        terms = {"under": names(ProjectCategory, "category"), "made_with": names(ProjectTechStack, "stack")}
        return found.defer("readme", "search", "languages").annotate(**terms)

    @admin.display(description="categories")
    def categories(self, project: Any) -> str:
        return ", ".join(project.under)

    @admin.display(description="stacks")
    def stacks(self, project: Any) -> str:
        return ", ".join(project.made_with)

    def view_on_site(self, obj: Project) -> str:
        return obj.get_absolute_url()

    @admin.display(description="where")
    def address(self, project: Project) -> str:
        return format_html('<a href="{0}" rel="nofollow ugc noopener noreferrer">{0}</a>', project.url)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Every word, or its beginning, through the index of the keyword search."""
        if len(search_term) > LONGEST_SEARCH:
            raise BadRequest(f"A search takes {LONGEST_SEARCH} characters at most.")
        words = re.findall(r"[^\W_]+", search_term)
        if not words:
            return (queryset.none() if search_term else queryset), False
        query = SearchQuery(" & ".join(f"{word}:*" for word in words), search_type="raw", config="english")
        return queryset.filter(search=query), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Projects come from their sources; one that was deleted here would only come again."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for link in formset.save(commit=False):
            curating.curate(link)
        for link in formset.deleted_objects:
            curating.remove(link)

    # Many at once

    def has_place_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("recommendations.change_project")

    @admin.action(description="Say what they belong under …", permissions=["place"])
    def place(self, request: HttpRequest, queryset: QuerySet[Project]) -> HttpResponse | None:
        chosen = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
        if len(chosen) > MOST:
            self.message_user(request, f"Choose {MOST:,} projects at most, by a filter or a search.", messages.ERROR)
            return None
        form = Saying(request.POST if "said" in request.POST else None)
        if form.is_valid():
            curating.say(projects=chosen, term=form.term, applies=form.cleaned_data["applies"])
            word = "belong under" if form.cleaned_data["applies"] else "do not belong under"
            note(request, f"{word} {form.term}", f"{len(chosen)} projects", " ".join(map(str, chosen)))
            self.message_user(request, f"{len(chosen):,} projects {word} {form.term}.", messages.SUCCESS)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "What the chosen projects belong under",
            "opts": self.opts,
            "form": form,
            "chosen": chosen,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/recommendations/project/place.html", context)

    # Export

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export)
        return [path("export/", export, name="recommendations_project_export"), *super().get_urls()]

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """The projects of the list with these filters, as import_projects reads them, without their READMEs."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = request.GET.copy()
        kind = (wanted.pop("as", None) or ["csv"])[-1]
        if kind not in ("csv", "jsonl"):
            raise BadRequest("Projects are exported as csv or jsonl.")
        request.GET = wanted  # type: ignore[assignment]  # the change list reads its filters there
        found = self.get_changelist_instance(request).get_queryset(request)
        lines = csv_lines(rows_of(found)) if kind == "csv" else json_lines(rows_of(found))
        response = StreamingHttpResponse(lines, content_type="text/csv" if kind == "csv" else "application/jsonl")
        response["Content-Disposition"] = f'attachment; filename="projects.{kind}"'
        note(request, "export", "projects", wanted.urlencode())
        return response

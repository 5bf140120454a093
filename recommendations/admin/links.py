"""Every word of a curator about a project, as a table that goes out and comes in."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from import_export.fields import Field
from import_export.widgets import Widget

from engine.admin.base import ReadOnly
from engine.admin.exchange import Exchange, Resource
from recommendations.admin.curating import CURATED
from recommendations.models import Project, ProjectCategory, ProjectTechStack

YES, NO = ("", "1", "t", "true", "y", "yes"), ("0", "f", "false", "n", "no")


class Named(Widget):
    """One of the rows known by their names, in any case. known: set by the resource before it reads the file."""

    known: dict[str, Any] = {}

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        found = self.known.get(str(value).strip().lower())
        if found is None:
            raise ValueError(f"there is none of the name {str(value)[:100]!r}")
        return found

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return str(value or "")


class YesNo(Widget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> bool:
        said = str("" if value is None else value).strip().lower()
        if said not in YES + NO:
            raise ValueError(f"{said[:20]!r} is neither yes nor no")
        return said in YES

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "yes" if value else "no"


class LinkResource(Resource):
    """Read with three queries, however long the file is; written in blocks."""

    full_name = Field(attribute="project", column_name="full_name", widget=Named())
    applies = Field(attribute="applies", column_name="applies", widget=YesNo())
    term: str

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        names = (
            {str(name).strip().lower() for name in dataset["full_name"]} if "full_name" in dataset.headers else set()
        )
        known = Project.objects.annotate(lower=Lower("full_name")).filter(lower__in=names).only("pk", "full_name")
        projects = {project.full_name.lower(): project for project in known}
        terms = self._meta.model._meta.get_field(self.term).related_model._default_manager.only("pk", "name")
        self.fields["full_name"].widget.known = projects
        self.fields[self.term].widget.known = {term.name.lower(): term for term in terms}
        self.stored = self.links_of([project.pk for project in projects.values()])
        self.met: set[tuple[int, int]] = set()

    def links_of(self, projects: list[int]) -> dict[tuple[int, int], Any]:
        found = self._meta.model._default_manager.filter(project__in=projects)
        return {(link.project_id, getattr(link, f"{self.term}_id")): link for link in found}

    def get_instance(self, instance_loader: Any, row: Any) -> Any:
        """The stored link of a row whose names are known."""
        try:
            pair = self.fields["full_name"].clean(row), self.fields[self.term].clean(row)
        except ValueError:
            return None
        key = (pair[0].pk, pair[1].pk)
        if key in self.met:
            raise ValidationError("this link is in the file twice")
        self.met.add(key)
        if link := self.stored.get(key):
            link.project = pair[0]
            setattr(link, self.term, pair[1])
        return link

    def skip_row(self, instance: Any, original: Any, row: Any, import_validation_errors: Any = None) -> bool:
        """An automatic link that the file confirms is a curator's from then on."""
        return original.source == CURATED and super().skip_row(instance, original, row, import_validation_errors)

    def before_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        instance.source, instance.confidence = CURATED, 1.0
        if isinstance(instance, ProjectCategory):
            instance.by_vector = False

    def get_bulk_update_fields(self) -> list[str]:
        return ["applies", "source", "confidence", *(["by_vector"] if self.term == "category" else [])]

    def get_queryset(self) -> QuerySet:
        return super().get_queryset().filter(source=CURATED)


class LinkMeta(Resource.Meta):
    use_bulk = True
    clean_model_instances = False  # a query a row; the names are checked, and so is what the file says twice
    batch_size = 1000


class CategoryLinks(LinkResource):
    term = "category"
    category = Field(attribute="category", column_name="category", widget=Named())

    class Meta(LinkMeta):
        model = ProjectCategory
        import_id_fields = ("full_name", "category")
        fields = export_order = ("full_name", "category", "applies")


class StackLinks(LinkResource):
    term = "stack"
    stack = Field(attribute="stack", column_name="stack", widget=Named())

    class Meta(LinkMeta):
        model = ProjectTechStack
        import_id_fields = ("full_name", "stack")
        fields = export_order = ("full_name", "stack", "applies")


class LinkAdmin(Exchange, ReadOnly):
    """Changed on the project's page, or by a file."""

    list_filter = ("applies",)
    search_fields = ("project__full_name__istartswith",)
    search_help_text = "how a project's name begins"
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(source=CURATED).defer("project__readme", "project__search")

    def has_import_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("recommendations.change_project")


@admin.register(ProjectCategory)
class CategoryLinkAdmin(LinkAdmin):
    resource_classes = (CategoryLinks,)
    list_display = fields = ("project", "category", "applies")
    list_select_related = ("project", "category")


@admin.register(ProjectTechStack)
class StackLinkAdmin(LinkAdmin):
    resource_classes = (StackLinks,)
    list_display = fields = ("project", "stack", "applies")
    list_select_related = ("project", "stack")

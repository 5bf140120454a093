"""What was recommended, set by set and person by person. Looking at a person's is noted."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from engine.admin.base import ReadOnly, note
from recommendations.models import Generation, Recommendation


@admin.register(Generation)
class GenerationAdmin(ReadOnly):
    list_display = ("__str__", "state", "weights", "model", "inputs_at", "published_at", "done_through")
    list_select_related = ("weights", "model")
    list_filter = ("state",)
    ordering = ("-pk",)
    fields = ("state", "weights", "model", "taxonomy", "inputs", "inputs_at", "published_at", "done_through", "fence")


class PersonFilter(admin.SimpleListFilter):
    """Without a person there is no list: nobody reads everybody's."""

    title = "person"
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = self.value() or ""
        if not (chosen.isascii() and chosen.isdigit() and len(chosen) < 10):
            return [("0", "choose one under Profiles")]
        names = User.objects.filter(pk=chosen).values_list("username", flat=True)
        return [(chosen, name) for name in names] or [("0", "nobody of that number")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        chosen = self.value()
        if not chosen:
            return queryset.none()
        if chosen not in {pk for pk, _ in self.lookup_choices}:
            raise BadRequest("There is no such person.")
        return queryset.filter(user_id=chosen)


@admin.register(Recommendation)
class RecommendationAdmin(ReadOnly):
    list_display = ("rank", "project", "score", "matched", "generation", "cold_start", "moved_because")
    list_select_related = ("project", "generation")
    list_filter = (PersonFilter, "generation")
    ordering = ("-generation", "rank")
    fields = (
        "user", "project", "generation", "rank", "rank_by_score", "moved_because", "score", "raw_score", "components",
        "parts", "stacks", "categories", "nearest", "cold_start",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("project__readme", "project__search")

    @admin.display(description="in common")
    def matched(self, row: Recommendation) -> str:
        return ", ".join([*row.stacks, *row.categories])

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if request.GET.get("person"):
            self.read(request, request.GET["person"])
        return response

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().change_view(request, object_id, *args, **kwargs)
        if response.status_code == 200:
            row = self.get_object(request, object_id)
            self.read(request, str(row.user_id))
        return response

    def read(self, request: HttpRequest, person: str) -> None:
        for name in User.objects.filter(pk=person).values_list("username", flat=True):
            note(request, "read recommendations", name, request.path)

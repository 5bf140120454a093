"""Posts as they came in, and where each of them went."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from engine.admin.base import ReadOnlyRows
from engine.urls import BadUrl, url_hash
from issues.admin.lists import Chosen, Rows, light, lines, plain, row_link, shown
from issues.models import Assignment, Cluster, Clustering, Issue, RawItem

LATELY = timedelta(days=7)
LIVE = Clustering.State.LIVE


class SourceFilter(admin.SimpleListFilter):
    """One of those that brought something on the newest days."""

    title = parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = RawItem.objects.aggregate(day=Max("collected_on"))["day"]
        recent = RawItem.objects.filter(collected_on__gt=newest - LATELY) if newest else RawItem.objects.none()
        names = {*recent.order_by().values_list("source", flat=True).distinct(), self.value() or ""} - {""}
        return [(name, plain(name)) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(source=self.value()) if self.value() else queryset


class CopyFilter(admin.SimpleListFilter):
    title = parameter_name = "copies"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "says the same as an earlier one"), ("no", "says it first")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() in ("yes", "no"):
            return queryset.filter(twin_of__isnull=self.value() == "no")
        return queryset


class ClusterFilter(Chosen):
    title = parameter_name = "cluster"
    table = Cluster

    def rows_of(self, queryset: QuerySet, pk: int) -> QuerySet:
        return queryset.filter(pk__in=Assignment.objects.filter(cluster=pk).values("item"))


class IssueFilter(Chosen):
    """Its evidence on the days that readers see."""

    title = parameter_name = "issue"
    table = Issue

    def rows_of(self, queryset: QuerySet, pk: int) -> QuerySet:
        evidence = Assignment.objects.filter(issue=pk, clustering__state=LIVE)
        return queryset.filter(pk__in=evidence.values("item"))


class AssignmentRows(ReadOnlyRows):
    model = Assignment
    fields = readonly_fields = ("day", "found_in", "surely", "exemplar", "evidence_of")
    verbose_name_plural = "where it is on the days that readers see"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        found = super().get_queryset(request).filter(clustering__state=LIVE).order_by("-clustering__day")
        return light(found.select_related("clustering", "cluster", "issue").defer("cluster__centroid"), "issue")

    @admin.display(description="day")
    def day(self, row: Assignment) -> str:
        return row_link(row.clustering, row.clustering.day.isoformat())

    @admin.display(description="cluster")
    def found_in(self, row: Assignment) -> str:
        return row_link(row.cluster, f"number {row.cluster.number}") if row.cluster else "noise"

    @admin.display(description="membership")
    def surely(self, row: Assignment) -> str:
        return f"{row.membership:.2f}"

    @admin.display(description="issue")
    def evidence_of(self, row: Assignment) -> str:
        return row_link(row.issue)


@admin.register(RawItem)
class RawItemAdmin(Rows):
    list_display = ("says", "origin", "collected_on", "language", "votes", "comments", "copy")
    list_filter = (
        SourceFilter, ("collected_on", admin.DateFieldListFilter), CopyFilter,
        ClusterFilter, IssueFilter,
    )  # fmt: skip
    search_help_text = "a post's address or number; or words of a title, among the newest 100,000 posts"
    texts = ("title",)
    fields = readonly_fields = (
        "says", "where", "origin", "collected_on", "created_at", "language", "votes", "comments", "credit", "terms",
        "copied", "meant", "whole", "cleaned_by", "stored_at",
    )  # fmt: skip
    inlines = (AssignmentRows,)
    origin, credit, terms = shown("source"), shown("author"), shown("licence")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("body", "said")

    def sought(self, queryset: QuerySet, asked: str) -> QuerySet:
        if "://" not in asked:
            return super().sought(queryset, asked)
        try:
            return queryset.filter(url_hash=url_hash(asked))
        except BadUrl:
            return queryset.none()

    @admin.display(description="title")
    def says(self, item: RawItem) -> str:
        return plain(item.title) or f"post {item.pk}"

    @admin.display(description="address")
    def where(self, item: RawItem) -> str:
        if not item.url.startswith(("http://", "https://")):
            return plain(item.url)
        return format_html(
            '<a href="{}" rel="nofollow ugc noopener noreferrer">{}</a>', item.url, plain(item.url, 2_100)
        )

    @admin.display(description="votes")
    def votes(self, item: RawItem) -> str:
        return "–" if item.vote_count is None else f"{item.vote_count:,}"

    @admin.display(description="comments")
    def comments(self, item: RawItem) -> str:
        return "–" if item.comment_count is None else f"{item.comment_count:,}"

    @admin.display(description="copy", boolean=True)
    def copy(self, item: RawItem) -> bool:
        return item.twin_of_id is not None

    @admin.display(description="copy of")
    def copied(self, item: RawItem) -> str:
        return row_link(item.twin_of)

    @admin.display(description="what it says, cleaned")
    def meant(self, item: RawItem) -> str:
        return lines(item.said) or "–"

    @admin.display(description="the whole post")
    def whole(self, item: RawItem) -> str:
        return lines(item.body) or "–"

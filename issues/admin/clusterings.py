"""What was found among the posts of a day: every clustering, and the clusters of each."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html_join

from engine.admin.base import ReadOnlyRows
from issues.admin.lists import Chosen, Rows, light, list_link, plain, row_link, unbroken
from issues.models import Cluster, Clustering, Issue, Label

LARGEST = 50  # clusters that a clustering's own page shows


def told(label: Label | None) -> str:
    """What a label says, or why it says nothing."""
    if label is None:
        return "not labelled yet"
    return plain(label.title) or f"{label.get_state_display()}: {plain(label.reason)}"


def of_clusters(found: QuerySet) -> QuerySet:
    """With what is shown of them, and without their vectors."""
    return light(found.select_related("label", "issue").defer("centroid"), "issue")


class Figures:
    """A cluster's, to two digits."""

    @admin.display(description="mean distance")
    def apart(self, cluster: Cluster) -> str:
        return f"{cluster.mean_distance:.2f}"

    @admin.display(description="membership")
    def surely(self, cluster: Cluster) -> str:
        return f"{cluster.membership:.2f}"

    @admin.display(description="issue")
    def speaks_for(self, cluster: Cluster) -> str:
        return row_link(cluster.issue)

    @admin.display(description="label")
    def says(self, cluster: Cluster) -> str:
        return told(cluster.label)


class ClusterRows(Figures, ReadOnlyRows):
    model = Cluster
    show_change_link = True
    fields = readonly_fields = ("size", "says", "speaks_for", "apart", "surely")
    verbose_name_plural = f"its clusters, the {LARGEST} largest"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return of_clusters(super().get_queryset(request).filter(number__lt=LARGEST).order_by("number"))


@admin.register(Clustering)
class ClusteringAdmin(Rows):
    list_display = ("on", "state", "outcome", "items", "found", "noise", "missing")
    list_filter = ("state", "outcome", ("day", admin.DateFieldListFilter))
    ordering = ("-day", "-pk")
    search_help_text = "the number of a clustering"
    fields = readonly_fields = (
        "on", "window", "state", "outcome", "items", "found", "noise", "missing", "all_clusters", "model", "method",
        "parameters", "inputs", "finished", "fence", "published_at",
    )  # fmt: skip
    inlines = (ClusterRows,)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        mine = Cluster.objects.filter(clustering=OuterRef("pk")).order_by().values("clustering")
        number = Coalesce(Subquery(mine.annotate(many=Count("pk")).values("many")), 0)
        return super().get_queryset(request).annotate(cluster_count=number)

    @admin.display(description="day")
    def on(self, row: Clustering) -> str:
        return row.day.isoformat()

    @admin.display(description="clusters")
    def found(self, row: Any) -> str:
        return f"{row.cluster_count:,}"

    @admin.display(description="noise")
    def noise(self, row: Clustering) -> str:
        return "–" if row.outlier_ratio is None else f"{row.outlier_ratio:.0%}"

    @admin.display(description="sources missing")
    def missing(self, row: Clustering) -> str:
        return plain(", ".join(row.missing_sources)) or "–"

    @admin.display(description="all clusters")
    def all_clusters(self, row: Any) -> str:
        return list_link("cluster", f"{row.cluster_count:,} in a list", clustering=row.pk)


class ClusteringFilter(Chosen):
    title = parameter_name = "clustering"
    table = Clustering


class LabelFilter(Chosen):
    title = parameter_name = "label"
    table = Label


class IssueFilter(Chosen):
    title = parameter_name = "issue"
    table = Issue


@admin.register(Cluster)
class ClusterAdmin(Figures, Rows):
    list_display = ("says", "day", "number", "size", "apart", "surely")
    list_filter = ("clustering__state", ClusteringFilter, IssueFilter, LabelFilter)
    search_help_text = "the number of a cluster"
    fields = readonly_fields = (
        "says", "day", "number", "size", "posts", "exemplars", "labelled_by", "found_as", "speaks_for",
        "apart", "surely", "fingerprint",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return of_clusters(super().get_queryset(request).select_related("clustering"))

    @admin.display(description="day")
    def day(self, cluster: Cluster) -> str:
        return unbroken(row_link(cluster.clustering, f"{cluster.clustering.day}, {cluster.clustering.state}"))

    @admin.display(description="posts")
    def posts(self, cluster: Cluster) -> str:
        return list_link("rawitem", f"{cluster.size:,} in a list", cluster=cluster.pk)

    @admin.display(description="speaking for it")
    def exemplars(self, cluster: Cluster) -> str:
        rows = cluster.assignments.filter(exemplar__isnull=False).order_by("exemplar").select_related("item")
        posts = rows.defer("item__body", "item__said")
        return format_html_join("\n", "<p>{}</p>", ((row_link(row.item, row.item.title),) for row in posts))

    @admin.display(description="made by")
    def labelled_by(self, cluster: Cluster) -> str:
        return row_link(cluster.label, f"label {cluster.label_id}")

    @admin.display(description="found as")
    def found_as(self, cluster: Cluster) -> str:
        return row_link(cluster.found)

"""What the API tells of projects, of the taxonomy, and of runs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import Count, F, IntegerField, Model, Q, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Lower
from django.http import Http404, QueryDict
from django.shortcuts import get_object_or_404
from django_filters import FilterSet
from rest_framework.request import Request
from rest_framework.response import Response

from engine.api import paging
from engine.api.errors import Refusal
from engine.api.paging import Draw, Order
from engine.api.parameters import CURSOR
from engine.api.schema import described, page, page_of
from engine.api.serializers import PageAsked, drawn
from engine.api.views import View
from engine.models import Run
from recommendations import search, serving
from recommendations.api import examples
from recommendations.api import serializers as facts
from recommendations.filters import ProjectFilter, faults, ordered
from recommendations.issue_filters import FirstIssueFilter
from recommendations.models import Category, Project, TechStack

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
ORDERS = {
    "stars": Order(Coalesce(F("stars"), Value(-1), output_field=IntegerField())),
    "newest": Order(Coalesce(F("created_at"), Value(LONG_AGO))),
    "active": Order(Coalesce(F("pushed_at"), Value(LONG_AGO))),
    "name": Order(F("full_name"), descending=False),
}
NEWEST_FIRST = Order(F("pk"))
READIEST = Order(F("score"))


def caller(request: Request) -> User:
    return cast(User, request.user)


class ListView(View):
    asks = PageAsked
    asks_also = (CURSOR,)

    def walked(self, rows: QuerySet[Any], order: Order, draw: Draw) -> Response:
        """A page of them in that order."""
        return Response(paging.by_key(self.request, rows, order, self.asked["page_size"], draw))


# Projects


def placed(projects: QuerySet[Project]) -> QuerySet[Project]:
    """With what a list shows of each, by a few queries however many they are."""
    unread = projects.defer("readme", "search")
    return unread.prefetch_related("category_links__category", "stack_links__stack")


class Projects(ListView):
    public = True
    asks: type[PageAsked] = facts.ProjectsAsked
    shows: type[facts.ProjectFacts] = facts.ProjectFacts

    @described(
        "projects",
        "Projects, filtered, searched and ordered.",
        {200: (page_of(facts.ProjectFacts), page(examples.PROJECT))},
    )
    def get(self, request: Request) -> Response:
        return self.listed(request)

    def listed(self, request: Request) -> Response:
        """By search and by trend a ranking, by anything else a walk through the table."""
        projects = self.filtered(request.query_params)
        q, order = self.asked.get("q", ""), self.asked.get("order", "")
        if q.strip():
            ids = search.search(q, projects).ids
            if order not in ("", "relevance"):
                ids = first_ids(ordered(projects.filter(pk__in=ids), order))
            return self.ranked(ids)
        if order == "trending":
            return self.ranked(first_ids(ordered(projects, order)))
        return self.walked(placed(projects), ORDERS.get(order, ORDERS["stars"]), self.draw)

    def filtered(self, asked: QueryDict) -> QuerySet[Project]:
        filters = ProjectFilter(asked, self.offered())
        check(filters, asked)
        return cast("QuerySet[Project]", filters.qs)

    def offered(self) -> QuerySet[Project]:
        return Project.objects.offered()

    def ranked(self, ids: Sequence[int]) -> Response:
        size = self.asked["page_size"]
        return Response(paging.by_rank(self.request, ids, lambda some: self.draw(self.fetched(some)), size))

    def fetched(self, ids: list[int]) -> list[Project]:
        return paging.in_order(cast("QuerySet[Model]", placed(Project.objects.all())), ids)

    def draw(self, projects: list[Project]) -> list[Any]:
        return drawn(self.shows, projects)


def check(filters: FilterSet, asked: QueryDict) -> None:
    """Raises Refusal for the first parameter that is unknown or says what it may not."""
    for name, message in faults(filters, asked, allowed=("page_size", CURSOR)).items():
        raise Refusal(400, "bad_parameter", message, name)


def first_ids(projects: QuerySet[Project]) -> list[int]:
    return list(projects.values_list("pk", flat=True)[: search.MOST])


class GoodFirstIssues(ListView):
    public = True
    asks = facts.FirstIssuesAsked

    @described(
        "good_first_issues",
        "Open issues for newcomers that nothing stands in the way of, the readiest first, and why.",
        {200: (page_of(facts.FirstIssueFacts), page(examples.FIRST_ISSUE))},
    )
    def get(self, request: Request) -> Response:
        filters = FirstIssueFilter(request.query_params)
        check(filters, request.query_params)
        links = ("project__category_links__category", "project__stack_links__stack")
        issues = filters.qs.with_project().prefetch_related(*links)
        return self.walked(issues, READIEST, lambda rows: drawn(facts.FirstIssueFacts, rows))


class Trending(Projects):
    asks = PageAsked

    @described(
        "trending",
        "Young projects by stars a day since their creation, 200 at most.",
        {200: (page_of(facts.ProjectFacts), page(examples.PROJECT))},
    )
    def get(self, request: Request) -> Response:
        return self.ranked(first_ids(search.trending(Project.objects.all())))


class OneProject(View):
    public = True

    @described("project", "One project.", {200: (facts.ProjectDetail, examples.DETAIL)}, 404)
    def get(self, request: Request, owner: str, name: str) -> Response:
        project = get_object_or_404(placed(Project.objects.named(owner, name)))
        return Response(facts.ProjectDetail(project).data)


class Similar(View):
    public = True
    asks = facts.CountAsked

    @described("similar", "The projects nearest in meaning.", {200: (facts.SimilarList, examples.SIMILAR)}, 404)
    def get(self, request: Request, owner: str, name: str) -> Response:
        project = get_object_or_404(Project.objects.lean().named(owner, name))
        near = {other.pk: cosine for other, cosine in serving.similar(project, self.asked["count"])}
        found = paging.in_order(cast("QuerySet[Model]", placed(Project.objects.all())), list(near))
        pairs = [{"project": other, "similarity": near[other.pk]} for other in found]
        return Response({"results": drawn(facts.SimilarFacts, pairs)})


# The taxonomy


class Terms(ListView):
    public = True
    terms: type[Category | TechStack]
    shows: type[facts.TermFacts]

    def listed(self, request: Request) -> Response:
        applies = Q(project_links__applies=True)
        terms = self.terms._default_manager.annotate(projects=Count("project_links", filter=applies))
        order = Order(cast(Combinable, Lower("name")), descending=False)
        return self.walked(terms, order, lambda rows: drawn(self.shows, rows))


class Categories(Terms):
    terms, shows = Category, facts.CategoryFacts

    @described("categories", "The fields that projects serve.",
               {200: (page_of(facts.CategoryFacts), page(examples.CATEGORY))})  # fmt: skip
    def get(self, request: Request) -> Response:
        return self.listed(request)


class TechStacks(Terms):
    terms, shows = TechStack, facts.StackFacts

    @described("tech_stacks", "The languages and technologies that projects are made with.",
               {200: (page_of(facts.StackFacts), page(examples.STACK))})  # fmt: skip
    def get(self, request: Request) -> Response:
        return self.listed(request)


# The ledger


class Runs(ListView):
    """For staff who may see them; to others there is no such thing."""

    asks = facts.RunsAsked

    @described("runs", "The runs of the pipelines, newest first. Staff only.",
               {200: (page_of(facts.RunFacts), page(examples.RUN))}, 403, 404)  # fmt: skip
    def get(self, request: Request) -> Response:
        reader = caller(request)
        if not (reader.is_staff and reader.has_perm("engine.view_run")):
            raise Http404
        only = {name: self.asked[name] for name in ("pipeline", "state") if name in self.asked}
        return self.walked(Run.objects.filter(**only), NEWEST_FIRST, lambda rows: drawn(facts.RunFacts, rows))

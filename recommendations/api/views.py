"""What the API reads and writes: recommendations, feedback, projects, runs, and what is known of the caller."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Count, F, IntegerField, Model, Q, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Lower
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from engine.api import paging
from engine.api.errors import Refusal
from engine.api.paging import Order
from engine.api.parameters import CURSOR
from engine.api.schema import described, page, page_of
from engine.api.serializers import PageAsked, drawn
from engine.api.views import View, etag_of
from engine.models import ApiKey, Audit, Run
from engine.models.access import Along
from engine.postgresql import prepared
from engine.recent import Recent
from recommendations import acts, answers, my_data, profiles, search, serving, showing
from recommendations import facts as heard
from recommendations.api import examples
from recommendations.api import serializers as facts
from recommendations.filters import ProjectFilter, faults, ordered
from recommendations.issue_filters import FirstIssueFilter
from recommendations.models import Category, Interaction, Profile, Project, Recommendation, TechStack

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
ORDERS = {
    "stars": Order(Coalesce(F("stars"), Value(-1), output_field=IntegerField())),
    "newest": Order(Coalesce(F("created_at"), Value(LONG_AGO))),
    "active": Order(Coalesce(F("pushed_at"), Value(LONG_AGO))),
    "name": Order(F("full_name"), descending=False),
}
HEARD = 100  # facts of somebody's messages that are told
NEWEST_FIRST = Order(F("pk"))
READIEST = Order(F("score"))


def caller(request: Request) -> User:
    return cast(User, request.user)


class ListView(View):
    asks = PageAsked
    asks_also = (CURSOR,)


# Recommendations


Rendered = tuple[bytes, str, showing.List | None]
# The key holds all that an answer is made from: of whom, by what name, as known when, by which generation (its model,
# its weights), how many, on which day. What moves a list moves changed_at with it, so that nothing has to be thrown
# away.
RENDERED: Recent[tuple[Any, ...], Rendered] = Recent(2000, lasts=lambda: settings.RECOMMENDATION_CACHE_TTL)


class Recommendations(View):
    """Of one person, for that person and for staff who may; to others there is no such thing."""

    asks = facts.TopAsked

    @described(
        "recommendations",
        "What a person is recommended, and why.",
        {200: (facts.RecommendationList, examples.RECOMMENDATIONS)},
        403,
        404,
        told="Read by that person, with their key, and by staff with the permission `view_recommendation`.",
    )
    def get(self, request: Request, username: str) -> HttpResponse:
        along = request.auth.along if isinstance(request.auth, ApiKey) else None
        asked = Asked(*along) if along else asked_for(username)
        allow_reading(caller(request), asked.person, username)
        key = (asked.person, username, asked.changed_at, asked.generation, self.asked["top"], showing.today())
        body, etag, shown = RENDERED.get(key) or self.rendered(key, asked, username)
        if caller(request).pk == asked.person and showing.really(request):
            showing.show(shown, soon=False)
        return HttpResponse(body, content_type="application/json", headers={"ETag": etag})

    def read_along(self) -> Along:
        return Along(COLUMNS, f"LEFT JOIN auth_user person ON {PERSON} {JOINS}", (self.kwargs["username"],))

    def rendered(self, key: tuple[Any, ...], asked: "Asked", username: str) -> Rendered:
        """The answer as bytes; kept as long as nothing changes that it is made from."""
        began, found, top = time.monotonic(), None, self.asked["top"]
        made_at, weights, pk = asked.published_at, asked.weights, cast(int, asked.person)
        turn, rows = answers.turn(pk), list[answers.Stored]()
        if asked.generation and asked.stands:
            rows = turn.of(answers.stored(asked.generation, pk, turn.needs(top)), top)
        if not rows:
            person, live = User(pk=pk, username=username), serving.generation(asked.generation)
            found = serving.ranking_of(person, live, asked.changed_at)
            if found:
                rows = turn.of(answers.unstored(found.rows[: turn.needs(top) + serving.SPARE]), top)
            made_at, weights = (found.computed_at, found.weights.version) if found else (None, None)
        if rows:
            serving.took(began, bool(found), bool(found and found.rows[0]["cold_start"]))
        serving.answered("list", not (rows and rows[0].cold_start), bool(rows))
        made = found.generation if found else asked.generation
        shown = showing.list_of(pk, "api", [row.project_id for row in rows], made, weights)
        body = JSONRenderer().render(facts_of(username, rows, made_at, weights, shown))
        kept = body, etag_of(body), shown
        if rows and (not found or found.keeps(asked.generation)):
            RENDERED.put(key, kept)
        return kept


@extend_schema_view(get=extend_schema(operation_id="recommendations_of"))
class RecommendationsOf(Recommendations):
    """The same at the address of the system before."""


@extend_schema(exclude=True)
class RecommendationsOfWithSlash(Recommendations):
    """The same with a slash at the end."""


class Asked(NamedTuple):
    """Who is asked about, when what is known of them changed, and the live generation; person None: there is nobody."""

    person: int | None
    changed_at: datetime | None
    generation: int | None
    inputs_at: datetime | None
    published_at: datetime | None
    weights: int | None

    @property
    def stands(self) -> bool:
        """Whether the rows of the live generation are still true of them."""
        return bool(self.changed_at and self.inputs_at and self.changed_at <= self.inputs_at)


COLUMNS = "person.id, profile.changed_at, live.id, live.inputs_at, live.published_at, weights.version"
PERSON = "person.username = %s AND person.is_active"
JOINS = """
LEFT JOIN recommendations_profile profile ON profile.user_id = person.id
LEFT JOIN recommendations_generation live ON live.state = 'live'
LEFT JOIN recommendations_weights weights ON weights.id = live.weights_id
"""


def asked_for(username: str) -> Asked:
    """Written out: to build this query anew each time takes longer than to answer it."""
    with prepared() as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM auth_user person {JOINS} WHERE {PERSON}", [username])  # noqa: S608
        found = cursor.fetchone()
    return Asked(*found) if found else Asked(None, None, None, None, None, None)


def allow_reading(reader: User, person: int | None, username: str) -> None:
    """404 unless they may; what staff reads of others is written down."""
    if person and reader.pk == person:
        return
    if not person or not (reader.is_staff and reader.has_perm("recommendations.view_recommendation")):
        raise Http404
    Audit.objects.create(actor=reader.username, action="read recommendations", subject=username)


def facts_of(
    username: str,
    rows: Iterable[Recommendation | answers.Stored],
    made_at: datetime | None,
    weights: int | None,
    shown: showing.List | None,
) -> dict[str, Any]:
    return {
        "user_id": username,
        "recommendations": [answers.answer(row) for row in rows],
        "generated_at": made_at and made_at.isoformat(),
        "weights": weights,
        "request": shown and str(shown.request),
    }


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
        by, size = ORDERS.get(order, ORDERS["stars"]), self.asked["page_size"]
        return Response(paging.by_key(request, placed(projects), by, size, self.draw))

    def filtered(self, asked: QueryDict) -> QuerySet[Project]:
        filters = ProjectFilter(asked, self.offered())
        for name, message in faults(filters, asked, allowed=("page_size", CURSOR)).items():
            raise Refusal(400, "bad_parameter", message, name)
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
        for name, message in faults(filters, request.query_params, allowed=("page_size", CURSOR)).items():
            raise Refusal(400, "bad_parameter", message, name)
        links = ("project__category_links__category", "project__stack_links__stack")
        issues = filters.qs.with_project().prefetch_related(*links)
        size = self.asked["page_size"]
        return Response(paging.by_key(request, issues, READIEST, size, lambda rows: drawn(facts.FirstIssueFacts, rows)))


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
        return Response(
            paging.by_key(request, terms, order, self.asked["page_size"], lambda rows: drawn(self.shows, rows))
        )


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


# Feedback


class Feedback(ListView):
    asks = facts.FeedbackAsked

    @described(
        "feedback",
        "What you liked, saved and hid, newest first.",
        {200: (page_of(facts.FeedbackFacts), page(examples.FEEDBACK))},
        403,
    )
    def get(self, request: Request) -> Response:
        mine = Interaction.objects.filter(user=caller(request), kind__in=self.kinds).select_related("project")
        named = mine.only("kind", "at", "project__full_name")
        size = self.asked["page_size"]
        return Response(
            paging.by_key(request, named, Order(F("at")), size, lambda rows: drawn(facts.FeedbackFacts, rows))
        )

    @property
    def kinds(self) -> list[str]:
        return [self.asked["kind"]] if "kind" in self.asked else facts.KINDS

    @described(
        "give_feedback",
        "Like, save or hide a project. The next recommendations know it.",
        {201: (facts.FeedbackFacts, examples.FEEDBACK), 200: (facts.FeedbackFacts, examples.FEEDBACK)},
        404,
        told="201 the first time; 200 when it was said before, and nothing changes.",
        request=facts.FeedbackSaid,
        body=examples.FEEDBACK_SAID,
    )
    def post(self, request: Request) -> Response:
        said = facts.FeedbackSaid(data=request.data)
        said.is_valid(raise_exception=True)
        owner, _, name = said.validated_data["project"].partition("/")
        project = get_object_or_404(Project.objects.lean().named(owner, name))
        given: dict[str, Any] = {"user": caller(request), "project": project, "kind": said.validated_data["kind"]}
        new = acts.act(**given)
        showing.answered(**given, request=said.validated_data.get("request"))
        kept = get_object_or_404(Interaction.objects.select_related("project"), **given)
        return Response(facts.FeedbackFacts(kept).data, status=201 if new else 200)


class OneFeedback(View):
    @described("take_feedback_back", "Take a like, a save or a hiding back.", {204: (None, None)}, 404)
    def delete(self, request: Request, owner: str, name: str, kind: str) -> Response:
        project = get_object_or_404(Project.objects.lean().named(owner, name))
        if kind not in facts.KINDS or not acts.undo(user=caller(request), project=project, kind=kind):
            raise Http404
        return Response(status=204)


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
        runs, size = Run.objects.filter(**only), self.asked["page_size"]
        return Response(paging.by_key(request, runs, NEWEST_FIRST, size, lambda rows: drawn(facts.RunFacts, rows)))


# The caller


class Me(View):
    confirmed_by = facts.Confirmed

    @described("me", "What is known of you.", {200: (facts.MeFacts, examples.ME)}, 403)
    def get(self, request: Request) -> Response:
        return Response(known_of(caller(request)))

    @described(
        "change_me",
        "Say something of yourself.",
        {200: (facts.MeFacts, examples.ME)},
        told="What is given replaces what is there: of a list the whole of it.",
        request=facts.MeSaid,
        body=examples.ME_SAID,
    )
    def patch(self, request: Request) -> Response:
        said = facts.MeSaid(data=request.data)
        said.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(said.validated_data)
        given["stacks"] = ids_of(TechStack, given.pop("tech_stacks", None), "tech_stacks")
        given["categories"] = ids_of(Category, given.pop("categories", None), "categories")
        profiles.say(caller(request), **given)
        return Response(known_of(caller(request)))

    @described(
        "delete_me",
        "Delete your account and all that is yours, for good.",
        {204: (None, None)},
        told="`confirm` is your username. Staff accounts are not deleted here.",
        request=facts.Confirmed,
        body={"confirm": "alice_ml"},
    )
    def delete(self, request: Request) -> Response:
        said = facts.Confirmed(data=request.data)
        said.is_valid(raise_exception=True)
        user = caller(request)
        if user.is_staff or user.is_superuser:
            raise Refusal(403, "staff_account", "A staff account is not deleted here; ask another administrator.")
        if said.validated_data["confirm"] != user.username:
            raise Refusal(403, "not_confirmed", "It is not your username; nothing is deleted.", "confirm")
        my_data.forget(user)
        return Response(status=204)


def known_of(user: User) -> dict[str, Any]:
    whole = Profile.objects.select_related("user").prefetch_related("category_links__category", "stack_links__stack")
    profile = whole.get(pk=profiles.of(user).pk)
    counted = Interaction.objects.filter(user=user).values_list("kind").annotate(count=Count("pk")).order_by("kind")
    profile.heard = heard.shown(user)[:HEARD]  # type: ignore[attr-defined]  # the serializer reads it there
    return dict(facts.MeFacts(profile, context={"acts": dict(counted)}).data)


def ids_of(model: type[Category | TechStack], names: list[str] | None, field: str) -> set[int] | None:
    """The terms of those names, in any case; an unknown name is refused."""
    if names is None:
        return None
    known = {name.lower(): pk for pk, name in model._default_manager.values_list("pk", "name")}
    for at, name in enumerate(names):
        if name.lower() not in known:
            raise Refusal(400, "unknown_name", f"There is no {name[:60]!r} among them.", f"{field}.{at}")
    return {known[name.lower()] for name in names}


class Export(View):
    caching = "no-store"

    @described("export_me", "Everything that is stored of you, table by table.",
               {200: (dict[str, Any], {"account": {"username": "alice_ml"}, "Interaction": []})}, 403)  # fmt: skip
    def get(self, request: Request) -> Response:
        return Response(my_data.everything(caller(request)))

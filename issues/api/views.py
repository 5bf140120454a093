"""What programs read of problems: the list, one of them, its posts, and what is like a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Left
from django.http import Http404
from django.urls import reverse
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from engine.api import paging
from engine.api.errors import Refusal, body
from engine.api.paging import Order
from engine.api.parameters import CURSOR
from engine.api.schema import described, page, page_of
from engine.api.serializers import PageAsked, Problem, drawn
from engine.api.views import View
from engine.text import clip
from engine.urls import web_address
from issues import exporting, searching
from issues.alike import alike
from issues.api import examples
from issues.api import serializers as facts
from issues.models import Assignment, Issue, RawItem
from issues.models.clustering import LIVE
from issues.pages.listing import Question, question_of
from issues.pages.rows import READ, rows_of, shown, told
from issues.pages.similar import taken

SNIPPET = 200  # characters


class Issues(View):
    public = True
    asks = facts.IssuesAsked
    asks_also = (CURSOR,)

    @described(
        "issues",
        "Problems that people report, filtered, searched and ordered.",
        {200: (page_of(facts.IssueFacts), page(examples.ISSUE))},
    )
    def get(self, request: Request) -> Response:
        """By search a ranking, by anything else a walk through the table."""
        question = question_of(request.query_params, others=(CURSOR, "page_size"))
        for name, message in question.wrong.items():
            raise Refusal(400, "bad_parameter", message, name)
        _, found = searching.found(question.asked, question.last)
        size = self.asked["page_size"]
        if question.asked.q:
            ids = found if isinstance(found, list) else list(found.values_list("pk", flat=True)[: searching.MOST])
            return Response(paging.by_rank(request, ids, lambda some: draw(searching.in_order(some), question), size))
        order = Order(searching.key_of(question.asked.order, question.last))
        issues = searching.chosen(question.asked, question.last)
        return Response(paging.by_key(request, issues, order, size, lambda rows: draw(rows, question)))


def draw(issues: Sequence[Issue], question: Question) -> list[Any]:
    rows = rows_of(issues, question.last, solved=False)
    return drawn(facts.IssueFacts, map(told, rows))


def asked_for(number: int) -> Issue:
    """The visible issue of that id, or the one that it is merged into."""
    into = Issue.objects.filter(pk=number).values("into")
    found = Issue.objects.visible().defer("search").filter(Q(pk=number) | Q(pk__in=into)).first()
    if found is None:
        raise Http404
    return found


def moved(issue: Issue, name: str) -> Response:
    """Where it is now. Not for good: a merge can be undone."""
    told = body("merged", f"It was merged into issue {issue.pk}.")
    return Response(told, status=302, headers={"Location": reverse(name, args=[issue.pk])})


MERGED = {302: (Problem, examples.MERGED)}


class OneIssue(View):
    public = True

    @described(
        "issue",
        "One problem, with all that is known of it.",
        {200: (facts.IssueDetail, examples.DETAIL), **MERGED},
        404,
        told="302 where it was merged into another, which a curator can undo. What is hidden is 404.",
    )
    def get(self, request: Request, number: int) -> Response:
        issue = asked_for(number)
        if issue.pk != number:
            return moved(issue, "api_issue")
        return Response(facts.IssueDetail(detail(issue)).data)


def detail(issue: Issue) -> dict[str, Any]:
    """What a list tells of it, and what `export_issues` does."""
    days, lineage = list(issue.days.order_by("day")), list(issue.lineage.order_by("day", "kind"))
    whole = exporting.facts(issue, days, lineage, [])
    (row,) = rows_of([issue], solved=False)
    merged = list(Issue.objects.filter(into=issue).order_by("pk").values_list("pk", flat=True))
    evidence = f"{settings.SITE_URL}{reverse('api_issue_evidence', args=[issue.pk])}"
    return {**whole, **told(row), "merged": merged, "evidence": evidence}


class Evidence(View):
    public = True
    asks = PageAsked
    asks_also = (CURSOR,)

    @described(
        "issue_evidence",
        "The posts that a problem rests on, the surest first.",
        {200: (page_of(facts.EvidenceFacts), page(examples.EVIDENCE)), **MERGED},
        404,
        told="Each post once: where several days have it, as the last of them does. 302 as for the problem itself.",
    )
    def get(self, request: Request, number: int) -> Response:
        issue = asked_for(number)
        if issue.pk != number:
            return moved(issue, "api_issue_evidence")
        size = self.asked["page_size"]
        return Response(paging.by_key(request, evidence(issue), Order(F("membership")), size, posts_of))


def evidence(issue: Issue) -> QuerySet[Assignment]:
    live = Assignment.objects.filter(LIVE)
    later = live.filter(item=OuterRef("item"), issue=OuterRef("issue"), clustering__day__gt=OuterRef("clustering__day"))
    once = live.filter(~Exists(later), issue=issue).select_related("item", "clustering")
    return once.defer("item__body", "item__said").annotate(beginning=Left("item__said", READ))


def posts_of(rows: Sequence[Any]) -> list[Any]:
    given = [
        {**post_facts(row.item, row.beginning), "membership": row.membership, "day": row.clustering.day} for row in rows
    ]
    return drawn(facts.EvidenceFacts, given)


def post_facts(item: RawItem, beginning: str) -> dict[str, Any]:
    return {
        "url": web_address(item.url),
        "source": item.source,
        "title": shown(item.title, READ),
        "snippet": clip(shown(beginning, READ), SNIPPET),
        "author": shown(item.author, READ),
        "licence": shown(item.licence, READ),
        "created_at": item.created_at,
        "votes": item.vote_count,
        "comments": item.comment_count,
    }


class Similar(View):
    public = True
    public_methods = (*SAFE_METHODS, "POST")

    @described(
        "similar_issues",
        "The problems and posts nearest in meaning to what you are about to post.",
        {200: (facts.AlikeFacts, examples.ALIKE)},
        told="Nothing of it is stored or logged. 30 a minute, whoever asks.",
        request=facts.Draft,
        body=examples.DRAFT,
    )
    def post(self, request: Request) -> Response:
        if left := taken(request):
            raise Refusal(429, "throttled", f"Too many requests; again in {left} s.", None, left)
        said = facts.Draft(data=request.data)
        said.is_valid(raise_exception=True)
        found = alike(said.validated_data["title"], said.validated_data["text"])
        rows = rows_of([issue for issue, _ in found.issues], solved=False)
        near = [
            {"issue": told(row), "distance": distance} for row, (_, distance) in zip(rows, found.issues, strict=True)
        ]
        posts = [{"post": post_facts(item, item.beginning), "distance": distance} for item, distance in found.posts]
        whole = {"read": found.read, "looks_new": found.looks_new, "issues": near, "posts": posts}
        return Response(facts.AlikeFacts(whole).data)

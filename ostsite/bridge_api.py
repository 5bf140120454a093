"""What the API tells of problems beside projects; the rest of it stands in the apps."""

from typing import Any, cast

from django.db.models import Model, QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from engine.api import paging
from engine.api.schema import described
from engine.api.serializers import drawn
from engine.api.views import View
from issues.api import examples as of_issues
from issues.api.serializers import IssueFacts
from issues.api.views import MERGED, asked_for, moved
from issues.pages.rows import rows_of, told
from ostsite import bridge
from recommendations.api import examples as of_projects
from recommendations.api.serializers import ProjectFacts
from recommendations.api.views import placed
from recommendations.models import Project

WHY = "Speaks of “backup” and “restore”, as the posts do."


class SolverFacts(serializers.Serializer[Any]):
    project = ProjectFacts()
    about = serializers.BooleanField(help_text="The posts are about it; otherwise it could solve the problem.")
    why = serializers.CharField(help_text="What both have in common.")


class SolverList(serializers.Serializer[Any]):
    results = SolverFacts(many=True)


class HurtFacts(serializers.Serializer[Any]):
    issue = IssueFacts()
    why = serializers.CharField(help_text="What both have in common.")


class HurtList(serializers.Serializer[Any]):
    results = HurtFacts(many=True)


class IssueProjects(View):
    public = True

    @described(
        "issue_projects",
        "The projects that a problem is about or that could solve it, best first; none where none fits.",
        {200: (SolverList, {"results": [{"project": of_projects.PROJECT, "about": False, "why": WHY}]}), **MERGED},
        404,
    )
    def get(self, request: Request, number: int) -> Response:
        issue = asked_for(number)
        if issue.pk != number:
            return moved(issue, "api_issue_projects")
        solvers = {solver.project.pk: solver for solver in bridge.solvers([issue.pk]).get(issue.pk, ())}
        found = paging.in_order(cast("QuerySet[Model]", placed(Project.objects.all())), list(solvers))
        rows = [{"project": each, "about": solvers[each.pk].about, "why": solvers[each.pk].why} for each in found]
        return Response({"results": drawn(SolverFacts, rows)})


class ProjectIssues(View):
    public = True

    @described(
        "project_issues",
        "The present problems of a project's area, best first; none where none fits.",
        {200: (HurtList, {"results": [{"issue": of_issues.ISSUE, "why": WHY}]})},
        404,
    )
    def get(self, request: Request, owner: str, name: str) -> Response:
        project = get_object_or_404(Project.objects.lean().named(owner, name))
        hurts = bridge.problems(project)
        rows = rows_of([hurt.issue for hurt in hurts], solved=False)
        pairs = [{"issue": told(row), "why": hurt.why} for row, hurt in zip(rows, hurts, strict=True)]
        return Response({"results": drawn(HurtFacts, pairs)})

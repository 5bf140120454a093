"""Which first issues a list shows: one rule for the page and for the API."""

import re

import django_filters
from django.contrib.postgres.search import SearchQuery
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db.models import Q, QuerySet
from django.http import QueryDict

from recommendations.filters import UNKNOWN, OneOf
from recommendations.first_labels import LONGEST as LONGEST_LABEL
from recommendations.first_labels import normalised
from recommendations.models import Category, FirstIssue, Project, TechStack
from recommendations.schemas import FULL_NAME
from recommendations.search import LONGEST


def named_project(value: str) -> None:
    if not re.fullmatch(FULL_NAME, value):
        raise ValidationError("Allowed: owner/name.", code="invalid")


class FirstIssueFilter(django_filters.FilterSet):
    """Of those that can be taken."""

    q = django_filters.CharFilter(
        method="saying", max_length=LONGEST, label="Words", validators=[ProhibitNullCharactersValidator()]
    )
    stack = django_filters.MultipleChoiceFilter(method="made_with", label="Made with", error_messages=UNKNOWN)
    category = OneOf(method="in_category", label="Category", empty_label="any")
    language = django_filters.CharFilter(
        field_name="project__language", lookup_expr="iexact", max_length=60, label="Main language"
    )
    label = django_filters.CharFilter(method="labelled", max_length=LONGEST_LABEL, label="Label")
    project = django_filters.CharFilter(
        method="of_project", max_length=150, label="Project", validators=[named_project]
    )

    class Meta:
        model = FirstIssue
        fields: list[str] = []

    def __init__(self, data: QueryDict | None = None, queryset: QuerySet[FirstIssue] | None = None) -> None:
        super().__init__(data, FirstIssue.objects.takeable() if queryset is None else queryset)
        for name, terms in (("category", Category), ("stack", TechStack)):
            found = [(term, term) for term in terms._default_manager.values_list("name", flat=True)]
            self.filters[name].extra["choices"] = found

    def saying(self, issues: QuerySet[FirstIssue], name: str, value: str) -> QuerySet[FirstIssue]:
        """Those whose title says every word, or whose project does."""
        words = SearchQuery(value, config="english", search_type="websearch")
        return issues.filter(Q(search=words) | Q(project__in=Project.objects.filter(search=words)))

    def made_with(self, issues: QuerySet[FirstIssue], name: str, value: list[str]) -> QuerySet[FirstIssue]:
        """Those whose project is made with every one of the stacks."""
        for stack in value:
            made = Project.objects.filter(stack_links__stack__name=stack, stack_links__applies=True)
            issues = issues.filter(project__in=made)
        return issues

    def in_category(self, issues: QuerySet[FirstIssue], name: str, value: str) -> QuerySet[FirstIssue]:
        serving = Project.objects.filter(category_links__category__name=value, category_links__applies=True)
        return issues.filter(project__in=serving)

    def labelled(self, issues: QuerySet[FirstIssue], name: str, value: str) -> QuerySet[FirstIssue]:
        """Those with that label, however their project spells it."""
        said = normalised(value)
        return issues.filter(names__contains=[said]) if said else issues.none()

    def of_project(self, issues: QuerySet[FirstIssue], name: str, value: str) -> QuerySet[FirstIssue]:
        return issues.filter(project__in=Project.objects.named(*value.split("/", 1)))

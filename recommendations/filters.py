"""Which projects a list shows and in which order: one rule for the page and for the API."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.http import QueryDict

from recommendations.models import Category, Project, TechStack
from recommendations.search import LONGEST, with_stars_a_day

LARGEST = 2**31 - 1
DAYS = ((7, "in the last week"), (30, "in the last month"), (90, "in the last 3 months"), (365, "in the last year"))
YES_OR_NO = (("true", "yes"), ("1", "yes"), ("false", "no"), ("0", "no"))
ORDERS = (
    ("stars", "most stars"),
    ("trending", "trending"),
    ("newest", "newest"),
    ("active", "recently active"),
    ("name", "name"),
    ("relevance", "relevance"),
)
UNKNOWN = {"invalid_choice": "There is no such value."}
MANY = ("stack",)  # parameters that may come more than once


class CountField(forms.Field):
    """A whole number in plain digits; int() takes more than that: 1_000, ١, 1.0."""

    widget = forms.NumberInput

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        if not re.fullmatch(r"[0-9]{1,10}", str(value).strip()) or int(value) > LARGEST:
            raise ValidationError(f"Allowed: a whole number from 0 to {LARGEST}.", code="invalid")
        return int(value)


class CountFilter(django_filters.Filter):
    field_class = CountField


class OneOf(django_filters.ChoiceFilter):
    """One of a few values. What else was given is not said back: it may be long."""

    def __init__(self, *args: Any, choices: Iterable[tuple[Any, str]] = (), **kwargs: Any) -> None:
        texts = [(str(value), name) for value, name in choices]
        super().__init__(*args, choices=texts, error_messages=UNKNOWN, **kwargs)


class ProjectFilter(django_filters.FilterSet):
    """q and order change nothing here: whoever lists looks them up and calls `ordered`."""

    q = django_filters.CharFilter(
        method="later", max_length=LONGEST, label="Search", validators=[ProhibitNullCharactersValidator()]
    )
    category = OneOf(method="in_category", label="Category", empty_label="any")
    stack = django_filters.MultipleChoiceFilter(method="made_with", label="Stack", error_messages=UNKNOWN)
    language = django_filters.CharFilter(lookup_expr="iexact", max_length=60, label="Language")
    stars_min = CountFilter(field_name="stars", lookup_expr="gte", label="Stars from")
    stars_max = CountFilter(field_name="stars", lookup_expr="lte", label="Stars to")
    active = OneOf(method="pushed_within", choices=DAYS, label="Active", empty_label="at any time")
    newcomers = OneOf(method="asking", choices=YES_OR_NO, label="Asks for newcomers", empty_label="either")
    order = OneOf(method="later", choices=ORDERS, label="Order", empty_label="best first")

    class Meta:
        model = Project
        fields: list[str] = []

    def __init__(self, data: QueryDict | None = None, queryset: QuerySet[Project] | None = None, **kwargs: Any) -> None:
        super().__init__(data, Project.objects.offered() if queryset is None else queryset, **kwargs)
        for name, terms in (("category", Category), ("stack", TechStack)):
            found = [(term, term) for term in terms._default_manager.values_list("name", flat=True)]
            self.filters[name].extra["choices"] = found

    def later(self, projects: QuerySet[Project], name: str, value: Any) -> QuerySet[Project]:
        return projects

    def in_category(self, projects: QuerySet[Project], name: str, value: str) -> QuerySet[Project]:
        return projects.filter(category_links__category__name=value, category_links__applies=True)

    def made_with(self, projects: QuerySet[Project], name: str, value: list[str]) -> QuerySet[Project]:
        """Those made with every one of the stacks."""
        for stack in value:
            projects = projects.filter(stack_links__stack__name=stack, stack_links__applies=True)
        return projects

    def pushed_within(self, projects: QuerySet[Project], name: str, value: str) -> QuerySet[Project]:
        return projects.filter(pushed_at__gte=Now() - timedelta(days=int(value)))

    def asking(self, projects: QuerySet[Project], name: str, value: str) -> QuerySet[Project]:
        return projects.filter(asks_newcomers=value in ("1", "true"))


def faults(filters: django_filters.FilterSet, data: QueryDict, allowed: Iterable[str] = ("page",)) -> dict[str, str]:
    """What is wrong with the parameters, by name: unknown, given twice, or with a value that nothing has."""
    known = [*filters.filters, *allowed]
    found = {name: f"Allowed: {', '.join(known)}." for name in data if name not in known}
    for name, values in data.lists():
        if name not in MANY and len(values) > 1:
            found.setdefault(name, "Given more than once; allowed: once.")
    for name, errors in filters.form.errors.items():
        found.setdefault(name, " ".join([*map(str, errors), *choices_of(filters, name)]))
    return found


def choices_of(filters: ProjectFilter, name: str) -> list[str]:
    """The sentence that names what a parameter may be, if these are a few."""
    choices = [str(value) for value, _ in getattr(filters.form.fields[name], "choices", ()) if value]
    return [f"Allowed: {', '.join(choices)}."] if choices else []


ORDERED: dict[str, Callable[[QuerySet[Project]], QuerySet[Project]]] = {
    "stars": lambda projects: projects.order_by(F("stars").desc(nulls_last=True), "pk"),
    "trending": lambda projects: with_stars_a_day(projects).order_by(
        F("stars_a_day").desc(nulls_last=True), F("stars").desc(nulls_last=True), "pk"
    ),
    "newest": lambda projects: projects.order_by(F("created_at").desc(nulls_last=True), "pk"),
    "active": lambda projects: projects.order_by(F("pushed_at").desc(nulls_last=True), "pk"),
    "name": lambda projects: projects.order_by("full_name", "pk"),
}


def ordered(projects: QuerySet[Project], order: str) -> QuerySet[Project]:
    """The projects in an order of the table above; most stars first for any other word."""
    return ORDERED.get(order, ORDERED["stars"])(projects)

"""What the lists here share: they stay fast on a million rows, lead to each other, and show what was said as text."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.db.models import Max, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join

from engine.admin.base import LONGEST_SEARCH, ReadOnly
from engine.text import clip, printable, squeeze
from issues.models.label import Labelled

LISTED = 10_000  # rows that a list counts and pages through
AMONG = 100_000  # of the newest rows the texts are searched
LARGEST = 2**63 - 1  # number of a row
ISSUE_TEXTS = ("search", "description", "claims")  # which no list shows


class Newest(Paginator):
    """Counts no further than anybody turns pages."""

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet, self.object_list)
        return rows.order_by().values("pk")[:LISTED].count()


class NewestFirst(ChangeList):
    """By no column: a million rows have one order that an index holds."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet) -> list[Any]:
        return list(self.model_admin.ordering or ())


class Rows(ReadOnly):
    """A list that may hold a million rows, the newest first. Two ways to search it: a number, or words of `texts`."""

    paginator = Newest
    ordering: ClassVar[Any] = ("-pk",)
    sortable_by: ClassVar[Any] = ()
    search_fields: ClassVar[Any] = ("pk",)
    texts: ClassVar[Sequence[str]] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestFirst

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """It says so where it ends before the rows do."""
        answer = super().changelist_view(request, extra_context)
        context = getattr(answer, "context_data", None) or {}
        if "cl" in context and context["cl"].result_count >= LISTED:
            context["title"] = f"{context['title']}: the newest {LISTED:,}"
        return answer

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if len(search_term) > LONGEST_SEARCH:
            raise BadRequest(f"A search takes {LONGEST_SEARCH} characters at most.")
        asked = search_term.strip()
        return (self.sought(queryset, asked) if asked else queryset), False

    def sought(self, queryset: QuerySet, asked: str) -> QuerySet:
        """The rows that somebody asks for."""
        if number := number_in(asked):
            return queryset.filter(pk=number)
        newest = self.model._default_manager.aggregate(pk=Max("pk"))["pk"] or 0
        meant = Q(pk=None)
        for name in self.texts:
            meant |= Q(**{f"{name}__icontains": asked})
        return queryset.filter(meant, pk__gt=newest - AMONG)


class Chosen(admin.SimpleListFilter):
    """The rows of one other row, which a link named: nobody is offered a million to choose from."""

    table: type[Model]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if not self.value():
            return []
        number = number_in(self.value() or "")
        if not number:
            raise BadRequest(f"A {self.title} is named by its number.")
        row = self.table._default_manager.filter(pk=number).first()
        return [(str(self.value()), plain(str(row)) if row else f"no {self.title} of that number")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return self.rows_of(queryset, int(value)) if (value := self.value()) else queryset

    def rows_of(self, queryset: QuerySet, pk: int) -> QuerySet:
        return queryset.filter(**{str(self.parameter_name): pk})


def number_in(text: str) -> int:
    """The number of a row that the text is; 0 where it is none."""
    bare = text.strip().removeprefix("#")
    return int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 20 and int(bare) <= LARGEST else 0


def plain(text: str, longest: int = 120) -> str:
    """One line of it, which turns or hides nothing of what stands beside it."""
    line = printable(squeeze(text))
    return line if len(line) <= longest else f"{clip(line, longest)} …"


def shown(name: str, title: str = "") -> Callable[[Any, Any], str]:
    """The column of a field that holds what strangers or programs wrote."""

    @admin.display(description=title or name)
    def column(page: ReadOnly, row: Any) -> str:
        value = getattr(row, name)
        return plain(", ".join(value) if isinstance(value, list) else str(value), 400) or "–"

    return column


def lines(text: str, longest: int = 20_000) -> str:
    """The same of a text of many lines."""
    found = "\n".join(printable(line) for line in text[:longest].splitlines())
    return found if len(text) <= longest else f"{found} …"


def row_link(row: Model | None, said: str = "", longest: int = 80) -> str:
    """To the page of that row."""
    if row is None:
        return "–"
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html(
        '<a href="{}">{}</a>', address, plain(said or str(row), longest) or f"{row._meta.verbose_name} {row.pk}"
    )


def list_link(table: str, said: str, **chosen: object) -> str:
    """To the list of those rows of a table."""
    address = reverse(f"admin:issues_{table}_changelist")
    return format_html('<a href="{}?{}">{}</a>', address, urlencode(chosen), said)


def claims_of(said: Labelled) -> str:
    """What would_pay and impact rest on, word for word."""
    claims = (each for each in said.claims if isinstance(each, dict))
    rows = ((plain(str(each.get("field", ""))), plain(str(each.get("words", "")))) for each in claims)
    return format_html_join("\n", "<div>{}: “{}”</div>", rows) or "–"


def light(found: QuerySet, *issues: str) -> QuerySet:
    """Without what the issues under those names say at length."""
    return found.defer(*(f"{name}__{text}" for name in issues for text in ISSUE_TEXTS))


def unbroken(text: object) -> str:
    """On one line, however narrow its column."""
    return format_html('<span class="nowrap">{}</span>', text)


def moment(at: datetime | None) -> str:
    return unbroken(f"{at:%Y-%m-%d %H:%M}" if at else "–")


def counted(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def those_chosen(page: ReadOnly, request: HttpRequest, queryset: QuerySet, most: int) -> list[int]:
    """The rows that an action is about; none, and a message why, where they are too many or gone."""
    found = list(queryset.order_by("-pk").values_list("pk", flat=True)[: most + 1])
    if len(found) > most:
        told = f"Nothing was done: choose {most:,} at most, by a filter or a search."
        page.message_user(request, told, messages.ERROR)
        return []
    across = request.POST.get("select_across", "0") != "0"
    gone = 0 if across else len(set(request.POST.getlist(ACTION_CHECKBOX_NAME))) - len(found)
    if gone > 0:
        page.message_user(request, f"{gone:,} of those chosen are not in this list any more.", messages.WARNING)
    return found

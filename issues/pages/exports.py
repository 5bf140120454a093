"""The problems of a list as a file: CSV for spreadsheets, JSON for programs. Written as it is sent, block by block."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.html import escape
from django.views.decorators.http import require_safe

from engine.admin.exchange import inert
from engine.pages import said
from issues import searching
from issues.pages.listing import Question, question_of
from issues.pages.rows import rows_of, told

AT_ONCE = 200  # problems whose facts are read together
COLUMNS = (
    "id", "title", "category", "description", "would_pay", "impact", "state", "first_seen", "last_seen",
    "posts", "people", "sources", "quote", "url",
)  # fmt: skip

Lines = Iterator[dict[str, Any]]


@require_safe
def as_csv(request: HttpRequest) -> HttpResponseBase:
    return exported(request, "csv", "text/csv; charset=utf-8", csv_of)


@require_safe
def as_json(request: HttpRequest) -> HttpResponseBase:
    return exported(request, "json", "application/json", json_of)


def exported(
    request: HttpRequest, ending: str, kind: str, written: Callable[[Lines], Iterator[str]]
) -> HttpResponseBase:
    """All problems that the address asks for, in its order; no page of them."""
    question = question_of(said(request.GET), others=())
    if question.wrong:
        return refused(question)
    day = f"-{question.last}" if question.last else ""
    name = f'attachment; filename="problems{day}.{ending}"'
    return StreamingHttpResponse(written(lines_of(question)), content_type=kind, headers={"Content-Disposition": name})


def refused(question: Question) -> HttpResponse:
    """What is wrong with the address, for whoever reads files and feeds; what was asked is said back escaped."""
    text = escape("".join(f"{name}: {message}\n" for name, message in question.wrong.items()))
    return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")


def lines_of(question: Question) -> Lines:
    _, found = searching.found(question.asked, question.last)
    ids = found if isinstance(found, list) else list(found.values_list("pk", flat=True))
    for start in range(0, len(ids), AT_ONCE):
        some = searching.in_order(ids[start : start + AT_ONCE])
        yield from map(told, rows_of(some, question.last, solved=False))


class Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_of(lines: Lines) -> Iterator[str]:
    """No cell is one that a spreadsheet would run."""
    writer = csv.writer(Echo())
    yield writer.writerow(COLUMNS)
    for line in lines:
        yield writer.writerow([inert(cell_of(line[name])) for name in COLUMNS])


def cell_of(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value


def json_of(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A list with a problem a line."""
    before = "[\n"
    for line in lines:
        yield before + json.dumps(line, cls=DjangoJSONEncoder, ensure_ascii=False)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"

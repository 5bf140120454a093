"""Projects as a file: a row a line, in the columns that import_projects reads."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from django.db.models import QuerySet

from engine.admin.exchange import inert

AT_ONCE = 2000  # rows a block
COLUMNS = {  # column of the file -> field
    "full_name": "full_name", "description": "description", "language": "language", "topics": "topics",
    "stars": "stars", "forks": "forks", "watchers": "watchers", "open_issues": "open_issues", "license": "license",
    "homepage": "homepage", "archived": "is_archived", "disabled": "is_disabled", "fork": "is_fork",
    "created_at": "created_at", "updated_at": "updated_at", "pushed_at": "pushed_at",
}  # fmt: skip


def rows_of(found: QuerySet) -> Iterator[tuple[Any, ...]]:
    """The rows by blocks, each read when the one before is on its way."""
    after = 0
    while block := list(found.order_by("pk").filter(pk__gt=after).values_list("pk", *COLUMNS.values())[:AT_ONCE]):
        for row in block:
            yield row[1 : len(COLUMNS) + 1]
        after = block[-1][0]


def csv_lines(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line)
    for row in chain([tuple(COLUMNS)], rows):
        writer.writerow([inert(cell_of(value)) for value in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def cell_of(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value


def json_lines(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(dict(zip(COLUMNS, row, strict=True)), default=str, ensure_ascii=False) + "\n"

"""Lines of files become items: a block a transaction, by COPY and one conditional upsert."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from engine.authors import author_hash
from engine.bulk import copy_in
from engine.cleaning import CLEANER, clean, language_of
from engine.text import printable, squeeze
from engine.urls import BadUrl, normal_url, url_hash
from issues.models import ItemEmbedding, RawItem
from issues.models.item import RawItemQuerySet
from issues.schemas import CollectedLine, ItemLine

COLUMNS = {
    "source": "text", "url": "text", "url_hash": "text", "title": "text", "body": "text", "said": "text",
    "cleaned_by": "text", "language": "text", "created_at": "timestamptz", "collected_on": "date",
    "comment_count": "int4", "vote_count": "int4", "author_hash": "text", "author": "text",
    "licence": "text", "upstream_id": "text",
}  # fmt: skip
LONGEST_NAME = 100
USER = re.compile(r"//[^/?#]*@")  # a name and a password, which nobody is shown
KEPT_WHEN_ABSENT = ("created_at", "comment_count", "vote_count")  # null says nothing; the others are always given
KEPT_WHEN_EMPTY = ("author_hash", "author", "licence", "upstream_id")


def import_items(lines: Sequence[ItemLine], day: date | None = None) -> tuple[Counter[str], list[str]]:
    """Insert or update by the normalised url. day: the partition of all of them, else each counts for its own day.

    Returns what became of them, and why some were refused. An item that is there already keeps its day, unless a day
    is given; twice in a block: the later line counts.
    """
    rows, refused = rows_of(lines, day)
    with transaction.atomic():
        copy_in("item_lines", COLUMNS, sorted(rows.values(), key=lambda row: row[2]))
        with connection.cursor() as cursor:
            cursor.execute(UPSERT, [day is not None])
            changed = cursor.fetchall()
        inserted = sum(fresh for _, fresh in changed)
        want_texts([pk for pk, _ in changed])
    given = len(lines) - len(refused)
    counts = Counter(
        inserted=inserted,
        updated=len(changed) - inserted,
        unchanged=len(rows) - len(changed),
        repeated=given - len(rows),
        refused=len(refused),
    )
    return counts, refused


def rows_of(lines: Sequence[ItemLine], day: date | None) -> tuple[dict[str, list[Any]], list[str]]:
    """The row of each post by the hash of its url, the last word of it; and why others were refused."""
    rows: dict[str, list[Any]] = {}
    refused: list[str] = []
    for line in lines:
        try:
            values = row_of(line, day)
        except BadUrl as error:
            refused.append(f"{USER.sub('//', line.url)[:80]!a}: {error}")
        else:
            rows[values[2]] = values
    return rows, refused


def row_of(line: ItemLine, day: date | None) -> list[Any]:
    """The values of a line in the order of COLUMNS. Raises BadUrl."""
    url, body = normal_url(line.url), line.body or ""
    title, said = squeeze(line.title), clean(line.source, body)
    counted_on = day or (line.created_at or timezone.now()).date()
    return [
        line.source, url, url_hash(url), title, body, said, CLEANER, language_of(f"{title}. {said}"),
        line.created_at, counted_on, line.comment_count, line.vote_count,
        author_hash(line.source, line.author), credited(line), line.licence or "",
        line.upstream_id if isinstance(line, CollectedLine) else "",
    ]  # fmt: skip


def credited(line: ItemLine) -> str:
    """The author's name where the post has a licence, of which naming the author is a condition; else nobody's."""
    return squeeze(printable(line.author or ""))[:LONGEST_NAME].strip() if line.licence else ""


def want_texts(ids: Sequence[int]) -> int:
    """Say what those items have to say, for embedding: the title, and the body without what is not language."""
    found = RawItem.objects.filter(pk__in=ids).values_list("pk", "title", "said")
    return ItemEmbedding.objects.want({pk: text_of(title, said) for pk, title, said in found})


def text_of(title: str, said: str) -> str:
    return f"{title}\n{said}".strip()


def stale(day: date, window: int) -> RawItemQuerySet:
    """Items that an older cleaner has cleaned."""
    return RawItem.objects.within(day, window).exclude(cleaned_by=CLEANER)


def clean_again(day: date, window: int) -> int:
    """Those cleaned anew; returns how many."""
    with transaction.atomic():
        items = list(stale(day, window).select_for_update())
        for item in items:
            item.said, item.cleaned_by = clean(item.source, item.body), CLEANER
            item.language = language_of(f"{item.title}. {item.said}")
        RawItem.objects.bulk_update(items, ["said", "cleaned_by", "language"], batch_size=1000)
        want_texts([item.pk for item in items])
    return len(items)


def upsert() -> str:
    """The statement. %s: whether an item that is there moves to the day of its line."""
    merged = {name: f"coalesce(s.{name}, i.{name})" if name in KEPT_WHEN_ABSENT else f"s.{name}" for name in COLUMNS}
    merged["collected_on"] = "CASE WHEN %s THEN s.collected_on ELSE i.collected_on END"
    for name in KEPT_WHEN_EMPTY:
        merged[name] = f"coalesce(nullif(s.{name}, ''), i.{name})"
    del merged["url_hash"]
    columns = ", ".join(COLUMNS)
    values = ", ".join(merged.values())
    return f"""
        WITH given AS (SELECT %s AS moves),
        known AS MATERIALIZED (
            SELECT i.id FROM issues_rawitem i JOIN pg_temp.item_lines s USING (url_hash) ORDER BY i.id FOR UPDATE OF i),
        updated AS (
            UPDATE issues_rawitem i SET {", ".join(f"{name} = {value}" for name, value in merged.items())}
            FROM pg_temp.item_lines s, known k
            WHERE i.id = k.id AND i.url_hash = s.url_hash
              AND ({values}) IS DISTINCT FROM ({", ".join(f"i.{name}" for name in merged)})
            RETURNING i.id, FALSE),
        inserted AS (
            INSERT INTO issues_rawitem ({columns})
            SELECT {columns} FROM pg_temp.item_lines ORDER BY url_hash
            ON CONFLICT (url_hash) DO NOTHING
            RETURNING id, TRUE)
        SELECT * FROM updated UNION ALL SELECT * FROM inserted
    """.replace("CASE WHEN %s", "CASE WHEN (SELECT moves FROM given)")  # noqa: S608  names from this module


UPSERT = upsert()

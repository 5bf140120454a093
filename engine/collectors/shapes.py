"""What answers must look like, and what becomes of rows that look otherwise: nothing of theirs is trusted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from engine.http import Answer, Unreadable
from engine.records import Page, Post
from engine.schemas import moment

ELSEWHERE = "elsewhere"  # the reason of what is not of the day that was asked for


class Shape(BaseModel):
    """Fields that nobody asked for are ignored; a number is no text, and a text no number."""

    model_config = ConfigDict(strict=True, extra="ignore")


Shaped = TypeVar("Shaped", bound=Shape)
Record = TypeVar("Record")
Row = TypeVar("Row")


def storable(value: Any) -> Any:
    """A text without what a database refuses: NUL, and halves of characters."""
    if not isinstance(value, str):
        return value
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


def epoch(value: Any) -> datetime:
    """Seconds since 1970, also with a fraction. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number of seconds")
    if not 0 <= value < 2**32:
        raise ValueError("not a time of our days")
    return datetime.fromtimestamp(value, UTC)


Text = Annotated[str, BeforeValidator(storable)]
Epoch = Annotated[datetime, BeforeValidator(epoch)]
Iso = Annotated[datetime, BeforeValidator(moment)]


def read(shape: type[Shaped], value: Any) -> Shaped | str:
    """The row, or in a word or two what is wrong with it."""
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part)[:40] for part in fault["loc"])
        return f"no {where}" if fault["type"] == "missing" else f"bad {where or 'form'}"


def whole(shape: type[Shaped], answer: Answer) -> Shaped:
    """What holds the rows. Raises Unreadable where it is anything else: an empty page it is not."""
    found = read(shape, answer.json())
    if isinstance(found, str):
        raise Unreadable(f"not the answer that was asked for: {found}")
    return found


def sorted_out(rows: Iterable[Any], parse: Callable[[Any], Record | str]) -> tuple[list[Record], Counter[str]]:
    """The records among the rows, and of the others how many there are of each reason."""
    records: list[Record] = []
    skipped: Counter[str] = Counter()
    for row in rows:
        found = parse(row)
        if isinstance(found, str):
            skipped[found] += 1
        else:
            records.append(found)
    return records, skipped


def page_of(
    rows: Sequence[Any], parse: Callable[[Any], Post | str], wanted: Callable[[Post], bool], **facts: Any
) -> Page[Post]:
    """The posts among the rows that are wanted; the others are counted as `elsewhere`."""
    posts, skipped = sorted_out(rows, parse)
    kept = [post for post in posts if wanted(post)]
    if len(posts) > len(kept):
        skipped[ELSEWHERE] += len(posts) - len(kept)
    return Page(kept, skipped=dict(skipped), **facts)

"""Pages of results: {next, previous, results}, where next and previous are addresses to follow as they are.

A cursor is signed together with the address, the filters and the person it was made for, so it fits nowhere else.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core.signing import BadSignature, Signer
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import Combinable
from rest_framework.request import Request

from engine.api.errors import Refusal
from engine.api.parameters import CURSOR

SIZE = "page_size"
Draw = Callable[[list[Any]], Sequence[Any]]
Page = dict[str, Any]


class Order(NamedTuple):
    """What a list is ordered by; the key is never null, ties go by id."""

    key: Combinable
    descending: bool = True


def by_key(request: Request, rows: QuerySet[Any], order: Order, size: int, draw: Draw) -> Page:
    """The page that begins after the row of the cursor, however many came or went meanwhile."""
    at = position(request)
    back = bool(at and at["back"])
    rows = rows.annotate(page_key=order.key)
    if at:
        rows = rows.filter(beyond(at["key"], at["pk"], order.descending != back, back))
    sign, tie = "-" if order.descending != back else "", "-pk" if back else "pk"
    found = list(rows.order_by(f"{sign}page_key", tie)[: size + 1])
    more, found = len(found) > size, found[:size]
    if back:
        found.reverse()
    following = bool(found) and (more or back)
    before = bool(found) and (more if back else at is not None)
    return {
        "next": address(request, place(found[-1], back=False)) if following else None,
        "previous": address(request, place(found[0], back=True)) if before else None,
        "results": draw(found),
    }


def beyond(key: Any, pk: int, falling: bool, back: bool) -> Q:
    """The rows after a position; before it, when going back."""
    side, tie = "lt" if falling else "gt", "lt" if back else "gt"
    return Q(**{f"page_key__{side}": key}) | Q(page_key=key, **{f"pk__{tie}": pk})


def place(row: Any, back: bool) -> dict[str, Any]:
    key = row.page_key
    return {"key": key.isoformat() if isinstance(key, date) else key, "pk": row.pk, "back": back}


def by_rank(request: Request, ids: Sequence[int], fetch: Callable[[list[int]], list[Any]], size: int) -> Page:
    """A page of a ranking that is made anew each time; it is short, so the cursor is a place in it."""
    at = position(request)
    start = int(at["start"]) if at else 0
    end = start + size
    return {
        "next": address(request, {"start": end}) if end < len(ids) else None,
        "previous": address(request, {"start": max(start - size, 0)}) if start else None,
        "results": fetch(list(ids[start:end])),
    }


def in_order(rows: QuerySet[Model], ids: list[int]) -> list[Any]:
    """The rows with those ids, in their order; what is gone is left out."""
    found = rows.in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


def position(request: Request) -> dict[str, Any] | None:
    """What the cursor of the request says; None without one."""
    text = request.query_params.get(CURSOR)
    if text is None:
        return None
    try:
        found: dict[str, Any] = signer(request).unsign_object(text)
    except (BadSignature, ValueError):
        raise Refusal(400, "bad_cursor", "No page of this list; begin without a cursor.", CURSOR) from None
    return found


def address(request: Request, at: dict[str, Any]) -> str:
    asked = [*parameters(request), (CURSOR, signer(request).sign_object(at))]
    if size := request.query_params.get(SIZE):
        asked.insert(-1, (SIZE, size))
    return request.build_absolute_uri(f"{request.path}?{urlencode(asked)}")


def signer(request: Request) -> Signer:
    return Signer(salt=repr((CURSOR, request.path, sorted(parameters(request)), request.user.pk)))


def parameters(request: Request) -> list[tuple[str, str]]:
    """What the list was asked for."""
    return [
        (name, value) for name, values in request.query_params.lists() if name not in (CURSOR, SIZE) for value in values
    ]

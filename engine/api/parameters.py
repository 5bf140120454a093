"""Query parameters, strictly: known, once, and with a value."""

from collections.abc import Collection
from functools import cache
from typing import Any

from django.http import QueryDict
from rest_framework.serializers import ListField, MultipleChoiceField

from engine.api.errors import Refusal
from engine.api.serializers import Asked

CURSOR = "cursor"  # part of the addresses that a page of results gives; nobody makes one


def checked(asked: QueryDict, known: type[Asked], others: Collection[str] = ()) -> dict[str, Any]:
    """The values of the parameters. others: what else is allowed, and looked at elsewhere."""
    if not asked:
        return dict(when_none_is_given(known))
    serializer = known(data={})
    many = {name for name, field in serializer.fields.items() if isinstance(field, ListField | MultipleChoiceField)}
    allowed = [*serializer.fields, *others]
    for name, values in asked.lists():
        refuse_unless(name in allowed, name, f"Unknown parameter; allowed: {', '.join(allowed) or 'none'}.")
        refuse_unless(len(values) == 1 or name in many, name, "Given more than once; allowed: once.")
    given = {name: values if name in many else values[-1] for name, values in asked.lists() if name not in others}
    serializer = known(data=given)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


@cache
def when_none_is_given(known: type[Asked]) -> dict[str, Any]:
    """The defaults, checked once: most requests have no parameter at all."""
    serializer = known(data={})
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def refuse_unless(true: bool, name: str, message: str) -> None:
    if not true:
        raise Refusal(400, "bad_parameter", message, name[:60])

"""Fields and serializers that take what is documented and nothing else."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework import serializers

from engine.api.parsing import LARGEST

PLAIN = re.compile(r"-?[0-9]{1,20}")
# Text of people: no control character but tab and line end, nothing that turns the direction of what follows.
STEERING = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069"
PLAIN_TEXT = rf"^[^{STEERING}]*$"
PLAIN_WORDS = rf"^[^\s{STEERING}]([^{STEERING}]*[^\s{STEERING}])?$"


class StrictSerializer(serializers.Serializer[Any]):
    """Unknown keys are refused, not ignored: whoever sends one believes that it does something."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = [name for name, field in self.fields.items() if not field.read_only]
            for name in data:
                if name not in known:
                    message = f"Unknown; allowed: {', '.join(known) or 'none'}."
                    raise serializers.ValidationError({str(name)[:60]: [message]}, code="unknown")
        return super().to_internal_value(data)


class Text(serializers.RegexField):
    """A JSON string; a number is not taken for one."""

    default_error_messages = {"invalid": "It is not a plain text of the form that is documented."}

    def __init__(self, regex: str = PLAIN_TEXT, **kwargs: Any) -> None:
        super().__init__(regex, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number in plain digits; int() takes more than that: 1_000, ١, 1.0."""

    def to_internal_value(self, data: Any) -> int:
        if not PLAIN.fullmatch(str(data)) or not -LARGEST <= int(data) < LARGEST:
            self.fail("invalid")
        return int(data)


class Choice(serializers.ChoiceField):
    """One of a few words; the error names them."""

    default_error_messages = {"invalid_choice": "Allowed: {allowed}."}

    def to_internal_value(self, data: Any) -> Any:
        if data not in self.choices if isinstance(data, str) else True:
            self.fail("invalid_choice", allowed=", ".join(map(str, self.choices)))
        return data


class Asked(StrictSerializer):
    """Query parameters of a view; none, unless a subclass names some."""


class PageAsked(Asked):
    page_size = Whole(min_value=1, max_value=100, default=20, help_text="How many results a page has.")


class Problem(serializers.Serializer[Any]):
    """What every error says. field: the parameter or the part of the body that is at fault."""

    code = serializers.CharField()
    message = serializers.CharField()
    field = serializers.CharField(allow_null=True)


def drawn(shows: type[serializers.Serializer[Any]], rows: Iterable[Any]) -> list[Any]:
    """Each row as that serializer shows it."""
    return list(shows(rows, many=True).data)

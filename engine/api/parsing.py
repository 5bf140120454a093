"""JSON, strictly: one object in UTF-8 that every reader understands alike and the database can hold."""

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from engine.api.errors import Refusal

DEEPEST = 50
LARGEST = 2**63  # ints from -LARGEST to LARGEST - 1
NO_TEXT = re.compile("[\0\ud800-\udfff]")
SURE_UTF8 = re.compile(r'application/json\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?', re.IGNORECASE)


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        if not SURE_UTF8.fullmatch((media_type or "").strip()):
            raise Refusal(415, "unsupported_media_type", "Allowed: application/json in UTF-8.")
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise Refusal.plain(413)
        return loads(body)


def loads(body: bytes) -> dict[str, Any]:
    """The object in a body; a Refusal for anything else."""
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=object_of,
            parse_constant=no_number,
            parse_float=finite,
            parse_int=whole,
        )
    except UnicodeDecodeError:
        raise fault("The body is not UTF-8.") from None
    except RecursionError:
        raise fault(f"The body is nested too deep; allowed: {DEEPEST} levels.") from None
    except json.JSONDecodeError as error:
        raise fault(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    if not isinstance(value, dict):
        raise fault("The body is not a JSON object.")
    check(value)
    return value


def fault(message: str) -> Refusal:
    return Refusal(400, "bad_json", message)


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise fault("An object has the same key twice.")
    return made


def no_number(text: str) -> float:
    raise fault(f"{text} is not JSON.")


def finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise fault("A number is too large.")
    return number


def whole(text: str) -> int:
    if len(text) > 20 or not -LARGEST <= int(text) < LARGEST:
        raise fault("A whole number has more than 64 bits.")
    return int(text)


def check(value: Any, depth: int = 1) -> None:
    """Refuse what is nested too deep, and strings with what no text holds."""
    if isinstance(value, str):
        if NO_TEXT.search(value):
            raise fault("A string holds characters that no text has.")
    elif isinstance(value, dict | list):
        if depth > DEEPEST:
            raise fault(f"The body is nested too deep; allowed: {DEEPEST} levels.")
        for below in [*value, *value.values()] if isinstance(value, dict) else value:
            check(below, depth + 1)

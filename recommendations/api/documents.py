"""The schema of the API, and the page that is drawn from it."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from engine.api.serializers import Asked, Choice
from engine.api.views import View
from recommendations.models import Category, TechStack

NAMES_OF = "x-names-of"  # marks, while the schema is made, where the names of a table belong
RENDERERS: dict[str, type[BaseRenderer]] = {"json": OpenApiJsonRenderer2, "yaml": OpenApiYamlRenderer2}


class TermField(OpenApiSerializerFieldExtension):
    target_class = "recommendations.api.serializers.Term"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return {"type": "string", NAMES_OF: self.target.kind}


class SchemaAsked(Asked):
    format = Choice(list(RENDERERS), required=False)


@extend_schema(exclude=True)
class Schema(View):
    """The API in OpenAPI 3, as YAML or JSON."""

    public = True
    asks = SchemaAsked
    renderer_classes = [OpenApiYamlRenderer, OpenApiYamlRenderer2, OpenApiJsonRenderer, OpenApiJsonRenderer2]

    def get(self, request: Request) -> Response:
        if chosen := self.asked.get("format"):
            request.accepted_renderer = RENDERERS[chosen]()
            request.accepted_media_type = request.accepted_renderer.media_type
        return Response(schema())


def schema() -> dict[str, Any]:
    """The schema with the names that the tables hold now."""
    names = {
        kind: tuple(model._default_manager.values_list("name", flat=True))
        for kind, model in (("categories", Category), ("stacks", TechStack))
    }
    return schema_with(names["categories"], names["stacks"])


@lru_cache(maxsize=2)
def schema_with(categories: tuple[str, ...], stacks: tuple[str, ...]) -> dict[str, Any]:
    made: dict[str, Any] = copy.deepcopy(SchemaGenerator().get_schema(request=None, public=True))
    names = {"categories": categories, "stacks": stacks}
    for part in parts_of(made):
        kind = part.pop(NAMES_OF, None)
        if kind and names[kind]:
            part["enum"] = list(names[kind])
    return made


def parts_of(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a schema."""
    if isinstance(value, dict):
        yield value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts_of(below)


# The page


@dataclass(frozen=True)
class Answer:
    status: str
    when: str
    example: str


@dataclass(frozen=True)
class Parameter:
    name: str
    where: str
    told: str
    type: str
    allowed: str


@dataclass(frozen=True)
class Operation:
    """One method of one address, in words."""

    id: str
    method: str
    path: str
    summary: str
    told: str
    who: str
    parameters: list[Parameter]
    fields: list[Parameter]
    request: str
    answers: list[Answer]
    errors: list[Answer]


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """How the API is used, drawn from its schema."""
    described = schema()
    context = {
        "operations": [
            operation(described, method, path, one)
            for path, methods in described["paths"].items()
            for method, one in methods.items()
        ],
        "rates": api_settings.DEFAULT_THROTTLE_RATES,
        "site": settings.SITE_URL,
    }
    return render(request, "api_docs.html", context)


def operation(described: dict[str, Any], method: str, path: str, one: dict[str, Any]) -> Operation:
    answers = [answer(status, each) for status, each in sorted(one["responses"].items())]
    body = one.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        id=one["operationId"],
        method=method.upper(),
        path=path,
        summary=one["summary"],
        told=one["description"] if one["description"] != one["summary"] else "",
        who="Open to everyone." if {} in one["security"] else "Needs you signed in, or a key of yours.",
        parameters=[parameter(each["name"], each["in"], each) for each in one.get("parameters", [])],
        fields=fields(described, body.get("schema", {})),
        request=example(body),
        answers=[each for each in answers if each.status < "3"],
        errors=[each for each in answers if each.status >= "4"],
    )


def fields(described: dict[str, Any], schema: dict[str, Any]) -> list[Parameter]:
    """What an object may hold."""
    whole = resolved(described, schema)
    return [parameter(name, "body", {"schema": each, **each}) for name, each in whole.get("properties", {}).items()]


def resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return described["components"]["schemas"].get(name, schema)


def parameter(name: str, where: str, said: dict[str, Any]) -> Parameter:
    kind = said["schema"]
    inner = kind.get("items", kind)
    told = f"list of {inner.get('type', '')}" if "items" in kind else kind.get("type", "")
    return Parameter(name, where, said.get("description", ""), told, allowed(kind, inner))


def allowed(kind: dict[str, Any], inner: dict[str, Any]) -> str:
    """The limits of a value in words."""
    said = []
    if "enum" in inner:
        shown = [str(value) for value in inner["enum"][:8]]
        said.append(", ".join(shown) + (" …" if len(inner["enum"]) > len(shown) else ""))
    if "minimum" in kind or "maximum" in kind:
        said.append(f"{kind.get('minimum', '')} to {kind.get('maximum', '')}")
    if "maxLength" in inner:
        said.append(f"at most {inner['maxLength']} characters")
    if "maxItems" in kind:
        said.append(f"{kind.get('minItems', 0)} to {kind['maxItems']} of them")
    if "default" in kind:
        said.append(f"{kind['default']} unless given")
    return "; ".join(said)


def answer(status: str, said: dict[str, Any]) -> Answer:
    return Answer(status, said["description"], example(next(iter(said.get("content", {}).values()), {})))


def example(content: dict[str, Any]) -> str:
    examples = list(content.get("examples", {}).values())
    shown = examples[0]["value"] if examples else None
    return json.dumps(shown, indent=2, ensure_ascii=False) if shown is not None else ""

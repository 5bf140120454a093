"""What the API says of itself in OpenAPI."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from engine.api import idempotency
from engine.api.serializers import Problem, StrictSerializer
from engine.api.views import View

F = TypeVar("F", bound=Callable[..., Any])

ALWAYS = (400, 401, 405, 406, 429)
WRITING = (403, 409, 413, 415, 422)
NOT_SIGNED = "The Authorization header holds no valid key."
NO_SCOPE = "The key lacks the scope write."
AT_WORK = "The first request with this key is still at work."
REUSED = "The key belongs to another request."
# when, code, message, field
ERRORS: Mapping[int, tuple[str, str, str, str | None]] = {
    400: ("A parameter or a field is wrong.", "max_value", "Ensure this value is less than or equal to 50.", "top"),
    401: ("Nobody is signed in, or the key is wrong.", "invalid_key", NOT_SIGNED, None),
    403: ("The key lacks the scope, the CSRF token is missing, or it is not allowed.", "missing_scope", NO_SCOPE, None),
    404: ("There is no such thing, or it is not yours to see.", "not_found", "There is nothing here.", None),
    405: ("The address does not take that method.", "method_not_allowed", 'Method "PUT" not allowed.', None),
    406: ("JSON is not accepted.", "not_acceptable", "Could not satisfy the request Accept header.", None),
    409: ("The first request with this Idempotency-Key is at work.", "at_work", AT_WORK, idempotency.HEADER),
    413: ("The body is larger than 2 MB.", "too_large", "The body is larger than 2 MB.", None),
    415: ("The body is not JSON in UTF-8.", "unsupported_media_type", "Allowed: application/json in UTF-8.", None),
    422: ("The Idempotency-Key was used before.", "idempotency_key_reused", REUSED, idempotency.HEADER),
    429: ("Too many requests; Retry-After says when to come.", "throttled", "Too many requests; again in 12 s.", None),
}


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "engine.api.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key, made on the page of your profile."}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "engine.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        told = "Signed in on the pages; a write also needs the header X-CSRFToken."
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME, "description": told}


def figure(name: str, told: str) -> OpenApiParameter:
    return OpenApiParameter(name, int, OpenApiParameter.HEADER, description=told, response=True)


LEFT = (
    figure("X-RateLimit-Limit", "Requests a minute."),
    figure("X-RateLimit-Remaining", "Requests left in this minute."),
    figure("X-RateLimit-Reset", "Seconds until the minute ends."),
)


class Operation(AutoSchema):
    """Reads off the view what it asks for and who may come."""

    def get_override_parameters(self) -> list[Any]:
        if self.method != "GET":
            return [*LEFT]
        asks = cast(View, self.view).asks
        return [*LEFT, asks] if asks._declared_fields else [*LEFT]

    def get_auth(self) -> list[dict[str, Any]]:
        view = cast(View, self.view)
        nobody: list[dict[str, Any]] = [{}] if view.public and self.method in view.public_methods else []
        return [*super().get_auth(), *nobody]

    def _map_basic_serializer(self, serializer: Any, direction: str) -> dict[str, Any]:
        mapped: dict[str, Any] = super()._map_basic_serializer(serializer, direction)
        return {**mapped, "additionalProperties": False} if isinstance(serializer, StrictSerializer) else mapped

    def _get_request_body(self, direction: str = "request") -> dict[str, Any] | None:
        """A DELETE that must be confirmed has a body too, which spectacular does not foresee."""
        if self.method == "DELETE" and getattr(self.view, "confirmed_by", None):
            self.method = "POST"
            try:
                return super()._get_request_body(direction)
            finally:
                self.method = "DELETE"
        return super()._get_request_body(direction)


def described(
    name: str,
    summary: str,
    answers: Mapping[int, tuple[Any, Any]],
    *errors: int,
    told: str = "",
    request: Any = None,
    body: Any = None,
) -> Callable[[F], F]:
    """Say what an operation is. answers: serializer and example by status; body: an example of the request."""
    responses: dict[int, Any] = {status: answer(status, *each) for status, each in answers.items()}
    writing = WRITING if request or {201, 204} & set(answers) else ()
    responses |= {status: problem(status) for status in sorted({*ALWAYS, *writing, *errors})}
    examples = [OpenApiExample("request", value=body, request_only=True)] if body is not None else []
    return extend_schema(
        operation_id=name,
        summary=summary,
        description=told or summary,
        request=request,
        responses=responses,
        examples=examples,
    )


def answer(status: int, serializer: Any, example: Any) -> OpenApiResponse:
    examples = [] if example is None else [shown(str(status), status, example)]
    return OpenApiResponse(serializer, description="Done." if serializer else "Done; no body.", examples=examples)


def problem(status: int) -> OpenApiResponse:
    when, code, message, field = ERRORS[status]
    value = {"code": code, "message": message, "field": field}
    return OpenApiResponse(Problem, description=when, examples=[shown(code, status, value)])


def shown(name: str, status: int, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=[str(status)])


@cache
def page_of(item: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """The envelope of a page of such items."""
    fields = {
        "next": serializers.URLField(allow_null=True, help_text="The next page, to follow as it is."),
        "previous": serializers.URLField(allow_null=True, help_text="The page before."),
        "results": item(many=True),
    }
    return type(f"{item.__name__}Page", (serializers.Serializer,), fields)


def page(*results: Any) -> dict[str, Any]:
    """An example of a page."""
    return {"next": None, "previous": None, "results": list(results)}

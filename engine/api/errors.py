"""Every error of the API as {code, message, field}: a status below 500, no trace, no word of the database."""

from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import DataError
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions
from rest_framework.response import Response

MESSAGES = {
    400: ("bad_request", "The request cannot be understood."),
    403: ("permission_denied", "This is not allowed."),
    404: ("not_found", "There is nothing here."),
    413: ("too_large", "The body is larger than 2 MB."),
}


class Refusal(exceptions.APIException):
    """A request that is answered with an error. field: the parameter or the part of the body that is at fault."""

    def __init__(
        self, status: int, code: str, message: str, field: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message, code)
        self.status_code = status
        self.code, self.message, self.field, self.wait = code, message, field, retry_after

    @classmethod
    def plain(cls, status: int) -> "Refusal":
        return cls(status, *MESSAGES[status])


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an error that is the caller's; None for one of ours, which is raised again and logged."""
    told = refusal(error)
    if told is None:
        return None
    headers = {"Retry-After": str(told.wait)} if told.wait else {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    return Response(body(told.code, told.message, told.field), status=told.status_code, headers=headers)


def body(code: str, message: str, field: str | None = None) -> dict[str, str | None]:
    return {"code": code, "message": message, "field": field}


def refusal(error: Exception) -> Refusal | None:
    """What any error says to the caller."""
    match error:
        case Refusal():
            return error
        case Http404() | exceptions.NotFound():
            return Refusal.plain(404)
        case PermissionDenied():
            return Refusal.plain(403)
        case RequestDataTooBig():
            return Refusal.plain(413)
        case SuspiciousOperation() | MultiPartParserError() | UnreadablePostError() | DataError():
            return Refusal.plain(400)
        case ValidationError():
            return Refusal(400, error.error_list[0].code or "invalid", error.messages[0])
        case exceptions.ValidationError():
            return Refusal(400, *first_fault(error.detail))
        case exceptions.Throttled():
            wait = int(getattr(error, "wait", None) or 1)
            return Refusal(429, "throttled", f"Too many requests; again in {wait} s.", None, wait)
        case exceptions.APIException():
            detail = error.detail if isinstance(error.detail, exceptions.ErrorDetail) else error.default_detail
            return Refusal(error.status_code, getattr(detail, "code", error.default_code), str(detail))
    return None


def first_fault(detail: Any, path: tuple[str, ...] = ()) -> tuple[str, str, str | None]:
    """Code, message and field of the first fault in a tree of them."""
    if isinstance(detail, dict):
        name, below = next(iter(detail.items()))
        return first_fault(below, path if name == "non_field_errors" else (*path, str(name)))
    if isinstance(detail, list):
        at, below = next((at, below) for at, below in enumerate(detail) if below)
        return first_fault(below, path if isinstance(below, str) else (*path, str(at)))
    return getattr(detail, "code", None) or "invalid", str(detail), ".".join(path) or None

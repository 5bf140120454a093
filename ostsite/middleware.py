"""What every request goes through: an id and a line in the log, and an answer while the database is away."""

import logging
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

import redis
import structlog
from django.conf import settings
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError, close_old_connections
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.template.loader import render_to_string

from engine import tracing
from engine.logs import scrubbed
from ostsite import errors, latency

logger = structlog.get_logger(__name__)

Next = Callable[[HttpRequest], HttpResponse]
QUIET = ("/livez", "/health", "/metrics")  # asked every few seconds
METHODS = ("GET", "HEAD", "POST")  # of pages; the API knows more
RETRY_SECONDS = 5
AWAY = "ost.database_away"  # in request.META: what went wrong is told already
DATABASE_AWAY = (OperationalError, InterfaceError)
CACHE_AWAY = (redis.ConnectionError, redis.TimeoutError)  # without it nobody can say how often somebody tried
MESSAGE = "The database does not answer. Try again in a few seconds."


class RequestLog:
    """Each request gets an id, which is in all its lines and in the answer's X-Request-ID, and one event `request`.

    django-structlog does this too, but logs the query string; what people type is nobody's to keep. An id that
    the client sends is not taken: it could be somebody else's.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = uuid.uuid4().hex[:16]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=given)
        begun = time.perf_counter()
        try:
            response = self.traced(request)
            response["X-Request-ID"] = given
            log = logger.debug if request.path in QUIET else logger.info
            ms = round((time.perf_counter() - begun) * 1000, 1)
            log("request", method=request.method, path=request.path, status=response.status_code, ms=ms)
            if request.path not in QUIET:
                latency.observe(request, response, ms / 1000)
            return response
        finally:
            structlog.contextvars.clear_contextvars()

    def traced(self, request: HttpRequest) -> HttpResponse:
        """Under the name of its route; what a client says of a trace is not taken either."""
        if request.path in QUIET:
            return self.get_response(request)
        with tracing.span("request", "server") as span:
            response = self.get_response(request)
            method, route = latency.method_of(request), latency.route_of(request)
            span.update_name(f"{method} {route}")
            for name, value in (("request.method", method), ("route", route)):
                span.set_attribute(f"http.{name}", value)
            span.set_attribute("http.response.status_code", response.status_code)
            return response


class DatabaseAway:
    """While the database is away: 503, Retry-After, and one warning instead of a trace.

    A view's error comes to process_exception. That of a middleware below has become a 500 by the time it gets
    here; the signal that Django sent on the way is how it is known.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        return unavailable(request) if response.status_code == 500 and AWAY in request.META else response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return unavailable(request) if noted(request, exception) else None


def noted(request: HttpRequest, error: BaseException | None) -> bool:
    """Whether that error says that the database is away, or the cache; if so it is logged, a dead connection closed."""
    if not isinstance(error, DATABASE_AWAY + CACHE_AWAY):
        return False
    away = "database" if isinstance(error, DATABASE_AWAY) else "cache"
    reason = scrubbed(str(error)).strip().split("\n")[0][:200]  # the lines below may show the statement
    logger.warning(f"{away}_unavailable", path=request.path, error=type(error).__name__, reason=reason)
    request.META[AWAY] = True
    if away == "database":
        close_old_connections()
    return True


@receiver(got_request_exception)
def risen_below(sender: object, request: HttpRequest, **kwargs: Any) -> None:
    noted(request, sys.exc_info()[1])


def not_told(record: logging.LogRecord) -> bool:
    """A filter of Django's lines about requests: what `noted` has logged is not said again."""
    return AWAY not in getattr(getattr(record, "request", None), "META", ())


logging.getLogger("django.request").addFilter(not_told)


def unavailable(request: HttpRequest) -> HttpResponse:
    headers = {"Retry-After": str(RETRY_SECONDS)}
    wants_json = request.get_preferred_type(["text/html", "application/json"]) == "application/json"
    if wants_json or errors.for_programs(request):
        said = {"code": "database_unavailable", "message": MESSAGE, "field": None}
        return JsonResponse(said, status=503, headers=headers)
    page = render_to_string("503.html", {"message": MESSAGE})  # without the request: that asks for nothing
    return HttpResponse(page, status=503, headers=headers)


class Boundary:
    """What no page and no table can hold is refused before anything reads it: NUL, and bytes that are not UTF-8.

    So is a method that no page knows: Django's admin and allauth would take some for GET or POST. So are more
    parameters than Django reads: the page that says what is wrong has a search field, which reads them again. A cookie
    may hold NUL as well, written \\000; one with the name of the session's would be asked of the database.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        asked = unquote_to_bytes(query) + request.path_info.encode("utf-8", "replace")
        if b"\0" in asked or not is_utf8(asked) or any("\0" in value for value in request.COOKIES.values()):
            return errors.answered(request, 400, message="The address or a cookie holds characters that no text has.")
        if query.count("&") >= settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:
            return errors.answered(request, 400, message="The address holds too many parameters.")
        if request.method not in METHODS and not errors.for_programs(request):
            return HttpResponseNotAllowed(METHODS)
        return self.get_response(request)


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class Private:
    """A page that somebody signed in sees is kept by no cache on its way."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.headers.get("Cookie") or request.headers.get("Authorization"):
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response

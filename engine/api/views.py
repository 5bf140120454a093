"""What every view of the API does beside its own work."""

import hashlib
from collections.abc import Collection
from typing import Any, NoReturn

from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.api import idempotency, parameters
from engine.api.serializers import Asked
from engine.api.throttling import Throttle
from engine.models.access import Along

VARY = ("Authorization", "Cookie")
KEPT_BY_NOT_MODIFIED = ("Cache-Control", "ETag", "Vary")


class View(APIView):
    """Names and counts the caller, checks the query, replays repeated writes, and answers 304 to who has it already.

    public: everyone may use the methods of public_methods, which only read. asks: the query parameters of GET;
    asks_also: names that the view looks at itself.
    required_scope: of a key, instead of read or write. required_permission: of the caller, whoever it is.
    """

    http_method_names = ["get", "head", "post", "patch", "delete"]
    metadata_class = None
    format_kwarg = None
    public = False
    public_methods: Collection[str] = SAFE_METHODS
    asks: type[Asked] = Asked
    asks_also: Collection[str] = ()
    required_scope = ""
    required_permission = ""
    caching = "no-cache"

    throttle: Throttle | None = None
    claim: idempotency.Claim | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        if request.method not in self.allowed_methods:
            raise MethodNotAllowed(str(request.method)[:20])
        try:
            self.perform_authentication(request)
        finally:  # who tries keys is counted too
            self.check_throttles(request)
        self.check_permissions(request)
        reading = request.method in ("GET", "HEAD")
        known, others = (self.asks, self.asks_also) if reading else (Asked, ())
        self.asked = parameters.checked(request.query_params, known, others)
        self.claim = idempotency.begin(request)

    def read_along(self) -> Along | None:
        """What else to read while the key is looked up; it comes with the key."""
        return None

    def get_throttles(self) -> list[Any]:
        self.throttle = Throttle()
        return [self.throttle]

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, idempotency.Replay):
            return exc.response  # type: ignore[return-value]  # kept as it was sent
        return super().handle_exception(exc)

    def raise_uncaught_exception(self, exc: Exception) -> NoReturn:
        if self.claim:
            idempotency.end(self.claim, None)
        raise exc

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any) -> Any:
        if response.status_code >= 400:
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), "application/json"
        # Django's response where a view gives one; DRF's types know only its own.
        made: Any = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
        if isinstance(made, Response):
            made.render()
        if self.claim and isinstance(made, HttpResponse):
            idempotency.end(self.claim, made)
        made = self.cached(request, made)
        self.tell_what_is_left(made)
        return made

    def cached(self, request: Request, response: Any) -> HttpResponse:
        """With an ETag, if it is something to read; 304 for who holds the same."""
        patch_vary_headers(response, VARY)
        if request.method not in ("GET", "HEAD") or response.status_code != 200:
            response["Cache-Control"] = "private, no-store"
            return response
        private = not self.public or request.META.get("HTTP_AUTHORIZATION") or request.META.get("HTTP_COOKIE")
        response["Cache-Control"] = f"private, {self.caching}" if private else self.caching
        if self.caching == "no-store":
            return response
        if "ETag" not in response:
            response["ETag"] = etag_of(response.content)
        return not_modified(response) if holds(request, response["ETag"]) else response

    def tell_what_is_left(self, response: HttpResponse) -> None:
        left = getattr(self.throttle, "left", None)
        if left:
            response["X-RateLimit-Limit"] = str(left.limit)
            response["X-RateLimit-Remaining"] = str(left.remaining)
            response["X-RateLimit-Reset"] = str(left.reset)


def etag_of(content: bytes) -> str:
    return f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'


def holds(request: Request, etag: str) -> bool:
    """Whether If-None-Match names that answer."""
    named = parse_etags(request.META.get("HTTP_IF_NONE_MATCH", ""))
    return "*" in named or etag in (f"W/{each.removeprefix('W/')}" for each in named)


def not_modified(response: HttpResponse) -> HttpResponse:
    kept = {name: response[name] for name in KEPT_BY_NOT_MODIFIED if name in response}
    return HttpResponse(status=304, headers=kept)

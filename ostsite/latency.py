"""How long requests take, by their route: the name that the table of addresses gives it, never what somebody typed."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from engine.tallies import Figure

SECONDS = Figure(
    "ost_request_duration_seconds",
    "Time until an answer began, by route",
    ("method", "status", "route"),
    (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
    most=36,
)
TALLIES = (SECONDS,)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Of many addresses, each rarely asked for, one figure is enough.
TOGETHER = {"account": "accounts", "mfa": "accounts", "socialaccount": "accounts", "github": "accounts"}


def observe(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    SECONDS.observe(seconds, method_of(request), f"{response.status_code // 100}xx", route_of(request))


def method_of(request: HttpRequest) -> str:
    method = request.method or ""
    return "GET" if method == "HEAD" else method if method in METHODS else "other"


def route_of(request: HttpRequest) -> str:
    """`admin` and `accounts` for all of theirs; `none` where no route was found, or none with that method."""
    match = request.resolver_match
    if match is None:
        return "static" if request.path_info.startswith(settings.STATIC_URL) else "none"
    if match.app_name == "admin":
        return "admin"
    name = match.url_name or "none"
    return TOGETHER.get(name.partition("_")[0], name)

"""What is answered when a request fails: a page with a way back, or {code, message, field} to programs."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

CODES = {400: "bad_request", 403: "forbidden", 404: "not_found", 429: "throttled", 500: "server_error"}
MESSAGES = {
    400: "Something in this request cannot be read.",
    403: "This page is not for you, or not without signing in.",
    404: "There is nothing at this address. It may have moved, or the link may be wrong.",
    429: "That was a lot in a short time. Wait a minute, then try again.",
    500: "The fault is ours, and it is in the log. Try again in a minute.",
}
STALE_FORM = (
    "This form is too old, or your browser did not send the site's cookie with it. Go back, load the page again and "
    "send the form once more. If it happens again, allow cookies for this site."
)


def answered(request: HttpRequest, status: int, code: str = "", message: str = "", title: str = "") -> HttpResponse:
    """The failure in the form that the address promises."""
    said = message or MESSAGES[status]
    if for_programs(request):
        content = {"code": code or CODES[status], "message": said, "field": None}
        return JsonResponse(content, status=status)
    return render(request, f"{status}.html", {"message": said, "title": title}, status=status)


def for_programs(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/recommendations/"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answered(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answered(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answered(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Drawn from nothing but the template: whatever failed may fail again."""
    if for_programs(request):
        return answered(request, 500)
    return HttpResponse(render_to_string("500.html"), status=500)


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Instead of Django's page for a form whose token does not fit. The reason is for the log, which has it."""
    return answered(request, 403, code="csrf_failed", message=STALE_FORM, title="This form is too old")

"""Engagement: what came of the lists that were shown. Of all people together; who saw what stays in the table."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse

from recommendations import outcomes
from recommendations.models import Impression

MAY = "recommendations.measure_impression"
COLUMNS = ("Opened", "Liked", "Saved", "Hidden")  # as outcomes.KINDS


def page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    report = outcomes.report()
    tables = [
        ("weights", "By version of the weights", "Version", report.weights),
        ("places", "By place in the list", "Place", report.places),
        ("pages", "By page", "Page", report.pages),
        ("categories", "By category of the project", "Category", report.categories),
    ]
    frame = {**admin.site.each_context(request), "opts": Impression._meta, "title": "Engagement"}
    most = max((day.shown for day in report.days), default=0)
    context = {**frame, "report": report, "tables": tables, "columns": COLUMNS, "most": most, "days": outcomes.DAYS}
    return TemplateResponse(request, "admin/recommendations/impression/engagement.html", context)

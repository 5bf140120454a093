"""Before somebody posts: did others say the same? What is typed is neither stored nor logged."""

from __future__ import annotations

from math import ceil
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods
from rest_framework.settings import api_settings

from engine.api.throttling import WINDOW, address_of
from engine.models import Allowance
from engine.pages import HtmxRequest, Wait
from engine.urls import web_address
from issues import searching
from issues.alike import Alike, alike
from issues.pages.rows import READ, quoted, rows_of, shown, source_name

TITLE_AT_MOST, TEXT_AT_MOST = 300, 10_000  # characters
TOO_MANY, UNPROCESSABLE = 429, 422


class Draft(forms.Form):
    """What somebody is about to post."""

    title = forms.CharField(max_length=TITLE_AT_MOST, required=False, label="Title")
    text = forms.CharField(
        max_length=TEXT_AT_MOST, required=False, label="What happens", widget=forms.Textarea(attrs={"rows": 6})
    )


def taken(request: HttpRequest) -> int:
    """Count one more question of this address; seconds to wait when it had enough, otherwise 0."""
    count, left = Allowance.objects.take(f"similar:{address_of(request)}", WINDOW)
    return ceil(left) if count > int(api_settings.DEFAULT_THROTTLE_RATES["try"] or 0) else 0


@require_http_methods(["GET", "HEAD", "POST"])
def similar(request: HtmxRequest) -> HttpResponse:
    if request.method != "POST":
        searching.warm()
        return drawn(request, {"form": Draft()})
    form = Draft(request.POST)
    if left := taken(request):
        answer = drawn(request, {"form": form, "left": left}, TOO_MANY)
        answer["Retry-After"] = str(left)
        return answer
    if not form.is_valid():
        return drawn(request, {"form": form}, UNPROCESSABLE)
    title, text = form.cleaned_data["title"], form.cleaned_data["text"]
    if not (title or text):
        return drawn(request, {"form": form, "silent": True})
    return drawn(request, {"form": form, "sent": True, "wait": Wait.of(request), **told(alike(title, text))})


def told(found: Alike) -> dict[str, Any]:
    """What the page shows of it; nearness in percent of the cosine."""
    rows = rows_of([issue for issue, _ in found.issues], solved=False)
    return {
        "found": found,
        "rows": [(row, distance) for row, (_, distance) in zip(rows, found.issues, strict=True)],
        "posts": [
            {
                "title": shown(item.title, READ),
                "words": quoted(item.beginning),
                "source": source_name(item.source),
                "url": web_address(item.url),
                "created_at": item.created_at,
                "distance": distance,
            }
            for item, distance in found.posts
        ],
    }


def drawn(request: HtmxRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """The page, or what stands below the form for a request that replaces only that."""
    template = "_similar_results" if request.htmx and request.method == "POST" else "similar"
    answer = render(request, f"issues/{template}.html", context, status=status)
    patch_vary_headers(answer, ["HX-Request"])
    return answer

"""A list for whoever says what they like, without an account. Nothing that is typed is stored or logged."""

from __future__ import annotations

from math import ceil
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods
from rest_framework.settings import api_settings

from engine.api.throttling import WINDOW, address_of
from engine.models import Allowance
from engine.pages import Wait
from recommendations import serving
from recommendations.forms import TryForm
from recommendations.pages.rows import Request

UNPROCESSABLE, TOO_MANY = 422, 429
SHOWN = 10


@require_http_methods(["GET", "HEAD", "POST"])
def try_it(request: Request) -> HttpResponse:
    if request.method != "POST":
        serving.warm()
        return drawn(request, {"form": TryForm()})
    taken, left = Allowance.objects.take(f"try:{address_of(request)}", WINDOW)
    if taken > int(api_settings.DEFAULT_THROTTLE_RATES["try"] or 0):
        answer = drawn(request, {"form": TryForm(request.POST), "left": ceil(left)}, TOO_MANY)
        answer["Retry-After"] = str(ceil(left))
        return answer
    return tried(request, TryForm(request.POST))


def tried(request: Request, form: TryForm) -> HttpResponse:
    if not form.is_valid():
        return drawn(request, {"form": form}, UNPROCESSABLE)
    if not form.says_something:
        return drawn(request, {"form": form, "silent": True})
    said = form.cleaned_data
    found = serving.try_out(said["text"], said["stacks"], said["categories"], top=SHOWN)
    told = {"form": form, "sent": True, "found": found, "wait": Wait.of(request)}
    return drawn(request, {**told, "terms": bool(said["stacks"] or said["categories"])})


def drawn(request: Request, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """The page, or what stands below the form for a request that replaces only that."""
    template = "_try_results.html" if request.htmx and request.method == "POST" else "try.html"
    answer = render(request, f"recommendations/{template}", context, status=status)
    patch_vary_headers(answer, ["HX-Request"])
    return answer

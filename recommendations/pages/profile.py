"""A page."""

from django.http import HttpRequest, HttpResponse


def profile(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError


def export(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError


def delete(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError

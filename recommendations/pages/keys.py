"""A page."""

from django.http import HttpRequest, HttpResponse


def keys(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError


def revoke(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError

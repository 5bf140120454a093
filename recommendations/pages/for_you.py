"""A page."""

from django.http import HttpRequest, HttpResponse


def for_you(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError


def act(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError


def why(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError

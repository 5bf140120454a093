"""A page."""

from django.http import HttpRequest, HttpResponse


def welcome(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError

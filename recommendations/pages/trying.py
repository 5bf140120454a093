"""A page."""

from django.http import HttpRequest, HttpResponse


def try_it(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError

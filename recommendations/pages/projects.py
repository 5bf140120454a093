"""A page."""

from django.http import HttpRequest, HttpResponse


def project_list(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError


def trending(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError


def new(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError


def project(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise NotImplementedError

import json

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import Client
from django.urls import include, path

from ostsite import errors


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation


def faulty(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret detail")


def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse("sent")


failing = [path(view.__name__, view) for view in (forbidden, suspicious, faulty, form)]
urlpatterns = [*failing, path("api/", include(failing)), path("", include("recommendations.urls"))]
handler400, handler403 = errors.bad_request, errors.forbidden
handler404, handler500 = errors.not_found, errors.server_error

FAILURES = [("nowhere", 404, "not_found"), ("forbidden", 403, "forbidden"), ("suspicious", 400, "bad_request"),
            ("faulty", 500, "server_error")]  # fmt: skip


@pytest.fixture(autouse=True)
def site(settings) -> None:
    settings.ROOT_URLCONF = __name__
    settings.CSRF_FAILURE_VIEW = "ostsite.errors.stale_form"


@pytest.fixture
def web() -> Client:
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


@pytest.mark.parametrize(("name", "status", "code"), FAILURES)
def test_a_person_gets_a_page_with_a_way_back(web, name, status, code):
    answer = web.get(f"/{name}")
    assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert 'href="/"' in answer.content.decode()


@pytest.mark.parametrize(("name", "status", "code"), FAILURES)
def test_a_program_gets_json(web, name, status, code):
    answer = web.get(f"/api/{name}")
    assert answer.status_code == status
    assert json.loads(answer.content) == {"code": code, "message": errors.MESSAGES[status], "field": None}


@pytest.mark.parametrize("address", ["/faulty", "/api/faulty"])
def test_no_detail_of_a_fault_is_shown(web, address):
    assert "secret detail" not in web.get(address).content.decode()


@pytest.mark.parametrize("address", ["/projects/?q=%00", "/projects/%00", "/projects/?q=%ff"])
def test_an_address_that_is_no_text_is_refused_with_a_page(web, address):
    answer = web.get(address)
    assert answer.status_code == 400
    assert "characters that no text has" in answer.content.decode()


def test_an_address_that_is_no_text_is_refused_with_json(web):
    assert json.loads(web.get("/api/nowhere?q=%00").content)["code"] == "bad_request"


def test_a_form_without_its_token_says_what_to_do(web):
    answer = web.post("/form")
    assert answer.status_code == 403
    assert "load the page again" in answer.content.decode()


def test_a_program_without_the_token_gets_json(web):
    assert json.loads(web.post("/api/form").content)["code"] == "csrf_failed"


@pytest.mark.parametrize("status", [500, 503])
def test_a_page_of_the_last_resort_needs_no_request(status):
    assert "<h1>" in render_to_string(f"{status}.html")


def test_too_many_requests_have_a_page(rf):
    request = rf.get("/try/")
    request.user = AnonymousUser()
    answer = errors.answered(request, 429)
    assert (answer.status_code, "Wait a minute" in answer.content.decode()) == (429, True)


@pytest.mark.parametrize(("name", "status", "code"), FAILURES)
def test_no_page_of_an_error_asks_the_database_for_a_stranger(web, name, status, code, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        web.get(f"/{name}")

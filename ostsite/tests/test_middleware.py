"""Middleware: every request has an id and a line; while the database is away the answer says when to come back."""

import json
import logging

import pytest
import structlog
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.db.utils import ConnectionHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from ostsite import middleware

GONE = OperationalError("the server closed the connection\nSELECT secret FROM person")


def page(request: HttpRequest) -> HttpResponse:
    structlog.get_logger("engine.kitchen").warning("cooked")
    return HttpResponse("here")


def away(request: HttpRequest) -> HttpResponse:
    raise GONE


def closed(request: HttpRequest) -> HttpResponse:
    raise InterfaceError("connection already closed")


def refused(request: HttpRequest) -> HttpResponse:
    """Asks a database whose port nobody listens on."""
    nowhere = {"ENGINE": "django.db.backends.postgresql", "NAME": "ost", "HOST": "127.0.0.1", "PORT": "1"}
    ConnectionHandler({"default": nowhere})["default"].cursor()
    return HttpResponse("here")


def faulty(request: HttpRequest) -> HttpResponse:
    raise ProgrammingError("no such column")


def between(get_response: middleware.Next) -> middleware.Next:
    """A middleware that does nothing, so that the one that fails is not the next."""
    return lambda request: get_response(request)


def below(get_response: middleware.Next) -> middleware.Next:
    """A middleware that needs the database, as that of sessions does."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path == "/below":
            raise GONE
        return get_response(request)

    return answer


urlpatterns = [
    *(path(name, page) for name in ("page", "livez", "health", "metrics")),
    *(path(view.__name__, view) for view in (away, closed, refused, faulty)),
    path("api/away", away),
]


@pytest.fixture(autouse=True)
def site(settings) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.between", f"{__name__}.below"]


@pytest.fixture
def web() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def told(caplog):
    """The events since, each a dict; of libraries the text."""
    caplog.set_level(logging.DEBUG, "ostsite")
    return lambda name="ostsite.middleware": [record.msg for record in caplog.records if record.name == name]


# The line of a request


def test_a_request_is_one_event_with_its_id(web, told):
    given = web.post("/page")["X-Request-ID"]
    (event,) = told()
    ms = event.pop("ms")
    assert event.items() >= {
        "event": "request", "level": "info", "method": "POST", "path": "/page", "status": 200, "request": given,
    }.items()  # fmt: skip
    assert 0 <= ms < 10_000


def test_an_id_is_16_hex_digits_and_each_request_has_its_own(web):
    given = {web.get("/page")["X-Request-ID"] for _ in range(3)}
    assert len(given) == 3
    assert all(len(each) == 16 and int(each, 16) for each in given)


def test_what_a_view_logs_has_the_id_too(web, told):
    given = web.get("/page")["X-Request-ID"]
    assert [event["request"] for event in told("engine.kitchen")] == [given]


def test_an_id_of_the_client_is_not_taken(web):
    assert web.get("/page", headers={"X-Request-ID": "mine"})["X-Request-ID"] != "mine"


def test_what_was_searched_for_is_not_logged(web, told):
    web.get("/page?q=embarrassing")
    (event,) = told()
    assert "embarrassing" not in str(event)


@pytest.mark.parametrize("name", ["livez", "health", "metrics"])
def test_what_is_asked_every_few_seconds_is_told_at_debug_only(web, told, name):
    web.get(f"/{name}")
    assert [event["level"] for event in told()] == ["debug"]


def test_a_missing_page_has_its_line_and_its_id(web, told):
    assert web.get("/nowhere")["X-Request-ID"]
    assert [event["status"] for event in told()] == [404]


def test_nothing_stays_bound_after_a_request(web):
    web.get("/page")
    assert structlog.contextvars.get_contextvars() == {}


# The database is away


@pytest.mark.parametrize("address", ["/away", "/closed", "/below", "/api/away"])
def test_while_the_database_is_away_the_answer_says_when_to_come_back(web, address):
    answer = web.get(address)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer["X-Request-ID"]


@pytest.mark.parametrize("address", ["/away", "/below"])
def test_debug_shows_no_trace_instead(web, settings, address):
    settings.DEBUG = True
    assert web.get(address).status_code == 503


@pytest.mark.django_db
def test_a_database_that_refuses_is_away(web, told):
    assert web.get("/refused").status_code == 503
    assert "refused" in told()[0]["reason"].lower()


@pytest.mark.parametrize(
    ("address", "accept"), [("/api/away", "*/*"), ("/away", "application/json"), ("/below", "application/json")]
)
def test_a_program_gets_json(web, address, accept):
    assert json.loads(web.get(address, headers={"Accept": accept}).content) == {
        "code": "database_unavailable", "message": middleware.MESSAGE, "field": None,
    }  # fmt: skip


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"])
def test_a_person_gets_a_page(web, accept):
    answer = web.get("/away", headers={"Accept": accept})
    assert answer["Content-Type"].startswith("text/html")
    assert middleware.MESSAGE in answer.content.decode()


@pytest.mark.parametrize("address", ["/away", "/below"])
def test_it_is_one_warning_without_the_statement(web, told, address):
    web.get(address)
    (warning, request) = told()
    assert warning.items() >= {
        "level": "warning", "error": "OperationalError", "reason": "the server closed the connection", "path": address,
    }.items()  # fmt: skip
    assert (request["status"], told("django.request")) == (503, [])


def test_another_fault_of_the_database_stays_a_fault(web, told):
    assert web.get("/faulty").status_code == 500
    assert len(told("django.request")) == 1


def test_a_dead_connection_is_closed(web, monkeypatch):
    closed = []
    monkeypatch.setattr(middleware, "close_old_connections", lambda: closed.append(True))
    web.get("/away")
    assert closed == [True]

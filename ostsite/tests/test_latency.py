"""What the web process says of its requests: by route, never by what somebody typed."""

from contextlib import closing

import pytest
from django.test import Client

from engine import tallies, tracing
from engine.models import Tally
from engine.tests.collector import collecting
from engine.tests.test_tracing import until_named
from engine.tests.test_tracing import url as database_url
from ostsite.tests.test_web import Site

pytestmark = pytest.mark.django_db


@pytest.fixture
def web() -> Client:
    return Client(raise_request_exception=False)


def seen() -> set[tuple[str, str, str]]:
    """method, route and status of what was asked."""
    tallies.flush()
    (family,) = [each for each in tallies.families() if each.name == "ost_request_duration_seconds"]
    found = (sample.labels for sample in family.samples if sample.name.endswith("_count"))
    return {(labels["method"], labels["route"], labels["status"]) for labels in found}


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/trending/", "trending"),
        ("/projects/some/body/", "project"),
        ("/nowhere/hunter2", "none"),
        ("/accounts/login/", "accounts"),
        ("/admin/login/", "admin"),
        ("/api/v1/trending/", "api_trending"),
        ("/static/css/tokens.css", "static"),
        ("/static/hunter2", "static"),
        ("/trending/?q=hunter2", "trending"),
    ],
)
def test_a_request_counts_for_its_route(web, path, route):
    found = web.get(path).status_code
    assert seen() == {("GET", route, f"{found // 100}xx")}
    assert not Tally.objects.filter(labels__contains="hunter2").exists()


@pytest.mark.parametrize(("method", "told"), [("HEAD", "GET"), ("BREW", "other"), ("OPTIONS", "OPTIONS")])
def test_methods_are_few(web, method, told):
    web.generic(method, "/trending/")
    assert {found for found, *_ in seen()} == {told}


@pytest.mark.parametrize("path", ["/livez", "/health", "/metrics"])
def test_what_is_asked_every_few_seconds_is_left_out(web, path):
    web.get(path)
    assert seen() == set()


def test_a_span_of_a_request_has_its_route_and_nothing_that_was_typed(web):
    with collecting() as found:
        tracing.configure(found.url, {}, "ost-tests")
        try:
            given = {"User-Agent": "hunter2", "traceparent": f"00-{'1' * 32}-{'1' * 16}-01"}
            web.get("/projects/some/hunter2/?q=hunter2", headers=given)
            until_named(found, "GET project")
        finally:
            tracing.configure("", {}, "")
    (span,) = found.named("GET project")
    assert span.facts == {"http.request.method": "GET", "http.route": "project", "http.response.status_code": 404}
    assert (span.kind, span.parent) == (2, "")
    assert b"hunter2" not in b"".join(found.bodies)


@pytest.mark.django_db(transaction=True)
def test_a_web_process_sends_what_it_has_when_it_ends(tmp_path):
    site = Site(tmp_path, LOG_FORMAT="json", DATABASE_URL=database_url(), SECRET_KEY="k9-" * 20)
    with closing(site.client):
        assert site.get("/trending/").status_code == 200
        assert site.end() == 0
    # Whoever else found the port may have asked for something too.
    assert {told for told in seen() if told[1] == "trending"} == {("GET", "trending", "2xx")}

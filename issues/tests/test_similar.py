"""Before somebody posts: what others said already, and nothing kept of what is typed."""

import logging

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.models import Allowance
from issues.models import Issue, RawItem
from issues.tests.factories import DAY, NEXT
from issues.tests.listed import direction, make_day, make_issue, make_meant, make_post, read_texts

pytestmark = pytest.mark.django_db
PAGE, API = "/issues/similar/", "/api/v1/issues/similar/"
HTMX = {"HX-Request": "true"}
SECRET = "my invoice number 4711"


@pytest.fixture
def reading(settings):
    read_texts(settings)


@pytest.fixture
def allowed_once(settings):
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "try": 1}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}


def compared(client, title="", text="", **more):
    return client.post(PAGE, {"title": title, "text": text}, **more)


def asked(client, **said):
    return client.post(API, said, content_type="application/json")


def words(answer):
    return " ".join(answer.content.decode().split())


def test_the_nearest_problems_and_posts_come_with_their_distance(client, reading):
    make_issue("Bills come twice", vector=direction("invoice"))
    make_meant(make_post(title="Two bills", source="reddit"), direction("invoice"))
    make_meant(make_post(title="Labels"), direction("print"))
    answer = compared(client, "Invoices are wrong")
    assert [(row.issue.title, round(distance, 6)) for row, distance in answer.context["rows"]] == [
        ("Bills come twice", 0)
    ]
    assert [(post["title"], post["source"]) for post in answer.context["posts"]] == [("Two bills", "Reddit")]
    assert "distance 0.00" in words(answer)


def test_what_nothing_is_near_looks_new(client, reading):
    make_issue("Bills come twice", vector=direction("invoice"))
    assert "Looks new." in words(compared(client, "Prints upside down"))
    assert "Looks new." not in words(compared(client, "Two invoices"))


def test_the_text_counts_as_the_title_does(client, reading):
    make_issue("Bills come twice", vector=direction("invoice"))
    assert compared(client, text="the invoice came twice").context["rows"]


def test_hidden_problems_and_their_posts_are_not_shown(client, reading):
    hidden = make_issue("Bills", vector=direction("invoice"), hidden=True)
    item = make_meant(make_post(), direction("invoice"))
    make_day(DAY).assignments.create(item=item, issue=hidden, membership=1)
    found = compared(client, "invoice").context
    assert (found["rows"], found["posts"]) == ([], [])


def test_a_copy_of_a_post_is_not_shown_beside_it(client, reading):
    first = make_meant(make_post(), direction("invoice"))
    make_meant(make_post(twin_of=first), direction("invoice"))
    assert len(compared(client, "invoice").context["posts"]) == 1


def test_an_address_that_no_browser_should_follow_is_no_link(client, reading):
    make_meant(make_post(url="javascript:alert(1)"), direction("invoice"))
    assert "javascript:" not in words(compared(client, "invoice"))


def test_hostile_words_are_shown_as_they_are(client, reading):
    make_meant(
        make_post(title="<script>alert(1)</script>\u202e", said="<img src=x onerror=1> {{7*7}}"), direction("invoice")
    )
    page = words(compared(client, "invoice <b>"))
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert 'value="invoice &lt;b&gt;"' in page


def test_nothing_said_is_told(client):
    assert "nothing to compare yet" in words(compared(client, "  "))


def test_a_title_that_is_too_long_is_refused(client):
    answer = compared(client, "x" * 301)
    assert (answer.status_code, "at most 300 characters" in words(answer)) == (422, True)


def test_while_the_model_is_loading_the_page_asks_again(client):
    make_issue()
    page = words(compared(client, "invoice", headers=HTMX))
    assert "not read yet" in page
    assert 'hx-trigger="load delay:2s"' in page


def test_who_asks_too_often_waits(client, reading, allowed_once):
    assert compared(client, "invoice").status_code == 200
    answer = compared(client, "invoice")
    assert (answer.status_code, int(answer["Retry-After"]) > 0) == (429, True)


def test_nothing_of_a_text_is_stored_or_logged(client, reading, caplog):
    caplog.set_level(logging.DEBUG)
    with CaptureQueriesContext(connection) as queries:
        compared(client, SECRET), asked(client, title=SECRET)
    assert not any("4711" in query["sql"] for query in queries)
    assert "4711" not in caplog.text
    assert set(Allowance.objects.values_list("subject", flat=True)) >= {"similar:127.0.0.1"}
    assert (RawItem.objects.count(), Issue.objects.count()) == (0, 0)


def test_five_more_answers_cost_no_more_queries(client, reading):
    counts = []
    for number in range(6):
        make_issue(f"Bills {number}", vector=direction("invoice"))
        make_meant(make_post(), direction("invoice"))
        with CaptureQueriesContext(connection) as queries:
            compared(client, "invoice")
        counts.append(len(queries))
    assert counts[0] == counts[-1] <= 12


# The same for programs


def test_programs_get_the_same(client, reading):
    issue = make_issue("Bills come twice", vector=direction("invoice"), days={DAY: 1, NEXT: 1})
    make_meant(make_post(title="Two bills", author="Ann", licence="CC BY-SA 4.0"), direction("invoice"))
    found = asked(client, title="Invoices", text="They are wrong.").json()
    assert (found["read"], found["looks_new"]) == (True, False)
    assert [(each["issue"]["id"], each["issue"]["posts"]) for each in found["issues"]] == [(issue.pk, 2)]
    assert [(each["post"]["title"], each["post"]["author"]) for each in found["posts"]] == [("Two bills", "Ann")]


def test_programs_hear_that_it_is_not_read_yet(client):
    assert asked(client, title="a").json() == {"read": False, "looks_new": False, "issues": [], "posts": []}


@pytest.mark.parametrize(
    ("said", "field"),
    [({}, "title"), ({"title": ""}, "title"), ({"title": 1}, "title"), ({"title": "a", "body": "b"}, "body"),
     ({"title": "a", "text": "x" * 10_001}, "text"), ({"title": "a\x1b"}, "title")],
)  # fmt: skip
def test_a_wrong_text_is_refused(client, said, field):
    answer = asked(client, **said)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_page_and_programs_are_counted_together(client, reading, allowed_once):
    compared(client, "invoice")
    answer = asked(client, title="invoice")
    assert (answer.status_code, answer.json()["code"], "Retry-After" in answer) == (429, "throttled", True)


def test_the_answer_is_kept_by_no_cache(client):
    assert asked(client, title="a")["Cache-Control"] == "private, no-store"

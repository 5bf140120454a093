"""What programs read of problems."""

from itertools import chain

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from issues.api.serializers import IssuesAsked
from issues.filters import NAMES
from issues.models import Issue, Lineage, RawItem
from issues.tests.factories import DAY, NEXT, THIRD
from issues.tests.listed import direction, make_day, make_issue, make_post, read_texts

pytestmark = pytest.mark.django_db
V1 = "/api/v1/issues/"


def listed(client, **asked):
    answer = client.get(V1, asked)
    assert answer.status_code == 200, answer.json()
    return [each["title"] for each in answer.json()["results"]]


def one(client, issue):
    return client.get(f"{V1}{issue.pk}/").json()


def posts(client, issue, **asked):
    return client.get(f"{V1}{issue.pk}/evidence/", asked).json()["results"]


def walked(client, path):
    """The results of each page, by following `next`, and of the last one's `previous`."""
    found, answer = [], client.get(path).json()
    while True:
        found.append([each["title"] for each in answer["results"]])
        if answer["next"] is None:
            return found, answer["previous"]
        answer = client.get(answer["next"]).json()


# The list


def test_a_problem_is_listed_with_its_proof(client):
    issue = make_issue(days={DAY: 2, THIRD: 1}, sources=["github", "reddit"], would_pay=True)
    (found,) = client.get(V1).json()["results"]
    assert (found["id"], found["posts"], found["people"], found["sources"]) == (issue.pk, 3, 3, ["github", "reddit"])
    assert found["url"].endswith(f"/issues/{issue.pk}/")
    assert found["quote"].startswith("The words of post")
    assert [each["posts"] for each in found["trend"]][-3:] == [2, 0, 1]
    assert found["trend"][-1]["day"] == str(THIRD)


@pytest.mark.parametrize("facts", [{"hidden": True}, {"label_state": "deferred"}, {"state": "gone"}])
def test_what_readers_should_not_see_is_not_there(client, facts):
    issue = make_issue("Unseen", **facts)
    assert listed(client) == []
    for path in ("", "evidence/"):
        assert client.get(f"{V1}{issue.pk}/{path}").status_code == 404


@pytest.mark.parametrize(
    "asked",
    [{"category": "finance"}, {"impact": "high"}, {"pay": "yes"}, {"source": "reddit"}, {"state": "growing"},
     {"days": "1"}, {"q": "invoices"}, {"q": "source:reddit pay:yes"}],
)  # fmt: skip
def test_the_filters_of_the_page_apply(client, asked):
    fits = {"category": "finance", "impact": "high", "would_pay": True, "state": "growing"}
    make_issue("Invoices differ", {NEXT: 2}, sources=["reddit"], **fits)
    make_issue("Exports stop", {DAY: 2})
    assert listed(client, **asked) == ["Invoices differ"]


def test_the_parameters_are_those_of_the_page():
    assert set(IssuesAsked().fields) == {*NAMES, "page_size"}


def test_search_compares_meaning(client, settings):
    read_texts(settings)
    make_issue("Bills come twice", vector=direction("invoice"))
    assert listed(client, q="my invoices") == ["Bills come twice"]


@pytest.mark.parametrize("order", ["", "size", "growth", "recency"])
@pytest.mark.parametrize("q", ["", "exports"])
def test_pages_follow_each_other_and_lose_nothing(client, order, q):
    for number in range(5):
        make_issue(f"Exports {number}", {DAY: 1 + number % 2, NEXT: 1 + number % 3})
    query = "&".join(f"{name}={value}" for name, value in {"q": q, "order": order}.items() if value)
    pages, previous = walked(client, f"{V1}?page_size=2&{query}".rstrip("&"))
    assert sorted(chain(*pages)) == [f"Exports {number}" for number in range(5)]
    assert [each["title"] for each in client.get(previous).json()["results"]] == pages[1]


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"impact": "huge"}, "impact"), ({"source": "usenet"}, "source"), ({"q": "colour:red"}, "q"),
     ({"q": "impact:huge"}, "q"), ({"colour": "red"}, "colour"), ({"page_size": "0"}, "page_size"),
     ({"cursor": "x"}, "cursor"), ({"days": "2"}, "days"), ({"q": "x" * 201}, "q"), ({"order": "worst"}, "order")],
)  # fmt: skip
def test_a_wrong_parameter_is_named(client, asked, field):
    make_issue()
    answer = client.get(V1, asked)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_an_unknown_source_is_told_the_known_ones(client):
    make_issue(sources=["reddit"])
    assert "allowed: reddit" in client.get(V1, {"source": "usenet"}).json()["message"]


@pytest.mark.parametrize("q", ["", "exports"])
def test_ten_more_rows_cost_no_more_queries(client, q):
    counts = []
    for number in range(11):
        make_issue(f"Exports {number}")
        with CaptureQueriesContext(connection) as queries:
            assert len(listed(client, **({"q": q} if q else {}))) == number + 1
        counts.append(len(queries))
    assert counts[1] == counts[-1] <= 12


def test_who_has_it_already_gets_304(client):
    make_issue()
    etag = client.get(V1)["ETag"]
    assert client.get(V1, headers={"If-None-Match": etag}).status_code == 304


# One of them


def test_one_has_every_fact(client):
    claims = [{"field": "impact", "item": 1, "words": "we lost a day"}]
    issue = make_issue(days={DAY: 2, NEXT: 1}, claims=claims, description="It stops. Nobody knows why.")
    other = make_issue("Other")
    Lineage.objects.create(issue=issue, day=DAY, kind="split", other=other, why="0.7 alike in meaning")
    found = one(client, issue)
    assert found["claims"] == claims
    assert found["description"] == "It stops. Nobody knows why."
    assert [(each["day"], each["items"]) for each in found["days"]] == [(str(DAY), 2), (str(NEXT), 1)]
    told = {"day": str(DAY), "kind": "split", "other": other.pk, "why": "0.7 alike in meaning"}
    assert found["lineage"] == [told]
    assert (found["label_state"], found["label_source"], found["merged"]) == ("labelled", "extract", [])
    assert client.get(found["evidence"].partition("8000")[2]).json()["results"]


def test_a_merged_one_leads_to_what_it_is_now(client):
    into = make_issue("Kept")
    merged = make_issue("Merged", into=into, state="gone")
    for path in ("", "evidence/"):
        answer = client.get(f"{V1}{merged.pk}/{path}")
        assert (answer.status_code, answer["Location"]) == (302, f"{V1}{into.pk}/{path}")
        assert answer.json() == {"code": "merged", "message": f"It was merged into issue {into.pk}.", "field": None}
    assert one(client, into)["merged"] == [merged.pk]


def test_one_merged_into_a_hidden_one_is_not_there(client):
    merged = make_issue("Merged", into=make_issue(hidden=True), state="gone")
    assert client.get(f"{V1}{merged.pk}/").status_code == 404


@pytest.mark.parametrize("number", ["0", "9" * 30, "4711"])
def test_an_id_that_nothing_has_is_404(client, number):
    assert client.get(f"{V1}{number}/").status_code == 404


def test_one_costs_the_same_queries_however_much_it_holds(client):
    counts = []
    for days in ({DAY: 1}, {DAY: 30, NEXT: 30, THIRD: 30}):
        issue = make_issue(days=days)
        with CaptureQueriesContext(connection) as queries:
            one(client, issue)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


# Its posts


def test_the_surest_posts_come_first_a_page_at_a_time(client):
    issue = make_issue(days={DAY: 5})
    pages, _ = walked(client, f"{V1}{issue.pk}/evidence/?page_size=2")
    assert list(chain(*pages)) == [each.item.title for each in issue.evidence]


def test_a_post_has_all_its_facts(client):
    issue = make_issue(days={DAY: 1})
    RawItem.objects.update(vote_count=-3, comment_count=7, author="Ann", licence="CC BY-SA 4.0")
    (found,) = posts(client, issue)
    assert (found["votes"], found["comments"], found["author"], found["licence"]) == (-3, 7, "Ann", "CC BY-SA 4.0")
    assert (found["membership"], found["day"], found["created_at"]) == (1.0, str(DAY), None)
    assert found["snippet"].startswith("The words of post")


def test_a_post_of_several_days_is_there_once_as_the_last_has_it(client):
    issue, item = make_issue(days={DAY: 1}), make_post()
    for day, membership in ((DAY, 0.9), (NEXT, 0.4)):
        make_day(day).assignments.create(item=item, issue=issue, membership=membership)
    assert [each["day"] for each in posts(client, issue) if each["url"] == item.url] == [str(NEXT)]


def test_a_retired_day_is_no_evidence(client):
    issue = make_issue(days={DAY: 1})
    make_day(DAY).__class__.objects.update(state="retired")
    assert posts(client, issue) == []


def test_hostile_posts_come_as_plain_text_on_one_line(client):
    issue = make_issue(days={DAY: 1})
    RawItem.objects.update(url="javascript:alert(1)", title="a\u202eb\x1b[31m", said="one\ntwo\u200b" + "x" * 500_000)
    (found,) = posts(client, issue)
    assert (found["url"], found["title"]) == ("", "ab[31m")
    assert found["snippet"].startswith("one two")
    assert len(found["snippet"]) <= 200


def test_ten_more_posts_cost_no_more_queries(client):
    counts = []
    for count in (2, 12):
        issue = make_issue(days={DAY: count})
        with CaptureQueriesContext(connection) as queries:
            assert len(posts(client, issue)) == count
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


def test_everybody_may_read_and_nobody_may_write(client):
    issue = make_issue()
    for path in (V1, f"{V1}{issue.pk}/", f"{V1}{issue.pk}/evidence/"):
        assert client.get(path).status_code == 200
        assert client.post(path, {}, content_type="application/json").status_code == 405
    assert Issue.objects.count() == 1

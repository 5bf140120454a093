"""The list of problems as files."""

import csv
import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from issues.pages import exports
from issues.tests.factories import DAY, NEXT
from issues.tests.listed import make_issue

pytestmark = pytest.mark.django_db


def got(client, ending, **asked):
    answer = client.get(f"/issues/export.{ending}", asked)
    return b"".join(answer).decode()


def rows(client, **asked):
    return list(csv.DictReader(io.StringIO(got(client, "csv", **asked))))


def test_csv_has_a_line_a_problem_in_the_order_of_the_list(client):
    make_issue("Small", {DAY: 1}), make_issue("Large", {DAY: 4}, sources=["github", "reddit"], would_pay=True)
    large, small = rows(client)
    assert (large["title"], large["posts"], large["sources"], large["would_pay"]) == (
        "Large",
        "4",
        "github, reddit",
        "True",
    )
    assert (small["title"], small["first_seen"]) == ("Small", str(DAY))


def test_json_holds_the_same_with_its_types(client):
    issue = make_issue("Large", {DAY: 4}, sources=["github", "reddit"], would_pay=True)
    (found,) = json.loads(got(client, "json"))
    assert (found["id"], found["would_pay"], found["sources"], found["posts"]) == (
        issue.pk,
        True,
        ["github", "reddit"],
        4,
    )
    assert found["url"].endswith(f"/issues/{issue.pk}/")


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_filters_and_tokens_of_the_list_apply(client, ending):
    make_issue("One", impact="high"), make_issue("Other")
    for asked in ({"impact": "high"}, {"q": "impact:high"}):
        assert "Other" not in got(client, ending, **asked)
        assert "One" in got(client, ending, **asked)


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_hidden_and_unlabelled_ones_are_in_no_file(client, ending):
    make_issue("Hidden one", hidden=True), make_issue("Unlabelled", label_state="deferred")
    assert not any(word in got(client, ending) for word in ("Hidden", "Unlabelled"))


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_cell_is_a_formula(client, start):
    make_issue(f"{start}cmd|' /C calc'!A0", description=f"{start}1+1")
    (row,) = rows(client)
    assert (row["title"][:2], row["description"][:2]) == (f"'{start}", f"'{start}")


def test_a_search_is_exported_best_first(client):
    make_issue("Some exports"), make_issue("Exports exports exports"), make_issue("Other")
    assert len(rows(client, q="exports")) == 2


def test_nothing_is_a_head_line_or_an_empty_list(client):
    assert (rows(client), json.loads(got(client, "json"))) == ([], [])


@pytest.mark.parametrize("ending", ["csv", "json"])
@pytest.mark.parametrize("asked", [{"impact": "huge"}, {"page": "2"}, {"q": "colour:red"}])
def test_a_wrong_address_is_refused_with_what_is_allowed(client, ending, asked):
    make_issue()
    answer = client.get(f"/issues/export.{ending}", asked)
    assert (answer.status_code, "llowed: " in answer.content.decode()) == (400, True)


def test_a_file_is_named_by_the_newest_day(client):
    make_issue(days={NEXT: 1})
    assert client.get("/issues/export.csv")["Content-Disposition"] == 'attachment; filename="problems-2026-09-02.csv"'


def test_more_rows_cost_queries_by_the_block_alone(client, monkeypatch):
    counts = []
    for number in range(12):
        make_issue(f"Exports {number}")
        with CaptureQueriesContext(connection) as queries:
            assert len(rows(client)) == number + 1
        counts.append(len(queries))
    assert counts[0] == counts[-1] <= 7
    monkeypatch.setattr(exports, "AT_ONCE", 5)
    assert len(rows(client)) == 12

"""New and growing problems as feeds, held to RFC 4287 and to JSON Feed 1.1."""

import json
import re
from datetime import datetime
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from issues.models import Issue
from issues.tests.factories import DAY, NEXT
from issues.tests.listed import make_issue

pytestmark = pytest.mark.django_db
ATOM, FEED = "/issues/feed.atom", "/issues/feed.json"
SPACE = "{http://www.w3.org/2005/Atom}"
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
HOSTILE = "<script>alert(1)</script> ]]> &amp; \u202e\u200b\ufffe {{7*7}} javascript:alert(1)"


def fresh(title="Exports stop", **facts):
    return make_issue(title, **{"state": "new", "days": {NEXT: 2}, **facts})


def atom(client, **asked):
    return ElementTree.fromstring(client.get(ATOM, asked).content)


def feed(client, **asked):
    return json.loads(client.get(FEED, asked).content)


def titles(client, **asked):
    """The same from both."""
    found = [item["title"] for item in feed(client, **asked)["items"]]
    assert [each.text for each in atom(client, **asked).findall(f"{SPACE}entry/{SPACE}title")] == found
    return found


# What is in them


def test_new_and_growing_ones_are_told_of_the_latest_first(client):
    (
        fresh("Grows", state="growing", days={DAY: 1}),
        fresh("New"),
        fresh("Steady", state="steady"),
        fresh("Q", state="quiet"),
    )
    assert titles(client) == ["New", "Grows"]


def test_the_filters_of_the_list_apply(client):
    fresh("High", impact="high"), fresh("Low"), fresh("Steady", state="steady")
    assert titles(client, impact="high") == ["High"]
    assert titles(client, q="impact:high") == ["High"]
    assert titles(client, q="steady state:steady") == ["Steady"]


def test_hidden_and_unlabelled_ones_are_in_no_feed(client):
    fresh("a", hidden=True), fresh("b", label_state="label_failed"), fresh("c", state="gone")
    assert titles(client) == []


def test_no_more_than_fifty(client):
    for number in range(51):
        fresh(f"Number {number}", days={NEXT: 1})
    assert len(titles(client)) == 50


@pytest.mark.parametrize("path", [ATOM, FEED])
@pytest.mark.parametrize("asked", [{"impact": "huge"}, {"order": "size"}, {"page": "1"}, {"q": "colour:red"}])
def test_a_wrong_address_is_refused_in_plain_text(client, path, asked):
    answer = client.get(path, asked)
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/plain; charset=utf-8")


# Atom


def test_atom_has_what_rfc_4287_demands(client):
    fresh(), fresh("Other")
    answer = client.get(ATOM)
    root = ElementTree.fromstring(answer.content)
    assert answer["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert root.tag == f"{SPACE}feed"
    assert root.findtext(f"{SPACE}author/{SPACE}name")
    for holder in (root, *root.findall(f"{SPACE}entry")):
        for name in ("id", "title", "updated"):
            assert len(holder.findall(f"{SPACE}{name}")) == 1
        assert RFC_3339.fullmatch(holder.findtext(f"{SPACE}updated"))
        assert re.match(r"https?://", holder.findtext(f"{SPACE}id"))
        assert holder.find(f"{SPACE}link").get("href", "").startswith("http")


def test_atom_names_its_own_address_with_the_filters(client):
    fresh()
    links = {each.get("rel"): each.get("href") for each in atom(client, q="impact:low").findall(f"{SPACE}link")}
    assert links["self"].endswith("/issues/feed.atom?impact=low")
    assert links["alternate"].endswith("/issues/?impact=low")


def test_an_entry_was_published_before_it_was_changed(client):
    fresh()
    entry = atom(client).find(f"{SPACE}entry")
    published, updated = (entry.findtext(f"{SPACE}{name}") for name in ("published", "updated"))
    assert datetime.fromisoformat(published) <= datetime.fromisoformat(updated)


# JSON Feed


def test_json_feed_has_what_its_specification_demands(client):
    fresh(would_pay=True)
    answer = client.get(FEED)
    found = json.loads(answer.content)
    assert answer["Content-Type"] == "application/feed+json"
    assert found["version"] == "https://jsonfeed.org/version/1.1"
    assert isinstance(found["title"], str)
    assert [set(author) for author in found["authors"]] == [{"name"}]
    (item,) = found["items"]
    assert isinstance(item["id"], str)
    assert item["content_text"]
    assert RFC_3339.fullmatch(item["date_published"])
    assert RFC_3339.fullmatch(item["date_modified"])
    assert item["tags"] == ["other", "new", "low impact", "would pay"]


def test_its_own_address_is_the_one_to_subscribe_to(client):
    found = feed(client, source="github")
    assert found["feed_url"].endswith("/issues/feed.json?source=github")


# Both


def test_an_entry_keeps_its_id_when_it_is_renamed_and_seen_anew(client):
    issue = fresh()
    before = feed(client)["items"][0]["id"], atom(client).findtext(f"{SPACE}entry/{SPACE}id")
    Issue.objects.filter(pk=issue.pk).update(title="Renamed", state="growing")
    assert (feed(client)["items"][0]["id"], atom(client).findtext(f"{SPACE}entry/{SPACE}id")) == before
    assert before[0] == before[1]


def test_the_words_of_strangers_are_inert(client):
    fresh(HOSTILE, description=HOSTILE, claims=[{"field": "impact", "words": HOSTILE}])
    entry = atom(client).find(f"{SPACE}entry")
    html = entry.findtext(f"{SPACE}summary")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert entry.find(f"{SPACE}summary").get("type") == "html"
    assert not any(sign in client.get(path).content.decode() for sign in "\u202e\u200b\ufffe" for path in (ATOM, FEED))


def test_a_hostile_entry_has_the_elements_of_a_harmless_one(client):
    words = {"description": HOSTILE, "claims": [{"field": "impact", "words": HOSTILE}]}
    fresh(HOSTILE, **words), fresh("Plain", description="Plain.", claims=[{"field": "impact", "words": "plain"}])
    one, other = atom(client).findall(f"{SPACE}entry")
    assert [each.tag for each in one.iter()] == [each.tag for each in other.iter()]


@pytest.mark.parametrize("path", [ATOM, FEED])
def test_who_has_it_already_gets_304(client, path):
    fresh()
    etag = client.get(path)["ETag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    Issue.objects.update(title="Renamed")
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("path", [ATOM, FEED])
def test_an_empty_feed_stays_the_same(client, path):
    assert client.get(path)["ETag"] == client.get(path)["ETag"]


@pytest.mark.parametrize("path", [ATOM, FEED])
def test_ten_more_entries_cost_no_more_queries(client, path):
    counts = []
    for number in range(11):
        fresh(f"Number {number}")
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))
    assert counts[0] == counts[-1] <= 7


def test_the_list_names_its_feeds_with_its_filters(client):
    fresh(impact="high")
    page = client.get("/issues/?impact=high&order=growth").content.decode()
    assert '<link rel="alternate" type="application/atom+xml"' in page
    assert 'href="/issues/feed.atom?impact=high"' in page
    assert 'href="/issues/feed.json?impact=high"' in page
    assert 'href="/issues/export.csv?impact=high&amp;order=growth"' in page

"""Posts from files."""

import json
from datetime import UTC, date, datetime

import pytest

from issues.importing import import_items
from issues.models import ItemEmbedding, RawItem
from issues.schemas import ItemLine

pytestmark = pytest.mark.django_db

POST = {
    "source": "github",
    "url": "https://github.com/sample/tool/issues/7",
    "title": "The export stops halfway",
    "body": "It stops at row 900.",
    "created_at": "2026-09-01T23:30:00-02:00",
}


def post(**changed) -> dict:
    return {**POST, **changed}


def brought(*posts: dict, day: date | None = None) -> dict[str, int]:
    return dict(+import_items([ItemLine.model_validate(each) for each in posts], day)[0])


def test_a_post_counts_for_its_own_utc_day():
    brought(post())
    assert RawItem.objects.get().collected_on == date(2026, 9, 2)


def test_a_named_day_holds_every_line_and_the_date_stays_a_fact():
    brought(post(), day=date(2026, 9, 9))
    item = RawItem.objects.get()
    assert (item.collected_on, item.created_at) == (date(2026, 9, 9), datetime(2026, 9, 2, 1, 30, tzinfo=UTC))


def test_one_address_written_in_other_ways_is_one_post():
    same = "HTTP://www.GitHub.com:80/sample/tool/issues/7/?utm_source=mail#comment"
    assert brought(post(), post(url=same)) == {"inserted": 1, "repeated": 1}


def test_the_same_again_changes_nothing():
    brought(post())
    assert brought(post()) == {"unchanged": 1}


def test_it_keeps_its_day_when_it_comes_again_without_one():
    brought(post(), day=date(2026, 9, 9))
    brought(post(comment_count=4))
    assert RawItem.objects.get().collected_on == date(2026, 9, 9)


def test_a_vote_embeds_nothing_anew_and_another_title_does():
    brought(post())
    ItemEmbedding.objects.update(vector_hash="made")
    before = ItemEmbedding.objects.get().text_hash
    brought(post(vote_count=4))
    assert ItemEmbedding.objects.get().text_hash == before
    brought(post(title="The import stops halfway"))
    assert ItemEmbedding.objects.get().text_hash != before


def test_what_is_embedded_is_the_title_and_what_is_said():
    brought(post(body="It stops.\n\n```\nTraceback: 17\n```\n"))
    assert ItemEmbedding.objects.get().text == "The export stops halfway\nIt stops."


def test_a_body_of_code_alone_leaves_the_title_to_speak():
    brought(post(body="```\nx = 1\n```"))
    assert ItemEmbedding.objects.get().text == "The export stops halfway"


def test_an_author_is_named_where_the_licence_asks_for_it():
    brought(post(author="dev_amber", licence="CC BY-SA 4.0"), post(url="https://example.org/2", author="dev_amber"))
    assert dict(RawItem.objects.values_list("licence", "author")) == {"CC BY-SA 4.0": "dev_amber", "": ""}


def test_an_author_can_be_counted_and_not_named():
    brought(post(author="dev_amber"), post(url="https://example.org/2", author="dev_amber"))
    hashes = set(RawItem.objects.values_list("author_hash", flat=True))
    assert (len(hashes), "dev_amber" in str(hashes)) == (1, False)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://someone:secret@example.org/", "https://example.org:99999/"]
)
def test_a_bad_address_is_refused_and_the_others_come_in(ost, lines, url):
    ended = ost("import_items", lines("posts.jsonl", post(url=url), post()))
    assert (ended.code, ended.summary["refused"], RawItem.objects.count()) == (1, "1", 1)
    assert "secret" not in ended.err


@pytest.mark.parametrize(
    "changed",
    [{"title": "\u200d"}, {"title": "🙂"}, {"title": "\u3164"}, {"source": "a b"}, {"comment_count": -1}],
)
def test_a_line_that_is_no_post_is_told_by_its_number(ost, lines, changed):
    ended = ost("import_items", lines("posts.jsonl", post(), post(**changed)))
    assert (ended.code, "posts.jsonl:2: " in ended.err, RawItem.objects.count()) == (1, True, 1)


@pytest.mark.parametrize("day", ["2026-02-30", "tomorrow", "2999-01-01"])
def test_a_day_that_is_none_is_refused(ost, lines, day):
    ended = ost("import_items", lines("posts.jsonl", post()), "--day", day)
    assert (ended.code, "import_items: --day: " in ended.err) == (2, True)


def test_any_name_is_a_source():
    assert brought(post(source="bugtracker")) == {"inserted": 1}


def test_empty_texts_and_null_are_absent():
    line = json.loads(json.dumps(post(created_at="", comment_count=None, vote_count="", body=None)))
    assert brought(line, day=date(2026, 9, 1)) == {"inserted": 1}
    assert RawItem.objects.get().vote_count is None

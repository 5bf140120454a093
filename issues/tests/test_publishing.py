"""The outbox: what is to be shown of issues and their posts, and what of it waits."""

import json
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from issues import publishing
from issues.live_fields import COLLECTIONS
from issues.models import Issue, LiveIssue, RawItem
from issues.tests.factories import DAY, NEXT, issue_of, make_topic, publish

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>\u202eevil\u200b {{ 7*7 }}\x1b[31m\n<svg onload=x>"


@pytest.fixture(autouse=True)
def named(settings):
    settings.POCKETBASE_URL = "http://127.0.0.1:9"


def make_issues(topics: int = 2, posts: int = 6) -> list[int]:
    for topic in range(topics):
        make_topic(topic, posts)
    publish()
    return list(Issue.objects.order_by("pk").values_list("pk", flat=True))


def sent() -> None:
    """As if all of it had been sent."""
    while claims := LiveIssue.objects.claim(1000):
        for claim in claims:
            claim.settle()


def states() -> dict[str, int]:
    return {state: count for state, count in publishing.standing().items() if count}


def test_an_issue_and_each_of_its_posts_wait():
    publishing.enqueue(make_issues(2, 6))
    assert states() == {"waiting": 2 + 12}


def test_without_a_live_store_there_are_no_rows(settings):
    settings.POCKETBASE_URL = ""
    assert (publishing.enqueue(make_issues()), LiveIssue.objects.count()) == (0, 0)


def test_the_second_time_nothing_changes():
    ids = make_issues()
    publishing.enqueue(ids)
    before = list(LiveIssue.objects.order_by("pk").values())
    assert publishing.enqueue(ids) == 0
    assert list(LiveIssue.objects.order_by("pk").values()) == before


def test_only_what_differs_waits_again():
    ids = make_issues()
    publishing.enqueue(ids)
    sent()
    Issue.objects.filter(pk=ids[0]).update(title="Renamed by a person")
    publishing.enqueue(ids)
    (row,) = LiveIssue.objects.filter(state="waiting")
    assert (row.issue_id, row.payload["title"]) == (ids[0], "Renamed by a person")


@pytest.mark.parametrize("change", [{"hidden": True}, {"state": "gone"}])
def test_what_is_no_more_visible_is_withdrawn(change):
    ids = make_issues()
    publishing.enqueue(ids)
    sent()
    Issue.objects.filter(pk=ids[0]).update(**change)
    publishing.enqueue(ids)
    gone = LiveIssue.objects.filter(state="waiting")
    assert {(row.issue_id, row.payload, row.wanted_hash) for row in gone} == {(ids[0], None, "")}
    assert len(gone) == 7


def test_what_was_never_sent_is_withdrawn_at_once():
    ids = make_issues()
    publishing.enqueue(ids)
    Issue.objects.update(hidden=True)
    publishing.enqueue(ids)
    assert states() == {"withdrawn": 14}


def test_what_may_have_been_sent_waits_to_be_withdrawn():
    """As when its relay was killed before it heard the answer."""
    ids = make_issues(1)
    publishing.enqueue(ids)
    LiveIssue.objects.claim(1)
    Issue.objects.update(hidden=True)
    publishing.enqueue(ids)
    assert states() == {"waiting": 1, "withdrawn": 6}


def test_hidden_and_shown_again_before_anything_was_sent_waits_for_nothing():
    ids = make_issues()
    publishing.enqueue(ids)
    sent()
    for hidden in (True, False):
        Issue.objects.update(hidden=hidden)
        publishing.enqueue(ids)
    assert states() == {"sent": 14}


def test_hidden_and_shown_again_while_it_is_sent_waits():
    ids = make_issues()
    publishing.enqueue(ids)
    sent()
    Issue.objects.update(hidden=True)
    publishing.enqueue(ids)
    claims = LiveIssue.objects.claim(100)
    Issue.objects.update(hidden=False)
    publishing.enqueue(ids)
    for claim in claims:
        claim.settle()
    assert states() == {"waiting": 12, "sent": 2}


def test_a_post_that_went_to_another_issue_is_withdrawn_from_the_first():
    first, second = make_issues()
    publishing.enqueue([first, second])
    post = RawItem.objects.filter(assignments__issue=first).first()
    post.assignments.update(issue=second)
    publishing.enqueue([first, second])
    assert states() == {"waiting": 14, "withdrawn": 1}


def test_a_post_of_two_days_is_one_record():
    make_topic(0)
    publish()
    make_topic(0, day=NEXT)
    publish(NEXT)
    issue = issue_of(0)
    again = issue.assignments.get(clustering__day=DAY, item=issue.evidence.first().item_id)
    again.pk, again.clustering, again.cluster = None, issue.evidence.filter(clustering__day=NEXT)[0].clustering, None
    again.save()
    publishing.enqueue([issue.pk])
    assert states() == {"waiting": 1 + 16}


def test_a_record_is_known_by_fifteen_letters_and_figures():
    publishing.enqueue(make_issues())
    ids = LiveIssue.objects.values_list("remote_id", flat=True)
    assert all(len(each) == 15 and each.isalnum() and each == each.lower() for each in ids)


def test_an_issue_tells_what_is_known_of_it():
    ids = make_issues()
    publishing.enqueue(ids)
    payload = LiveIssue.objects.get(issue=ids[0], collection="issues").payload or {}
    assert {**payload, "title": "", "description": ""} == {
        "number": ids[0], "title": "", "description": "", "category": payload["category"], "impact": payload["impact"],
        "would_pay": False, "state": "new", "status": "open", "origin": "collected", "posts": 6,
        "sources": ["github", "reddit"], "first_seen": "2026-09-01 00:00:00.000Z",
        "last_seen": "2026-09-01 00:00:00.000Z",
    }  # fmt: skip


def test_a_post_tells_where_it_was_said_and_by_whom():
    make_topic(0, 6, author="ada", licence="CC BY-SA 4.0", created_at=datetime(2026, 9, 1, 12, 30, tzinfo=UTC))
    publish()
    issue = Issue.objects.get()
    publishing.enqueue([issue.pk])
    post = issue.evidence.order_by("item").first().item
    (payload,) = (
        row.payload for row in LiveIssue.objects.filter(collection="evidence") if row.payload["url"] == post.url
    )
    assert payload == {
        "issue": publishing.remote_id("issues", issue.pk), "origin": "collected", "source": "github",
        "source_type": "issue", "url": post.url, "title": post.title,
        "snippet": "I get an error and nothing is saved.", "author": "ada", "licence": "CC BY-SA 4.0",
        "posted_at": "2026-09-01 12:30:00.000Z",
    }  # fmt: skip


def test_payloads_have_the_fields_of_the_collections():
    publishing.enqueue(make_issues())
    for name, fields in COLLECTIONS.items():
        assert set(LiveIssue.objects.filter(collection=name)[0].payload) == set(fields)


def test_no_text_is_longer_than_its_field():
    (issue,) = make_issues(1)
    RawItem.objects.update(title="word " * 300_000, said="x" * 1_000_000, author="y" * 100)
    publishing.enqueue([issue])
    for row in LiveIssue.objects.all():
        for name, options in COLLECTIONS[row.collection].items():
            assert len(str(row.payload[name])) <= options.get("max", 100)


def test_what_steers_a_terminal_or_the_direction_of_reading_is_left_out():
    (issue,) = make_issues(1)
    RawItem.objects.update(title=HOSTILE)
    publishing.enqueue([issue])
    title = LiveIssue.objects.filter(collection="evidence")[0].payload["title"]
    assert title == "<script>alert(1)</script>evil {{ 7*7 }}[31m <svg onload=x>"


def test_an_address_that_is_none_of_the_web_is_left_out():
    (issue,) = make_issues(1)
    RawItem.objects.update(url="javascript:alert(1)")
    publishing.enqueue([issue])
    assert {row.payload["url"] for row in LiveIssue.objects.filter(collection="evidence")} == {""}


def test_more_issues_take_no_more_queries():
    ids = make_issues(4)
    taken = []
    for chosen in (ids[:1], ids[1:]):
        with CaptureQueriesContext(connection) as seen:
            publishing.enqueue(chosen)
        taken.append(len(seen))
    assert taken[0] == taken[1] <= 8


def test_what_is_gone_is_forgotten_by_prune():
    ids = make_issues()
    publishing.enqueue(ids)
    Issue.objects.filter(pk=ids[0]).update(hidden=True)
    publishing.enqueue(ids)
    assert (publishing.prune(3), states()) == (7, {"waiting": 7})


def test_a_payload_is_the_json_of_its_hash():
    publishing.enqueue(make_issues(1))
    row = LiveIssue.objects.first()
    assert publishing.digest(json.loads(json.dumps(row.payload))) == row.wanted_hash


# Claims


def test_posts_wait_until_their_issue_is_there():
    ids = make_issues()
    publishing.enqueue(ids)
    first = LiveIssue.objects.claim(100)
    assert {row.collection for row in first} == {"issues"}
    first[0].settle()
    assert {row.issue_id for row in LiveIssue.objects.claim(100)} == {first[0].issue_id}


def test_an_issue_goes_after_its_posts():
    ids = make_issues(1)
    publishing.enqueue(ids)
    sent()
    Issue.objects.update(hidden=True)
    publishing.enqueue(ids)
    posts = LiveIssue.objects.claim(100)
    assert ({row.collection for row in posts}, LiveIssue.objects.claim(100)) == ({"evidence"}, [])
    for row in posts:
        row.settle()
    assert [row.collection for row in LiveIssue.objects.claim(100)] == ["issues"]


def test_what_is_claimed_is_claimed_once():
    publishing.enqueue(make_issues())
    assert (len(LiveIssue.objects.claim(100)), LiveIssue.objects.claim(100)) == (2, [])


def test_a_change_while_it_is_sent_waits_for_the_end_of_that():
    ids = make_issues(1)
    publishing.enqueue(ids)
    (claim,) = LiveIssue.objects.claim(1)
    Issue.objects.update(title="Renamed by a person")
    publishing.enqueue(ids)
    assert LiveIssue.objects.claim(1) == []
    claim.settle()
    (second,) = LiveIssue.objects.claim(1)
    assert second.payload["title"] == "Renamed by a person"


def test_the_eighth_refusal_is_the_last():
    publishing.enqueue(make_issues(1))
    for _ in range(7):
        (claim,) = LiveIssue.objects.claim(1)
        assert not claim.refuse("too long")
        assert LiveIssue.objects.claim(1) == []  # not before a while
        LiveIssue.objects.update(next_attempt_at=None)
    assert LiveIssue.objects.claim(1)[0].refuse("too long")
    dead = LiveIssue.objects.get(collection="issues")
    assert (dead.state, dead.attempts, dead.error) == ("dead", 8, "too long")


def test_a_refusal_of_what_is_not_wanted_any_more_does_not_count():
    ids = make_issues(1)
    publishing.enqueue(ids)
    (claim,) = LiveIssue.objects.claim(1)
    Issue.objects.update(title="Renamed by a person")
    publishing.enqueue(ids)
    claim.refuse("too long")
    row = LiveIssue.objects.get(collection="issues")
    assert (row.attempts, row.error, row.lease) == (0, "", "")


def test_a_dead_record_that_changes_is_tried_again():
    ids = make_issues(1)
    publishing.enqueue(ids)
    LiveIssue.objects.filter(collection="issues").update(state="dead", attempts=8)
    Issue.objects.update(title="Renamed by a person")
    publishing.enqueue(ids)
    assert (len(LiveIssue.objects.claim(1)), states()) == (1, {"waiting": 7})


def test_a_claim_that_ran_out_settles_nothing_and_has_it_sent_anew():
    publishing.enqueue(make_issues(1))
    (late,) = LiveIssue.objects.claim(1)
    LiveIssue.objects.update(lease_until=datetime(2026, 1, 1, tzinfo=UTC))
    (other,) = LiveIssue.objects.claim(1)
    late.settle()
    other.settle()
    row = LiveIssue.objects.get(collection="issues")
    assert (row.state, row.sent_hash, row.lease) == ("waiting", "?", "")

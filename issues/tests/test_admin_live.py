"""The outbox in the admin."""

import pytest
from django.urls import reverse

from engine.models import Audit
from engine.tests.staff import sign_in, staff
from issues.models import LiveIssue

pytestmark = pytest.mark.django_db

LIST = reverse("admin:issues_liveissue_changelist")


@pytest.fixture
def dead() -> LiveIssue:
    return LiveIssue.objects.create(
        remote_id="a" * 15, collection="issues", state="dead", attempts=8, error="title: <b>too long</b>",
        payload={"title": "<script>alert(1)</script>"}, wanted_hash="x",
    )  # fmt: skip


def send_again(client, row):
    return client.post(LIST, {"action": "send_again", "_selected_action": [row.pk]})


def test_an_operator_sends_again_what_was_refused_and_it_is_audited(dead):
    send_again(sign_in(staff("olga", group="operator")), dead)
    dead.refresh_from_db()
    assert (dead.state, dead.attempts, dead.error) == ("waiting", 0, "")
    assert [(row.actor, row.action) for row in Audit.objects.all()] == [("olga", "send again")]


def test_who_may_only_look_sends_nothing(dead):
    send_again(sign_in(staff("vera", "issues.view_liveissue")), dead)
    dead.refresh_from_db()
    assert dead.state == "dead"


def test_nobody_changes_a_record_by_hand(dead):
    client = sign_in(staff("root", superuser=True))
    address = reverse("admin:issues_liveissue_change", args=[dead.pk])
    assert client.post(address, {"state": "sent"}).status_code == 403


def test_what_a_store_or_a_post_says_is_shown_as_text(dead):
    client = sign_in(staff("root", superuser=True))
    pages = [LIST, reverse("admin:issues_liveissue_change", args=[dead.pk])]
    shown = "".join(client.get(page).content.decode() for page in pages)
    assert "<script>alert(1)</script>" not in shown
    assert "<b>too long" not in shown

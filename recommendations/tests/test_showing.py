"""What is shown is noted once with its place, what is done with it is joined, and what was seen often rests."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recommendations import answers, profiles, serving, showing
from recommendations.api.recommendations import RENDERED
from recommendations.models import Generation, Impression, Response, Weights
from recommendations.tests.factories import give_vector, make_projects, make_stack, make_user, make_weights, score

pytestmark = pytest.mark.django_db
API = "/api/v1/recommendations/alice/"


@pytest.fixture(autouse=True)
def nothing_kept():
    RENDERED.clear()


@pytest.fixture
def alice(client):
    """Signed in, over thirty projects and a live generation."""
    make_weights()
    make_projects(30)
    user = make_user()
    give_vector(user, [1, 0.5, 0])
    score()
    client.force_login(user)
    return user


def seen(**of) -> list[tuple[int, int]]:
    showing.flush()
    return list(Impression.objects.filter(**of).order_by("rank").values_list("rank", "project"))


def kinds() -> list[str]:
    showing.flush()
    return list(Response.objects.order_by("pk").values_list("kind", flat=True))


def feedback(client, request, **said):
    body = {"project": "octo9/tool", "kind": "like", "request": str(request), **said}
    return client.post("/api/v1/feedback/", json.dumps(body), content_type="application/json")


# What was shown


def test_the_list_of_a_person_leaves_a_row_for_each_place(client, alice):
    client.get("/for-you/")
    ids = [row.project_id for row in serving.for_user(alice).rows]
    assert seen() == list(enumerate(ids[:20], 1))


def test_a_row_says_where_it_was_shown_and_by_which_weights(client, alice):
    client.get("/for-you/")
    seen()
    row = Impression.objects.first()
    assert (row.source, row.weights, row.generation) == ("for you", Weights.objects.get(), Generation.objects.live())


def test_the_first_page_leaves_its_five(client, alice):
    client.get("/")
    assert [rank for rank, _ in seen(source="home")] == [1, 2, 3, 4, 5]


def test_an_answer_of_the_api_leaves_what_it_holds(client, alice):
    client.get(API + "?top=3")
    assert [rank for rank, _ in seen(source="api")] == [1, 2, 3]


def test_the_same_list_again_on_a_day_is_one_showing(client, alice):
    for _ in range(3):
        client.get("/for-you/")
        showing.flush()
        showing.HELD.begin()  # another process
    assert len(seen()) == 20


def test_another_list_is_another_showing(client, alice):
    client.get("/for-you/")
    client.get("/for-you/?show=50")
    assert len(seen()) == 20 + 30


@pytest.mark.parametrize("headers", [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}])
def test_what_a_browser_fetches_ahead_was_not_seen(client, alice, headers):
    client.get("/for-you/", headers=headers)
    client.get("/", headers=headers)
    assert seen() == []


def test_a_question_for_the_head_alone_shows_nothing(client, alice):
    client.head("/for-you/")
    client.head(API)
    assert seen() == []


def test_what_staff_reads_of_another_was_not_shown_to_them(client, admin_user, alice):
    client.force_login(admin_user)
    assert client.get(API).status_code == 200
    assert seen() == []


def test_what_staff_read_first_is_noted_when_the_person_reads_it(client, admin_user, alice):
    client.force_login(admin_user)
    client.get(API)
    client.force_login(alice)
    client.get(API)
    assert len(seen(user=alice)) > 0


def test_the_number_of_a_list_leaves_its_etag_as_it_is(client, alice):
    first = client.get(API)
    RENDERED.clear()
    assert client.get(API, headers={"If-None-Match": first["ETag"]}).status_code == 304


def test_the_api_names_the_number_of_the_list(client, alice):
    request = client.get(API).json()["request"]
    assert len(seen(request=request)) > 0


def test_lists_are_written_by_one_statement(client, alice):
    client.get("/for-you/")
    client.get("/")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        showing.flush()
    assert sum("INSERT" in each["sql"] for each in asked) == 1


def test_a_page_waits_for_no_writing(client, alice):
    with CaptureQueriesContext(connection) as asked:
        client.get("/for-you/")
    assert not [each for each in asked if "recommendations_impression" in each["sql"] and "INSERT" in each["sql"]]


def test_the_api_writes_at_most_once_a_second(client, alice):
    client.get(API)
    assert showing.HELD.is_due()
    client.get(API + "?top=3")
    assert not showing.HELD.is_due()


def test_a_page_is_written_with_its_request(client, alice):
    client.get(API)
    assert showing.HELD.is_due()
    client.get("/for-you/")
    assert showing.HELD.is_due()


def test_a_project_that_is_gone_meanwhile_is_left_out(client, alice):
    client.get("/for-you/")
    serving.for_user(alice).rows[0].project.delete()
    assert [rank for rank, _ in seen()] == list(range(2, 21))


def test_what_the_database_does_not_take_is_written_later(client, alice, monkeypatch):
    client.get("/for-you/")
    with monkeypatch.context() as away:
        away.setattr(showing, "write_lists", lambda lists: (_ for _ in ()).throw(DatabaseError("away")))
        showing.flush()
    assert len(seen()) == 20


def test_a_process_holds_a_bounded_number_of_lists(monkeypatch):
    monkeypatch.setattr(showing, "MOST", 3)
    for user in range(1, 9):
        showing.show(showing.list_of(user, "api", [1], None, 1), soon=False)
    assert len(showing.HELD._lists) == 3


def test_an_empty_list_was_not_shown():
    assert showing.list_of(1, "api", [], None, 1) is None


@pytest.mark.parametrize("at_once", [3, 5_000])
def test_prune_forgets_what_was_shown_long_ago(client, alice, settings, monkeypatch, at_once):
    monkeypatch.setattr(showing, "AT_ONCE", at_once)
    client.get("/for-you/")
    seen()
    old = Impression.objects.order_by("rank")[:4].values("pk")
    Impression.objects.filter(pk__in=old).update(shown_at=timezone.now() - timedelta(days=settings.IMPRESSION_DAYS + 1))
    assert showing.prune(3) == 4
    assert Impression.objects.count() == 16


# What was done with it


def test_a_link_to_a_project_carries_its_list_and_opening_it_is_an_answer(client, alice):
    page = client.get("/for-you/").content.decode()
    showing.flush()
    request = Impression.objects.first().request
    assert f'href="/projects/octo9/tool/?from={request}"' in page
    client.get(f"/projects/octo9/tool/?from={request}")
    assert kinds() == ["click"]


def test_a_form_carries_its_list_too(client, alice):
    page = client.get("/for-you/").content.decode()
    showing.flush()
    first = Impression.objects.order_by("rank").first()
    assert f'name="request" value="{first.request}"' in page
    client.post("/act/", {"project": first.project_id, "do": "save", "request": str(first.request)})
    assert kinds() == ["save"]


def test_not_my_stack_is_an_answer_of_hiding(client, alice):
    client.get("/for-you/")
    showing.flush()
    first = Impression.objects.order_by("rank").first()
    stack = make_stack("COBOL")
    client.post("/act/", {"project": first.project_id, "do": f"refuse-{stack.pk}", "request": str(first.request)})
    assert kinds() == ["dismiss"]


def test_feedback_names_its_list(client, alice):
    request = client.get(API + "?top=50").json()["request"]
    assert feedback(client, request).status_code == 201
    assert kinds() == ["like"]


def test_the_same_answer_again_is_one(client, alice):
    request = client.get(API + "?top=50").json()["request"]
    for _ in range(3):
        feedback(client, request)
        showing.flush()
    assert kinds() == ["like"]


def test_another_person_s_list_takes_no_answer_and_says_nothing(client, alice):
    request = client.get(API + "?top=50").json()["request"]
    showing.flush()
    client.force_login(make_user("bob"))
    assert feedback(client, request).status_code == 201
    assert kinds() == []


def test_a_project_that_was_not_in_the_list_takes_no_answer(client, alice):
    request = client.get(API + "?top=1").json()["request"]
    feedback(client, request, project="octo29/tool")
    assert kinds() == []


def test_a_number_that_no_list_has_says_nothing(client, alice):
    assert feedback(client, uuid4()).status_code == 201
    assert client.get(f"/projects/octo9/tool/?from={uuid4()}").status_code == 200
    assert kinds() == []


@pytest.mark.parametrize("given", ["x", "https://evil.example/", "0" * 40, ""])
def test_what_is_no_number_of_a_list_is_left_unread(client, alice, given):
    page = client.get(f"/projects/octo9/tool/?from={given}")
    assert page.status_code == 200
    assert b'name="request"' not in page.content
    assert kinds() == []


def test_feedback_refuses_what_is_no_number(client, alice):
    assert feedback(client, "x").status_code == 400


# What was seen often


def shown_before(user, projects, *days: int) -> None:
    """They saw those projects so many days ago."""
    for day in days:
        at = timezone.now() - timedelta(days=day)
        request = uuid4()
        Impression.objects.bulk_create(
            Impression(user=user, project_id=pk, request=request, rank=rank, shown_at=at)
            for rank, pk in enumerate(projects, 1)
        )


def order(user) -> list[int]:
    return [row.project_id for row in serving.for_user(user).rows]


def test_some_of_what_was_seen_on_three_days_rests_behind_the_page(alice):
    before = order(alice)
    shown_before(alice, before[:20], 1, 2, 3)
    after = order(alice)
    gone = set(before[:20]) - set(after[:20])
    assert len(gone) == 5
    assert set(after[20:25]) == gone


def test_what_rests_says_why_and_keeps_its_score(alice):
    before = {row.project_id: row.score for row in serving.for_user(alice).rows}
    shown_before(alice, list(before)[:20], 1, 2, 3)
    (row, *_) = [row for row in serving.for_user(alice).rows if row.rank == 21]
    assert answers.sentences(row)[-1] == "Moved: seen on 3 days without an answer."
    assert row.score == before[row.project_id]
    assert row.rank_by_score <= 20


def test_the_order_is_the_same_all_day(alice):
    shown_before(alice, order(alice)[:20], 1, 2, 3)
    assert order(alice) == order(alice)


def test_an_answer_of_yesterday_is_not_given_today(client, alice, monkeypatch):
    shown_before(alice, order(alice)[:20], 1, 2, 3)
    client.get(f"{API}?top=20")
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr(timezone, "now", lambda: tomorrow)
    told = [row["full_name"] for row in client.get(f"{API}?top=20").json()["recommendations"]]
    assert told == [row.project.full_name for row in serving.for_user(alice, 20).rows]


def test_the_api_gives_the_same_order_however_many_are_asked_for(client, alice):
    shown_before(alice, order(alice)[:20], 1, 2, 3)
    names = [row.project.full_name for row in serving.for_user(alice).rows]
    for top in (1, 5, 20, 23, 30):
        asked = client.get(f"{API}?top={top}").json()["recommendations"]
        assert [row["full_name"] for row in asked] == names[:top]
        assert [row["rank"] for row in asked] == list(range(1, top + 1))


def test_a_list_scored_live_rotates_alike(alice):
    shown_before(alice, order(alice)[:20], 1, 2, 3)
    stored = order(alice)
    profiles.touch([alice.pk], told=False)
    assert serving.for_user(alice).live
    assert order(alice) == stored


@pytest.mark.parametrize("days", [(0, 0, 0), (1, 1, 1), (1, 2), (15, 16, 17)])
def test_what_was_seen_today_or_too_seldom_or_long_ago_stays(alice, days):
    before = order(alice)
    shown_before(alice, before[:20], *days)
    assert order(alice) == before


def test_what_was_answered_stays(alice):
    before = order(alice)
    shown_before(alice, before[:20], 1, 2, 3)
    at = timezone.now() - timedelta(days=1)
    rows = Impression.objects.filter(shown_at__lt=timezone.now() - timedelta(days=2, hours=1))
    Response.objects.bulk_create(Response(impression=row, kind="click", at=at) for row in rows)
    assert order(alice) == before


def test_another_person_s_showings_move_nothing(alice):
    before = order(alice)
    shown_before(make_user("bob"), before[:20], 1, 2, 3)
    assert order(alice) == before


def test_the_page_why_gives_the_rank_of_the_day(client, alice):
    shown_before(alice, order(alice)[:20], 1, 2, 3)
    row = serving.for_user(alice).rows[20]
    assert serving.why(alice, row.project).rank == 21
    assert "Moved: seen on 3 days" in client.get(f"/projects/{row.project.full_name}/why/").content.decode()

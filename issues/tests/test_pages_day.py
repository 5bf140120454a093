"""The list of days, and the page of one."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from issues import charting
from issues.models import Assignment, Clustering, Issue, IssueDay, RawItem, Spot
from issues.tests.factories import DAY, NEXT, THIRD, issue_of, make_item, make_topic, publish
from issues.tests.listed import make_day, make_issue, make_post
from issues.tests.outline import EVIL_URLS, HOSTILE, UNSEEN, Outline

pytestmark = pytest.mark.django_db
ADDRESS = f"/issues/days/{DAY}/"


def page(client, query="", address=ADDRESS):
    answer = client.get(address + query)
    assert answer.status_code == 200
    return answer.content.decode()


def text(found):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found)).split())


def lone(count, day=DAY, **facts):
    """Posts of a day in no cluster."""
    live = make_day(day)
    items = [make_post(collected_on=day, **facts) for _ in range(count)]
    Assignment.objects.bulk_create(Assignment(clustering=live, item=item) for item in items)
    Clustering.objects.filter(pk=live.pk).update(items=live.items + count)
    return items


# The list


def test_days_are_listed_with_what_they_came_to(client):
    make_issue("One", {DAY: 2, NEXT: 1}, sources=["github", "reddit"])
    make_issue("Two", {DAY: 1})
    make_issue("Hidden", {DAY: 1}, hidden=True)
    Clustering.objects.update(outcome="clustered")
    Clustering.objects.filter(day=DAY).update(outlier_ratio=0.25, missing_sources=["hackernews"])
    found = text(page(client, address="/issues/days/"))
    assert "2 Sep 2026 1 1 GitHub 1 – 1 Sep 2026 without Hacker News 2 4 GitHub 3 Reddit 1 25%" in found


def test_without_a_day_the_commands_are_named(client):
    assert "import_items FILE && ./ost manage run_pipeline issues" in text(page(client, address="/issues/days/"))


@pytest.mark.parametrize("address", ["/issues/days/", ADDRESS])
@pytest.mark.parametrize(
    ("query", "status"), [("?page=0", 404), ("?page=9", 404), ("?page=1&page=1", 400), ("?x=1", 400)]
)
def test_what_a_page_does_not_know_is_refused(client, address, query, status):
    make_issue()
    assert client.get(address + query).status_code == status


def test_ten_more_days_cost_no_more_queries(client):
    make_issue(days={DAY: 1})
    with CaptureQueriesContext(connection) as few:
        page(client, address="/issues/days/")
    make_issue(days={DAY + timedelta(days=at): 1 for at in range(1, 12)})
    with CaptureQueriesContext(connection) as many:
        page(client, address="/issues/days/")
    assert len(many) == len(few) <= 4


# One day


@pytest.mark.parametrize("day", ["2026-09-02", "2026-9-1", "20260901", "2026-02-30", "x", "0000-00-00", "9999-12-31"])
def test_what_is_no_day_that_readers_see_is_not_found(client, day):
    make_issue()
    assert client.get(f"/issues/days/{day}/").status_code == 404


def test_a_draft_is_not_found(client):
    make_day(state="draft")
    assert client.get(ADDRESS).status_code == 404


def test_the_head_says_what_the_day_came_to(client):
    make_issue("One", {DAY: 3}, sources=["github", "reddit"])
    lone(1)
    Clustering.objects.update(outlier_ratio=0.25)
    assert "4 posts from 2 sources → 1 problem, 25% in none" in text(page(client))


def test_problems_stand_with_what_the_day_brought_the_largest_first(client):
    make_issue("Small", {DAY: 2}), make_issue("Large", {DAY: 5, NEXT: 9}), make_issue("Other day", {NEXT: 1})
    rows = client.get(ADDRESS).context["rows"]
    assert [(row.title, counts.posts) for row, counts in rows] == [("Large", 5), ("Small", 2)]
    assert "5 posts 5 people GitHub" in text(page(client))


@pytest.mark.parametrize("facts", [{"hidden": True}, {"label_state": "deferred", "title": ""}, {"state": "gone"}])
def test_what_readers_should_not_see_is_not_on_the_page(client, facts):
    make_issue(**facts)
    assert client.get(ADDRESS).context["rows"] == []


def test_missing_sources_are_named(client):
    make_issue()
    Clustering.objects.update(missing_sources=["hackernews", "reddit"])
    assert "Without Hacker News, Reddit: no posts came from there" in text(page(client))


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("empty", "No post came in on this day."),
        ("too_few", "Too few posts came in"),
        ("all_alike", "All posts of this day are about one problem."),
        ("all_noise", "No two handfuls of posts were about the same"),
    ],
)
def test_the_state_of_the_day_is_a_sentence(client, outcome, said):
    make_day(outcome=outcome)
    assert said in text(page(client))


def test_groups_without_a_name_are_counted(client):
    make_issue()  # its cluster has no label
    assert "1 group of posts could not be named yet, and is not shown." in text(page(client))


def test_it_leads_to_the_days_beside_it_and_to_its_map(client):
    make_issue(days={DAY: 1, NEXT: 1, THIRD: 1})
    found = page(client, address=f"/issues/days/{NEXT}/")
    assert re.findall(r'rel="(\w+)" href="(/issues/days/[^"]+)"', found) == [
        ("prev", f"/issues/days/{DAY}/"),
        ("next", f"/issues/days/{THIRD}/"),
    ]
    assert f'href="/issues/days/{NEXT}/map/"' in found


# The shelf


def test_the_shelf_holds_what_is_in_no_problem_the_nearest_first(client):
    make_topic(0), make_topic(1), make_topic(2)
    near = make_item(-1, 1, vector=[0.5, *[0.0] * 13, 0.0, 0.8], title="Near")
    far = make_item(-1, 2, vector=[*[0.0] * 14, 1.0, 0.0], title="Far")
    live = publish()
    charting.draw(live)
    shelf = client.get(ADDRESS).context["lone"]
    assert [each.post.title for each in shelf if each.post.title in ("Near", "Far")] == [near.title, far.title]
    assert next(each.near for each in shelf if each.post.title == "Near") == issue_of(0)
    alike = Spot.objects.get(assignment__item=near).alike or 0
    assert f"nearest: {issue_of(0).title} , distance {1 - alike:.2f}" in text(page(client))


def test_a_day_that_is_not_drawn_has_its_shelf_without_neighbours(client):
    lone(3)
    found = page(client)
    assert found.count('<li class="row">') == 3
    assert "nearest" not in text(found).partition("In no problem")[2].partition("nothing in common")[2]


def test_the_shelf_comes_page_by_page_beside_the_problems(client):
    for number in range(21):
        make_issue(f"Problem {number}", {DAY: 1})
    items = lone(45)
    first, second, third = (client.get(f"{ADDRESS}?page=2&shelf={number}").context for number in (1, 2, 3))
    titles = [each.post.title for context in (first, second, third) for each in context["lone"]]
    assert sorted(titles) == sorted(item.title for item in items)
    assert [len(context["rows"]) for context in (first, second, third)] == [1, 1, 1]
    assert 'href="?page=2&amp;shelf=2#shelf"' in page(client, "?page=2")


def test_what_a_curator_took_out_or_put_elsewhere_is_not_on_the_shelf(client):
    issue = make_issue("One", {DAY: 3})
    put = lone(2)[0]
    Assignment.objects.filter(item=put).update(issue=issue)
    titles = [each.post.title for each in client.get(ADDRESS).context["lone"]]
    assert len(titles) == 1
    assert put.title not in titles


def test_a_nearest_problem_that_readers_do_not_see_is_not_named(client):
    make_topic(0), make_item(-1)
    charting.draw(publish())
    Issue.objects.update(hidden=True)
    assert issue_of(0).title not in page(client)


@pytest.mark.parametrize("url", EVIL_URLS)
def test_where_no_browser_should_be_sent_is_no_link(client, url):
    lone(1)
    RawItem.objects.update(url=url)
    assert 'rel="nofollow' not in page(client)


def test_three_posts_that_are_alike_may_be_growing(client):
    make_topic(0), make_topic(1)
    few = [make_item(2, number) for number in range(3)]
    charting.draw(publish())
    (pocket,) = client.get(ADDRESS).context["pockets"]
    assert [post.title for post in pocket] == [item.title for item in few]
    assert "May be growing" in page(client)


# Cost, and whoever wrote it


def test_ten_more_problems_and_posts_cost_no_more_queries(client):
    make_issue("One", {DAY: 1}), lone(1)
    with CaptureQueriesContext(connection) as few:
        page(client)
    for number in range(10):
        make_issue(f"Problem {number}", {DAY: 2})
    lone(10)
    with CaptureQueriesContext(connection) as many:
        page(client)
    assert len(many) == len(few) <= 12


def worded(words, url):
    Issue.objects.update(title=f"{words} title", description=f"{words} description")
    RawItem.objects.update(title=f"{words} post", said=f"{words} said", url=url, author=words[:90])


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_make_no_element(client, words):
    make_topic(0), make_item(-1)
    few = [make_item(2, number) for number in range(3)]
    charting.draw(publish())
    assert few
    IssueDay.objects.update(sources=["github"])
    worded(words, "https://example.org/x")
    hostile = page(client)
    worded("harmless words", "https://example.org/y")
    assert Outline(hostile).elements == Outline(page(client)).elements
    assert not set(hostile) & set(UNSEEN)

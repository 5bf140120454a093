"""The map of a day, as a picture and as a table."""

import re
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from issues import charting
from issues.models import Clustering, Issue, RawItem
from issues.pages import map as drawing
from issues.tests.factories import DAY, NEXT, THIRD, issue_of, make_item, make_topic, publish
from issues.tests.listed import make_issue
from issues.tests.outline import HOSTILE, UNSEEN, Outline

pytestmark = pytest.mark.django_db
ADDRESS = f"/issues/days/{DAY}/map/"


@pytest.fixture
def drawn():
    """Three problems and five posts in none."""
    make_topic(0, count=9), make_topic(1), make_topic(2)
    for number in range(5):
        make_item(-1, number)
    live = publish()
    charting.draw(live)
    return live


def page(client, query=""):
    answer = client.get(ADDRESS + query)
    assert answer.status_code == 200
    return answer.content.decode()


def text(found):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found)).split())


def dots(found):
    return re.findall(r'<circle class="dot ([^"]+)" cx="([^"]+)" cy="([^"]+)" r="[^"]+"><title>([^<]*)</title>', found)


def test_every_post_is_a_point_that_says_its_title(client, drawn):
    found = dots(page(client))
    titles = {f"{item.title} ({'GitHub' if item.source == 'github' else 'Reddit'})" for item in RawItem.objects.all()}
    assert {unescape(title) for *_, title in found} == titles
    assert len(found) == 30


def test_points_lie_within_the_picture(client, drawn):
    places = [float(value) for _, x, y, _ in dots(page(client)) for value in (x, y)]
    assert 0 < min(places) <= max(places) < drawing.SIZE


def test_points_have_the_colour_of_the_category(client, drawn):
    Issue.objects.update(category="finance")
    kinds = [kind for kind, *_ in dots(page(client))]
    assert (kinds.count("of-finance"), kinds.count("of-none")) == (25, 5)


def test_each_problem_is_a_disc_with_its_name_and_a_row_of_the_table(client, drawn):
    found = page(client)
    assert found.count('class="disc ') == found.count('class="map-label"') == 3
    picture, _, table = found.partition('id="map-table"')
    for topic in range(3):
        title = issue_of(topic).title
        assert title in unescape(picture)
        assert title in unescape(table)
    assert [disc.size for disc in client.get(ADDRESS).context["table"]] == [9, 8, 8]


def test_who_cannot_see_the_picture_or_point_at_it_has_the_table(client, drawn):
    picture = page(client).partition('<svg id="map"')[2].partition("</svg>")[0]
    assert 'aria-hidden="true"' in picture.partition(">")[0]
    assert picture.count("<a ") == picture.count('tabindex="-1"') == 3


def test_a_search_lights_up_points_without_a_script(client, drawn):
    found = page(client, "?q=INVOICES+again")
    lit = [title for kind, _, _, title in dots(found) if "is-lit" in kind]
    assert lit
    assert all("Invoices are sent twice" in title and "again" in title for title in lit)
    assert f"{len(lit)} of 30 points light up." in text(found)
    assert client.get(ADDRESS + "?q=invoices").context["table"][0].issue == issue_of(1)


@pytest.mark.parametrize(
    ("query", "status"), [("?q=" + "x" * 101, 400), ("?page=2", 400), ("?q=a&q=b", 400), ("?q=", 200)]
)
def test_what_the_page_does_not_know_is_refused(client, drawn, query, status):
    assert client.get(ADDRESS + query).status_code == status


def test_another_day_is_not_found(client, drawn):
    assert client.get(f"/issues/days/{THIRD}/map/").status_code == 404


def test_a_hidden_problem_and_its_posts_are_not_drawn(client, drawn):
    hidden = issue_of(0)
    Issue.objects.filter(pk=hidden.pk).update(hidden=True)
    found = page(client)
    assert hidden.title not in unescape(found)
    assert len(dots(found)) == 21


def test_posts_of_a_group_without_a_name_are_in_no_problem(client, drawn):
    Issue.objects.filter(pk=issue_of(0).pk).update(label_state="deferred")
    kinds = [kind for kind, *_ in dots(page(client))]
    assert kinds.count("of-none") == 14


def test_what_curators_made_one_is_one_row_of_two_discs(client, drawn):
    first, second = issue_of(0), issue_of(1)
    drawn.clusters.filter(issue=second).update(issue=first)
    context = client.get(ADDRESS).context
    assert len(context["discs"]) == 3
    assert (context["table"][0].issue, context["table"][0].size) == (first, 17)


def test_of_very_many_posts_some_are_drawn_always_the_same(client, drawn, monkeypatch):
    monkeypatch.setattr(drawing, "MOST", 10)
    first, second = dots(page(client)), dots(page(client))
    assert first == second
    assert 0 < len(first) <= 10
    assert "one of 3 posts of the day" in text(page(client))


def test_no_label_covers_another(client, drawn):
    boxes = []
    for disc in client.get(ADDRESS).context["discs"]:
        wide = max(len(line) for _, line in disc.lines) * drawing.LETTER / 2
        boxes.append((disc.label_x - wide, disc.label_x + wide, disc.lines[0][0], disc.lines[-1][0]))
    for at, (left, right, top, foot) in enumerate(boxes):
        for other in boxes[at + 1 :]:
            assert right <= other[0] or other[1] <= left or foot < other[2] or other[3] < top


def test_a_day_that_is_not_drawn_says_what_draws_it(client):
    make_issue()
    assert "run_pipeline issues" in text(page(client))


def test_a_day_without_posts_has_nothing_to_draw(client, drawn):
    RawItem.objects.all().delete()
    charting.draw(publish())
    assert "There is nothing to draw." in text(page(client))


def test_it_leads_to_the_maps_of_the_days_beside_it(client, drawn):
    make_topic(0, day=NEXT, first=20)
    publish(NEXT)
    assert f'rel="next" href="/issues/days/{NEXT}/map/"' in page(client)


def test_more_points_cost_no_more_queries(client, drawn):
    with CaptureQueriesContext(connection) as few:
        page(client)
    make_topic(3), make_topic(4)
    charting.draw(publish())
    with CaptureQueriesContext(connection) as many:
        page(client, "?q=export")
    assert len(many) == len(few) <= 6


def worded(words):
    Issue.objects.update(title=f"{words} title of it")
    RawItem.objects.update(title=f"{words} post")


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_make_no_element(client, drawn, words):
    worded("harmless words")
    plain = Outline(page(client)).elements
    worded(words)
    hostile = page(client)
    assert [each for each in Outline(hostile).elements if each[0] not in LETTERED] == [
        each for each in plain if each[0] not in LETTERED
    ]
    assert not set(hostile) & set(UNSEEN)


LETTERED = ("tspan", "/tspan", "text", "/text")  # a longer title has one line more, or no place


def test_a_retired_clustering_has_no_map(client, drawn):
    Clustering.objects.update(state="retired")
    assert client.get(ADDRESS).status_code == 404

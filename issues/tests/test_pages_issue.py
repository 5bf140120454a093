"""The page of one problem."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from issues import charting, edits
from issues.models import Assignment, Cluster, Clustering, Issue, IssueEdit, Label, Lineage, Place, RawItem
from issues.pages.evidence import claims_of, quoted
from issues.pages.problem import Trend
from issues.tests.factories import DAY, NEXT, THIRD, issue_of, make_item, make_topic, publish
from issues.tests.listed import make_day, make_evidence, make_issue
from issues.tests.outline import EVIL_URLS, HOSTILE, UNSEEN, Outline

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def curator():
    user = User.objects.create_user("dora", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="curate_issue"))
    return user


def page(client, issue, query="", **headers):
    answer = client.get(f"/issues/{issue.pk}/{query}", headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def text(found):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found)).split())


def section(found, name):
    """The words of the section whose heading has that id."""
    part = found.partition(f'id="{name}"')[2]
    return text(part.partition("<section")[0].partition("</section>")[0].partition(">")[2])


# Who sees what


def test_it_says_what_it_is(client):
    issue = make_issue("Exports stop", description="They end early.", impact="high", would_pay=True, category="finance")
    found = text(page(client, issue))
    assert "Exports stop They end early. finance high impact would pay steady" in found


@pytest.mark.parametrize("facts", [{"hidden": True}, {"label_state": "deferred", "title": ""}, {"state": "gone"}])
def test_what_readers_should_not_see_is_not_found_but_by_curators(client, curator, facts):
    issue = make_issue(**facts)
    assert client.get(f"/issues/{issue.pk}/").status_code == 404
    client.force_login(curator)
    assert client.get(f"/issues/{issue.pk}/").status_code == 200


def test_a_merged_one_leads_to_what_it_became(client):
    into = make_issue("One")
    merged = make_issue("Other", into=into, state="gone")
    assert client.get(f"/issues/{merged.pk}/")["Location"] == f"/issues/{into.pk}/"


@pytest.mark.parametrize("pk", ["0", "999999", "9" * 30])
def test_what_is_no_problem_is_not_found(client, pk):
    assert client.get(f"/issues/{pk}/").status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [("?page=0", 404), ("?page=99", 404), ("?page=x", 404), ("?page=1&page=2", 400), ("?q=x", 400), ("?page=", 200)],
)
def test_what_the_page_does_not_know_is_refused(client, query, status):
    assert client.get(f"/issues/{make_issue().pk}/{query}").status_code == status


def test_only_staff_are_shown_the_way_to_a_curators_acts(client, curator):
    issue = make_issue()
    assert "/curate/" not in page(client, issue)
    client.force_login(curator)
    assert f"/issues/{issue.pk}/curate/" in page(client, issue)


def test_it_is_said_whose_words_it_has(client):
    label = Label.objects.create(prompt_hash="p", state="labelled", source="llm", model="local/one", title="x")
    assert "Named by a model, local/one." in text(page(client, make_issue(label=label, label_source="llm")))
    assert "Extracted: title and description are the posts' own words." in text(page(client, make_issue()))


# The posts


def test_the_surest_post_comes_first(client):
    issue = make_issue(days={DAY: 4})
    titles = [row.item.title for row in issue.evidence]
    found = section(page(client, issue), "evidence")
    assert sorted(titles, key=found.index) == titles


def test_a_post_says_where_it_is_from_and_how_it_stands(client):
    issue = make_issue(days={DAY: 1}, sources=["stackoverflow"])
    facts = {"author": "anna", "licence": "CC BY-SA 4.0", "vote_count": -3, "comment_count": 1}
    RawItem.objects.update(**facts, created_at=timezone.make_aware(timezone.datetime(2026, 9, 1)))
    found = section(page(client, issue), "evidence")
    said = "Stack Overflow by anna CC BY-SA 4.0 1 Sep 2026 -3 votes 1 comment surely about this, one of those"
    assert said in found


def test_what_is_not_known_of_a_post_is_not_said(client):
    found = section(page(client, make_issue(days={DAY: 1})), "evidence")
    assert not re.search(r"vote|comment|by |CC|None", found.partition("The words")[2])


def test_a_post_is_linked_without_lending_it_our_name(client):
    issue = make_issue(days={DAY: 1})
    item = issue.evidence[0].item
    assert f'<a href="{item.url}" rel="nofollow ugc noopener noreferrer">' in page(client, issue)


@pytest.mark.parametrize("url", EVIL_URLS)
def test_where_no_browser_should_be_sent_is_no_link(client, url):
    issue = make_issue(days={DAY: 1})
    RawItem.objects.update(url=url)
    found = page(client, issue)
    assert "Post" in section(found, "evidence")
    assert 'rel="nofollow' not in found


@pytest.mark.parametrize(
    ("membership", "said"), [(1, "surely"), (0.8, "very likely"), (0.6, "likely"), (0.1, "perhaps")]
)
def test_how_surely_a_post_belongs_is_said_in_words(client, membership, said):
    issue = make_issue(days={DAY: 1})
    Assignment.objects.update(membership=membership)
    assert f"{said} about this" in section(page(client, issue), "evidence")


def test_a_post_that_a_curator_put_there_says_so(client, curator):
    issue = make_issue(days={DAY: 1})
    lone = Assignment.objects.create(clustering=make_day(), item=make_item(-1), membership=0)
    edits.pin(issue=issue, items=[lone.item_id], by=curator)
    assert "put here by a curator" in section(page(client, issue), "evidence")


def test_a_post_of_several_days_is_shown_once(client):
    issue = make_issue(days={DAY: 1})
    item = issue.evidence[0].item
    other = make_day(NEXT)
    cluster = Cluster.objects.create(
        clustering=other, number=0, size=1, mean_distance=0, membership=1, centroid=[1.0], issue=issue
    )
    Assignment.objects.create(clustering=other, item=item, cluster=cluster, issue=issue, membership=1)
    assert section(page(client, issue), "evidence").count(item.title) == 1


def test_of_a_clustering_that_is_no_longer_live_nothing_is_shown(client):
    issue = make_issue(days={DAY: 3})
    Clustering.objects.update(state="retired")
    assert "No post is left" in page(client, issue)


def test_more_posts_come_page_by_page(client):
    issue = make_issue(days={DAY: 23})
    titles = [title for number in (1, 2, 3) for title in titles_of(page(client, issue, f"?page={number}"))]
    assert titles == [row.item.title for row in issue.evidence]


def titles_of(found):
    return re.findall(r'<h3 class="row-title"><a [^>]+><bdi>(Post \d+)</bdi>', found)


def test_htmx_gets_the_posts_alone(client):
    issue = make_issue(days={DAY: 23})
    answer = client.get(f"/issues/{issue.pk}/?page=2", headers=HTMX)
    assert answer.content.decode().lstrip().startswith("<li")
    assert "HX-Request" in answer["Vary"]


# What a label rests on


def claimed(words, said, field="would_pay", title="A title"):
    issue = make_issue(days={DAY: 2}, claims=[{"field": field, "item": 1, "words": words}])
    item = issue.evidence[0].item
    RawItem.objects.filter(pk=item.pk).update(said=said, title=title)
    return issue


def test_the_words_of_a_claim_are_marked_where_they_stand(client):
    issue = claimed("I would pay for that", "We lose hours. I would pay for that, gladly.")
    found = page(client, issue)
    assert "We lose hours. <mark>I would pay for that</mark>, gladly." in found
    assert section(found, "rests-on").startswith("What that rests on Would pay “ We lose hours.")


@pytest.mark.parametrize("said", ["i WOULD pay, for that", "I would\n\n pay — for “that”"])
def test_case_and_what_stands_between_words_do_not_matter(said):
    found = quoted(" ".join(said.split()), "I would pay for that", "would pay")
    assert found
    assert (found.before, found.after) in [("", ""), ("", "”")]


@pytest.mark.parametrize("said", ["I would pay for it", "would paying for that", "pay for I would that", ""])
def test_words_that_no_post_has_are_not_shown(client, said):
    found = page(client, claimed("would pay for that", said))
    assert "<mark>" not in found
    assert "rests-on" not in found


def test_of_a_long_post_the_words_around_are_shown():
    found = quoted(f"{'before ' * 90}the very words{' after' * 90}", "the very words", "impact")
    assert found
    assert (len(found.before), len(found.after)) < (120, 120)
    assert found.before.startswith("… before")
    assert found.after.endswith("after …")


@pytest.mark.parametrize("claims", [None, {}, [None, 3], [{"field": "x", "words": "y"}], [{"field": "impact"}]])
def test_what_is_no_claim_is_passed_over(claims):
    assert claims_of(Issue(claims=claims)) == []


def test_a_post_that_is_made_to_be_searched_for_long_is_not():
    issue = claimed(" ".join(["a"] * 300), "a " * 9_000 + "b")
    begin = timezone.now()
    quoted(issue.evidence[0].item.said, issue.claims[0]["words"] + " c", "impact")
    assert (timezone.now() - begin).total_seconds() < 2


# The trend


def test_the_trend_counts_each_post_by_day_and_source(client):
    issue = make_issue(days={DAY: 3, THIRD: 2}, sources=["github", "reddit"])
    trend = client.get(f"/issues/{issue.pk}/").context["trend"]
    assert [name for name, _ in trend.sources] == ["GitHub", "Reddit"]
    assert trend.rows == [(THIRD, [1, 1], 2), (NEXT, [0, 0], 0), (DAY, [2, 1], 3)]


def test_the_trend_ends_on_the_newest_day_of_all(client):
    issue = make_issue(days={DAY: 1})
    make_issue("Other", days={THIRD: 1})
    assert client.get(f"/issues/{issue.pk}/").context["trend"].rows[0] == (THIRD, [0], 0)


def test_the_columns_stand_on_each_other_and_the_highest_is_as_tall_as_the_picture(client):
    issue = make_issue(days={DAY: 4, NEXT: 2}, sources=["github", "reddit"])
    pieces = client.get(f"/issues/{issue.pk}/").context["trend"].pieces
    first = [piece for piece in pieces if piece.x == 0]
    assert sum(piece.height for piece in first) == Trend.TALL
    assert min(piece.y for piece in first) == 0


def test_a_source_that_nobody_foresaw_has_a_column_too(client):
    issue = make_issue(days={DAY: 2}, sources=["forum", "list"])
    assert "source-other" in page(client, issue)


# Why they belong together, and what is alike


def test_it_says_what_its_posts_share(client):
    make_topic(0)
    make_topic(1)
    charting.draw(publish())
    found = section(page(client, issue_of(0)), "together")
    assert "nightly export" in found
    assert "close together" in found
    assert "2 sources; the largest, GitHub, has 50%" in found


def test_it_says_so_where_one_source_alone_complains(client):
    assert "All of them are from GitHub." in section(page(client, make_issue()), "together")


def directed(title, centroid, **facts):
    issue = make_issue(title, **facts)
    Cluster.objects.filter(issue=issue).update(centroid=centroid)
    return issue


def test_the_nearest_are_named_with_how_near_they_are(client):
    issue = directed("One", [1.0, 0, 0])
    near, related = directed("Near", [0.9, 0.3, 0]), directed("Related", [0.6, 0.8, 0])
    directed("Far", [0, 0, 1.0])
    alike = client.get(f"/issues/{issue.pk}/").context["alike"]
    assert [(each.issue.pk, each.near) for each in alike] == [(near.pk, "nearly the same"), (related.pk, "related")]


@pytest.mark.parametrize("facts", [{"hidden": True}, {"label_state": "deferred"}, {"state": "gone"}])
def test_what_readers_should_not_see_is_not_alike(client, facts):
    issue = directed("One", [1.0, 0, 0])
    directed("Unseen", [1.0, 0, 0], **facts)
    assert "Unseen" not in page(client, issue)


def test_vectors_of_another_model_are_not_compared(client):
    issue = directed("One", [1.0, 0, 0])
    other = directed("Other", [1.0, 0], days={NEXT: 2})
    model = Clustering.objects.get(day=DAY).model
    model.pk, model.state, model.name = None, "retired", "another"
    model.save()
    Clustering.objects.filter(day=NEXT).update(model=model)
    assert other.title not in page(client, issue)


# The history


def entries(client, issue):
    found = client.get(f"/issues/{issue.pk}/").context["history"]
    return [" ".join(filter(None, (each.text, each.other_title, each.why, each.undone))) for each in found]


def test_what_runs_did_is_told_with_its_reason(client):
    issue, other = make_issue("One", days={DAY: 2, NEXT: 6}), make_issue("Other", days={NEXT: 1})
    told = [(DAY, "born", None, ""), (NEXT, "known", None, "0.78 alike in meaning")]
    for day, kind, of, why in told:
        Lineage.objects.create(issue=issue, day=day, kind=kind, other=of, why=why)
    Lineage.objects.create(issue=other, day=NEXT, kind="split", other=issue, why="40% of the posts in common")
    assert entries(client, issue) == [
        "First seen",
        "Known again 0.78 alike in meaning",
        "This split off from it: Other 40% of the posts in common",
        "Grew from 2 to 6 posts a day",
    ]
    assert entries(client, other) == ["Split off from One 40% of the posts in common"]


def test_what_curators_did_is_told_also_when_it_was_undone(client, curator):
    issue = make_issue("One", days={DAY: 2})
    Cluster.objects.update(found=F("issue"))
    edits.change(issue=issue, fields={"title": "Another name"}, by=curator)
    issue.refresh_from_db()
    edits.undo(edit=edits.lock(issue=issue, by=curator), by=curator)
    today = f"{timezone.now():%-d %B %Y}"
    assert entries(client, issue) == [
        "Renamed “Another name” by a curator",
        f"Locked: no later label changes what it says by a curator undone on {today}",
    ]


def test_an_issue_that_readers_do_not_see_is_not_named_in_the_history(client):
    issue, hidden = make_issue("One"), make_issue("Unseen", hidden=True)
    Lineage.objects.create(issue=hidden, day=DAY, kind="split", other=issue)
    IssueEdit.objects.create(kind="differ", issue=issue, other=hidden)
    assert "Unseen" not in page(client, issue)


# Cost, and whoever wrote it


def queries(client, issue, query=""):
    with CaptureQueriesContext(
        connection,
    ) as found:
        page(client, issue, query)
    return len(found)


def test_ten_more_posts_days_and_neighbours_cost_no_more_queries(client):
    claims = [{"field": "impact", "item": 1, "words": "The words of post"}]
    small = make_issue("Small", days={DAY: 1}, claims=claims)
    large = make_issue("Large", days={DAY - timedelta(days=at): 4 for at in range(12)}, claims=claims)
    for at in range(10):
        other = make_issue(f"Neighbour {at}")
        Lineage.objects.create(issue=other, day=DAY, kind="split", other=large)
    assert queries(client, small) == queries(client, large) <= 12


def test_htmx_asks_for_less(client):
    issue = make_issue(days={DAY: 23})
    with CaptureQueriesContext(connection) as found:
        page(client, issue, "?page=2", **HTMX)
    assert len(found) <= 5


def worded(issue, other, words, url):
    """The whole of what strangers and models say, in those words."""
    said = {"title": f"{words} title", "description": f"{words} description"}
    claims = [{"field": "impact", "item": 1, "words": f"{words} said so"}]
    Issue.objects.filter(pk=issue.pk).update(**said, claims=claims, reason=words)
    Issue.objects.filter(pk=other.pk).update(title=f"{words} other")
    facts = {"author": words[:90], "licence": words[:90], "url": url}
    RawItem.objects.update(title=f"{words} post", said=f"Before {words} said so after", body=words, **facts)
    unquoted = issue.evidence.order_by("pk")[0].item_id
    RawItem.objects.filter(pk=unquoted).update(said=f"{words} and nothing that is claimed")
    Lineage.objects.update(why=words[:200])
    IssueEdit.objects.update(value={"fields": {"title": words}})
    Label.objects.update(model=words)
    Place.objects.update(phrases=[words, f"{words} 2"])


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_make_no_element(client, words):
    issue = directed("One", [1.0, 0], days={DAY: 3}, label_source="llm")
    other = directed("Other", [1.0, 0])
    label = Label.objects.create(prompt_hash="p", state="labelled", source="llm", title="x")
    Issue.objects.update(label=label)
    for cluster in Cluster.objects.all():
        Place.objects.create(cluster=cluster, x=0, y=0, radius=1)
    Lineage.objects.create(issue=other, day=DAY, kind="split", other=issue)
    IssueEdit.objects.create(kind="set", issue=issue)
    worded(issue, other, words, "https://example.org/x")
    hostile = page(client, issue)
    worded(issue, other, "harmless words", "https://example.org/y")
    assert Outline(hostile).elements == Outline(page(client, issue)).elements
    assert not set(hostile) & set(UNSEEN)


def test_a_post_of_a_million_characters_makes_no_long_page(client):
    issue = make_issue(days={DAY: 1})
    RawItem.objects.update(said="word " * 200_000, body="x" * 1_000_000, title="t" * 500)
    assert len(page(client, issue)) < 30_000


def test_without_a_cluster_of_its_own_it_still_has_a_page(client, curator):
    issue = make_issue(days={DAY: 4})
    items = [row.item_id for row in issue.evidence[:2]]
    made = edits.split(issue=issue, items=items, title="Apart", by=curator).other
    found = page(client, made)
    assert "Apart" in found
    assert "alike" not in client.get(f"/issues/{made.pk}/").context["alike"]


def test_evidence_of_other_days_is_counted_in(client):
    issue = make_issue(days={DAY: 2})
    make_evidence(issue, NEXT, 3, ["reddit"])
    assert "5 posts by 5 people" in section(page(client, issue), "evidence")


def test_the_page_of_a_curator_asks_at_most_twelve_questions(client, curator, django_assert_max_num_queries):
    issue = make_issue("One", days={DAY: 2, NEXT: 6})
    client.force_login(curator)
    page(client, issue)
    with django_assert_max_num_queries(12):
        page(client, issue)

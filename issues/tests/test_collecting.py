"""Posts of a day from the four sources, through the real runner and gate, from servers of the true shapes."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Q

from engine.models import Fetch, Run, Source
from engine.testing.github import Comment
from engine.testing.serving import Reply
from issues import collecting, seeding
from issues.models import Clustering, Feed, ItemEmbedding, Keyword, RawItem
from issues.pipeline import ISSUES
from issues.tests import upstreams
from issues.tests.factories import DAY, make_model, make_topic, run
from issues.tests.upstreams import at, collect, only_feeds, served

pytestmark = pytest.mark.django_db

HTML = Reply(b"<html><body>Sign in</body></html>")


def titles() -> set[str]:
    return set(RawItem.objects.values_list("title", flat=True))


def test_questions_become_items_of_their_day_with_author_and_licence():
    only_feeds("stackoverflow", "csv")
    with served("stackoverflow", upstreams.questions(at(hours=1), at(days=1, seconds=-1), at(days=1), at(seconds=-1))):
        done = collect("stackoverflow")
    assert (done.state, RawItem.objects.count()) == (Run.State.DONE, 2)
    item = RawItem.objects.get(upstream_id="1")
    assert (item.collected_on, item.author, item.licence) == (DAY, "Ana", "CC BY-SA 4.0")
    assert ItemEmbedding.objects.count() == 2


def test_a_second_run_asks_nothing_and_changes_nothing():
    only_feeds("stackoverflow", "csv")
    with served("stackoverflow", upstreams.questions(at(hours=1))) as server:
        collect("stackoverflow")
        before, asked = list(RawItem.objects.values()), len(server.asked)
        collect("stackoverflow")
        assert len(server.asked) == asked
    assert list(RawItem.objects.values()) == before


def test_a_forced_run_asks_again_and_brings_what_changed():
    only_feeds("hackernews", "story")
    with served("hackernews", upstreams.stories("A tool")) as server:
        collect("hackernews")
        server.upstream.edit(1, score=99)
        collect("hackernews", force=True)
    assert RawItem.objects.get().vote_count == 99


def test_a_question_under_two_tags_is_one_item():
    only_feeds("stackoverflow", "csv", "excel")
    world = upstreams.questions(at(hours=1))
    world.edit(1, tags=["csv", "excel"])
    with served("stackoverflow", world):
        collect("stackoverflow")
    assert RawItem.objects.count() == 1


def test_of_a_gated_feed_only_what_a_keyword_speaks_for_is_kept():
    only_feeds("hackernews", "story", gated=True)
    with served("hackernews", upstreams.stories("Our exports are done by hand", "A new phone", "Drops of rain")):
        done = collect("hackernews")
    assert titles() == {"Our exports are done by hand"}
    assert done.counts["collect"]["skipped_unmatched"] == 2


def test_a_feed_that_is_not_gated_gives_everything():
    only_feeds("reddit", "SaaS")
    with served("reddit", upstreams.submissions("Good morning", "Which day is it")):
        collect("reddit")
    assert titles() == {"Good morning", "Which day is it"}


def test_of_github_what_only_others_said_is_not_kept():
    world = upstreams.issues("The export times out", "Colours of buttons")
    world.comment("acme/reports", 2, Comment("bob", "NONE", upstreams.START, "It also times out"))
    with served("github", world):
        done = collect("github")
    assert (done.state, titles()) == (Run.State.DONE, {"The export times out"})
    assert RawItem.objects.get().vote_count == 2


def test_posts_that_can_be_no_items_are_counted_and_lose_nothing():
    only_feeds("hackernews", "story")
    world = upstreams.stories("A tool", "\U0001f600", "Another tool")
    with served("hackernews", world):
        done = collect("hackernews")
    assert done.counts["collect"]["refused"] == 1
    assert titles() == {"A tool", "Another tool"}


def test_a_page_for_people_leaves_the_day_open_and_the_next_attempt_brings_it():
    only_feeds("hackernews", "story")
    with served("hackernews", upstreams.stories("A tool")) as server:
        server.faults.script("/api/", HTML)
        waits = collect("hackernews")
        assert (waits.state, RawItem.objects.count()) == (Run.State.WAITING, 0)
        Fetch.objects.update(next_attempt_at=None)
        assert collect("hackernews").state == Run.State.DONE
    assert titles() == {"A tool"}


def test_a_subreddit_that_is_closed_is_left_and_the_run_is_done_in_part():
    only_feeds("reddit", "SaaS", "private_one")
    world = upstreams.submissions("Good morning")
    world.private.add("private_one")
    with served("reddit", world):
        done = collect("reddit")
    assert done.state == Run.State.PARTLY
    left = Fetch.objects.get(state=Fetch.State.LEFT)
    assert (left.query.split()[0], "private" in left.reason) == ("private_one", True)


def test_a_backoff_is_waited_for():
    only_feeds("stackoverflow", "csv", "excel", "pdf")
    world = upstreams.questions(at(hours=1))
    world.backoff_every, world.backoff = 1, 5
    with served("stackoverflow", world):  # leaving it fails where a call came too early
        assert collect("stackoverflow").state == Run.State.DONE


def test_a_day_that_is_not_over_waits():
    only_feeds("hackernews", "story")
    with served("hackernews", upstreams.stories()) as server:
        with pytest.raises(collecting.Later, match="when it is over"):
            next(collecting.collect("hackernews", datetime.now(UTC).date()))
        assert server.asked == []


# Which sources


def test_reddit_without_credentials_is_not_on(settings):
    Source.objects.create(pipeline="issues", name="reddit", on=True)
    Source.objects.create(pipeline="issues", name="hackernews", on=True)
    settings.REDDIT_CLIENT_ID = ""
    assert list(ISSUES.sources()) == ["hackernews"]
    settings.REDDIT_CLIENT_ID = "app"
    assert list(ISSUES.sources()) == ["hackernews", "reddit"]


def test_a_source_of_which_nothing_is_asked_is_not_on(settings):
    settings.REDDIT_CLIENT_ID = "app"
    for name in ISSUES.known:
        Source.objects.create(pipeline="issues", name=name, on=True)
    Feed.objects.filter(~Q(source="reddit")).update(on=False)
    Keyword.objects.update(on=False)
    assert list(ISSUES.sources()) == ["reddit"]


def test_the_day_names_the_sources_that_are_missing_until_they_have_caught_up():
    make_model()
    make_topic(0)
    only_feeds("hackernews", "story")
    with served("hackernews", upstreams.stories("A tool")):
        run("cluster", "label")
        assert Clustering.objects.live(DAY).missing_sources == ["hackernews"]
        collect("hackernews")
    assert Clustering.objects.live(DAY).missing_sources == []


def test_a_source_that_left_something_stays_missing():
    make_model()
    make_topic(0)
    only_feeds("reddit", "SaaS")
    world = upstreams.submissions("Good morning")
    world.private.add("saas")
    with served("reddit", world):
        run("cluster", "label")
        collect("reddit")
    assert Clustering.objects.live(DAY).missing_sources == ["reddit"]


# Keywords and feeds


def test_a_fresh_table_has_keywords_and_feeds():
    assert 55 <= Keyword.objects.count() <= 70
    assert set(Keyword.objects.values_list("group", flat=True)) == set(Keyword.Group.values)
    assert Feed.objects.filter(source="stackoverflow").count() == 25
    for row in (*Keyword.objects.all(), *Feed.objects.all()):
        row.full_clean()


def test_what_a_curator_deleted_does_not_come_back():
    Keyword.objects.filter(text="ops").delete()
    seeding.seed_when_empty()
    assert not Keyword.objects.filter(text="ops").exists()


@pytest.mark.parametrize(
    ("source", "name"),
    [("stackoverflow", "a;b"), ("stackoverflow", "C#"), ("reddit", "r/SaaS"), ("hackernews", "story,comment")],
)
def test_a_feed_has_a_name_that_its_source_knows(source, name):
    with pytest.raises(ValidationError):
        Feed(source=source, name=name).full_clean()


@pytest.mark.parametrize("text", ['say "hi"', "…", "by\x00hand", "OPS"])
def test_a_keyword_is_something_that_can_be_looked_for_once(text):
    with pytest.raises(ValidationError):
        Keyword(text=text, group="pain").full_clean()


def test_an_item_keeps_what_its_source_knows_it_by_when_a_file_brings_it_again(ost, lines):
    only_feeds("hackernews", "story")
    with served("hackernews", upstreams.stories("A tool")):
        collect("hackernews")
    url = RawItem.objects.get().url
    ost("import_items", lines("posts.jsonl", {"source": "hackernews", "url": url, "title": "A better tool"}))
    assert RawItem.objects.get().upstream_id == "1"


def test_no_credential_is_in_a_table_after_faults():
    only_feeds("reddit", "SaaS")
    with served("reddit", upstreams.submissions("Good morning")) as server:
        server.faults.script("/api/v1/", lambda asked: Reply({"message": str(asked)}, 401), times=None)
        collect("reddit")
    told = f"{list(Fetch.objects.values())} {list(Run.objects.values())}"
    assert upstreams.SECRET not in told
    assert "REDDIT_CLIENT_ID" in told


def test_days_before_the_settled_one_are_asked_for_as_they_were():
    assert collecting.queries("hackernews", DAY) == collecting.queries("hackernews", DAY)
    assert timedelta(hours=1) > collecting.SETTLED

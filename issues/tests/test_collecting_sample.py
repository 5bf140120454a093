"""Three days of the sample posts, collected from servers in the true shapes: each of them once, and nothing else."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import call_command

from engine import runs
from engine.models import Fetch, Run
from engine.pipeline import Scope
from engine.testing import hackernews, reddit, sample, stackexchange
from engine.testing.github import GitHub
from engine.testing.serving import Clock
from engine.urls import url_hash
from issues import collecting
from issues.models import Feed, RawItem
from issues.pipeline import ISSUES
from issues.tests.factories import DAY
from issues.tests.upstreams import SECRET, TIMES, served

pytestmark = pytest.mark.django_db

DAYS = [DAY + timedelta(days=ahead) for ahead in range(3)]
WORLDS = {
    "github": lambda clock: GitHub(clock, sample.repositories(), sample.issues()),
    "stackoverflow": lambda clock: stackexchange.StackExchange(clock, sample.questions()),
    "hackernews": lambda clock: hackernews.HackerNews(clock, sample.stories()),
    "reddit": lambda clock: reddit.Reddit(clock, sample.reddit_posts(), credentials=("app", SECRET)),
}


def lines(source: str) -> list[dict]:
    """Those that are of one of the days, and that a keyword speaks for where the source is asked for keywords."""
    within = [line for line in sample.posts(source) if sample.moment(line["created_at"]).date() in DAYS]
    if source != "github":
        return within
    keywords = collecting.gated(source, None).keywords
    said = partial(collecting.clean, source)
    return [line for line in within if keywords.speak_for(f"{line['title']}\n{said(line['body'])}")]


@pytest.mark.parametrize("source", WORLDS)
def test_all_that_was_served_is_stored_once_and_a_second_round_asks_nothing(source):
    call_command("loaddata", "sample/collecting.json", verbosity=0)
    Feed.objects.filter(source="reddit").exclude(name__startswith="sample").update(on=False)
    with served(source, WORLDS[source](Clock(TIMES))) as server:
        for day in DAYS:
            done = runs.run(ISSUES, Scope(day=day, source=source))
            assert done.state == Run.State.DONE, (done.error, list(Fetch.objects.exclude(reason="").values("reason")))
        asked = len(server.asked)
        for day in DAYS:
            runs.run(ISSUES, Scope(day=day, source=source))
        assert len(server.asked) == asked
    stored = Counter(RawItem.objects.values_list("url_hash", flat=True))
    assert stored == Counter(url_hash(line["url"]) for line in lines(source))
    assert stored

"""The hourly look at the machinery: what it keeps, what it drops, what is read from it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from engine import snapshots
from engine.models import EmbeddingModel, Snapshot
from engine.tallies import HELD, Figure, upsert
from recommendations.models import Category, CategoryEmbedding, Message

pytestmark = pytest.mark.django_db

TRIED = Figure("tried_seconds", "Time that it took", ("kind",), (1.0, 2.0))


@pytest.fixture(autouse=True)
def nothing_held():
    HELD.begin()


def make(hours: float, **facts) -> Snapshot:
    at = timezone.now() - timedelta(hours=hours)
    return Snapshot.objects.create(at=at, taken_at=at, **facts)


def grown(**counts: float) -> dict[str, dict[str, float]]:
    return {"tried_seconds_bucket": {f'{{"kind":"a","le":"{bound}"}}': value for bound, value in counts.items()}}


def test_a_snapshot_keeps_what_processes_counted():
    upsert({("ost_tried_total", ""): 3.0})
    assert snapshots.take().tallies["ost_tried_total"] == {"": 3.0}


def test_what_waits_for_a_stage_of_both_ways_through_a_pipeline_is_counted():
    ada = User.objects.create(username="ada")
    Message.objects.create(user=ada, message_id="1", text="I know Rust.", said_at=timezone.now())
    assert snapshots.stages()["conversations/read"] == 1


def test_a_snapshot_keeps_what_waits_by_model_and_subject():
    model = EmbeddingModel.objects.live()
    CategoryEmbedding.objects.want({Category.objects.create(name="web").pk: "sites"})
    assert snapshots.take().backlog == {str(model.pk): {"categories": [1, 0]}}


def test_a_snapshot_keeps_what_waits_for_each_stage():
    assert {"recommendations/enrich", "recommendations/collect", "issues/cluster"} <= snapshots.take().stages.keys()


def test_a_pipeline_that_cannot_tell_costs_the_others_nothing(settings):
    settings.PIPELINES = {"gone": "engine.tests.nowhere.GONE", **settings.PIPELINES}
    assert "recommendations/enrich" in snapshots.take().stages


def test_a_snapshot_keeps_the_size_of_every_table():
    assert snapshots.take().sizes["engine_run"] > 0


def test_two_looks_in_an_hour_are_one_snapshot():
    first, second = snapshots.take(), snapshots.take()
    assert first.pk == second.pk
    assert second.taken_at > first.taken_at


def test_after_two_weeks_one_look_a_day_stays():
    for hours in (24 * 20, 24 * 20 + 1, 24 * 13, 24 * 13 + 1):
        at = timezone.now().replace(hour=12) - timedelta(hours=hours)
        Snapshot.objects.create(at=at, taken_at=at)
    assert snapshots.prune(3) == 1
    assert Snapshot.objects.count() == 3


def test_after_a_year_and_more_none_stays():
    make(24 * 401)
    assert snapshots.prune(3) == 1


def test_of_one_day_every_hour_is_read_of_sixty_a_look_a_day():
    for hours in range(72):
        make(hours)
    assert len(snapshots.of_last(1, "sizes")) in (25, 26)
    assert len(snapshots.of_last(60, "sizes")) in (3, 4)


def test_quantiles_are_those_of_what_was_counted_since_the_look_before():
    found = [make(2, tallies=grown(**{"1.0": 100})), make(1, tallies=grown(**{"1.0": 100, "2.0": 10}))]
    slow = snapshots.Slowness(found, TRIED)
    assert slow.count('{"kind":"a"}') == 10
    assert slow.whole('{"kind":"a"}', 0.5) == pytest.approx(1.5)


def test_a_single_look_tells_no_growth():
    slow = snapshots.Slowness([make(1, tallies=grown(**{"1.0": 100}))], TRIED)
    assert slow.count('{"kind":"a"}') == 0
    assert slow.whole('{"kind":"a"}', 0.5) is None

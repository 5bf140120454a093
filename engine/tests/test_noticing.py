"""From rows of the ledger to anomalies: each found once, none of them able to fail a run."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks import anomalies
from engine import days, jobs, ledger, noticing, tallies
from engine.models import Anomaly, Daily, EmbeddingModel, Run, Source, Step, Tally
from engine.pipeline import Scope
from engine.tallies import Figure
from engine.tests.test_runs import pipeline, stage
from engine.vectors import unit
from recommendations.models import ProjectEmbedding
from recommendations.tests.factories import give_vector, make_project

pytestmark = pytest.mark.django_db

ANSWERED = Figure("ost_recommendation_answers_total", "Answers", ("of", "outcome"), most=12)
MEAL = pipeline(stage("cook", {"cooked": 20, "failed": 20}))
DAYS = 40


def ended(days_ago, hours=1):
    return timezone.now() - timedelta(days=days_ago, hours=hours)


def collected(days_ago, posts, source="reddit", **facts):
    """The run of a day that is over, ended the day after."""
    day = timezone.now().date() - timedelta(days=days_ago + 1)
    counts = {"collect": {"inserted": posts, "pages": 3}}
    return Run(
        pipeline="issues", source=source, day=day, state="done", counts=counts, finished_at=ended(days_ago), **facts
    )


def usual_days(source="reddit", posts=300):
    return [collected(at, posts + at % 7, source) for at in range(DAYS, 0, -1)]


@pytest.fixture
def short_day():
    """Forty days of three hundred posts, and one of twenty-three."""
    Run.objects.bulk_create(usual_days())
    run = collected(0, 23)
    run.save()
    return run


def test_a_short_day_is_an_anomaly_with_its_sentence_and_its_run(short_day):
    noticing.by_clock()
    found = Anomaly.objects.get()
    assert (found.kind, found.run, found.count) == ("volume", short_day, 1)
    assert found.message.startswith("23 posts from reddit on ")
    assert found.figures["value"] == 23
    assert 250 < found.figures["low"] < found.figures["high"] < 350


def test_looking_again_changes_nothing(short_day):
    noticing.by_clock()
    before = Anomaly.objects.values().get()
    noticing.by_clock()
    noticing.after(short_day)
    assert Anomaly.objects.values().get() == before


def test_what_a_person_has_seen_stays_seen(short_day):
    noticing.by_clock()
    Anomaly.objects.update(seen_at=timezone.now())
    noticing.by_clock()
    assert Anomaly.objects.get().seen_at


def test_a_rerun_of_the_day_does_not_count_twice(short_day):
    noticing.by_clock()
    collected(0, 5).save()
    noticing.by_clock()
    assert Anomaly.objects.get().count == 1


def test_a_rerun_that_finds_little_more_is_no_short_day():
    Run.objects.bulk_create([*usual_days(), collected(0, 300), collected(0, 4)])
    noticing.by_clock()
    assert not Anomaly.objects.exists()


def test_a_day_that_was_collected_before_it_was_over_is_not_short():
    early = collected(0, 23)
    early.finished_at = datetime.combine(early.day, datetime.min.time(), UTC) + timedelta(hours=23)
    Run.objects.bulk_create([*usual_days(), early])
    noticing.after(Run.objects.latest("pk"))
    assert not Anomaly.objects.exists()


def test_what_took_long_leads_to_the_run_that_did_not_to_the_last_of_the_day():
    for at in range(DAYS, -1, -1):
        for seconds in (20, 5) if at else (200, 5):
            run = collected(at, 300)
            run.save()
            facts = {"started_at": run.finished_at - timedelta(seconds=seconds), "finished_at": run.finished_at}
            Step.objects.create(run=run, name="collect", fence=1, state="done", counts={"pages": 1}, **facts)
    noticing.by_clock()
    assert Anomaly.objects.get().run == Run.objects.order_by("-pk")[1]


def test_quiet_days_give_none():
    Run.objects.bulk_create([*usual_days(), collected(0, 303)])
    noticing.by_clock()
    assert not Anomaly.objects.exists()


def test_a_silence_that_goes_on_is_one_anomaly_and_new_again():
    Run.objects.bulk_create([*usual_days()[:-1], collected(1, 0)])
    noticing.after(Run.objects.latest("pk"))
    Anomaly.objects.update(seen_at=timezone.now())
    collected(0, 0).save()
    noticing.by_clock()
    found = Anomaly.objects.get()
    assert (found.kind, found.count, found.seen_at) == ("silent", 2, None)
    assert "2 days in a row" in found.message


def switched_on(days_ago):
    Source.objects.create(pipeline="issues", name="reddit", on=True)
    Source.objects.update(changed_at=timezone.now() - timedelta(days=days_ago))


def test_a_source_that_is_on_and_stopped_is_noticed():
    switched_on(90)
    Run.objects.bulk_create(usual_days()[:-3])
    noticing.by_clock()
    assert "issues reddit was last collected from on" in Anomaly.objects.get().message


def test_a_source_switched_on_again_yesterday_has_not_stopped():
    switched_on(1)
    Run.objects.bulk_create(usual_days()[:-3])
    noticing.by_clock()
    assert not Anomaly.objects.exists()


def test_many_days_collected_at_once_make_no_short_pauses():
    switched_on(5)
    runs = usual_days()
    for minute, run in enumerate(reversed(runs)):
        run.finished_at = timezone.now() - timedelta(hours=5, minutes=minute)
    Run.objects.bulk_create(runs)
    noticing.by_clock()
    assert not Anomaly.objects.exists()


def test_a_partition_that_runs_all_the_time_takes_no_room_of_another(monkeypatch, short_day):
    monkeypatch.setattr(days, "MOST", DAYS + 1)
    busy = {"pipeline": "conversations", "state": "done", "finished_at": timezone.now()}
    Run.objects.bulk_create(Run(**busy) for _ in range(2 * DAYS))
    noticing.by_clock()
    assert Anomaly.objects.get().kind == "volume"


def test_a_source_that_is_off_may_be_still():
    Run.objects.bulk_create(usual_days()[:-3])
    noticing.by_clock()
    assert not Anomaly.objects.exists()


def test_a_run_without_records_is_noticed_where_there_were_some():
    for at in range(DAYS, -1, -1):
        day = timezone.now().date() - timedelta(days=at + 1)
        counts = {"embed": {"embedded": 200 if at else 0}}
        Run.objects.create(pipeline="issues", day=day, state="done", counts=counts, finished_at=ended(at))
    noticing.by_clock()
    assert Anomaly.objects.get().kind == "zero records"


def test_a_silent_stage_is_not_told_again_as_a_run_without_records():
    for at in range(DAYS, -1, -1):
        day = timezone.now().date() - timedelta(days=at + 1)
        counts = {"cluster": {"clustered": 200 if at else 0}, "embed": {"embedded": 200 if at else 0}}
        Run.objects.create(pipeline="issues", day=day, state="done", counts=counts, finished_at=ended(at))
    noticing.by_clock()
    assert Anomaly.objects.get().kind == "silent"


def test_the_whole_path_finds_every_fault_once():
    told = anomalies.through_the_ledger()
    assert {"volume", "duration", "failures", "silent"} <= {kind for kind, _ in told}


def test_claims_of_one_run_add_up_to_its_duration():
    for at in range(DAYS, -1, -1):
        run = collected(at, 300)
        run.save()
        for fence in (1, 2):
            begun = run.finished_at - timedelta(seconds=20 if at else 200)
            facts = {"started_at": begun, "finished_at": run.finished_at, "counts": {"pages": 1}}
            Step.objects.create(run=run, name="collect", fence=fence, state="done", **facts)
    noticing.by_clock()
    assert "took 7 min on" in Anomaly.objects.get(kind="duration").message


def test_a_pipeline_that_is_gone_is_passed_over(short_day):
    Run.objects.update(pipeline="of old")
    noticing.by_clock()
    assert not Anomaly.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_runs(short_day):
    def queries():
        with CaptureQueriesContext(connection) as seen:
            noticing.by_clock()
        return len(seen)

    queries()
    before = queries()
    Run.objects.bulk_create([*usual_days("hackernews"), collected(0, 9, "hackernews")])
    queries()
    assert queries() == before <= 20


# When a run ends


def test_a_run_of_the_queue_is_looked_at_when_it_ends(settings):
    settings.PIPELINES = {"meal": f"{__name__}.MEAL"}
    usual = {"pipeline": "meal", "state": "done", "counts": {"cook": {"cooked": 40, "failed": 0}}}
    Run.objects.bulk_create(Run(**usual, finished_at=ended(at)) for at in range(DAYS, 0, -1))
    run = ledger.open_run("meal", Scope())
    jobs.work(run.pk)
    assert Anomaly.objects.get(kind="failures").run == run


def test_a_fault_while_looking_leaves_the_run_done(settings, short_day):
    settings.PIPELINES = {"issues": "nowhere.NOTHING"}
    noticing.after(short_day)
    assert Run.objects.latest("pk").state == "done"


# Vectors and answers


def test_vectors_that_turned_away_are_drift():
    today = timezone.now().date()
    means = {today - timedelta(days=at): [1.0, 0.01 * (at % 3), 0.0] for at in range(1, 30)}
    assert noticing.turned({**means, today: [1.0, 0.9, 0.0]}, today, "the texts").kind == "drift"
    assert noticing.turned({**means, today: [1.0, 0.02, 0.0]}, today, "the texts") is None


def test_a_day_with_few_texts_says_nothing_of_drift():
    today = timezone.now().date()
    means = {today - timedelta(days=at): [1.0, 0.0] for at in range(1, 30)}
    assert noticing.turned({**means, today: []}, today, "the texts") is None


def answer(found, missing):
    ANSWERED.add("list", "found", by=found)
    ANSWERED.add("list", "no_vector", by=missing)
    tallies.flush()


@pytest.fixture
def answered():
    """Thirty days of a hundred answers, two of them without a vector."""
    today = timezone.now().date()
    answer(3000 - 60, 60)
    sums = [(at, {"list found": 98 * (30 - at), "list no_vector": 2 * (30 - at)}) for at in range(30, 0, -1)]
    name = ANSWERED.name
    Daily.objects.bulk_create(Daily(name=name, day=today - timedelta(days=at), figures=sum_) for at, sum_ in sums)
    Tally.objects.filter(labels__contains="found").update(value=98 * 29)
    Tally.objects.filter(labels__contains="no_vector").update(value=2 * 29)
    return today


def test_answers_without_a_vector_are_misses(answered):
    answer(60, 40)
    noticing.by_clock()
    found = Anomaly.objects.get()
    assert found.kind == "misses"
    assert found.message.startswith("40 of 100 answers of list had no vector on ")


def test_two_of_a_hundred_as_ever_are_none(answered):
    answer(98, 2)
    noticing.by_clock()
    assert not Anomaly.objects.exists()


def test_a_look_that_fails_costs_the_others_nothing(short_day):
    Tally.objects.create(name=ANSWERED.name, labels="no json", value=1)
    noticing.by_clock()
    assert Anomaly.objects.get().kind == "volume"


def test_what_was_found_but_not_kept_is_looked_for_again(monkeypatch):
    def look():
        Daily.objects.create(name="vectors", day=timezone.now().date())
        yield Anomaly(kind="drift", subject=None)

    assert noticing.looked(look()) == (0, 0)
    assert not Daily.objects.exists()


def test_days_of_long_ago_go():
    Daily.objects.create(name="vectors of old", day=datetime(2020, 1, 1, tzinfo=UTC).date())
    noticing.by_clock()
    assert not Daily.objects.filter(name="vectors of old").exists()


def test_the_mean_of_a_day_is_that_of_the_vectors_made_on_it():
    for number in range(noticing.TEXTS):
        give_vector(make_project(f"octo/{number}"), [1, number % 2, 0])
    model, today = EmbeddingModel.objects.live(), timezone.now().date()
    ProjectEmbedding.objects.update(generated_at=timezone.now())
    made = unit(np.array([noticing.mean_of(ProjectEmbedding, model, today)]))[0]
    assert made[:3] == pytest.approx(unit(np.array([[1 + 0.5**0.5, 0.5**0.5, 0]]))[0], abs=0.15)
    assert noticing.mean_of(ProjectEmbedding, model, today - timedelta(days=1)) == []

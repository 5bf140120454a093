"""The operator's pages: what they show, with much and with nothing, and what their buttons do."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from engine import assets, history, ledger
from engine.models import Anomaly, Audit, EmbeddingModel, Run, Snapshot, Source, Step, WorkerGroup
from engine.tests.sixty_days import make_sixty_days
from engine.tests.staff import sign_in, staff

pytestmark = pytest.mark.django_db

NAMES = ("overview", "assets", "latency", "embeddings", "calls", "sizes")
RUNS = reverse("admin:engine_run_changelist")


def at(name: str, *arguments: int) -> str:
    return reverse(f"admin:engine_run_{name}", args=arguments)


@pytest.fixture
def operator():
    return sign_in(staff("olga", group="operator"))


@pytest.fixture
def looker():
    return sign_in(staff("lea", "engine.view_run"))


@pytest.fixture
def sixty_days():
    EmbeddingModel.objects.live()
    make_sixty_days()


def source(response) -> str:
    """The page without the places where a long name may break."""
    return response.content.decode().replace("<wbr>", "")


def words(response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", source(response)).split())


def queries(client, address) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address).status_code == 200
    return len(seen)


def make_step(run: Run, name: str, state: str = "done", **facts) -> Step:
    return Step.objects.create(run=run, name=name, fence=1, state=state, **{"finished_at": timezone.now(), **facts})


def pages() -> list[str]:
    return [*map(at, NAMES), RUNS]


@pytest.mark.parametrize("page", pages())
def test_each_page_opens_with_nothing_in_it(operator, page):
    assert operator.get(page).status_code == 200


@pytest.mark.parametrize("page", [*pages(), *(f"{at(name)}?days=60" for name in NAMES[2:])])
def test_each_page_takes_at_most_12_queries_of_sixty_days(operator, sixty_days, page):
    operator.get(page)
    assert queries(operator, page) <= 12


@pytest.mark.parametrize("page", pages())
def test_ten_more_of_everything_cost_no_more_queries(operator, page):
    make_sixty_days(3)
    operator.get(page)
    before = queries(operator, page)
    Run.objects.all().update(state="done", finished_at=timezone.now())
    Snapshot.objects.all().delete()
    WorkerGroup.objects.all().delete()
    make_sixty_days(13)
    assert queries(operator, page) == before


def test_the_line_of_a_table_has_its_figures(operator, sixty_days):
    told = words(operator.get(at("sizes") + "?days=60&table=engine_run"))
    assert "Runs: " in told
    assert told.count(" UTC ") >= 60


@pytest.mark.parametrize("page", [*pages(), at("going")])
def test_nobody_without_the_permission_sees_them(page):
    assert sign_in(staff("noel")).get(page).status_code == 403


@pytest.mark.parametrize("page", pages())
def test_the_pages_carry_no_inline_script_or_style(operator, sixty_days, page):
    assert not re.search(
        r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", operator.get(page).content.decode()
    )


@pytest.mark.parametrize("days", ["", "x", "0", "61", "-1", "9" * 40])
def test_a_time_that_is_not_offered_is_a_400(operator, days):
    assert operator.get(at("latency"), {"days": days}).status_code == 400


# Overview


def test_the_overview_says_what_runs_how_far_it_is(operator, sixty_days):
    assert "recommendations running embed" in words(operator.get(at("overview")))
    assert "3,200 of 10,000" in words(operator.get(at("overview")))


def test_the_overview_says_what_failed_and_why_with_its_button(operator, sixty_days):
    page = operator.get(at("overview"))
    stuck = Run.objects.get(state="quarantined")
    assert "1 quarantined" in words(page)
    assert "its quota is spent" in words(page)
    assert at("again", stuck.pk) in page.content.decode()


def test_who_may_only_look_gets_no_button(looker, sixty_days):
    assert 'action="/admin/engine' not in looker.get(at("overview")).content.decode()


def test_the_overview_says_that_no_worker_lives(operator):
    assert "No worker lives" in words(operator.get(at("overview")))


def test_a_source_without_success_for_two_days_is_late(operator):
    Source.objects.update_or_create(pipeline="issues", name="reddit", defaults={"on": True})
    run = Run.objects.create(
        pipeline="issues", source="reddit", state="done", finished_at=timezone.now() - timedelta(days=3)
    )
    make_step(run, "collect")
    assert "issues reddit was done last" in words(operator.get(at("overview")))


def test_the_newest_anomalies_come_first(operator):
    for number in range(9):
        Anomaly.objects.alarm("volume", f"run {number}", f"fewer than usual: {number}")
    told = words(operator.get(at("overview")))
    assert "fewer than usual: 8" in told
    assert "fewer than usual: 0" not in told


def test_what_runs_is_asked_again_only_while_something_runs(operator, sixty_days):
    assert "hx-get" in operator.get(at("going")).content.decode()
    Run.objects.filter(state="running").update(state="done", finished_at=timezone.now())
    assert "hx-get" not in operator.get(at("going")).content.decode()


# Runs


def test_a_run_tells_its_stages_beside_the_usual(operator, sixty_days):
    run = Run.objects.filter(state="done", pipeline="recommendations", source="").latest("pk")
    told = words(operator.get(reverse("admin:engine_run_change", args=[run.pk])))
    assert re.search(r"embed done .* usually 1 min", told)
    assert "392.9\xa0MB" in told or "392.9 MB" in told


def test_a_run_tells_what_changed_since_the_one_before(operator):
    before = Run.objects.create(pipeline="issues", state="done", counts={"embed": {"embedded": 40}})
    run = Run.objects.create(pipeline="issues", state="done", counts={"embed": {"embedded": 55}})
    for each in (before, run):
        make_step(each, "embed")
    told = words(operator.get(reverse("admin:engine_run_change", args=[run.pk])))
    assert "55 embedded (+15)" in told
    assert f"run {before.pk}" in told


def test_three_runs_are_needed_for_a_usual(operator):
    run = Run.objects.create(pipeline="issues", state="done")
    make_step(run, "embed")
    assert "no usual yet" in words(operator.get(reverse("admin:engine_run_change", args=[run.pk])))


def test_a_run_is_asked_again_until_it_is_over(operator, sixty_days):
    run = Run.objects.get(state="running")
    assert "hx-get" in operator.get(at("told", run.pk)).content.decode()
    Run.objects.filter(pk=run.pk).update(state="done", finished_at=timezone.now())
    for name in ("told", "cell"):
        assert "hx-get" not in operator.get(at(name, run.pk)).content.decode()


def test_a_run_takes_at_most_12_queries(operator, sixty_days):
    for state in ("running", "quarantined", "done"):
        run = Run.objects.filter(state=state).latest("pk")
        assert queries(operator, reverse("admin:engine_run_change", args=[run.pk])) <= 12


def test_a_run_of_a_pipeline_that_is_gone_is_still_told(operator):
    run = Run.objects.create(pipeline="meal", state="done", counts={"serve": {"plates": 2}})
    make_step(run, "serve")
    assert "2 plates" in words(operator.get(reverse("admin:engine_run_change", args=[run.pk])))


def test_a_run_is_not_changed_by_its_page(operator):
    run = Run.objects.create(pipeline="issues")
    assert operator.post(reverse("admin:engine_run_change", args=[run.pk]), {"state": "done"}).status_code == 403


def test_a_run_that_is_over_is_asked_for_anew(operator):
    run = Run.objects.create(pipeline="recommendations", state="done")
    operator.post(at("anew", run.pk))
    assert sorted(Run.objects.values_list("state", flat=True)) == ["done", "waiting"]
    assert Audit.objects.values_list("action", "subject").get() == ("run anew", f"run {run.pk}")


def test_a_run_of_some_stages_is_asked_for_anew_with_these(operator):
    run = Run.objects.create(pipeline="recommendations", state="done", stages=["enrich"])
    operator.post(at("anew", run.pk))
    assert Run.objects.get(state="waiting").stages == ["enrich"]


def test_a_run_of_stages_that_are_no_more_is_not_asked_for_anew(operator):
    run = Run.objects.create(pipeline="recommendations", state="done", stages=["of old"])
    assert operator.post(at("anew", run.pk)).status_code == 400
    assert not Run.objects.filter(state="waiting").exists()


def test_a_run_is_compared_with_runs_of_the_same_stages():
    for stages in (("enrich", "embed"), ("enrich",)) * 3:
        run = Run.objects.create(pipeline="recommendations", state="done", stages=list(stages))
        for name in stages:
            make_step(run, name, started_at=timezone.now() - timedelta(seconds=60))
    run = Run.objects.create(pipeline="recommendations", state="done", stages=["enrich", "embed"])
    assert history.told(history.with_step(Run.objects.all()).get(pk=run.pk)).usual == pytest.approx(120, abs=5)


# Assets


def test_assets_have_the_names_of_document_001(operator):
    told = words(operator.get(at("assets")))
    for name in ("github_scraping", "dbt_projects_asset", "user_project_similarities_asset", "training_data_pipeline"):
        assert name in told


def state_of(client, asset: str) -> str:
    page = source(client.get(at("assets")))
    row = re.search(rf"<code>{re.escape(asset)}</code>.*?class=\"state (\w+)\"", page, re.DOTALL)
    return row[1] if row else ""


def test_an_asset_that_was_never_made_says_so(operator):
    assert state_of(operator, "mappings_ready") == "never"


def test_an_asset_is_fresh_after_its_stage(operator):
    make_step(Run.objects.create(pipeline="recommendations", state="done"), "ready", counts={"projects": 3})
    assert state_of(operator, "mappings_ready") == "fresh"


def test_an_asset_is_stale_when_what_it_is_made_from_changed(operator):
    run = Run.objects.create(pipeline="recommendations", state="done")
    make_step(run, "ready", finished_at=timezone.now() - timedelta(hours=1))
    make_step(run, "enrich", counts={"projects": 3})
    assert state_of(operator, "mappings_ready") == "stale"


def test_a_stage_that_found_nothing_makes_nothing_stale(operator):
    run = Run.objects.create(pipeline="recommendations", state="done")
    make_step(run, "ready", finished_at=timezone.now() - timedelta(hours=1))
    make_step(run, "enrich", counts={"projects": 0})
    assert state_of(operator, "mappings_ready") == "fresh"


def test_an_asset_that_something_waits_for_is_stale(operator):
    make_step(Run.objects.create(pipeline="recommendations", state="done"), "embed")
    Snapshot.objects.create(at=timezone.now(), taken_at=timezone.now(), stages={"recommendations/embed": 7})
    assert state_of(operator, "user_embeddings") == "stale"


def test_a_failed_asset_has_its_reason_and_its_run_to_try_again(operator):
    run = Run.objects.create(pipeline="recommendations", state="quarantined")
    make_step(run, "score", "failed", error="no weights")
    page = operator.get(at("assets"))
    assert state_of(operator, "user_project_similarities_asset") == "failed"
    assert "no weights" in words(page)
    assert at("again", run.pk) in page.content.decode()


def test_a_stage_that_was_done_before_another_failed_is_not_failed(operator):
    run = Run.objects.create(pipeline="recommendations", state="quarantined")
    make_step(run, "ready", counts={"projects": 3})
    make_step(run, "score", "failed", error="no weights")
    assert state_of(operator, "mappings_ready") == "fresh"


def test_assets_stand_as_the_newest_runs_tell_however_many_there_were(operator, monkeypatch):
    monkeypatch.setattr(assets, "LAST", 2)
    make_step(Run.objects.create(pipeline="recommendations", state="done"), "ready")
    runs = [Run.objects.create(pipeline="recommendations", state="done") for _ in range(2)]
    assert state_of(operator, "mappings_ready") == "never"
    make_step(runs[0], "ready")
    assert state_of(operator, "mappings_ready") == "fresh"


def materialise(client, asset: str = "", **fields):
    return client.post(at("materialise"), {"pipeline": "recommendations", "asset": asset, **fields})


def test_an_asset_is_materialised_by_a_run_of_its_stage(operator):
    materialise(operator, "project_mappings")
    assert Run.objects.values_list("pipeline", "stages", "state").get() == ("recommendations", ["enrich"], "waiting")
    assert Audit.objects.values_list("actor", "action", "subject").get() == ("olga", "materialise", "project_mappings")


def test_a_stage_that_a_source_goes_through_too_is_materialised_for_none_in_particular(operator):
    materialise(operator, "read", pipeline="conversations")
    assert Run.objects.values_list("pipeline", "source", "stages").get() == ("conversations", "", ["read"])


def test_what_is_handed_in_is_not_to_be_materialised(operator):
    page = operator.get(at("assets")).content.decode()
    assert 'value="ingest"' not in page
    assert 'value="read"' in page


def test_what_is_collected_is_materialised_for_each_source_that_is_on(operator):
    Source.objects.update_or_create(pipeline="issues", name="hackernews", defaults={"on": True})
    Source.objects.exclude(name="hackernews").update(on=False)
    yesterday = timezone.now().date() - timedelta(days=1)
    materialise(operator, "bronze.raw_items", pipeline="issues", day=yesterday.isoformat())
    assert Run.objects.values_list("source", "day", "stages").get() == ("hackernews", yesterday, ["collect"])


def test_a_stage_of_both_ways_through_a_pipeline_is_one_asset_and_made_without_a_source(operator):
    materialise(operator, "read", pipeline="conversations")
    assert Run.objects.values_list("source", "stages").get() == ("", ["read"])
    assert operator.get(at("assets")).content.decode().count("<code>read</code>") == 1


def test_the_job_runs_all_of_the_pipeline(operator):
    materialise(operator)
    assert Run.objects.filter(source="", stages=[]).count() == 1


def test_what_runs_already_is_not_asked_for_a_stage(operator):
    ledger.claim_due(Run.objects.create(pipeline="recommendations").pk)
    page = operator.get(materialise(operator, "project_mappings")["Location"])
    assert "Not done" in words(page)


@pytest.mark.parametrize(
    "fields", [{"pipeline": "none"}, {"asset": "none"}, {"pipeline": "issues", "day": "2020-01-01"},
               {"pipeline": "issues", "day": "tomorrow"}],
)  # fmt: skip
def test_what_there_is_not_is_not_materialised(operator, fields):
    assert materialise(operator, **{"asset": "", **fields}).status_code == 400
    assert not Run.objects.exists()


def test_who_may_only_look_materialises_and_measures_nothing(looker):
    assert materialise(looker, "project_mappings").status_code == 403
    assert looker.post(at("measure")).status_code == 403


# Over time


def test_the_slowest_route_comes_first(operator, sixty_days):
    told = words(operator.get(at("latency")))
    assert told.index("GET issues 2xx") < told.index("GET home 2xx")


def test_a_route_has_each_of_its_figures(operator, sixty_days):
    page = operator.get(at("latency")).content.decode()
    link = re.search(r'href="([^"]*series/[^"]*for_you[^"]*)"', page)
    shown = operator.get(link[1].replace("&amp;", "&"))
    assert shown.status_code == 200
    assert len(re.findall(r"<tr><th scope=\"row\">", shown.content.decode())) == 7


@pytest.mark.parametrize("asked", [{}, {"figure": "none"}, {"figure": "ost_request_duration_seconds", "labels": "x"}])
def test_a_figure_that_is_none_is_a_400(operator, sixty_days, asked):
    assert operator.get(at("series"), asked).status_code == 400


def test_what_was_not_counted_in_this_time_has_no_row(operator):
    now, name = timezone.now(), "ost_llm_questions_total"
    for hours, answered in ((2, 5), (1, 9)):
        figures = {name: {'{"outcome":"answered"}': answered, '{"outcome":"failed"}': 3}}
        Snapshot.objects.create(at=now - timedelta(hours=hours), taken_at=now, tallies=figures)
    (row,) = operator.get(at("calls"), {"days": 1}).context["rows"]
    assert row[1:3] == ("answered", 4)


def test_a_share_that_was_not_measured_is_not_told_as_none(operator):
    assert "is known from two snapshots on" in words(operator.get(at("calls")))


def test_the_share_of_labels_that_were_there_is_told(operator, sixty_days):
    assert "69% of" in words(operator.get(at("calls")))


def test_the_backlog_is_told_by_model_and_subject(operator, sixty_days):
    assert re.search(r"all-MiniLM-L6-v2 live projects 0 0", words(operator.get(at("embeddings"))))


def test_sizes_are_those_of_postgresql(operator, sixty_days):
    told = words(operator.get(at("sizes")))
    assert "vectors and their texts" in told.lower()
    assert re.search(r"runs [\d.]+ (KB|MB)", told.replace("\xa0", " "))


def test_measuring_now_is_kept_once_an_hour(operator):
    for _ in range(2):
        assert operator.post(at("measure"), {"back": "sizes"})["Location"] == at("sizes")
    assert Snapshot.objects.count() == 1


# Navigation


@pytest.mark.parametrize("page", [*pages(), reverse("admin:index")])
def test_the_pages_lead_to_each_other(operator, page):
    told = operator.get(page).content.decode()
    nav = re.search(r'<nav class="operate".*?</nav>', told, re.DOTALL)
    assert nav
    for name in ("Overview", "Runs", "Assets", "Sources", "Models", "Latency", "Anomalies", "Audit"):
        assert f">{name}</a>" in nav[0]


def test_the_page_that_one_is_on_is_marked(operator):
    assert '<a href="/admin/engine/run/assets/" aria-current="page">' in operator.get(at("assets")).content.decode()


def test_pages_that_one_may_not_see_are_not_named():
    told = sign_in(staff("ann", "engine.view_anomaly")).get(reverse("admin:index")).content.decode()
    assert ">Anomalies</a>" in told
    assert ">Overview</a>" not in told

"""The operator's pages: what ran and waits, the graph of assets, how long things take, how much there is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from engine import assets, history, jobs, ledger, slots, snapshots
from engine.admin.base import note
from engine.models import Anomaly, Embedding, EmbeddingModel, Run, Snapshot, WorkerGroup
from engine.pipeline import Pipeline, Scope
from engine.runs import get_pipeline
from engine.snapshots import Slowness
from engine.tallies import Figure
from engine.trends import Trend

TEMPLATES = "admin/engine/operate"
PERIODS = {1: "24 hours", 7: "7 days", 30: "30 days", 60: "60 days"}
STALE = timedelta(days=2)  # as the alert OstSourceStale
MOST = 12  # rows of a histogram that are shown, the slowest first


def page(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    frame = {**admin.site.each_context(request), "title": title, "operates": operates(request)}
    return TemplateResponse(request, f"{TEMPLATES}/{template}.html", {**frame, **context})


def operates(request: HttpRequest) -> bool:
    return request.user.has_perm("engine.change_run")


def may_look(request: HttpRequest) -> None:
    if not request.user.has_perm("engine.view_run"):
        raise PermissionDenied


def may_operate(request: HttpRequest) -> None:
    if not operates(request):
        raise PermissionDenied


def days_asked(request: HttpRequest, usual: int = 7) -> int:
    asked = request.GET.get("days", str(usual))
    if asked not in map(str, PERIODS):
        raise BadRequest("The page shows 1, 7, 30 or 60 days.")
    return int(asked)


def period(request: HttpRequest, part: str) -> tuple[dict[str, Any], list[Snapshot]]:
    """What every page over time shows, and its snapshots."""
    days = days_asked(request)
    found = snapshots.of_last(days, part)
    shown = {"days": days, "periods": PERIODS, "newest": found[-1] if found else None, "enough": len(found) > 1}
    return shown, found


# Overview


@dataclass(frozen=True)
class Line:
    """A pipeline, or one of its sources, on the overview."""

    past: history.Past
    label: str
    late: bool


def overview(request: HttpRequest) -> HttpResponse:
    may_look(request)
    now = timezone.now()
    live, schedules = history.live(), jobs.coming()
    workers = list(WorkerGroup.objects.alive())
    shown = {
        "lines": lines(),
        "going": rows(live.get("running", [])),
        "live": live,
        "kinds": [(kind, live[kind]) for kind in ("due", "later", "quarantined", "off") if kind in live],
        "schedules": schedules,
        "workers": workers,
        "anomalies": Anomaly.objects.order_by("-last_at")[:8] if request.user.has_perm("engine.view_anomaly") else (),
        "backlog": [each for each in snapshots.open_texts() if each.waiting or each.quarantined],
        "outbox": slots.fill("outbox") or (),
        "now": now,
    }
    shown["late"] = list(late(shown, live))
    return page(request, "overview", "Overview", **shown)


def lines() -> list[Line]:
    """Each pipeline and each of its sources that is on, or that ever ran."""
    partitions = [(name, source) for name in settings.PIPELINES for source in (*get_pipeline(name).known, "")]
    found = history.past(partitions)
    kept = [found[key] for key in partitions if found[key].on or found[key].ended]
    return [Line(past, " ".join(filter(None, [past.pipeline, past.source])), is_late(past)) for past in kept]


def is_late(past: history.Past) -> bool:
    return bool(past.source and past.on and past.last and timezone.now() - past.last.finished_at > STALE)


def late(shown: Mapping[str, Any], live: Mapping[str, Sequence[Run]]) -> list[str]:
    """What should have happened by now, a sentence each."""
    said = [f"{line.label} was done last {line.past.last.finished_at:%-d %b, %H:%M} UTC." for line in shown["lines"]
            if line.late and line.past.last]  # fmt: skip
    said += [
        f"The schedule “{each.name}” was due {each.next_run:%-d %b, %H:%M} UTC."
        for each in shown["schedules"]
        if each.late
    ]
    longest = timedelta(seconds=settings.TIMING.silence + settings.TIMING.slice)
    oldest = min((run.created_at for run in live.get("due", ())), default=None)
    if oldest and shown["now"] - oldest > longest and not live.get("running"):
        said.append(f"Runs are due since {oldest:%-d %b, %H:%M} UTC, and nobody works.")
    if not shown["workers"]:
        said.append("No worker lives: start one with ./ost up, or manage.py worker.")
    return said


@dataclass(frozen=True)
class Going:
    run: Run
    progress: history.Progress | None


def rows(runs: Sequence[Run]) -> list[Going]:
    return [Going(run, history.progress(run)) for run in runs]


def going(request: HttpRequest) -> HttpResponse:
    """The runs at work, as a part of the overview that is read again and again."""
    may_look(request)
    running = history.with_step(Run.objects.filter(state=Run.State.RUNNING).order_by("pk"))[: history.SHOWN]
    return TemplateResponse(request, f"{TEMPLATES}/_going.html", {"going": rows(list(running)), "polled": True})


# Assets


def asset_graph(request: HttpRequest) -> HttpResponse:
    may_look(request)
    newest = Snapshot.objects.only("taken_at", "stages").order_by("-at").first()
    shown = [
        (pipeline, nodes, {asset.name: asset.after for asset in pipeline.graph}, assets.days(pipeline))
        for pipeline, nodes in assets.graphs(newest.stages if newest else {})
    ]
    return page(request, "assets", "Assets", graphs=shown, newest=newest, signs=assets.SIGNS)


def materialise(request: HttpRequest) -> HttpResponse:
    """Ask for a run of an asset's stage, or of the whole job."""
    may_operate(request)
    pipeline = pipeline_named(request.POST.get("pipeline", ""))
    name = request.POST.get("asset", "")
    asset = next((each for each in pipeline.graph if each.name == name), None)
    if name and asset is None:
        raise BadRequest("There is no such asset.")
    day = day_asked(pipeline, request.POST.get("day", ""))
    chosen = assets.scopes(pipeline, asset, day) if asset else whole(pipeline, day)
    note(request, "materialise", name or pipeline.job or pipeline.name, str(day or ""))
    if not chosen:
        messages.warning(request, "Nothing to run: none of its sources is on.")
    for scope in chosen:
        ask(request, pipeline, scope, [asset.stage] if asset else [])
    return redirect("admin:engine_run_assets")


def anew(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for another run of what a run that is over covered: the same day, source and stages."""
    may_operate(request)
    run = get_object_or_404(Run, pk=pk)
    pipeline = pipeline_named(run.pipeline)
    if not set(run.stages) <= {stage.name for stage in pipeline.of(run.source)}:
        raise BadRequest("Its pipeline has those stages no more.")
    note(request, "run anew", f"run {run.pk}", str(run))
    ask(request, pipeline, Scope(day=run.day, source=run.source), run.stages)
    return redirect("admin:engine_run_changelist")


def whole(pipeline: Pipeline, day: date | None) -> list[Scope]:
    return [Scope(day=day, source=source) for source in (*pipeline.sources(), "")]


def ask(request: HttpRequest, pipeline: Pipeline, scope: Scope, stages: Sequence[str]) -> None:
    try:
        run = jobs.request(pipeline.name, scope, stages)
    except ledger.Busy as busy:
        messages.error(request, f"Not done: {busy}.")
    else:
        state = "is at work already" if run.state == Run.State.RUNNING else "is due at once"
        messages.success(request, f"Run {run.pk}, {run}, {state}.")


def pipeline_named(name: str) -> Pipeline:
    if name not in settings.PIPELINES:
        raise BadRequest("There is no such pipeline.")
    return get_pipeline(name)


def day_asked(pipeline: Pipeline, text: str) -> date | None:
    if not pipeline.by_day:
        return None
    found = next((day for day in assets.days(pipeline) if text in ("", day.isoformat())), None)
    if found is None:
        raise BadRequest("A day of the last two weeks that is over.")
    return found


# Over time


@dataclass(frozen=True)
class Speed:
    """A row of a histogram."""

    figure: Figure
    labels: str
    count: int
    p50: float | None
    p95: float | None
    trend: Trend

    @property
    def name(self) -> str:
        return snapshots.in_words(self.labels) or self.figure.text


def latency(request: HttpRequest) -> HttpResponse:
    may_look(request)
    shown, found = period(request, "tallies")
    sections = [(figure, speeds(found, figure)) for figure in histograms()] if shown["enough"] else []
    kept = [(figure, rows[:MOST], rows[MOST:]) for figure, rows in sections if rows]
    return page(request, "latency", "Latency", sections=kept, **shown)


def histograms() -> list[Figure]:
    """Requests and lists first: what people wait for."""
    found = [figure for figure in snapshots.figures() if figure.buckets]
    return sorted(found, key=lambda figure: max(figure.buckets))


def speeds(found: Sequence[Snapshot], figure: Figure) -> list[Speed]:
    """A row for each set of labels that was seen in that time, the slowest first."""
    slow = Slowness(found, figure)
    rows = [
        Speed(
            figure,
            labels,
            slow.count(labels),
            slow.whole(labels, 0.5),
            slow.whole(labels, 0.95),
            slow.trend(labels, 0.95),
        )
        for labels in slow.grown
        if slow.count(labels)
    ]
    return sorted(rows, key=lambda row: (-(row.p95 or 0), -row.count))


def series(request: HttpRequest) -> HttpResponse:
    """One row of a histogram, with each of its figures."""
    may_look(request)
    figure = next((each for each in histograms() if each.name == request.GET.get("figure")), None)
    shown, found = period(request, "tallies")
    labels = request.GET.get("labels", "")
    slow = Slowness(found, figure) if figure else None
    if figure is None or slow is None or labels not in slow.grown:
        raise BadRequest("There is no such figure in these days.")
    p50, p95, counts = slow.trend(labels, 0.5), slow.trend(labels, 0.95), slow.counts(labels)
    table = list(zip(slow.times, counts.values, p50.values, p95.values, strict=True))[::-1]
    name = snapshots.in_words(labels) or figure.text
    shown |= {"figure": figure, "labels": labels, "p50": p50, "p95": p95, "table": table, "name": name}
    return page(request, "series", name, **shown)


def embeddings(request: HttpRequest) -> HttpResponse:
    may_look(request)
    shown, found = period(request, "backlog")
    models = list(EmbeddingModel.objects.fresh())
    now = snapshots.backlog()
    subjects = [table.subject_name for table in snapshots.filling.tables()]
    table = [
        (model, subject, now.get(str(model.pk), {}).get(subject, [0, 0]), backlog_trend(found, model, subject))
        for model in models
        for subject in subjects
    ]
    return page(request, "embeddings", "Embeddings", rows=table, **shown)


def backlog_trend(found: Sequence[Snapshot], model: EmbeddingModel, subject: str) -> Trend:
    values = [row.backlog.get(str(model.pk), {}).get(subject, [0])[0] for row in found]
    return Trend([row.taken_at for row in found], values)


def calls(request: HttpRequest) -> HttpResponse:
    may_look(request)
    shown, found = period(request, "tallies")
    counters = [figure for figure in snapshots.figures() if not figure.buckets]
    grown = {figure.name: snapshots.counted(found, figure) for figure in counters} if shown["enough"] else {}
    told = [
        (figure, snapshots.in_words(labels), grew, trend)
        for figure in counters
        for labels, trend in grown.get(figure.name, {}).items()
        if (grew := sum(trend.known))  # not what a provider of last year counted
    ]
    sums = {name: sum(sum(trend.known) for trend in trends.values()) for name, trends in grown.items()}
    return page(
        request, "calls", "Calls", rows=told, models=slots.fill("language_models", shown["days"], sums), **shown
    )


@dataclass(frozen=True)
class Size:
    """A table of ours. rows of bytes over time; grown: in that time."""

    name: str
    bytes: int
    trend: Trend
    table: str = ""

    @property
    def grown(self) -> int:
        return round(self.bytes - (self.trend.known[0] if self.trend.known else self.bytes))


def sizes(request: HttpRequest) -> HttpResponse:
    may_look(request)
    shown, found = period(request, "sizes")
    now = snapshots.sizes()
    groups: dict[str, list[Size]] = {}
    for model in apps.get_models(include_auto_created=True):
        name = model._meta.db_table
        if name in now:
            trend = Trend([row.taken_at for row in found], [row.sizes.get(name) for row in found])
            size = Size(str(model._meta.verbose_name_plural), now[name], trend, name)
            groups.setdefault(group_of(model), []).append(size)
    told = [(name, total(found, rows), sorted(rows, key=lambda row: -row.bytes)) for name, rows in groups.items()]
    told.sort(key=lambda group: -group[1].bytes)
    chosen = next((row for rows in groups.values() for row in rows if row.table == request.GET.get("table")), None)
    return page(request, "sizes", "Sizes", groups=told, chosen=chosen, whole=sum(now.values()), **shown)


def group_of(model: Any) -> str:
    """Where a table stands on the page of sizes."""
    if issubclass(model, Embedding):
        return "vectors and their texts"
    if model._meta.app_label == "engine":
        return "the ledger and the machinery"
    ours = {path.partition(".")[0] for path in settings.PIPELINES.values()}
    app = model._meta.app_config
    return str(app.verbose_name) if app.name in ours else "accounts, sessions and the queue"


def total(found: Sequence[Snapshot], rows: Sequence[Size]) -> Size:
    each = [[row.trend.values[at] or 0 for row in rows] for at in range(len(found))]
    return Size(
        "together", sum(row.bytes for row in rows), Trend([row.taken_at for row in found], list(map(sum, each)))
    )


def take(request: HttpRequest) -> HttpResponse:
    """A snapshot now, for whoever does not want to wait for the hour."""
    may_operate(request)
    note(request, "measure now", "snapshot")
    messages.success(request, f"Measured at {snapshots.take().taken_at:%H:%M} UTC.")
    back = request.POST.get("back", "")
    return redirect(f"admin:engine_run_{back if back in BACK else 'assets'}")


BACK = ("assets", "latency", "embeddings", "calls", "sizes")


# A run that is looked at


def told(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of a run's page that changes while it runs."""
    may_look(request)
    run = get_object_or_404(history.with_step(Run.objects.all()), pk=pk)
    return TemplateResponse(request, "admin/engine/run/_told.html", {"run": run, "told": history.told(run)})


def cell(request: HttpRequest, pk: int) -> HttpResponse:
    """The state of a run in a list of them."""
    may_look(request)
    run = get_object_or_404(history.with_step(Run.objects.all()), pk=pk)
    return TemplateResponse(request, "admin/engine/run/_cell.html", {"run": run, "progress": history.progress(run)})


def urls(site: admin.AdminSite) -> list[URLPattern]:
    def mounted(
        address: str, view: Callable[..., HttpResponse], name: str, only: Callable = require_safe
    ) -> URLPattern:
        return path(address, only(site.admin_view(view)), name=f"engine_run_{name}")

    return [
        mounted("overview/", overview, "overview"),
        mounted("overview/going/", going, "going"),
        mounted("assets/", asset_graph, "assets"),
        mounted("assets/materialise/", materialise, "materialise", require_POST),
        mounted("latency/", latency, "latency"),
        mounted("latency/series/", series, "series"),
        mounted("embeddings/", embeddings, "embeddings"),
        mounted("calls/", calls, "calls"),
        mounted("sizes/", sizes, "sizes"),
        mounted("measure/", take, "measure", require_POST),
        mounted("<int:pk>/anew/", anew, "anew", require_POST),
        mounted("<int:pk>/told/", told, "told"),
        mounted("<int:pk>/cell/", cell, "cell"),
    ]

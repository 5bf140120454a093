"""The graph of what pipelines make: each asset with its state, as the newest steps of its stage tell it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from engine.models import Run, Step
from engine.pipeline import Asset, Pipeline, Scope
from engine.runs import get_pipeline

LAST = 200  # runs of a source, or of the pipeline itself, that tell how their stages stand
SIGNS = {"fresh": "✓", "stale": "◐", "running": "…", "failed": "✕", "never": ""}


@dataclass(frozen=True)
class Standing:
    """The newest step of a stage, and when it was done last, with something or with nothing to do."""

    run: int | None = None
    run_state: str = ""
    step: str = ""
    error: str = ""
    done_at: datetime | None = None
    moved_at: datetime | None = None


@dataclass(frozen=True)
class Node:
    """An asset with how it stands. waiting: at the last snapshot, or None. feeds: what comes after it."""

    pipeline: Pipeline
    asset: Asset
    standing: Standing
    waiting: int | None
    state: str
    feeds: Sequence[str]

    @property
    def sign(self) -> str:
        return SIGNS[self.state]

    @property
    def askable(self) -> bool:
        """Whether a run of the pipeline makes it; what comes in by itself nobody can ask for."""
        return bool(self.pipeline.known) or not is_collected(self.pipeline, self.asset)

    @property
    def again(self) -> int | None:
        """The run to try again, where that helps."""
        return self.standing.run if self.state == "failed" else None


def graphs(waiting: Mapping[str, int]) -> list[tuple[Pipeline, list[Node]]]:
    """Each pipeline with its assets in order; in one query. waiting: "pipeline/stage" -> how many."""
    pipelines = [get_pipeline(name) for name in settings.PIPELINES]
    found = standings(pipelines)
    return [(pipeline, nodes(pipeline, found, waiting)) for pipeline in pipelines]


def nodes(pipeline: Pipeline, found: Mapping[tuple[str, str], Standing], waiting: Mapping[str, int]) -> list[Node]:
    moved = {asset.name: found[pipeline.name, asset.stage].moved_at for asset in pipeline.graph}
    made = []
    for asset in pipeline.graph:
        standing, waits = found[pipeline.name, asset.stage], waiting.get(f"{pipeline.name}/{asset.stage}")
        newest = max((moment for each in asset.after if (moment := moved[each])), default=None)
        feeds = [each.name for each in pipeline.graph if asset.name in each.after]
        made.append(Node(pipeline, asset, standing, waits, state_of(standing, waits, newest), feeds))
    return made


def state_of(standing: Standing, waiting: int | None, upstream: datetime | None) -> str:
    """upstream: when something before it last changed anything."""
    if standing.step == Step.State.RUNNING and standing.run_state == Run.State.RUNNING:
        return "running"
    unfinished = standing.step and standing.step != Step.State.DONE
    if standing.step == Step.State.FAILED or (unfinished and standing.run_state == Run.State.QUARANTINED):
        return "failed"
    if standing.done_at is None:
        return "never"
    return "stale" if waiting or (upstream and upstream > standing.done_at) else "fresh"


def standings(pipelines: Sequence[Pipeline]) -> Mapping[tuple[str, str], Standing]:
    """Of each stage of a pipeline, as the newest runs of its sources and of itself tell it."""
    partitions = [(pipeline.name, source) for pipeline in pipelines for source in (*pipeline.known, "")]
    found: dict[tuple[str, str], Standing] = defaultdict(Standing)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT ON (r.pipeline, s.name) r.pipeline, s.name, r.id, r.state, s.state, s.error,
                max(s.finished_at) FILTER (WHERE s.state = 'done') OVER same,
                max(s.finished_at) FILTER (WHERE s.state = 'done' AND EXISTS (
                    SELECT FROM jsonb_each_text(s.counts) WHERE value <> '0')) OVER same
            FROM unnest(%s::text[], %s::text[]) k (pipeline, source)
            CROSS JOIN LATERAL (
                SELECT id, pipeline, state FROM engine_run
                WHERE (pipeline, source) = (k.pipeline, k.source) ORDER BY id DESC LIMIT {LAST}) r
            JOIN engine_step s ON s.run_id = r.id
            WINDOW same AS (PARTITION BY r.pipeline, s.name)
            ORDER BY r.pipeline, s.name, s.id DESC
            """,  # noqa: S608  a constant of this module
            [[pipeline for pipeline, _ in partitions], [source for _, source in partitions]],
        )
        for pipeline, stage, *facts in cursor.fetchall():
            found[pipeline, stage] = Standing(*facts)
    return found


def scopes(pipeline: Pipeline, asset: Asset, day: date | None) -> list[Scope]:
    """What is to run so that the asset is made anew: its source's runs, or the pipeline's own."""
    if is_collected(pipeline, asset):
        return [Scope(day=day, source=name) for name in pipeline.sources()]
    return [Scope(day=day)]


def is_collected(pipeline: Pipeline, asset: Asset) -> bool:
    """Whether only the run of a source makes it."""
    return asset.stage not in {stage.name for stage in pipeline.stages}


def days(pipeline: Pipeline) -> list[date]:
    """Those that an asset may be made for by hand, the newest first; none of a pipeline without days."""
    today: Any = timezone.now().date()
    return [today - timedelta(days=back) for back in range(1, 15)] if pipeline.by_day else []

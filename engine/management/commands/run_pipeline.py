from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from engine import following, jobs, runs
from engine.commands import DONE, INCOMPLETE, Refused, StageBars, day_named
from engine.commands import Command as BaseCommand
from engine.models import Run
from engine.pipeline import Pipeline, Scope, UnknownStage

DAYS_AT_ONCE = 366


class Command(BaseCommand):
    help = "Run a pipeline, or some of its stages. What is up to date already is left alone."
    checks_database = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("pipeline", choices=sorted(settings.PIPELINES), help="which pipeline")
        parser.add_argument(
            "--stage", action="append", default=[], metavar="S", help="only this stage; may be repeated"
        )
        parser.add_argument(
            "--source", metavar="S", help="collect from this source alone; all: from each that is on, then the rest"
        )
        parser.add_argument("--day", metavar="D", help="one UTC day, YYYY-MM-DD, of a pipeline that goes by days")
        parser.add_argument("--from", metavar="D", help="the first of several days; without any, all that hold data")
        parser.add_argument("--to", metavar="D", help="the last of them")
        parser.add_argument("--force", action="store_true", help="work even where nothing changed")
        parser.add_argument("--queue", action="store_true", help="have a worker do it, and end at once")
        parser.add_argument("--follow", action="store_true", help="with --queue: show its progress until it ends")
        parser.add_argument("--json", action="store_true", help="print the run as JSON")

    def handle(self, *, pipeline: str, stage: list[str], source: str | None, json: bool, **options: Any) -> int:
        found = runs.get_pipeline(pipeline)
        if options["follow"] and not options["queue"]:
            raise Refused("run_pipeline: --follow: only with --queue; without it the progress is shown anyway")
        asked = [
            (scope, chosen_of(found, stage, scope.source))
            for name in sources_of(found, source)
            for day in days_of(found, options["day"], options["from"], options["to"], name)
            for scope in [Scope(day=day, source=name, force=options["force"])]
        ]
        queue, follow = options["queue"], options["follow"]
        codes = [
            self.through_the_queue(found, each, chosen, follow, json) if queue else self.now(found, each, chosen, json)
            for each, chosen in asked
            if each.force or runs.waiting(found, each, chosen) or unfinished(found, each)
        ]
        return max(codes) if codes else self.report(found, None, json)

    def now(self, pipeline: Pipeline, scope: Scope, stages: list[str], as_json: bool) -> int:
        with self.progress() as bars:
            run = runs.run(pipeline, scope, stages, StageBars(bars))
        return self.report(pipeline, run, as_json)

    def through_the_queue(
        self, pipeline: Pipeline, scope: Scope, stages: list[str], follow: bool, as_json: bool
    ) -> int:
        run = jobs.request(pipeline.name, scope, stages)
        if not follow:
            self.report(pipeline, run, as_json, rung=True)
            return DONE
        with self.progress() as bars:
            ended = following.follow(run, pipeline, StageBars(bars))
        return self.report(pipeline, ended, as_json)

    def report(self, pipeline: Pipeline, run: Run | None, as_json: bool, rung: bool = False) -> int:
        """The run in one line. Without a run nothing waited, and nothing was written, not even a Run.

        rung: a worker is to do it; else a run that waits has failed, or has to leave a server alone for a while.
        """
        failed = run is not None and run.state == Run.State.WAITING and not rung and not run.postponed
        state = "done" if run is None else "failed" if failed else run.state
        stages = [stage.name for stage in pipeline.of(run.source if run else "")]
        counts = {name: run.counts[name] for name in stages if name in run.counts} if run else {}
        partition = {name: getattr(run, name) for name in ("source", "day") if run and getattr(run, name)}
        if as_json:
            facts = {
                "run": run and run.pk, **partition, "state": state, "stages": counts, "error": run.error if run else "",
            }  # fmt: skip
            self.write_json({"pipeline": pipeline.name, **facts})
        else:
            flat = {f"{name}.{key}": value for name in counts for key, value in sorted(counts[name].items())}
            self.summary(pipeline=pipeline.name, **partition, state=state, run=run.pk if run else "none", **flat)
        if run and run.error:
            self.say(run.error, INCOMPLETE)
        return DONE if state == "done" else INCOMPLETE


def unfinished(pipeline: Pipeline, scope: Scope) -> bool:
    """Whether a run of the partition has failed and waits: it ends what it began, even with nothing new."""
    return Run.objects.of(pipeline.name, scope.day, scope.source).live().exists()


def sources_of(pipeline: Pipeline, source: str | None) -> list[str]:
    """What is asked for: sources to collect from, and "" for all that follows."""
    if source is None:
        return [""]
    if source == "all" and pipeline.known:
        return [*pipeline.sources(), ""]
    if source not in pipeline.known:
        raise Refused(f"run_pipeline: --source: {source!a}; allowed: {', '.join([*pipeline.known, 'all'])}")
    if source not in pipeline.sources():
        raise Refused(
            f"run_pipeline: --source: {source} is off, or lacks its credentials;"
            f" allowed: sources that are on (sources --on {pipeline.name}/{source})"
        )
    return [source]


def chosen_of(pipeline: Pipeline, names: list[str], source: str) -> list[str]:
    try:
        return [each.name for each in pipeline.chosen(names, source)] if names else []
    except UnknownStage as error:
        raise Refused(f"run_pipeline: --stage: {error}") from error


def days_of(
    pipeline: Pipeline, day: str | None, first: str | None, last: str | None, source: str = ""
) -> Sequence[date | None]:
    """The days asked for, [None] of a pipeline without days. Refused: what is no day, none yet, or too many."""
    given = {name: value for name, value in (("day", day), ("from", first), ("to", last)) if value is not None}
    if not pipeline.by_day:
        if given:
            raise Refused(f"run_pipeline: --{min(given)}: {pipeline.name} does not go by days; allowed: no --day")
        return [None]
    if not given:
        return [datetime.now(UTC).date() - timedelta(days=1)] if source else pipeline.days()
    if set(given) not in ({"day"}, {"from", "to"}):
        raise Refused("run_pipeline: --day: allowed: --day alone, or --from and --to together")
    parsed = [day_named("run_pipeline", name, value) for name, value in given.items()]
    count = (parsed[-1] - parsed[0]).days + 1
    if not 0 < count <= DAYS_AT_ONCE:
        raise Refused(f"run_pipeline: --to: {count} days; allowed: 1 to {DAYS_AT_ONCE} from --from on")
    return [parsed[0] + timedelta(days=at) for at in range(count)]

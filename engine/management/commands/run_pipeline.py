from collections.abc import Sequence
from datetime import date, timedelta
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
        parser.add_argument("--day", metavar="D", help="one UTC day, YYYY-MM-DD, of a pipeline that goes by days")
        parser.add_argument("--from", metavar="D", help="the first of several days; without any, all that hold data")
        parser.add_argument("--to", metavar="D", help="the last of them")
        parser.add_argument("--force", action="store_true", help="work even where nothing changed")
        parser.add_argument("--queue", action="store_true", help="have a worker do it, and end at once")
        parser.add_argument("--follow", action="store_true", help="with --queue: show its progress until it ends")
        parser.add_argument("--json", action="store_true", help="print the run as JSON")

    def handle(self, *, pipeline: str, stage: list[str], json: bool, **options: Any) -> int:
        found = runs.get_pipeline(pipeline)
        days = days_of(found, options["day"], options["from"], options["to"])
        if options["follow"] and not options["queue"]:
            raise Refused("run_pipeline: --follow: only with --queue; without it the progress is shown anyway")
        try:
            chosen = [each.name for each in found.chosen(stage)] if stage else []
        except UnknownStage as error:
            raise Refused(f"run_pipeline: --stage: {error}") from error
        scopes = [Scope(day=day, force=options["force"]) for day in days]
        scopes = [each for each in scopes if each.force or runs.waiting(found, each, chosen) or unfinished(found, each)]
        if not scopes:
            return self.report(pipeline, None, json)
        queue, follow = options["queue"], options["follow"]
        return max(
            self.through_the_queue(found, each, chosen, follow, json) if queue else self.now(found, each, chosen, json)
            for each in scopes
        )

    def now(self, pipeline: Pipeline, scope: Scope, stages: list[str], as_json: bool) -> int:
        with self.progress() as bars:
            run = runs.run(pipeline, scope, stages, StageBars(bars))
        return self.report(pipeline.name, run, as_json)

    def through_the_queue(
        self, pipeline: Pipeline, scope: Scope, stages: list[str], follow: bool, as_json: bool
    ) -> int:
        run = jobs.request(pipeline.name, scope, stages)
        if not follow:
            self.report(pipeline.name, run, as_json, rung=True)
            return DONE
        with self.progress() as bars:
            ended = following.follow(run, pipeline, StageBars(bars))
        return self.report(pipeline.name, ended, as_json)

    def report(self, pipeline: str, run: Run | None, as_json: bool, rung: bool = False) -> int:
        """The run in one line. Without a run nothing waited, and nothing was written, not even a Run.

        rung: a worker is to do it; else a run that waits is one that has failed.
        """
        failed = run is not None and run.state == Run.State.WAITING and not rung
        state = "done" if run is None else "failed" if failed else run.state
        stages = [stage.name for stage in runs.get_pipeline(pipeline).stages]
        counts = {name: run.counts[name] for name in stages if name in run.counts} if run else {}
        if as_json:
            facts = {
                "run": run and run.pk,
                **({"day": run.day} if run and run.day else {}),
                "state": state,
                "stages": counts,
                "error": run.error if run else "",
            }
            self.write_json({"pipeline": pipeline, **facts})
        else:
            flat = {f"{name}.{key}": value for name in counts for key, value in sorted(counts[name].items())}
            day = {"day": run.day} if run and run.day else {}
            self.summary(pipeline=pipeline, **day, state=state, run=run.pk if run else "none", **flat)
        if run and run.error:
            self.say(run.error, INCOMPLETE)
        return DONE if state == "done" else INCOMPLETE


def unfinished(pipeline: Pipeline, scope: Scope) -> bool:
    """Whether a run of the partition has failed and waits: it ends what it began, even with nothing new."""
    return Run.objects.of(pipeline.name, scope.day, scope.source).live().exists()


def days_of(pipeline: Pipeline, day: str | None, first: str | None, last: str | None) -> Sequence[date | None]:
    """The days asked for, [None] of a pipeline without days. Refused: what is no day, none yet, or too many."""
    given = {name: value for name, value in (("day", day), ("from", first), ("to", last)) if value is not None}
    if not pipeline.by_day:
        if given:
            raise Refused(f"run_pipeline: --{min(given)}: {pipeline.name} does not go by days; allowed: no --day")
        return [None]
    if not given:
        return pipeline.days()
    if set(given) not in ({"day"}, {"from", "to"}):
        raise Refused("run_pipeline: --day: allowed: --day alone, or --from and --to together")
    parsed = [day_named("run_pipeline", name, value) for name, value in given.items()]
    count = (parsed[-1] - parsed[0]).days + 1
    if not 0 < count <= DAYS_AT_ONCE:
        raise Refused(f"run_pipeline: --to: {count} days; allowed: 1 to {DAYS_AT_ONCE} from --from on")
    return [parsed[0] + timedelta(days=at) for at in range(count)]

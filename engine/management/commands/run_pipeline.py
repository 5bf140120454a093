from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from engine import following, jobs, runs
from engine.commands import DONE, INCOMPLETE, Refused, StageBars
from engine.commands import Command as BaseCommand
from engine.models import Run
from engine.pipeline import Pipeline, Scope, UnknownStage


class Command(BaseCommand):
    help = "Run a pipeline, or some of its stages. What is up to date already is left alone."
    checks_database = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("pipeline", choices=sorted(settings.PIPELINES), help="which pipeline")
        parser.add_argument(
            "--stage", action="append", default=[], metavar="S", help="only this stage; may be repeated"
        )
        parser.add_argument("--day", metavar="D", help="the UTC day, YYYY-MM-DD, of a pipeline that goes by days")
        parser.add_argument("--force", action="store_true", help="work even where nothing changed")
        parser.add_argument("--queue", action="store_true", help="have a worker do it, and end at once")
        parser.add_argument("--follow", action="store_true", help="with --queue: show its progress until it ends")
        parser.add_argument("--json", action="store_true", help="print the run as JSON")

    def handle(self, *, pipeline: str, stage: list[str], json: bool, **options: Any) -> int:
        found = runs.get_pipeline(pipeline)
        scope = Scope(day=day_of(found, options["day"]), force=options["force"])
        if options["follow"] and not options["queue"]:
            raise Refused("run_pipeline: --follow: only with --queue; without it the progress is shown anyway")
        try:
            chosen = [each.name for each in found.chosen(stage)] if stage else []
        except UnknownStage as error:
            raise Refused(f"run_pipeline: --stage: {error}") from error
        if not scope.force and not runs.waiting(found, scope, chosen) and not unfinished(found, scope):
            return self.report(pipeline, None, json)
        if options["queue"]:
            return self.through_the_queue(found, scope, chosen, options["follow"], json)
        with self.progress() as bars:
            run = runs.run(found, scope, chosen, StageBars(bars))
        return self.report(pipeline, run, json)

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
                "state": state,
                "stages": counts,
                "error": run.error if run else "",
            }
            self.write_json({"pipeline": pipeline, **facts})
        else:
            flat = {f"{name}.{key}": value for name in counts for key, value in sorted(counts[name].items())}
            self.summary(pipeline=pipeline, state=state, run=run.pk if run else "none", **flat)
        if run and run.error:
            self.say(run.error, INCOMPLETE)
        return DONE if state == "done" else INCOMPLETE


def unfinished(pipeline: Pipeline, scope: Scope) -> bool:
    """Whether a run of the partition has failed and waits: it ends what it began, even with nothing new."""
    return Run.objects.of(pipeline.name, scope.day, scope.source).live().exists()


def day_of(pipeline: Pipeline, day: str | None) -> date | None:
    """The day asked for; refused for a pipeline without days, and when it is none."""
    if day is None:
        return None
    if not pipeline.by_day:
        raise Refused(f"run_pipeline: --day: {pipeline.name} does not go by days; allowed: no --day")
    try:
        return datetime.strptime(day if len(day) == 10 else "", "%Y-%m-%d").date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        raise Refused(f"run_pipeline: --day: {day[:40]!a} is not a day; allowed: YYYY-MM-DD") from None

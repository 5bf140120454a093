from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Window
from django.db.models.functions import Lag
from rich.markup import escape
from rich.table import Table

from engine import jobs, ledger
from engine.commands import Command as BaseCommand
from engine.commands import Refused, whole
from engine.ledger import NotAllowed, operator
from engine.models import Run, Step


class Command(BaseCommand):
    help = "The newest runs and their steps: state, counts and what changed, duration, attempts, reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=whole(1, 1000), default=10, metavar="N", help="how many runs (10)")
        parser.add_argument("--json", action="store_true", help="print them as JSON")
        parser.add_argument(
            "--again", type=whole(1, 10**9), metavar="RUN", help="first give a quarantined run another chance"
        )  # fmt: skip

    def handle(self, *, limit: int, json: bool, again: int | None, **_: Any) -> None:
        if again:
            run_again(again)
        runs = newest(limit)
        if json:
            self.write_json([run_facts(run) for run in runs])
        elif not runs:
            self.stdout.write("Nothing has run yet. Try: ./ost manage run_pipeline recommendations")
        else:
            self.console().print(table(runs))


def run_again(pk: int) -> None:
    try:
        jobs.ring(ledger.run_again(pk, operator()))
    except NotAllowed as reason:
        raise Refused(f"runs: --again: {reason}") from reason


def newest(limit: int) -> list[Run]:
    """With `before`, the counts of the run of the same partition before it."""
    before = Window(Lag("counts"), partition_by=["pipeline", "source", "day"], order_by="pk")
    return list(Run.objects.annotate(before=before).order_by("-pk").prefetch_related("steps")[:limit])


def run_facts(run: Run) -> dict[str, Any]:
    return {
        "id": run.pk,
        "pipeline": run.pipeline,
        "source": run.source,
        "day": run.day and run.day.isoformat(),
        "state": run.state,
        "attempts": run.attempts,
        "next_attempt_at": run.next_attempt_at and run.next_attempt_at.isoformat(),
        "error": run.error,
        "created_at": run.created_at.isoformat(),
        "finished_at": run.finished_at and run.finished_at.isoformat(),
        "steps": [step_facts(step, changes(run, step)) for step in run.steps.all()],
    }


def step_facts(step: Step, changed: dict[str, int]) -> dict[str, Any]:
    return {
        "name": step.name,
        "state": step.state,
        "waited": step.total,
        "counts": step.counts,
        "changed": changed,
        "seconds": round((step.finished_at - step.started_at).total_seconds(), 2) if step.finished_at else None,
        "cpu_seconds": round(step.cpu_seconds, 2),
        "peak_memory_mb": step.peak_memory // 1_000_000,
        "error": step.error,
    }


def changes(run: Run, step: Step) -> dict[str, int]:
    """What the stage counts more or less than in the partition's run before; {} where there is none to compare."""
    if run.before is None or step.fence != run.fence:  # type: ignore[attr-defined]  # newest() gives it
        return {}
    then, now = run.before.get(step.name, {}), run.counts.get(step.name, {})  # type: ignore[attr-defined]  # as above
    differences = {key: now.get(key, 0) - then.get(key, 0) for key in {**then, **now}}
    return {key: change for key, change in differences.items() if change}


def table(runs: list[Run]) -> Table:
    """A row a step, the run's facts before its first."""
    columns = (
        "run",
        "what",
        "state",
        "tries",
        "step",
        "counts (since last)",
        "s",
        "cpu s",
        "peak MB",
        "reason",
    )
    made = Table(*columns, box=None, pad_edge=False)
    for run in runs:
        head = [str(run.pk), str(run), run.state, str(run.attempts or "")]
        for step in run.steps.all():
            facts = step_facts(step, changes(run, step))
            figures = [str(facts["seconds"] or ""), str(facts["cpu_seconds"]), str(facts["peak_memory_mb"])]
            made.add_row(*head, f"{step.name} {step.state}", counted(facts), *figures, escape(step.error))
            head = ["", "", "", ""]
        if head[0]:
            made.add_row(*head, "", "", "", "", "", escape(run.error))
    return made


def counted(facts: dict[str, Any]) -> str:
    """name=count of each, with its change in brackets."""
    changed = facts["changed"]
    return " ".join(
        f"{key}={count}" + (f" ({changed[key]:+})" if key in changed else "") for key, count in facts["counts"].items()
    )

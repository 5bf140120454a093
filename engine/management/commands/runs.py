from typing import Any

from django.core.management.base import CommandParser
from rich.markup import escape
from rich.table import Table

from engine.commands import Command as BaseCommand
from engine.commands import whole
from engine.models import Run, Step


class Command(BaseCommand):
    help = "The newest runs and their steps: state, counts, duration, attempts, reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=whole(1, 1000), default=10, metavar="N", help="how many runs (10)")
        parser.add_argument("--json", action="store_true", help="print them as JSON")

    def handle(self, *, limit: int, json: bool, **_: Any) -> None:
        runs = list(Run.objects.order_by("-pk").prefetch_related("steps")[:limit])
        if json:
            self.write_json([run_facts(run) for run in runs])
        elif not runs:
            self.stdout.write("Nothing has run yet. Try: ./ost manage run_pipeline recommendations")
        else:
            self.console().print(table(runs))


def run_facts(run: Run) -> dict[str, Any]:
    return {
        "id": run.pk,
        "pipeline": run.pipeline,
        "source": run.source,
        "day": run.day and run.day.isoformat(),
        "state": run.state,
        "attempts": run.attempts,
        "error": run.error,
        "created_at": run.created_at.isoformat(),
        "finished_at": run.finished_at and run.finished_at.isoformat(),
        "steps": [step_facts(step) for step in run.steps.all()],
    }


def step_facts(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "state": step.state,
        "waited": step.total,
        "counts": step.counts,
        "seconds": round((step.finished_at - step.started_at).total_seconds(), 2) if step.finished_at else None,
        "cpu_seconds": round(step.cpu_seconds, 2),
        "peak_memory_mb": step.peak_memory // 1_000_000,
        "error": step.error,
    }


def table(runs: list[Run]) -> Table:
    """A row a step, the run's facts before its first."""
    made = Table("run", "what", "state", "step", "counts", "s", "cpu s", "peak MB", "reason", box=None, pad_edge=False)
    for run in runs:
        head = [str(run.pk), str(run), run.state]
        for step in map(step_facts, run.steps.all()):
            counts = " ".join(f"{key}={value}" for key, value in step["counts"].items())
            figures = [str(step["seconds"] or ""), str(step["cpu_seconds"]), str(step["peak_memory_mb"])]
            made.add_row(*head, f"{step['name']} {step['state']}", counts, *figures, escape(step["error"]))
            head = ["", "", ""]
        if head[0]:
            made.add_row(*head, "", "", "", "", "", escape(run.error))
    return made

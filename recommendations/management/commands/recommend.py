from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandParser
from rich.markup import escape
from rich.table import Table

from engine.commands import Command as BaseCommand
from engine.commands import Refused, whole
from engine.text import clip, printable, squeeze
from recommendations import answers, reasons, serving
from recommendations.models import Generation, Recommendation
from recommendations.scoring import COMPONENTS


class Command(BaseCommand):
    help = "Show what a user is recommended, and why."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--top", type=whole(1, 50), metavar="N", help="how many (what the weights say)")
        parser.add_argument("--json", action="store_true", help="print them as JSON, with every figure")

    def handle(self, *, username: str, top: int | None, json: bool, **_: Any) -> int:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise Refused(f"recommend: there is no user {username[:60]!a}")
        live = Generation.objects.live()
        if live is None:
            raise Refused("recommend: nothing is published yet; run: ./ost manage run_pipeline recommendations", 1)
        found = serving.for_user(user, top or live.weights.top_n)
        if found is None:
            raise Refused("recommend: there is no project to recommend", 1)
        if json:
            self.write_json(facts(username, found))
        else:
            self.show(username, found)
        return 0

    def show(self, username: str, found: serving.List) -> None:
        console = self.console()
        console.print(f"For {escape(username)}, as of {moment(found.computed_at)} ({found.weights})", style="bold")
        console.print(table(found.rows))


def facts(username: str, found: serving.List) -> dict[str, Any]:
    return {
        "user_id": username,
        "recommendations": [answers.answer(row) for row in found.rows],
        "generated_at": found.computed_at.isoformat(),
        "weights": found.weights.version,
    }


def table(rows: list[Recommendation]) -> Table:
    """A row a project: what it is, then why. The parts are percents that add up to the score."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0), caption_justify="left")
    made.add_column("", justify="right")
    made.add_column("project, and why", ratio=1)
    for name in ("score", *COMPONENTS):
        made.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        parts = reasons.percents([row.parts[name] for name in COMPONENTS]) if row.parts else []
        figures = [f"{part:.1f}" for part in parts] or [""] * len(COMPONENTS)
        made.add_row(str(row.rank), what_and_why(row), f"{sum(parts):.1f}" if parts else "new", *figures)
    made.caption = "score = semantic + category + tech + popularity, in percent"
    return made


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def what_and_why(row: Recommendation) -> str:
    """The project's name, its own words, and the reasons: all of it escaped, for it comes from outside."""
    description = printable(clip(squeeze(row.project.description), 160))
    lines = [
        f"[bold]{escape(row.project.full_name)}[/bold]",
        escape(description),
        escape(" ".join(answers.sentences(row))),
    ]
    return "\n".join(filter(None, lines))

from typing import Any

from django.core.management.base import CommandParser
from rich.markup import escape
from rich.table import Table

from engine.commands import Command as BaseCommand
from engine.commands import Refused, whole
from engine.text import joined, printable
from issues import exporting
from issues.models import Clustering

EVIDENCE = 2  # urls shown of each


class Command(BaseCommand):
    help = "Show the issues of the newest day that most posts are about, with their evidence."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--top", type=whole(1, 50), default=5, metavar="N", help="how many (5)")
        parser.add_argument("--json", action="store_true", help="print them as JSON, with every figure")

    def handle(self, *, top: int, json: bool, **_: Any) -> int:
        newest = Clustering.objects.filter(state=Clustering.State.LIVE, items__gt=0).order_by("-day").first()
        if newest is None:
            raise Refused("top_issues: nothing is published yet; run: ./ost manage run_pipeline issues", 1)
        found = list(exporting.largest(newest.day, top))
        if json:
            self.write_json({"day": newest.day.isoformat(), "issues": found})
            return 0
        console = self.console()
        console.print(f"On {newest.day}: {newest.items} posts, {newest.clusters.count()} problems", style="bold")
        console.print(table(found))
        return 0


def table(issues: list[dict[str, Any]]) -> Table:
    """A row an issue: what it is and where it was said, then how often on each day."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0), caption_justify="left")
    made.add_column("problem, and evidence", ratio=1, overflow="fold")
    for name in ("category", "impact", "posts"):
        made.add_column(name, no_wrap=True)
    for issue in issues:
        days = " ".join(str(day["items"]) for day in issue["days"])
        made.add_row(what(issue), issue["category"], issue["impact"], f"{days} {issue['state']}")
    made.caption = "posts = how many on each day that saw it, the newest last"
    return made


def what(issue: dict[str, Any]) -> str:
    """Its title, description and first evidence: all of it escaped, for it comes from outside."""
    sources = sorted({source for day in issue["days"] for source in day["sources"]})
    pay = " Some would pay." if issue["would_pay"] else ""
    lines = [
        f"[bold]{escape(printable(issue['title'] or 'not labelled: ' + issue['reason']))}[/bold]",
        escape(printable(issue["description"])),
        escape(f"From {joined(sources)}.{pay}"),
        *(escape(printable(url)) for url in issue["evidence"][:EVIDENCE]),
    ]
    return "\n".join(filter(None, lines))

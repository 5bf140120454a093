import json
from typing import Any

from django.core.management.base import CommandParser

from engine.commands import Command as BaseCommand
from engine.commands import Refused, day_named
from engine.output import written
from issues import exporting
from issues.models import Clustering


class Command(BaseCommand):
    help = "Write where each post went as JSON Lines: its cluster, -1 for none, and its issue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--day", metavar="D", help="only this UTC day")
        parser.add_argument("-o", "--output", metavar="FILE", help="where to (standard output)")

    def handle(self, *, output: str | None, **options: Any) -> None:
        if not Clustering.objects.filter(state=Clustering.State.LIVE).exists():
            raise Refused("export_clusters: nothing is published yet; run: ./ost manage run_pipeline issues", 1)
        day = day_named("export_clusters", "day", options["day"]) if options["day"] is not None else None
        count = 0
        with written(output, self.out) as file:
            for line in exporting.clusters(day):
                count += 1
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if output not in (None, "-"):
            self.summary(state="done", items=count, file=output)

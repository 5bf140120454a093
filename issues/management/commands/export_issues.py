import json
from typing import Any

from django.core.management.base import CommandParser

from engine.commands import Command as BaseCommand
from engine.commands import Refused
from engine.output import written
from issues import exporting
from issues.models import Clustering


class Command(BaseCommand):
    help = "Write the issues as JSON Lines, with labels, counts by day, lineage and the urls of their evidence."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("-o", "--output", metavar="FILE", help="where to (standard output)")

    def handle(self, *, output: str | None, **_: Any) -> None:
        if not Clustering.objects.filter(state=Clustering.State.LIVE).exists():
            raise Refused("export_issues: nothing is published yet; run: ./ost manage run_pipeline issues", 1)
        count = 0
        with written(output, self.out) as file:
            for line in exporting.issues():
                count += 1
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if output not in (None, "-"):
            self.summary(state="done", issues=count, file=output)

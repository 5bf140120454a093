import json
from typing import Any

from django.core.management.base import CommandParser

from engine.commands import Command as BaseCommand
from engine.commands import Refused, whole
from engine.output import written
from recommendations import answers
from recommendations.models import Generation


class Command(BaseCommand):
    help = "Write everyone's recommendations as JSON Lines, a user a line, with components, parts and reasons."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--top", type=whole(1, 50), default=50, metavar="N", help="how many a user (50)")
        parser.add_argument("-o", "--output", metavar="FILE", help="where to (standard output)")

    def handle(self, *, top: int, output: str | None, **_: Any) -> None:
        generation = Generation.objects.live()
        if generation is None:
            raise Refused(
                "export_recommendations: nothing is published yet; run: ./ost manage run_pipeline recommendations",
                1,
            )
        users = 0
        with written(output, self.out) as file:
            for name, rows in answers.everyone(generation, top):
                users += 1
                file.write(json.dumps({"username": name, "recommendations": rows}, ensure_ascii=False) + "\n")
        if output not in (None, "-"):
            self.summary(state="done", users=users, generation=generation.pk, file=output)

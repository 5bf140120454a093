import sys
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.core.management.base import CommandParser

from engine.commands import DONE, INCOMPLETE, day_named
from engine.importing import FAULTS_SHOWN, ImportCommand
from engine.text import printable
from issues import importing
from issues.schemas import ItemLine


class Command(ImportCommand[ItemLine]):
    help = "Import posts: source, url, title and what else is known; a post is known by its normalised url."
    schema = ItemLine
    day: date | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--day", metavar="D", help="the UTC day all of them count for; else each its own, or today")

    def handle(self, *, file: str, **options: Any) -> int:
        self.day = day_named("import_items", "day", options["day"]) if options["day"] is not None else None
        self.refused: list[str] = []
        code = self.finish(file, self.read(file))
        return INCOMPLETE if code == DONE and self.refused else code

    def write(self, records: Sequence[ItemLine]) -> Counter[str]:
        counts, refused = importing.import_items(records, self.day)
        for reason in refused[: max(FAULTS_SHOWN - len(self.refused), 0)]:
            sys.stderr.write(printable(f"url refused: {reason}") + "\n")
        self.refused += refused
        return counts

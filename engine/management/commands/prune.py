from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils.module_loading import import_string

from engine.commands import Command as BaseCommand
from engine.commands import whole


class Command(BaseCommand):
    help = "Delete what no reader sees any more: drafts that nothing will finish, old generations, ended sessions."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--keep", type=whole(0, 1000), default=3, metavar="N", help="generations kept to go back to (3)"
        )

    def handle(self, *, keep: int, **_: Any) -> None:
        pruned = {name: import_string(path)(keep) for name, path in settings.PRUNED.items()}
        self.summary(state="done", **pruned)

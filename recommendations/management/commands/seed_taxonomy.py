from typing import Any

from engine.commands import Command as BaseCommand
from recommendations import seeding


class Command(BaseCommand):
    help = (
        "Load the categories and tech stacks that ship with the project, and the first questions to GitHub."
        " Terms of other names, and questions that somebody asks, stay as they are."
    )

    def handle(self, **options: Any) -> None:
        self.summary(state="done", **seeding.seed_taxonomy(), queries=seeding.seed_queries())

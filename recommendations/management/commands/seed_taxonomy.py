from typing import Any

from engine.commands import Command as BaseCommand
from recommendations import intents, seeding


class Command(BaseCommand):
    help = (
        "Load the categories and tech stacks that ship with the project, the first questions to GitHub, and intents."
        " Terms of other names, and questions and intents that there are, stay as they are."
    )

    def handle(self, **options: Any) -> None:
        self.summary(state="done", **seeding.seed_taxonomy(), queries=seeding.seed_queries(), intents=intents.seed())

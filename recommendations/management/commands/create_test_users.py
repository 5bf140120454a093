from pathlib import Path
from typing import Any

from django.conf import settings

from engine.commands import Command as BaseCommand
from recommendations.management.commands.import_interactions import Command as ImportInteractions
from recommendations.management.commands.import_users import Command as ImportUsers

SAMPLE: Path = settings.BASE_DIR / "sample"


class Command(BaseCommand):
    help = "Create the ten fictional users of sample/, with what they starred, liked, saved and dismissed."

    def handle(self, **options: Any) -> None:
        users = ImportUsers().read(str(SAMPLE / "users.jsonl"))
        interactions = ImportInteractions().read(str(SAMPLE / "interactions.jsonl"))
        self.summary(
            state="done",
            users=users["lines"],
            users_new=users["inserted"],
            interactions=interactions["lines"],
            interactions_new=interactions["inserted"],
            skipped=interactions["skipped"],
        )

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command

from engine.commands import Command as BaseCommand

SAMPLE: Path = settings.BASE_DIR / "sample"


class Command(BaseCommand):
    help = "Create the ten fictional users of sample/, with what they starred, liked, saved and dismissed."

    def handle(self, **options: Any) -> int:
        codes = [
            call_command("import_users", str(SAMPLE / "users.jsonl"), stdout=self.stdout),
            call_command("import_interactions", str(SAMPLE / "interactions.jsonl"), stdout=self.stdout),
        ]
        return max(int(code or 0) for code in codes)

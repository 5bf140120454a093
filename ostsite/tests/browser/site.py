"""What a visitor finds: the sample projects, with real vectors, and who signs in."""

import json
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command

from engine.models import Run
from ostsite.tests.people import confirmed
from recommendations.importing import import_projects
from recommendations.schemas import ProjectLine
from recommendations.tests.factories import run

SAMPLE = Path(settings.BASE_DIR) / "sample" / "projects.jsonl"


def fill(count: int) -> None:
    """So many of the sample's projects through the whole pipeline, vectors by the real model."""
    read(count)
    assert run().state == Run.State.DONE


def read(count: int) -> None:
    """So many of the sample's projects, and the taxonomy, as they are before any run."""
    call_command("seed_taxonomy", verbosity=0)
    lines = SAMPLE.read_text().splitlines()
    chosen = [json.loads(line) for line in lines[:: max(1, len(lines) // count)][:count]]
    import_projects([ProjectLine.model_validate(line) for line in chosen])


def session_of(user: User) -> str:
    """The cookie of a session in which somebody has just typed their password."""
    return confirmed(user).cookies[settings.SESSION_COOKIE_NAME].value

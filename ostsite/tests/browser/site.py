"""What a visitor finds: the sample projects, with real vectors or with none, and who signs in."""

import json
from pathlib import Path

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore

from engine.models import Run
from recommendations.importing import import_projects
from recommendations.schemas import ProjectLine
from recommendations.tests.factories import make_user, run

SAMPLE = Path(settings.BASE_DIR) / "sample" / "projects.jsonl"


def fill(count: int) -> None:
    """So many of the sample's projects through the whole pipeline, vectors by the real model."""
    from django.core.management import call_command

    call_command("seed_taxonomy", verbosity=0)
    lines = SAMPLE.read_text().splitlines()
    chosen = [json.loads(line) for line in lines[:: max(1, len(lines) // count)][:count]]
    import_projects([ProjectLine.model_validate(line) for line in chosen])
    assert run().state == Run.State.DONE


def staff(username: str = "root", **said: bool) -> User:
    """Somebody of the staff with a second factor."""
    user = make_user(username)
    User.objects.filter(pk=user.pk).update(is_staff=True, **said)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "for tests"})
    user.refresh_from_db()
    return user


def sign_in_cookie(user: User) -> dict[str, str]:
    """The cookie of a session that has just begun with name, password and, for staff, the second factor."""
    import time

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["account_authentication_methods"] = [{"method": "password", "at": time.time(), "username": user.username}]
    session.create()
    return {"name": settings.SESSION_COOKIE_NAME, "value": str(session.session_key)}

"""Who visits, in tests: somebody with a password, staff with a second factor, and who has just confirmed both."""

import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.contrib.auth.models import User
from django.test import Client

PASSWORD = "correct horse 9"


def person(username: str = "alice_ml", **facts: Any) -> User:
    return User.objects.create_user(username, password=PASSWORD, **facts)


def staff(username: str = "carol_ops", **facts: Any) -> User:
    """Somebody of the staff with a second factor."""
    user = person(username, is_staff=True, **facts)
    totp.TOTP.activate(user, totp.generate_totp_secret())
    return user


def code_of(user: User) -> str:
    """What the authenticator app shows now."""
    return code_for(Authenticator.objects.get(user=user, type="totp").data["secret"])


def code_for(secret: str) -> str:
    return totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30))


def visits(user: User) -> Client:
    """A browser in which somebody has just signed in."""
    client = Client()
    client.force_login(user)
    return client


def confirmed(user: User, seconds_ago: float = 0) -> Client:
    """… and has just typed the password once more."""
    client = visits(user)
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time() - seconds_ago, "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return client

"""Staff who are signed in as the admin wants it: with a second factor, and asked for the password just now."""

import time

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission, User
from django.test import Client


def staff(name: str = "dana", *permissions: str, superuser: bool = False, group: str = "") -> User:
    user = User.objects.create(username=name, password="!", is_staff=True, is_superuser=superuser)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    session = client.session
    session["account_authentication_methods_user"] = str(user.pk)  # allauth believes records of that person only
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": time.time(), "reauthenticated": True}]
    session.save()
    return client

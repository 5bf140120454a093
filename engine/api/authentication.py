"""Who asks: a key in the Authorization header, or somebody signed in."""

import re
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from engine.models import ApiKey

SIGNED = re.compile(r"(?:bearer|token) +(ost_[A-Za-z0-9_-]{16,100}) *", re.IGNORECASE)
AN_HOUR = timedelta(hours=1)


class KeyAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer ost_…`. Whoever sends that header is known by it or by nothing: no cookie helps."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, ApiKey] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        said = SIGNED.fullmatch(header)
        # What is no key is looked up like one, so that the time of the answer tells nothing.
        along = request.parser_context["view"].read_along()
        key = ApiKey.objects.behind(said[1] if said else "", along)
        if key is None:
            raise AuthenticationFailed("The Authorization header holds no valid key.", "invalid_key")
        if key.used_at is None or timezone.now() - key.used_at > AN_HOUR:
            key.note_use()
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class SessionAuthentication(authentication.SessionAuthentication):
    """Somebody signed in on the pages; a write needs the CSRF token, as on the pages."""

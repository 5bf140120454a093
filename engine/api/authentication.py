"""Who asks: a key in the Authorization header, or somebody signed in."""

from rest_framework import authentication


class KeyAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request):  # type: ignore[no-untyped-def]
        return None


class SessionAuthentication(authentication.SessionAuthentication):
    pass

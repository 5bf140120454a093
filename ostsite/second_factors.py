"""The admin of second factors, in place of allauth's pages, which show what must stay secret."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialApp, SocialToken
from django.contrib.admin import AdminSite
from django.http import HttpRequest

from engine.admin import Admin


class AuthenticatorAdmin(Admin):
    """Second factors, to take one from somebody who lost it. The secret itself is never shown."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__username__exact",)
    fields = readonly_fields = list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def hide_secrets(site: AdminSite) -> None:
    """No seed of a second factor and no secret of an app, which comes from the environment, is shown."""
    site.unregister([Authenticator, SocialApp, SocialToken])
    site.register(Authenticator, AuthenticatorAdmin)

"""The admin site: for staff with a second factor, and for no longer than a working day."""

import time
from functools import update_wrapper
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse

from ostsite.accounts import SIGNED_IN_AT

FACTOR = "ost.second_factor"  # in request.META: whether there is one
LONGEST = 8 * 3600  # seconds that one signing in lasts here
# Pages by which somebody could get in, or let somebody in: their addresses are named so.
ACCESS = ("auth_", "account_", "mfa_", "socialaccount_", "engine_apikey_")


class Site(AdminSite):
    site_header = "OST Engine"
    site_title = "OST Engine"
    index_title = "Curate and operate"

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and is_fresh(request) and has_second_factor(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """As Django's; who lets people in is asked for the password again when that was a while ago."""
        inner = super().admin_view(view, cacheable)

        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if opens_doors(request) and self.has_permission(request) and not did_recently_reauthenticate(request):
                methods = get_adapter().get_reauthentication_methods(request.user)
                return redirect_to_login(request.get_full_path(), methods[0]["url"])
            return inner(request, *args, **kwargs)

        return update_wrapper(asked, inner)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Whoever may not be here goes to where that can change, and is told why."""
        after = get_next_redirect_url(request) or reverse("admin:index")
        if self.has_permission(request):
            return redirect(after)
        if request.user.is_authenticated:
            if not request.user.is_staff:
                messages.warning(request, "The admin is for staff.")
                return redirect("home")
            if not has_second_factor(request):
                messages.warning(request, "Staff need a second factor. Set one up, then open the admin again.")
                return redirect("mfa_activate_totp")
            logout(request)
            messages.info(request, "Staff sign in anew after 8 hours.")
        return redirect_to_login(after, resolve_url(settings.LOGIN_URL))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return redirect("account_change_password")


def is_fresh(request: HttpRequest) -> bool:
    return time.time() - request.session.get(SIGNED_IN_AT, 0) < LONGEST


def has_second_factor(request: HttpRequest) -> bool:
    """Asked once a request: the site asks for permission in each page several times."""
    if FACTOR not in request.META:
        request.META[FACTOR] = is_mfa_enabled(request.user, ["totp"])
    return bool(request.META[FACTOR])


def opens_doors(request: HttpRequest) -> bool:
    """Whether it changes, or is the form to change, who gets in. Lists may be read."""
    name = (request.resolver_match and request.resolver_match.url_name) or ""
    return name.startswith(ACCESS) and (request.method == "POST" or not name.endswith("_changelist"))

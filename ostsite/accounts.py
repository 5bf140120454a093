"""Who may sign in how: the hooks that allauth calls."""

import time
from typing import Any, cast

import qrcode  # type: ignore[import-untyped]  # it has no types
import structlog
from allauth.account import signals
from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.ratelimit import respond_429
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.signals import social_account_added
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.dispatch import receiver
from django.http import Http404, HttpRequest
from django.urls import reverse
from qrcode.image.svg import SvgPathFillImage  # type: ignore[import-untyped]  # it has no types

from engine.models import Audit
from recommendations import profiles, stars

logger = structlog.get_logger(__name__)

SIGNED_IN_AT = "signed_in_at"  # in the session: when it began, seconds


class Backend(AuthenticationBackend):
    """By name or address, and password, in the same time whether or not somebody has that name or address."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        if credentials.get("email") == credentials.get("username"):
            credentials.pop("email", None)  # looked up twice, a known address would take twice as long
        return super().authenticate(request, **credentials)


class AccountAdapter(DefaultAccountAdapter):
    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Too many failures are a 429, not one more error beside the form."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            response = respond_429(request)
            response["Retry-After"] = "60"
            raise ImmediateHttpResponse(response) from None

    def get_client_ip(self, request: HttpRequest) -> str:
        try:
            return super().get_client_ip(request)
        except ImproperlyConfigured:  # fewer addresses than proxies: somebody came around one of them
            return request.META["REMOTE_ADDR"]

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        profile = profiles.of(cast(User, request.user))
        return reverse("for_you" if profile.welcomed_at else "welcome")

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return reverse("welcome")

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A mail server that is away stops nobody from signing up, and tells nobody which address is known."""
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # smtplib's are of this kind too
            logger.warning("mail_not_sent", kind=template_prefix.rsplit("/", 1)[-1], error=type(error).__name__)


class MFAAdapter(DefaultMFAAdapter):
    def build_totp_svg(self, url: str) -> str:
        """Black on white, also where the page around it is dark: otherwise no app reads it."""
        image = qrcode.make(url, image_factory=SvgPathFillImage)
        return str(image.to_string(encoding="unicode"))


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """GitHub says who somebody is; no more than the name is kept of it."""

    def get_app(self, request: HttpRequest, provider: str, client_id: str | None = None) -> SocialApp:
        try:
            return super().get_app(request, provider, client_id)
        except SocialApp.DoesNotExist:
            raise Http404("Signing in with GitHub is not set up.") from None

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        sociallogin.account.extra_data = {"login": data.get("username")}
        sociallogin.email_addresses = []
        return super().populate_user(request, sociallogin, {"username": data.get("username")})

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        if sociallogin.is_existing or sociallogin.state.get("process") != "login":
            return
        if user := claimed_by(sociallogin.account):
            sociallogin.connect(request, user)
            note = f"{sociallogin.account.provider} account {sociallogin.account.uid}"
            Audit.objects.create(actor=user.username, action="claim", subject=user.username, note=note)

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """A new user; where the name is taken, another one like it."""
        if form is None and not sociallogin.user.username:
            wanted = [sociallogin.account.extra_data["login"], "user"]
            sociallogin.user.username = get_adapter().generate_unique_username(wanted)
        return super().save_user(request, sociallogin, form)


def claimed_by(account: SocialAccount) -> User | None:
    """The imported user whom that GitHub account is: the only one of that name, whom nobody could sign in as."""
    people = User.objects.filter(username__iexact=account.extra_data["login"])
    if len(people) != 1 or people[0].has_usable_password():
        return None
    free = people.filter(is_active=True, is_staff=False, is_superuser=False, socialaccount=None)
    return free.first()


@receiver(signals.user_signed_up)
def give_profile(user: User, **kwargs: Any) -> None:
    profiles.of(user)


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest, **kwargs: Any) -> None:
    """The admin asks how old a session is, and a session's own expiry moves on with its use."""
    request.session[SIGNED_IN_AT] = time.time()


@receiver(signals.user_logged_in)
@receiver(social_account_added)
def import_stars(sociallogin: SocialLogin | None = None, **kwargs: Any) -> None:
    """Whoever comes with a GitHub account has their stars read, by the queue: here nothing is asked of GitHub."""
    if sociallogin is not None:
        stars.at_sign_in(sociallogin.user, str(sociallogin.account.extra_data.get("login") or ""))

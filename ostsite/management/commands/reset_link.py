from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import CommandParser
from django.urls import reverse

from engine.commands import Command as BaseCommand
from engine.commands import Refused
from engine.ledger import operator
from engine.models import Audit


class Command(BaseCommand):
    help = "Print the address where a person sets a new password; it holds for three days, and once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, username: str, **_: Any) -> None:
        user = User.objects.filter(username=username, is_active=True).first() if username.isprintable() else None
        if user is None:
            raise Refused(f"reset_link: {username[:40]!a} is no active user; allowed: the exact name of one")
        key = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
        Audit.objects.create(actor=operator(), action="reset link", subject=user.username)
        self.stdout.write(f"{settings.SITE_URL}{reverse('account_reset_password_from_key', kwargs=key)}")

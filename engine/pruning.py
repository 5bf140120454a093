"""What the pages leave behind and nobody needs any more. How many generations are kept says nothing here."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from engine.models import Allowance


def allowances(keep: int) -> int:
    """Counts of windows that ended long ago; returns how many."""
    return Allowance.objects.filter(since__lt=Now() - timedelta(days=1)).delete()[0]


def sessions(keep: int) -> int:
    """Sessions that nobody can come back to; returns how many."""
    return Session.objects.filter(expire_date__lt=Now()).delete()[0]

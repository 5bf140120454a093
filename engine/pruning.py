"""What the pages leave behind and nobody needs any more. How many generations are kept says nothing here."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from engine.models import Allowance, Fetch, PaidVector


def allowances(keep: int) -> int:
    """Counts of windows that ended long ago; returns how many."""
    return Allowance.objects.filter(since__lt=Now() - timedelta(days=1)).delete()[0]


def sessions(keep: int) -> int:
    """Sessions that nobody can come back to; returns how many."""
    return Session.objects.filter(expire_date__lt=Now()).delete()[0]


def fetches(keep: int) -> int:
    """Questions that nobody asks any more, of days long past; returns how many."""
    return Fetch.objects.filter(changed_at__lt=Now() - timedelta(days=90)).delete()[0]


def paid_vectors(keep: int) -> int:
    """Vectors of words that no subject has had for half a year; returns how many."""
    return PaidVector.objects.filter(used_at__lt=Now() - timedelta(days=180)).delete()[0]

"""Every page of the staff and every list of the admin asks the database little, however many rows there are."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from engine.models import Anomaly, Audit, Run, Snapshot, WorkerGroup
from engine.tests.sixty_days import make_sixty_days
from ostsite.tests.browser.furniture import fill_the_admin, furnish, shown
from ostsite.tests.people import confirmed, staff
from recommendations.models import Campaign, Engagement, Intent, Recommendation, TechStack
from recommendations.tests.taste import hear, say, wants

pytestmark = pytest.mark.django_db

MOST = 12


def addresses(someone: User) -> Iterator[tuple[str, str]]:
    """Each page with its name."""
    for name, (view, _) in settings.STAFF_PAGES.items():
        yield name, reverse(f"admin:{view}")
    for name in ("latency", "embeddings", "calls", "sizes"):
        yield f"{name} of sixty days", reverse(f"admin:engine_run_{name}") + "?days=60"
    for table in admin.site._registry:
        name = f"{table._meta.app_label}_{table._meta.model_name}"
        asked = f"?person={someone.pk}" if table is Recommendation else ""
        yield name, reverse(f"admin:{name}_changelist") + asked


def counts(client: Client, someone: User) -> dict[str, int]:
    found = {}
    for name, address in addresses(someone):
        client.get(address)  # what is kept from one request to the next is read now
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200, name
        found[name] = len(asked)
    return found


def more_of_everything(alice: User) -> None:
    Run.objects.filter(finished_at=None).update(state="done", finished_at=timezone.now())
    WorkerGroup.objects.all().delete()
    Snapshot.objects.all().delete()
    make_sixty_days(20)
    shown(alice)
    stacks = TechStack.objects.order_by("pk")[:12]
    for number, stack in enumerate(stacks):
        hear(say(alice, f"I use it {number} times.", intent=wants(f"want {number}")), f"words {number}")
        Audit.objects.create(actor="olga", action="run again", subject=f"run {number}")
        run = Run.objects.order_by("pk")[number]
        Anomaly.objects.create(kind="volume", subject=f"s{number}", message="fewer", count=1, run=run)
        facts = {"kind": "stack", "subject": stack.pk, "begins_at": timezone.now()}
        campaign = Campaign.objects.create(name=f"campaign {number}", **facts)
        intent = Intent.objects.order_by("pk")[number]
        Engagement.objects.create(user=alice, campaign=campaign, intent=intent, last_at=timezone.now())


def test_no_page_asks_more_than_twelve_times_and_none_asks_more_of_more_rows():
    alice = furnish()
    fill_the_admin(alice)
    make_sixty_days()
    root = confirmed(staff(is_superuser=True))
    before = counts(root, alice)
    assert {name: count for name, count in before.items() if count > MOST} == {}
    more_of_everything(alice)
    after = counts(root, alice)
    assert {name: (before[name], count) for name, count in after.items() if count > before[name]} == {}

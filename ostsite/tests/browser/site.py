"""What a visitor finds: the sample projects, with real vectors or with some made by hand, and who signs in."""

import json
import random
from datetime import timedelta
from pathlib import Path

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from django_q.models import OrmQ, Schedule, Task

from engine.models import Anomaly, ApiKey, Audit, Run, Step, WorkerGroup
from ostsite.tests.people import confirmed, person
from recommendations import profiles
from recommendations.importing import import_projects
from recommendations.models import Category, Impression, Message, MessageEmbedding, Project, TechStack
from recommendations.schemas import ProjectLine
from recommendations.tests.factories import act, give_vector, make_model, make_project, make_weights, run, score

SAMPLE = Path(settings.BASE_DIR) / "sample" / "projects.jsonl"
DIMENSIONS = 8


def fill(count: int) -> None:
    """So many of the sample's projects through the whole pipeline, vectors by the real model."""
    read(count)
    assert run().state == Run.State.DONE


def read(count: int) -> None:
    call_command("seed_taxonomy", verbosity=0)
    lines = SAMPLE.read_text().splitlines()
    chosen = [json.loads(line) for line in lines[:: max(1, len(lines) // count)][:count]]
    import_projects([ProjectLine.model_validate(line) for line in chosen])


def furnish(count: int = 40) -> User:
    """So many projects placed by words, their vectors made by hand, and a list for alice_ml, who is known well."""
    make_model(DIMENSIONS)
    make_weights()
    read(count)
    show_all()
    run("enrich")
    chance = random.Random(0)
    for project in Project.objects.all():
        give_vector(project, [chance.gauss(0.3, 1) for _ in range(DIMENSIONS)])
    alice = known()
    give_vector(alice, [1] * DIMENSIONS)
    score()
    return alice


def show_all() -> None:
    """One project of which everything is known, and one that is hard to draw."""
    year = timedelta(days=365)
    make_project(
        "octo/atlas",
        description="A map of the night sky that runs in a browser and knows every catalogue of stars.",
        language="Python",
        languages={"Python": 71_000, "Rust": 20_000, "TypeScript": 8_000, "Shell": 500},
        topics=["astronomy", "python", "machine-learning", "good-first-issue", "postgresql"],
        readme="# Atlas\n\nAtlas draws the sky.\n\n## Begin\n\nInstall it, open a browser, look up.\n",
        stars=4_321, forks=210, watchers=77, open_issues=12, license="MIT", homepage="https://atlas.example/",
        created_at=timezone.now() - year, updated_at=timezone.now(), pushed_at=timezone.now(),
    )  # fmt: skip
    make_project(
        "octo/archive",
        description="Averylongwordwithoutanyplacetobreak" * 6 + "<script>alert(1)</script>",
        language="Objective-C++ of the Elder Days", topics=["a" * 50, "b" * 50], stars=2_147_483_647,
        homepage="https://" + "long." * 20 + "example/", is_archived=True, is_fork=True,
        created_at=timezone.now() - 9 * year,
    )  # fmt: skip
    make_project("-".join(["organisation"] * 3) + "/" + "x" * 99, description="Its name is as long as names get.", stars=5)


def known() -> User:
    """Somebody who said and did something of each kind."""
    alice = person("alice_ml", email="alice_ml@ost.example")
    profiles.say(
        alice,
        bio="I train language models and care for small ones.",
        job_title="Engineer",
        interests=["small models", "teaching"],
        stacks=list(TechStack.objects.filter(name__in=["Python", "Rust", "PostgreSQL"]).values_list("pk", flat=True)),
        categories=list(Category.objects.order_by("pk").values_list("pk", flat=True)[:2]),
    )
    kinds = ("star", "star", "like", "save", "dismiss")
    for project, kind in zip(Project.objects.order_by("pk")[:5], kinds, strict=False):
        act(alice, project, kind)
    return alice


def session_of(user: User) -> str:
    """The cookie of a session in which somebody has just typed their password."""
    return confirmed(user).cookies[settings.SESSION_COOKIE_NAME].value

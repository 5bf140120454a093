"""A site with something on every page, without the model: vectors are made by hand."""

import random
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task

from engine.embeddings import registering
from engine.layout import circle
from engine.models import Anomaly, ApiKey, Audit, EmbeddingModel, Fetch, Run, Source, Step, Upstream, WorkerGroup
from issues.models import (
    Assignment,
    Chart,
    Cluster,
    Clustering,
    Issue,
    IssueEmbedding,
    ItemEmbedding,
    Place,
    RawItem,
    Spot,
)
from issues.tests.listed import make_issue, make_post
from issues.tests.rows import make_found
from ostsite.tests.browser.site import read
from ostsite.tests.people import person
from recommendations import profiles
from recommendations.models import (
    Campaign,
    Category,
    Engagement,
    Impression,
    Intent,
    IntentEmbedding,
    Message,
    MessageEmbedding,
    NamedRepository,
    Project,
    RepositoryQuery,
    Response,
    StarImport,
    TechStack,
    Weights,
)
from recommendations.tests.factories import act, give_vector, make_model, make_project, make_weights, run, score
from recommendations.tests.first_issue_rows import make_first_issue
from recommendations.tests.taste import hear, say, wants

DIMENSIONS = 8
YEAR = timedelta(days=365)
CATEGORIES, IMPACTS = ("devtools", "finance", "ai"), ("low", "medium", "high")
STATES, SOURCES = ("new", "growing", "steady", "quiet"), ("github", "stackoverflow", "hackernews", "reddit")


def furnish(count: int = 24) -> User:
    """So many projects and three more, placed by their words, and a list for alice_ml, who is known well."""
    make_model(DIMENSIONS)
    make_weights()
    read(count)
    make_known_well()
    make_hard_to_draw()
    run("enrich")
    chance = random.Random(0)
    for project in Project.objects.all():
        give_vector(project, [chance.gauss(0.3, 1) for _ in range(DIMENSIONS)])
    make_first_issues()
    alice = make_alice()
    give_vector(alice, [1] * DIMENSIONS)
    score()
    make_problems(count)
    make_noise()
    draw_days()
    return alice


def make_problems(count: int) -> None:
    """So many problems of three days that are over, and two that are hard to draw."""
    days = [timezone.now().date() - timedelta(days=back) for back in (3, 2, 1)]
    for number in range(count):
        seen = {day: 1 + (number + at) % 4 for at, day in enumerate(days)}
        facts = {"category": CATEGORIES[number % 3], "impact": IMPACTS[number % 3], "state": STATES[number % 4]}
        said = "The nightly export stops halfway. Nobody is told, and the file looks whole."
        make_issue(
            f"Exports of kind {number} stop", seen, SOURCES, description=said, would_pay=number % 2 == 0, **facts
        )
    long = "Averylongwordwithoutanyplacetobreak" * 6
    words = [{"field": "impact", "item": 1, "words": f"{long}<script>alert(1)</script>"}]
    make_issue(long[:120], {days[-1]: 5}, ["a-source-of-a-long-name-" + "x" * 16], description=long, claims=words)
    make_issue("Nobody wrote of it in words", {days[0]: 1}, description="")


def make_known_well() -> None:
    make_project(
        "octo/atlas",
        description="A map of the night sky that runs in a browser and knows every catalogue of stars.",
        language="Python",
        languages={"Python": 71_000, "Rust": 20_000, "TypeScript": 8_000, "Shell": 500},
        topics=["astronomy", "python", "machine-learning", "good-first-issue", "postgresql"],
        readme="# Atlas\n\nAtlas draws the sky.\n\n## Begin\n\nInstall it, open a browser, look up.\n",
        stars=4_321,
        forks=210,
        watchers=77,
        open_issues=12,
        license="MIT",
        homepage="https://atlas.example/",
        created_at=timezone.now() - YEAR,
        pushed_at=timezone.now(),
    )


def make_first_issues() -> None:
    """Of each kind of readiness, more than a page of them, and one that is hard to draw."""
    now = timezone.now()
    claims: list[dict[str, Any]] = [{"claimed_at": now - timedelta(days=days)} for days in (3, 60)]
    kinds = [{}, *claims, {"body": 40}, {"assignees": 1}]
    projects = list(Project.objects.order_by("-pk")[:6])
    for number in range(40):
        labels = ["good first issue", ("documentation", "bug", "E-easy")[number % 3]]
        title = f"Say in part {number} what failed, and where to look"
        when = {"updated_at": now - timedelta(days=20 * number), "checked_at": now - timedelta(minutes=number)}
        made = {"title": title, "labels": labels, "comments": number % 4, **when}
        make_first_issue(projects[number % 6], number + 1, **made, **kinds[number % 5])
    long = "Averylongwordwithoutanyplacetobreak" * 6
    labels = ["easy", "l" * 50, *(f"label {number}" for number in range(9))]
    make_first_issue(Project.objects.get(full_name="octo/atlas"), 99, title=long, labels=labels, comments=1)


def make_hard_to_draw() -> None:
    """The longest texts, none of which has a place to break, and the greatest figures."""
    make_project(
        "octo/archive",
        description="Averylongwordwithoutanyplacetobreak" * 6 + "<script>alert(1)</script>",
        language="Objective-C++ of the Elder Days",
        topics=["a" * 50, "b" * 50],
        stars=2_147_483_647,
        homepage="https://" + "long." * 20 + "example/",
        is_archived=True,
        is_fork=True,
        created_at=timezone.now() - 9 * YEAR,
    )
    make_project("-".join(["organisation"] * 3) + "/" + "x" * 99, description="Its name is as long as names get.")


def make_alice() -> User:
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
    for project, kind in zip(Project.objects.order_by("pk"), ["star", "star", "like", "save", "dismiss"], strict=False):
        act(alice, project, kind)
    read_at = timezone.now() - timedelta(hours=3)
    told = {"found": 412, "stored": 409, "skipped": 2, "left_out": [1], "fetched_at": read_at}
    StarImport.objects.create(user=alice, login="alice-ml", state="done", next_at=None, **told)
    make_heard(alice)
    return alice


def make_heard(alice: User) -> None:
    """Facts of her messages, of each kind and state, some that are hard to draw; more than a page of them."""
    rust, games = TechStack.objects.get(name="Rust"), Category.objects.order_by("pk").last()
    go, atlas = TechStack.objects.get(name="Go"), Project.objects.get(full_name="octo/atlas")
    hear(say(alice, "Is there an embedded database in Rust that survives a crash?", intent=wants()), rust, "databases")
    hear(say(alice, "Averylongwordwithoutanyplacetobreak" * 11), "w" * 80)
    hear(say(alice, "<script>alert(1)</script> is what I type, and so is \u202eeman ym"), "scripts", count=12)
    hear(say(alice, "I have written Go for years."), go, state="muted")
    hear(say(alice, "octo/atlas is what I look at every night."), atlas, games, state="pinned")
    hear(say(alice, "I care for many things."), *(f"thing {number}" for number in range(4)))


def make_noise() -> None:
    """Posts of the newest day that are in no problem, three of them in a pocket; a source is missing on that day."""
    live = Clustering.objects.filter(state="live").latest("day")
    items = [make_post(collected_on=live.day, author="anna", licence="CC BY-SA 4.0") for _ in range(30)]
    Assignment.objects.bulk_create(Assignment(clustering=live, item=item) for item in items)
    told = {"items": live.items + len(items), "outlier_ratio": 0.2, "missing_sources": ["reddit"]}
    Clustering.objects.filter(pk=live.pk).update(**told)
    Clustering.objects.filter(state="live").update(outcome="clustered")


def draw_days() -> None:
    """A map of each day: its clusters on a spiral, the posts about them, the noise near the first one."""
    for live in Clustering.objects.filter(state="live"):
        Chart.objects.create(clustering=live)
        clusters = list(live.clusters.order_by("number"))
        turns = 0.2 * np.sqrt(np.arange(len(clusters)))[:, None] * circle(len(clusters))
        stands = {cluster.pk: place for cluster, place in zip(clusters, turns.tolist(), strict=True)}
        Place.objects.bulk_create(
            Place(cluster=cluster, x=stands[cluster.pk][0], y=stands[cluster.pk][1], radius=0.07, phrases=["export"])
            for cluster in clusters
        )
        rows = list(live.assignments.order_by("pk"))
        noise = [row.pk for row in rows if row.cluster_id is None]
        Spot.objects.bulk_create(
            Spot(assignment=row, x=x + dx / 20, y=y + dy / 20, **beside(row, clusters[0], noise[:3]))
            for row, (dx, dy) in zip(rows, circle(len(rows)).tolist(), strict=True)
            for x, y in [stands.get(row.cluster_id or 0, (0.9, 0.9))]
        )


def beside(row: Assignment, cluster: Cluster, pocket: list[int]) -> dict[str, Any]:
    """What a spot says of noise: the cluster it is nearest to, and whether it is in the pocket."""
    near = {"nearest": cluster, "alike": 0.4, "pocket": 0 if row.pk in pocket else None}
    return {} if row.cluster_id else near


def fill_the_admin(user: User) -> None:
    """A row in each table that only the admin shows."""
    now = timezone.now()
    broken = Run.objects.create(pipeline="recommendations", source="elsewhere", state="quarantined", error="it broke")
    Step.objects.create(run=broken, name="embed", fence=1, state="failed", error="it broke")
    Audit.objects.create(actor="carol_ops", action="run again", subject="run 1", note="it was quarantined")
    Anomaly.objects.alarm("run", "run 1", "quarantined after five claims without progress")
    why = "23 posts from reddit on Tuesday 3 March 2026; usually 310 to 420 on Tuesdays"
    figures = {"value": 23, "middle": 364, "low": 310, "high": 420}
    Anomaly.objects.create(kind="volume", subject="issues reddit", message=why, count=1, run=broken, figures=figures)
    WorkerGroup.objects.create(name="g1", host="here", pid=1)
    register_another()
    Source.objects.create(pipeline="issues", name="stackoverflow", on=True)
    day = now.date() - timedelta(days=3)
    Run.objects.create(pipeline="issues", source="stackoverflow", day=day, state="partly", error="1 left behind")
    question = {"pipeline": "issues", "source": "stackoverflow", "day": day, "query": "python"}
    Fetch.objects.create(**question, state="left", reason="its quota is spent", records=57)
    RepositoryQuery.objects.get_or_create(language="Go", stars_from=5000)
    NamedRepository.objects.create(full_name="octo/tool")
    limits = {"quota": 300, "remaining": 0, "quiet_until": now + timedelta(hours=2), "reason": "its quota is spent"}
    Upstream.objects.create(host="api.stackexchange.example", lane="questions", own_pace=60, **limits)
    ApiKey.objects.issue(user, "laptop", ["read"], 30)
    for number in (1, 2):
        done = number == 1
        Task.objects.create(id=f"{number:032}", name=f"run {number}", func="f", started=now, stopped=now, success=done)
    Schedule.objects.get_or_create(name="nightly", func="engine.jobs.start", schedule_type="O")
    OrmQ.objects.create(key="ost", payload="nothing", lock=now)
    shown(user)
    make_campaigns(user)
    said = Message.objects.filter(user=user).earliest("pk")
    MessageEmbedding.objects.want({said.pk: said.text})
    post = {"source": "github", "url": "https://example.org/1", "url_hash": "1", "collected_on": now}
    item = RawItem.objects.create(title="The export stops halfway", **post)
    ItemEmbedding.objects.want({item.pk: item.title})
    seen = {"first_seen": now.date(), "last_seen": now.date()}
    issue = Issue.objects.create(title="The export stops", label_state="labelled", **seen)
    IssueEmbedding.objects.want({issue.pk: issue.title})
    make_found(item, issue, user)
    EmailAddress.objects.get_or_create(user=user, email=user.email, primary=True)
    SocialAccount.objects.create(user=user, provider="github", uid="1", extra_data={"login": user.username})


def make_campaigns(user: User) -> None:
    """One that runs and was taken up, one that is over, one that is ahead, one of a subject that is gone."""
    now, wanting = timezone.now(), Intent.objects.earliest("pk")
    IntentEmbedding.objects.want({wanting.pk: wanting.prototype})
    subjects = {"Rust month": ("stack", TechStack.objects.get(name="Rust").pk), "Gone": ("issue", 2**40)}
    subjects |= {name: ("project", Project.objects.earliest("pk").pk) for name in ("Winter of maps", "Spring of maps")}
    begins = {"Rust month": -9, "Gone": -90, "Winter of maps": -60, "Spring of maps": 90}
    for name, (kind, pk) in subjects.items():
        at = now + timedelta(days=begins[name])
        ends = at + timedelta(days=30)
        Campaign.objects.create(name=name, kind=kind, subject=pk, begins_at=at, ends_at=ends, promoted_by="carol_ops")
    rust = Campaign.objects.get(name="Rust month")
    for intent, count in ((wanting, 7), (None, 2)):
        Engagement.objects.create(user=user, campaign=rust, intent=intent, count=count, last_at=now)


def register_another() -> None:
    """A second embedding model that is filled in part and was compared, and one that is retired."""
    live = EmbeddingModel.objects.live()
    model = registering.register(registering.named("all-roberta-large-v1"), "carol_ops")
    share = {"projects": {"share": 0.71, "sample": 200, "among": 31_951}}
    told = {"model": live.pk, "name": str(live), "at": timezone.now().isoformat(), "subjects": share}
    EmbeddingModel.objects.filter(pk=model.pk).update(figures={"agreement": told}, paused_at=timezone.now())
    facts = {"live_since": timezone.now() - timedelta(days=90), "put_live_by": "carol_ops", "replaced": model}
    EmbeddingModel.objects.filter(pk=live.pk).update(checksum="53aa51172d" * 6, **facts)
    EmbeddingModel.objects.create(name="nomic-embed-text", provider="ollama", dimensions=768, state="retired")


def shown(user: User) -> None:
    """Sixty days of a list that rotates, by two versions of the weights, with some answers."""
    projects, weights = list(Project.objects.order_by("pk")[:25]), list(Weights.objects.order_by("pk")[:2])
    for day in range(60):
        at, request = timezone.now() - timedelta(days=day), uuid4()
        order = projects[day % 5 :] + projects[: day % 5]
        facts = {"user": user, "request": request, "shown_at": at, "weights": weights[day % len(weights)]}
        source = ("for you", "home", "api")[day % 3]
        rows = Impression.objects.bulk_create(
            Impression(project=each, rank=rank, source=source, **facts) for rank, each in enumerate(order, 1)
        )
        Response.objects.bulk_create(
            Response(impression=row, kind=("click", "like", "save", "dismiss")[row.rank % 4])
            for row in rows
            if (row.rank * 7 + day) % (10 + row.rank) == 0
        )

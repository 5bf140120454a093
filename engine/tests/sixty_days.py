"""Sixty made-up days of runs, steps and snapshots: what the operator's pages show when there is much."""

import json
import random
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from engine import snapshots
from engine.models import EmbeddingModel, Run, Snapshot, Step, WorkerGroup

STAGES = {"collect": 40, "details": 25, "enrich": 8, "ready": 1, "embed": 90, "score": 30}
ROUTES = {"for_you": 0.04, "home": 0.02, "projects": 0.09, "issues": 0.3, "api_projects": 0.03, "admin": 0.2}


def make_sixty_days(days: int = 60) -> None:
    chance, now = random.Random(9), timezone.now()
    for back in range(days, 0, -1):
        at = now - timedelta(days=back)
        make_run("recommendations", "", at, ("enrich", "ready", "embed", "score"), chance)
        make_run("recommendations", "github", at, ("collect", "details"), chance)
        make_run("issues", "stackoverflow", at, ("collect",), chance, day=at.date())
    Run.objects.exclude(finished_at=None).update(created_at=F("finished_at"))
    for hour in range(days * 24, -1, -24):
        make_snapshot(now - timedelta(hours=hour), days * 24 - hour, chance)
    make_going()


def make_run(pipeline: str, source: str, at: datetime, names: tuple[str, ...], chance: random.Random, **facts) -> Run:
    counts = {name: {"done": chance.randint(50, 900), "left behind": 0} for name in names}
    took = [timedelta(seconds=STAGES[name] * chance.uniform(0.7, 1.5)) for name in names]
    ends = [at + sum(took[: number + 1], timedelta()) for number in range(len(names))]
    told = {"state": "done", "counts": counts, "fence": 1, "finished_at": ends[-1]}
    run = Run.objects.create(pipeline=pipeline, source=source, **told, **facts)
    Step.objects.bulk_create(
        Step(
            run=run, name=name, fence=1, state="done", counts=counts[name], total=counts[name]["done"],
            cpu_seconds=STAGES[name] * 0.6, peak_memory=412_000_000, started_at=end - length, finished_at=end,
        )
        for name, length, end in zip(names, took, ends, strict=True)
    )  # fmt: skip
    return run


def make_going() -> None:
    """One at work, one that waits, one that failed again and again; and who works."""
    now = timezone.now()
    going = Run.objects.create(pipeline="recommendations", state="running", owner="here:g1:7:1", fence=1)
    Run.objects.filter(pk=going.pk).update(lease_until=now + timedelta(days=1), counts={"embed": {"embedded": 3200}})
    Step.objects.create(
        run=going, name="enrich", fence=1, state="done", started_at=now - timedelta(seconds=9), finished_at=now
    )
    Step.objects.create(run=going, name="embed", fence=1, total=10_000, counts={"embedded": 3200})
    day = now.date() - timedelta(days=1)
    Run.objects.create(pipeline="issues", day=day)
    worked = {"started_at": now - timedelta(seconds=4), "finished_at": now}
    stuck = Run.objects.create(
        pipeline="issues", source="reddit", day=day, state="quarantined", error="collect: its quota is spent " * 5
    )
    Step.objects.create(run=stuck, name="collect", fence=5, state="failed", error="its quota is spent", **worked)
    WorkerGroup.objects.create(name="g60", host="here", pid=1, answered_at=now)


def make_snapshot(at: datetime, hours: int, chance: random.Random) -> Snapshot:
    model = EmbeddingModel.objects.live()
    sizes = {name: int(size * (0.4 + hours / 2400)) for name, size in snapshots.sizes().items()}
    backlog = {str(model.pk): {"projects": [chance.randint(0, 4000), 2], "profiles": [chance.randint(0, 80), 0]}}
    facts = {"tallies": tallies(hours), "backlog": backlog, "stages": {"recommendations/embed": 6800}, "sizes": sizes}
    return Snapshot.objects.create(at=at.replace(minute=0, second=0, microsecond=0), taken_at=at, **facts)


def tallies(hours: int) -> dict[str, dict[str, float]]:
    """What would have been counted after so many hours: 100 requests an hour and route, slower ones in the middle."""
    buckets: dict[str, float] = {}
    for name, typical in ROUTES.items():
        for bound in ("0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "+Inf"):
            labels = {"le": bound, "method": "GET", "route": name, "status": "2xx"}
            share = 1 / (1 + abs(float(bound.replace("+Inf", "5")) - typical) * 20)
            buckets[json.dumps(labels, sort_keys=True, separators=(",", ":"))] = round(100 * hours * share)
    return {
        "ost_request_duration_seconds_bucket": buckets,
        "ost_recommendation_latency_seconds_bucket": {'{"kind":"live","le":"0.05"}': 40 * hours},
        "ost_llm_questions_total": {'{"outcome":"answered"}': 3 * hours, '{"outcome":"failed"}': hours // 9},
        "ost_label_reuse_total": {"": 7 * hours},
        "embed_star_embeddings_total": {'{"model":"all-MiniLM-L6-v2","provider":"local"}': 310 * hours},
    }

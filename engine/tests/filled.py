"""A database in which each family of /metrics has a sample."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from engine import tallies
from engine.models import Anomaly, Fetch, Run, Source, Upstream, WorkerGroup
from engine.tallies import Figure
from recommendations.models import Project, ProjectEmbedding

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LABELS = {
    "provider": "openai", "model": "tiny", "outcome": "answered", "error_type": "provider", "pipeline": "issues",
    "stage": "embed", "kind": "live", "method": "GET", "status": "2xx", "route": "for_you", "source": "home",
    "of": "list",
}  # fmt: skip


def make_run(state: str = "waiting", pipeline: str = "recommendations", ago: float = 0, **facts: object) -> Run:
    """A run of a partition of its own, opened so many seconds ago."""
    run = Run.objects.create(pipeline=pipeline, source=f"source {Run.objects.count()}", state=state, **facts)
    Run.objects.filter(pk=run.pk).update(created_at=Now() - timedelta(seconds=ago))
    return run


def make_texts(count: int, ago: float = 0, **facts: object) -> None:
    """Texts of projects that wait for their vector, for so many seconds already."""
    already = Project.objects.count()
    projects = Project.objects.bulk_create(
        [Project(full_name=f"octo/tool{number}") for number in range(already, already + count)]
    )
    ProjectEmbedding.objects.want({project.pk: f"text of {project}" for project in projects})
    made = ProjectEmbedding.objects.filter(subject__in=projects)
    made.update(wanted_at=Now() - timedelta(seconds=ago), **facts)


def make_group(name: str, silent: float = 0, **facts: object) -> WorkerGroup:
    group = WorkerGroup.objects.create(name=name, host="here", pid=1, **facts)
    WorkerGroup.objects.filter(pk=group.pk).update(seen_at=Now() - timedelta(seconds=silent))
    return group


def figures() -> Iterator[Figure]:
    """All that processes add up."""
    for path in settings.TALLIES:
        yield from import_string(path)


def everything() -> None:
    """With texts that nobody may read."""
    make_run(error="typed")
    make_run("done", finished_at=NOON)
    make_texts(1, error="typed")
    make_group("typed", fault="typed", ended_at=NOON)
    Anomaly.objects.alarm("schedule", "typed", "typed")
    Source.objects.get_or_create(pipeline="issues", name="github", defaults={"on": True})
    Source.objects.filter(pipeline="issues", name="github").update(on=True)
    Run.objects.create(pipeline="issues", source="github", state="done", finished_at=NOON, day=date(2026, 1, 1))
    Fetch.objects.create(pipeline="issues", source="github", query="typed", reason="typed")
    Upstream.objects.create(host="api.openai.com", quota=3000, remaining=2000, asked=7, failures=5, reason="typed")
    add_up()


def add_up() -> None:
    """One more of each figure that processes add up."""
    for figure in figures():
        values = [LABELS[name] for name in figure.labels]
        if figure.buckets:
            figure.observe(0.03, *values)
        else:
            figure.add(*values)
    tallies.flush()

"""Importing projects: COPY and one conditional upsert, beside Django's bulk_create with update_conflicts."""

import json
import tempfile
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

from django.core.management import call_command
from django.db import transaction
from django.db.models.functions import Lower

from benchmarks.table import Row, seconds
from engine.importing import LINES_AT_ONCE
from engine.lines import GoodLine, LineFile
from recommendations.importing import PROJECT_COLUMNS, PROJECT_KEYS, import_projects
from recommendations.models import Project
from recommendations.schemas import ProjectLine

PROJECTS = 30_000
FIELDS = list(PROJECT_COLUMNS)


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "projects.jsonl"
        file.write_text("".join(json.dumps(project(i)) + "\n" for i in range(PROJECTS)))
        lines = read(file)
        for what, target in (("insert", "at least 3 x"), ("again, unchanged", "")):
            if what == "insert":
                Project.objects.all().delete()
            ours = seconds(lambda: in_blocks(lines, import_projects))
            if what == "insert":
                Project.objects.all().delete()
            other = seconds(lambda: in_blocks(lines, bulk_create))
            note = f"{PROJECTS / ours:,.0f} rows/s"
            yield Row(f"{PROJECTS:,} projects, {what}", ours, "bulk_create", other, note, target)
        Project.objects.all().delete()
        whole = seconds(lambda: call_command("import_projects", str(file), stdout=StringIO()))
        reading = seconds(lambda: read(file))
        yield Row(f"{PROJECTS:,} projects, the whole command", whole, "reading + bulk_create", reading + insert(lines))
        Project.objects.all().delete()


def insert(lines: list[ProjectLine]) -> float:
    Project.objects.all().delete()
    return seconds(lambda: in_blocks(lines, bulk_create))


def project(i: int) -> dict[str, object]:
    return {
        "full_name": f"owner{i % 997}/project-{i}",
        "description": f"A sample project number {i} that does one thing and says so in a line of usual length",
        "language": ["Python", "Go", "Rust", "TypeScript"][i % 4],
        "topics": [f"topic-{i % 50}", f"topic-{i % 31}", "sample"],
        "stars": i * 7 % 100_000,
        "forks": i % 1000,
        "license": "MIT",
        "created_at": f"20{10 + i % 15}-0{1 + i % 9}-11",
        "pushed_at": "2026-08-01",
    }


def read(file: Path) -> list[ProjectLine]:
    with LineFile(str(file)) as lines:
        return [line.record for line in lines.records(ProjectLine) if isinstance(line, GoodLine)]


def in_blocks(lines: list[ProjectLine], write: Callable[[list[ProjectLine]], object]) -> None:
    for start in range(0, len(lines), LINES_AT_ONCE):
        write(lines[start : start + LINES_AT_ONCE])


def bulk_create(lines: list[ProjectLine]) -> None:
    """What one would write first: an object a line, conflicts updated. By full_name as written: an expression
    cannot be named as the conflict's target, so existing rows are looked up."""
    with transaction.atomic():
        known = dict(
            Project.objects.annotate(lower=Lower("full_name"))
            .filter(lower__in=[line.full_name.lower() for line in lines])
            .values_list("lower", "pk")
        )
        made = []
        for line in lines:
            values = {field: getattr(line, key, None) for field, key in zip(FIELDS, PROJECT_KEYS, strict=True)}
            given = {field: value for field, value in values.items() if value is not None}
            made.append(Project(pk=known.get(line.full_name.lower()), **given))
        fresh, existing = [row for row in made if row.pk is None], [row for row in made if row.pk is not None]
        Project.objects.bulk_create(fresh, batch_size=1000)
        Project.objects.bulk_create(
            existing,
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=FIELDS,
        )

"""As many projects as a drill needs: those of the sample, over and over, each time a little different."""

import json
from pathlib import Path

from recommendations.models import Project, ProjectEmbedding

SAMPLE = Path(__file__).parents[1] / "sample" / "projects.jsonl"


def spread(count: int) -> None:
    """Store so many projects, each with a text that waits for its vector."""
    rows = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    made = [
        Project(
            full_name=f"{rows[at % len(rows)]['full_name']}-{at}",
            description=f"{rows[at % len(rows)].get('description') or 'A project'} (number {at})",
            stars=at,
        )
        for at in range(count)
    ]
    Project.objects.bulk_create(made, batch_size=1000)
    ProjectEmbedding.objects.want({project.pk: f"{project.full_name}. {project.description}" for project in made})

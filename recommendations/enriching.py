"""Words and topics of projects become categories, stacks and the text that is embedded."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from engine.bulk import copy_in
from engine.vectors import digest
from recommendations import texts
from recommendations.models import Project, ProjectEmbedding
from recommendations.models.taxonomy import load_taxonomy
from recommendations.taxonomy import Taxonomy

PROJECTS_AT_ONCE = 1000
FACTS = ("full_name", "description", "language", "topics", "languages", "readme")


def version(taxonomy: Taxonomy) -> str:
    """What a project was enriched with: a change of any of these enriches it anew."""
    return digest(taxonomy.version, texts.VERSION, settings.PROJECT_TEXT)


def waiting() -> int:
    return Project.objects.to_enrich(version(load_taxonomy())).count()


def enrich(everything: bool = False) -> Iterator[int]:
    """Place and describe the projects that wait, a block a transaction; yields how many each block held."""
    taxonomy = load_taxonomy()
    mark, after = version(taxonomy), 0
    while True:
        with transaction.atomic():
            found = Project.objects.all() if everything else Project.objects.to_enrich(mark)
            block = list(
                found.filter(pk__gt=after)
                .order_by("pk")
                .select_for_update()
                .values("pk", "stars", *FACTS)[:PROJECTS_AT_ONCE]
            )
            if not block:
                return
            enrich_block(block, taxonomy, mark)
        yield len(block)
        after = block[-1]["pk"]


def enrich_block(block: list[dict[str, Any]], taxonomy: Taxonomy, mark: str) -> None:
    placements = {row["pk"]: taxonomy.place(**{name: row[name] for name in FACTS}) for row in block}
    write_links("category", {pk: placed.categories for pk, placed in placements.items()})
    write_links("stack", {pk: placed.stacks for pk, placed in placements.items()})
    describe = texts.BUILDERS[settings.PROJECT_TEXT]
    ProjectEmbedding.objects.want({row["pk"]: describe(row) for row in block})
    with connection.cursor() as cursor:
        cursor.execute(
            # Whom a word placed is compared with the vectors anew, should the word go.
            "UPDATE recommendations_project SET enriched_facts = facts_hash, enriched_taxonomy = %s,"
            " placed_by = CASE WHEN id = ANY(%s) THEN '' ELSE placed_by END WHERE id = ANY(%s)",
            [mark, [pk for pk, placed in placements.items() if placed.categories], list(placements)],
        )


TABLES = {"category": "recommendations_projectcategory", "stack": "recommendations_projecttechstack"}


def write_links(term: str, confidences: Mapping[int, Mapping[int, float]]) -> None:
    """Make the automatic links of those projects just these: project -> {term: confidence}.

    A curated link stays as it is. A category found by vector goes as soon as a word finds one.
    """
    table, column = TABLES[term], f"{term}_id"
    columns = {"project_id": "bigint", column: "bigint", "confidence": "float8"}
    copy_in("placed", columns, [(p, t, c) for p, terms in confidences.items() for t, c in terms.items()])
    by_vector = "AND NOT l.by_vector" if term == "category" else ""
    found_again = "OR l.by_vector" if term == "category" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            DELETE FROM {table} l WHERE l.project_id = ANY(%s) AND l.source = 'auto'
            AND NOT EXISTS (SELECT FROM pg_temp.placed p
                            WHERE p.project_id = l.project_id AND p.{column} = l.{column})
            AND (TRUE {by_vector}
                 OR EXISTS (SELECT FROM pg_temp.placed p WHERE p.project_id = l.project_id))
            """,  # noqa: S608  names of ours
            [list(confidences)],
        )
        extra, value = (", by_vector", ", FALSE") if term == "category" else ("", "")
        reset = ", by_vector = FALSE" if term == "category" else ""
        cursor.execute(
            f"""
            INSERT INTO {table} AS l (project_id, {column}, confidence, source, applies{extra})
            SELECT project_id, {column}, confidence, 'auto', TRUE{value} FROM pg_temp.placed
            ORDER BY project_id, {column}
            ON CONFLICT (project_id, {column}) DO UPDATE SET confidence = excluded.confidence{reset}
            WHERE l.source = 'auto' AND (l.confidence <> excluded.confidence {found_again})
            """  # noqa: S608  names of ours
        )

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


def write_links(term: str, confidences: Mapping[int, Mapping[int, float]]) -> None:
    """Make the automatic links of those projects just these: project -> {term: confidence}.

    A curated link stays as it is. A category found by vector goes as soon as a word finds one.
    """
    columns = {"project_id": "bigint", f"{term}_id": "bigint", "confidence": "float8"}
    copy_in("placed", columns, [(p, t, c) for p, terms in confidences.items() for t, c in terms.items()])
    with connection.cursor() as cursor:
        cursor.execute(others_gone(term), [list(confidences)])
        cursor.execute(linked(term))


TABLES = {"category": "recommendations_projectcategory", "stack": "recommendations_projecttechstack"}


def others_gone(term: str) -> str:
    """The statement. %s: the projects."""
    by_vector = "AND NOT l.by_vector" if term == "category" else ""
    return f"""
        DELETE FROM {TABLES[term]} l WHERE l.project_id = ANY(%s) AND l.source = 'auto'
        AND NOT EXISTS (SELECT FROM pg_temp.placed p
                        WHERE p.project_id = l.project_id AND p.{term}_id = l.{term}_id)
        AND (TRUE {by_vector}
             OR EXISTS (SELECT FROM pg_temp.placed p WHERE p.project_id = l.project_id))
    """  # noqa: S608  names of ours


def linked(term: str) -> str:
    """The statement; only a category may have been found by vector before."""
    column, value, reset, again = (
        (", by_vector", ", FALSE", ", by_vector = FALSE", "OR l.by_vector") if term == "category" else ("", "", "", "")
    )
    return f"""
        INSERT INTO {TABLES[term]} AS l (project_id, {term}_id, confidence, source, applies{column})
        SELECT project_id, {term}_id, confidence, 'auto', TRUE{value} FROM pg_temp.placed
        ORDER BY project_id, {term}_id
        ON CONFLICT (project_id, {term}_id) DO UPDATE SET confidence = excluded.confidence{reset}
        WHERE l.source = 'auto' AND (l.confidence <> excluded.confidence {again})
    """  # noqa: S608  names of ours

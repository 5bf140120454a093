"""Which row is which repository: names change hands, the number that GitHub gave a repository does not.

What is told of a repository is told of the row with its number; else of the row at its address, whatever repository
that was of before: who starred an address goes with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import CharField, Q, Value
from django.db.models.functions import Cast, Concat, Lower

from recommendations import profiles
from recommendations.models import Project, ProjectActivity, ProjectCommit
from recommendations.schemas import CollectedLine

# What people did with a row that is absorbed, and what was said of it: table -> what makes a row of it one of a kind.
MOVED = {
    "recommendations_interaction": ("user_id", "kind"),
    "recommendations_impression": ("request",),
    "recommendations_recommendation": ("generation_id", "user_id"),
    "recommendations_projectcategory": ("category_id",),
    "recommendations_projecttechstack": ("stack_id",),
    "recommendations_firstissue": ("number",),
}


@dataclass
class Settlement:
    """By row: the name that it takes; into which other row it goes; the ones at an address that is another's now."""

    renamed: dict[int, str] = field(default_factory=dict)
    absorbed: dict[int, int] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)


def settle(lines: Sequence[CollectedLine]) -> Counter[str]:
    """Make the rows of those repositories stand under their numbers and names; to be called in a transaction.

    lines: each number and each name once. What the lines say beside that is for import_projects.
    """
    told = [line for line in lines if line.github_id is not None]
    found = decide(told, held(told))
    absorb(found.absorbed)
    rename(found.renamed)
    forget(found.taken)
    return Counter(renamed=len(found.renamed), absorbed=len(found.absorbed), taken=len(found.taken))


def held(lines: Sequence[CollectedLine]) -> list[tuple[int, int | None, str]]:
    """Row, number and name in lower case of all rows that those lines may be about, locked in one order."""
    names, numbers = [line.full_name.lower() for line in lines], [line.github_id for line in lines]
    rows = Project.objects.alias(lower=Lower("full_name")).filter(Q(lower__in=names) | Q(github_id__in=numbers))
    locked = rows.order_by("pk").select_for_update().values_list("pk", "github_id", "full_name")
    return [(pk, number, name.lower()) for pk, number, name in locked]


def decide(lines: Sequence[CollectedLine], rows: Sequence[tuple[int, int | None, str]]) -> Settlement:
    """What must happen to the rows so that each line meets its own."""
    by_number = {number: pk for pk, number, _ in rows}
    by_name = {name: (pk, number) for pk, number, name in rows}
    told = {line.github_id for line in lines}
    found = Settlement()
    for line in lines:
        mine = by_number.get(line.github_id)  # every line here has a number
        holder, number = by_name.get(line.full_name.lower(), (None, None))
        if holder == mine:
            continue
        moves_on = number in told  # the one at that address has another one now
        if mine is not None:
            found.renamed[mine] = line.full_name
            if holder is not None and not moves_on:
                found.absorbed[holder] = mine
        elif number is not None and not moves_on and holder is not None:
            found.taken.append(holder)
    return found


def rename(names: Mapping[int, str]) -> None:
    """Two steps, since two rows may exchange their names."""
    if not names:
        return
    rows = Project.objects.filter(pk__in=names)
    rows.update(full_name=Concat(Value("-/"), Cast("pk", CharField())))
    Project.objects.bulk_update([Project(pk=pk, full_name=name) for pk, name in names.items()], ["full_name"])


def forget(taken: Sequence[int]) -> None:
    """What was told of the repository that was at their addresses is not told of the one that is."""
    ProjectActivity.objects.filter(project__in=taken).delete()
    ProjectCommit.objects.filter(project__in=taken).delete()
    Project.objects.filter(pk__in=taken).update(github_id=None, node_id="", detailed_for=None, details_after=None)


def absorb(pairs: Mapping[int, int]) -> None:
    """Row -> the row it goes into, with all that people did and said."""
    if not pairs:
        return
    given = {"old": list(pairs), "new": list(pairs.values())}
    with connection.cursor() as cursor:
        cursor.execute(CURATED_FIRST.format(links="recommendations_projectcategory", term="category_id"), given)
        cursor.execute(CURATED_FIRST.format(links="recommendations_projecttechstack", term="stack_id"), given)
        cursor.execute(MERGE_INTERACTIONS, given)
        for table, key in MOVED.items():
            cursor.execute(move(table, key), given)
    people = Project.objects.filter(pk__in=pairs.values(), interactions__isnull=False).values_list(
        "interactions__user", flat=True
    )
    profiles.touch(set(people), told=False)
    Project.objects.filter(pk__in=pairs).delete()


PAIRS = "unnest(%(old)s::bigint[], %(new)s::bigint[]) AS pair (old, new)"
CURATED_FIRST = f"""
    DELETE FROM {{links}} l USING {PAIRS}
    WHERE l.source = 'auto' AND (l.project_id = pair.old OR (l.project_id = pair.new AND EXISTS (
        SELECT FROM {{links}} c WHERE c.project_id = pair.old AND c.source = 'curated' AND c.{{term}} = l.{{term}})))
"""  # noqa: S608  names of ours
MERGE_INTERACTIONS = f"""
    UPDATE recommendations_interaction i SET at = greatest(i.at, o.at), count = i.count + o.count,
        from_github = i.from_github AND o.from_github
    FROM recommendations_interaction o, {PAIRS}
    WHERE o.project_id = pair.old AND i.project_id = pair.new AND (i.user_id, i.kind) = (o.user_id, o.kind)
"""  # noqa: S608  names of ours


def move(table: str, key: Sequence[str]) -> str:
    """The statement: rows go over, but for those that the other one has too."""
    same = " AND ".join(f"o.{name} = t.{name}" for name in key)
    return f"""
        UPDATE {table} t SET project_id = pair.new FROM {PAIRS}
        WHERE t.project_id = pair.old
          AND NOT EXISTS (SELECT FROM {table} o WHERE o.project_id = pair.new AND {same})
    """  # noqa: S608  names of ours

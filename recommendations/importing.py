"""Lines of files become rows: a block a transaction, by COPY and one conditional upsert."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connection, transaction
from psycopg.types.json import Jsonb

from engine.bulk import copy_in
from recommendations import profiles
from recommendations.models import Interaction
from recommendations.schemas import InteractionLine, ProjectLine, UserLine
from recommendations.taxonomy import Taxonomy

# column -> (PostgreSQL type, what stands in a new row when the file has nothing)
PROJECT_COLUMNS = {
    "full_name": ("text", None), "description": ("text", "''"), "language": ("text", "''"),
    "languages": ("jsonb", "'{}'"), "topics": ("text[]", "'{}'"), "readme": ("text", "''"),
    "stars": ("int4", None), "forks": ("int4", None), "watchers": ("int4", None), "open_issues": ("int4", None),
    "license": ("text", "''"), "homepage": ("text", "''"),
    "is_fork": ("bool", "FALSE"), "is_archived": ("bool", "FALSE"), "is_disabled": ("bool", "FALSE"),
    "created_at": ("timestamptz", None), "updated_at": ("timestamptz", None), "pushed_at": ("timestamptz", None),
    "github_id": ("int8", None), "node_id": ("text", "''"),
}  # fmt: skip
RENAMED = {"is_fork": "fork", "is_archived": "archived", "is_disabled": "disabled"}
PROJECT_KEYS = [RENAMED.get(column, column) for column in PROJECT_COLUMNS]


def import_projects(lines: Sequence[ProjectLine]) -> Counter[str]:
    """Insert or update by full_name in any case; what a line leaves out stays as it is."""
    rows: dict[str, list[Any]] = {}
    for line in lines:
        values = [getattr(line, key, None) for key in PROJECT_KEYS]
        values[3] = None if line.languages is None else Jsonb(line.languages)
        earlier = rows.setdefault(line.full_name.lower(), values)
        rows[line.full_name.lower()] = [
            new if new is not None else old for new, old in zip(values, earlier, strict=True)
        ]
    with transaction.atomic():
        copy_in("project_lines", {name: kind for name, (kind, _) in PROJECT_COLUMNS.items()}, rows.values())
        with connection.cursor() as cursor:
            cursor.execute(UPSERT_PROJECTS)
            inserted, updated = cursor.fetchone()
    return Counter(
        inserted=inserted,
        updated=updated,
        unchanged=len(rows) - inserted - updated,
        repeated=len(lines) - len(rows),
    )


def upsert_projects() -> str:
    """The statement. Rows are locked and inserted in one order, so that two imports wait and do not deadlock."""
    columns = ", ".join(PROJECT_COLUMNS)
    fresh = ", ".join(
        f"coalesce(s.{name}, {default})" if default else f"s.{name}" for name, (_, default) in PROJECT_COLUMNS.items()
    )
    merged = {name: f"coalesce(s.{name}, p.{name})" for name in PROJECT_COLUMNS if name != "full_name"}
    merged["full_name"] = "s.full_name"
    return f"""
        WITH known AS MATERIALIZED (
            SELECT p.id, lower(p.full_name) AS name FROM recommendations_project p
            JOIN pg_temp.project_lines s ON lower(p.full_name) = lower(s.full_name) ORDER BY p.id FOR UPDATE OF p),
        updated AS (
            UPDATE recommendations_project p SET {", ".join(f"{name} = {value}" for name, value in merged.items())}
            FROM pg_temp.project_lines s, known k
            WHERE p.id = k.id AND k.name = lower(s.full_name)
              AND ({", ".join(merged.values())}) IS DISTINCT FROM ({", ".join(f"p.{name}" for name in merged)})
            RETURNING 1),
        inserted AS (
            INSERT INTO recommendations_project ({columns}, enriched_facts, enriched_taxonomy, placed_by)
            SELECT {fresh}, '', '', '' FROM pg_temp.project_lines s
            WHERE NOT EXISTS (SELECT FROM known k WHERE k.name = lower(s.full_name))
            ORDER BY lower(s.full_name)
            ON CONFLICT DO NOTHING
            RETURNING 1)
        SELECT (SELECT count(*) FROM inserted), (SELECT count(*) FROM updated)
    """  # noqa: S608  names of ours


UPSERT_PROJECTS = upsert_projects()


USER_COLUMNS = {
    "username": "text", "bio": "text", "location": "text", "company": "text", "job_title": "text",
    "interests": "text[]", "unknown": "text[]", "categories": "int8[]", "stacks": "int8[]",
}  # fmt: skip


def import_users(lines: Sequence[UserLine], taxonomy: Taxonomy) -> Counter[str]:
    """Users without a password, with their profiles. A stack or category nobody knows becomes an interest."""
    by_name = merged_by_name(lines)
    rows = [user_row(line, taxonomy) for line in by_name.values()]
    with transaction.atomic():
        known = set(User.objects.filter(username__in=by_name).values_list("username", flat=True))
        new = sorted(name for name in by_name if name not in known)
        User.objects.bulk_create(
            [User(username=name, password=make_password(None)) for name in new], ignore_conflicts=True
        )
        copy_in("user_lines", USER_COLUMNS, rows)
        with connection.cursor() as cursor:
            cursor.execute(MISSING_PROFILES)
            cursor.execute(LOCK_PROFILES)
            changed = profiles.changed_by(cursor, UPDATE_PROFILES)
            for term in ("category", "stack"):
                changed |= profiles.changed_by(cursor, profile_links(term, drop=True))
                changed |= profiles.changed_by(cursor, profile_links(term, drop=False))
        profiles.touch(changed)
        changed -= set(User.objects.filter(username__in=new).values_list("pk", flat=True))
    return Counter(
        inserted=len(new),
        updated=len(changed),
        unchanged=len(by_name) - len(new) - len(changed),
        repeated=len(lines) - len(by_name),
        unknown_terms=sum(len(row[6]) for row in rows),
    )


def merged_by_name(lines: Sequence[UserLine]) -> dict[str, UserLine]:
    """One line a user: a later one adds to what an earlier one said, as it would from a second file."""
    found: dict[str, UserLine] = {}
    for line in lines:
        said = {name: value for name, value in line if value is not None}
        earlier = found.get(line.username)
        found[line.username] = earlier.model_copy(update=said) if earlier else line
    return found


def user_row(line: UserLine, taxonomy: Taxonomy) -> tuple[Any, ...]:
    """One line in the order of USER_COLUMNS; what it leaves out is None."""
    categories = {name: taxonomy.category(name) for name in line.categories or []}
    stacks = {name: taxonomy.stack(name) for name in line.tech_stacks or []}
    unknown = [name for name, pk in [*categories.items(), *stacks.items()] if pk is None]
    found = [
        None if given is None else sorted({pk for pk in terms.values() if pk is not None})
        for given, terms in ((line.categories, categories), (line.tech_stacks, stacks))
    ]
    return (
        line.username,
        line.bio,
        line.location,
        line.company,
        line.job_title,
        line.interests,
        unknown,
        *found,
    )


MISSING_PROFILES = """
    INSERT INTO recommendations_profile (user_id, bio, location, company, job_title, interests)
    SELECT u.id, '', '', '', '', '{}' FROM pg_temp.user_lines s JOIN auth_user u ON u.username = s.username
    ORDER BY u.id ON CONFLICT (user_id) DO NOTHING
"""

LOCK_PROFILES = """
    SELECT FROM recommendations_profile p JOIN auth_user u ON u.id = p.user_id
    JOIN pg_temp.user_lines s ON s.username = u.username ORDER BY p.user_id FOR UPDATE OF p
"""

UPDATE_PROFILES = """
    UPDATE recommendations_profile p SET bio = n.bio, location = n.location, company = n.company,
        job_title = n.job_title, interests = n.interests
    FROM (
        SELECT u.id, coalesce(s.bio, o.bio) AS bio, coalesce(s.location, o.location) AS location,
            coalesce(s.company, o.company) AS company, coalesce(s.job_title, o.job_title) AS job_title,
            (SELECT coalesce(array_agg(term ORDER BY place), '{}') FROM (
                SELECT term, min(place) AS place
                FROM unnest(coalesce(s.interests, o.interests) || s.unknown::text[]) WITH ORDINALITY AS t (term, place)
                GROUP BY term) AS once) AS interests
        FROM pg_temp.user_lines s JOIN auth_user u ON u.username = s.username
        JOIN recommendations_profile o ON o.user_id = u.id) AS n
    WHERE p.user_id = n.id AND (p.bio, p.location, p.company, p.job_title, p.interests)
        IS DISTINCT FROM (n.bio, n.location, n.company, n.job_title, n.interests)
    RETURNING p.user_id
"""


def profile_links(term: str, drop: bool) -> str:
    """What a line says of stacks or categories is the whole of it: others that were said before go."""
    table = "recommendations_profilecategory" if term == "category" else "recommendations_profiletechstack"
    lists = "categories" if term == "category" else "stacks"
    if drop:
        return f"""
            DELETE FROM {table} l USING pg_temp.user_lines s, auth_user u
            WHERE u.username = s.username AND l.profile_id = u.id AND s.{lists} IS NOT NULL
              AND l.source = 'curated' AND NOT l.{term}_id = ANY(s.{lists})
            RETURNING l.profile_id
        """  # noqa: S608  names of ours
    return f"""
        INSERT INTO {table} AS l (profile_id, {term}_id, source, confidence, applies)
        SELECT u.id, t.id, 'curated', 1, TRUE
        FROM pg_temp.user_lines s JOIN auth_user u ON u.username = s.username, unnest(s.{lists}) AS t (id)
        ON CONFLICT (profile_id, {term}_id) DO UPDATE SET source = 'curated', confidence = 1, applies = TRUE
        WHERE l.source <> 'curated' OR NOT l.applies
        RETURNING l.profile_id
    """  # noqa: S608  names of ours


@dataclass
class Skipped:
    """Interactions of users or with projects that are not here: how many, and the first names."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, count: int, names: Sequence[str]) -> None:
        self.count += count
        self.names = list(dict.fromkeys([*self.names, *names]))[:10]


INTERACTION_COLUMNS = {"username": "text", "full_name": "text", "kind": "text", "at": "timestamptz"}
KNOWN_LINES = """
    pg_temp.interaction_lines s JOIN auth_user u ON u.username = s.username
    JOIN recommendations_project p ON lower(p.full_name) = lower(s.full_name)
"""
# A later act counts again; an act that is known already changes nothing, so a file may come twice.
UPSERT_INTERACTIONS = f"""
    INSERT INTO recommendations_interaction AS i (user_id, project_id, kind, at, count)
    SELECT u.id, p.id, s.kind, max(s.at), count(DISTINCT s.at)
    FROM {KNOWN_LINES}
    LEFT JOIN recommendations_interaction o ON o.user_id = u.id AND o.project_id = p.id AND o.kind = s.kind
    WHERE o.id IS NULL OR s.at > o.at
    GROUP BY u.id, p.id, s.kind ORDER BY u.id, p.id, s.kind
    ON CONFLICT (user_id, project_id, kind) DO UPDATE SET at = excluded.at, count = i.count + excluded.count
    WHERE excluded.at > i.at
    RETURNING user_id, (xmax = 0), kind
"""  # noqa: S608  names of ours
UNKNOWN_LINES = """
    SELECT CASE WHEN u.id IS NULL THEN s.username ELSE s.full_name END
    FROM pg_temp.interaction_lines s LEFT JOIN auth_user u ON u.username = s.username
    LEFT JOIN recommendations_project p ON lower(p.full_name) = lower(s.full_name)
    WHERE u.id IS NULL OR p.id IS NULL
"""


def import_interactions(lines: Sequence[InteractionLine], skipped: Skipped) -> Counter[str]:
    """What people did, latest date and count per user, project and kind; unknown names go to `skipped`."""
    with transaction.atomic():
        copy_in(
            "interaction_lines",
            INTERACTION_COLUMNS,
            [(line.username, line.full_name, line.kind, line.at) for line in lines],
        )
        with connection.cursor() as cursor:
            cursor.execute(UNKNOWN_LINES)
            unknown = [row[0] for row in cursor.fetchall()]
            cursor.execute(
                f"INSERT INTO recommendations_profile (user_id, bio, location, company, job_title, interests)"  # noqa: S608
                f" SELECT DISTINCT u.id, '', '', '', '', '{{}}'::text[] FROM {KNOWN_LINES}"
                f" ORDER BY u.id ON CONFLICT (user_id) DO NOTHING"
            )
            cursor.execute(UPSERT_INTERACTIONS)
            written = cursor.fetchall()
        profiles.touch({user for user, _, kind in written if kind in Interaction.KNOWN}, told=False)
    skipped.add(len(unknown), unknown)
    inserted = sum(new for _, new, _ in written)
    return Counter(
        inserted=inserted,
        updated=len(written) - inserted,
        unchanged=len(lines) - len(written) - len(unknown),
        skipped=len(unknown),
    )

"""What counts of what was understood of people's messages: facts that nobody muted, and the words that say them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from engine.postgresql import prepared
from engine.text import clip, printable, squeeze
from recommendations.scoring import Positions

SPEAK = 16  # so many messages, the newest, speak for a person with their vectors
QUOTED = 140  # characters of a sentence that is quoted


class Row(NamedTuple):
    """Something that counts: a category, a stack, a pinned project, or a message that speaks. at: seconds."""

    user: int
    category: int | None
    stack: int | None
    project: int | None
    message: int | None
    weight: float
    at: float
    sentence: str


@dataclass
class Heard:
    """What one person wrote, as far as it counts.

    categories, stacks: id -> (how much it counts, the sentence). pinned: project -> (when, the sentence).
    messages: those that speak by their vectors, the newest first, with the sentence of each.
    """

    categories: dict[int, tuple[float, str]] = field(default_factory=dict)
    stacks: dict[int, tuple[float, str]] = field(default_factory=dict)
    pinned: dict[int, tuple[float, str]] = field(default_factory=dict)
    messages: dict[int, str] = field(default_factory=dict)


COUNTS = "f.state IN ('heard', 'pinned') AND coalesce(c.applies, s.applies, TRUE)"
FACTS = """recommendations_fact f
LEFT JOIN recommendations_profilecategory c ON (c.profile_id, c.category_id) = (f.user_id, f.category_id)
LEFT JOIN recommendations_profiletechstack s ON (s.profile_id, s.stack_id) = (f.user_id, f.stack_id)"""
MEANT = "(SELECT i.counts FROM recommendations_intent i WHERE i.id = m.intent_id)"
# A fact has the sentence of the newest message that says it. A message speaks while each fact of it counts: to mute one
# of them takes back all that its words did. It must tell something of them: by its intent or, without one, by more than
# a project. Somebody's messages are walked from the newest on, until enough of them speak.
SPOKEN = f"""
SELECT f.user_id, f.category_id, f.stack_id, f.project_id, NULL::int8,
       CASE f.state WHEN 'pinned' THEN 1 ELSE greatest(least(f.confidence, 1), 0) END,
       extract(epoch FROM f.said_at)::float8, f.sentence
FROM {FACTS}
WHERE f.user_id = ANY(%s) AND {COUNTS}
    AND (f.category_id IS NOT NULL OR f.stack_id IS NOT NULL OR f.project_id IS NOT NULL AND f.state = 'pinned')
UNION ALL
SELECT u.id, NULL, NULL, NULL, m.id, 1, extract(epoch FROM m.said_at)::float8, m.sentence
FROM unnest(%s::int8[]) AS u (id) CROSS JOIN LATERAL (
    SELECT m.id, m.said_at, said.sentence
    FROM (SELECT id, said_at, intent_id FROM recommendations_message
          WHERE user_id = u.id ORDER BY said_at DESC, id DESC) m
    CROSS JOIN LATERAL (
        SELECT bool_and({COUNTS}), (array_agg(y.sentence ORDER BY f.id DESC)
            FILTER (WHERE coalesce({MEANT}, f.project_id IS NULL)))[1]
        FROM {FACTS} JOIN recommendations_saying y ON y.fact_id = f.id
        WHERE y.message_id = m.id) said (counts, sentence)
    WHERE said.counts AND said.sentence IS NOT NULL
    ORDER BY m.said_at DESC, m.id DESC LIMIT %s) m
ORDER BY 1, 7 DESC, 5 DESC NULLS LAST, 2, 3, 4
"""  # noqa: S608  constants of ours


def heard_by(users: Positions) -> dict[int, Heard]:
    """By user, those of whom anything counts; by one query, which reads no more of a long history than speaks."""
    with prepared() as cursor:
        cursor.execute(SPOKEN, [users.tolist(), users.tolist(), SPEAK])
        rows = [Row(*row) for row in cursor]
    return {user: heard_in(said) for user, said in groupby(rows, key=lambda row: row.user)}


def heard_in(said: Iterable[Row]) -> Heard:
    """said: of one person, the newest first."""
    found = Heard()
    for row in said:
        words = quoted(row.sentence)
        if row.category:
            found.categories[row.category] = (row.weight, words)
        if row.stack:
            found.stacks[row.stack] = (row.weight, words)
        if row.project:
            found.pinned[row.project] = (row.at, words)
        if row.message:
            found.messages[row.message] = words
    return found


def quoted(sentence: str, longest: int = QUOTED) -> str:
    """Its beginning on one line, without the characters that turn a line around."""
    words = printable(squeeze(sentence))
    short = clip(words, longest)
    return short if short == words else f"{short} …"

"""What counts of what was understood of people's messages: facts that nobody muted, and the words that say them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from engine.postgresql import prepared
from engine.text import clip, printable, squeeze
from recommendations.models import Fact
from recommendations.scoring import Positions

SPEAK = 16  # so many messages, the newest, speak for a person with their vectors
QUOTED = 140  # characters of a sentence that is quoted


class Row(NamedTuple):
    """A fact and one message that says it, if there is one.

    at: seconds. meant: the message tells something of them, by its intent or, without one, by more than a project.
    refused: they said that it is not theirs.
    """

    user: int
    category: int | None
    stack: int | None
    project: int | None
    state: str
    confidence: float
    at: float
    sentence: str
    message: int | None
    meant: bool
    refused: bool

    @property
    def counts(self) -> bool:
        return self.state in Fact.COUNTS and not self.refused


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


# A message speaks while each fact of it counts: to mute one of them takes back all that its words did.
FACTS = """
SELECT f.user_id, f.category_id, f.stack_id, f.project_id, f.state, f.confidence,
       extract(epoch FROM coalesce(m.said_at, f.said_at))::float8, coalesce(y.sentence, f.sentence), m.id,
       coalesce(i.counts, f.project_id IS NULL), NOT coalesce(c.applies, s.applies, TRUE)
FROM recommendations_fact f
LEFT JOIN recommendations_saying y ON y.fact_id = f.id
LEFT JOIN recommendations_message m ON m.id = y.message_id
LEFT JOIN recommendations_intent i ON i.id = m.intent_id
LEFT JOIN recommendations_profilecategory c ON (c.profile_id, c.category_id) = (f.user_id, f.category_id)
LEFT JOIN recommendations_profiletechstack s ON (s.profile_id, s.stack_id) = (f.user_id, f.stack_id)
WHERE f.user_id = ANY(%s) ORDER BY f.user_id, 7 DESC, m.id DESC NULLS LAST, f.id DESC
"""


def heard_by(users: Positions) -> dict[int, Heard]:
    """By user, those whose messages say anything; by one query."""
    with prepared() as cursor:
        cursor.execute(FACTS, [users.tolist()])
        rows = [Row(*row) for row in cursor]
    return {user: heard_in(list(facts)) for user, facts in groupby(rows, key=lambda row: row.user)}


def heard_in(facts: Iterable[Row]) -> Heard:
    """facts: of one person, the newest first: the newest message that says a fact is quoted for it."""
    found, silenced = Heard(), {fact.message for fact in facts if not fact.counts}
    for fact in filter(lambda fact: fact.counts, facts):
        pinned, words = fact.state == Fact.State.PINNED, quoted(fact.sentence)
        weight = 1.0 if pinned else min(max(fact.confidence, 0.0), 1.0)
        if fact.category:
            found.categories.setdefault(fact.category, (weight, words))
        if fact.stack:
            found.stacks.setdefault(fact.stack, (weight, words))
        if fact.project and pinned:
            found.pinned.setdefault(fact.project, (fact.at, words))
        if fact.message and fact.meant and fact.message not in silenced and len(found.messages) < SPEAK:
            found.messages.setdefault(fact.message, words)
    return found


def quoted(sentence: str, longest: int = QUOTED) -> str:
    """Its beginning on one line, without the characters that turn a line around."""
    words = printable(squeeze(sentence))
    short = clip(words, longest)
    return short if short == words else f"{short} …"

"""What messages say becomes facts: stacks, categories, projects and interests, each with the sentences that say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Value
from django.db.models.functions import Lower, StrIndex, Substr

from engine.bulk import copy_in
from engine.vectors import digest
from recommendations import facts, listening, profiles
from recommendations.inferring import Found, Statement
from recommendations.listening import Sentence
from recommendations.models import Category, Fact, Message, MessageEmbedding, Project, TechStack

MESSAGES_AT_ONCE = 1000
LEAST = 0.35  # what is believed less is no fact: a word that somebody advises, and that names little
IN_PASSING = 0.9  # what the words for a field must come to where nobody says that they do, want or look for anything
KNOWN_BY_NAME = 100  # stars: below it a project is known by its full name alone
LOCK = 0x7A1C  # one block is read at a time, whichever run reads it


class Said(NamedTuple):
    """What a sentence names: just one of the four."""

    stack: int | None = None
    category: int | None = None
    project: int | None = None
    interest: str = ""


class Quote(NamedTuple):
    """The sentence that says something, and how surely."""

    confidence: float
    sentence: str


class Reader:
    """The taxonomy and the rules that messages are read with."""

    def __init__(self) -> None:
        self.found = Found(Category.objects.all(), TechStack.objects.all())
        self.mark = digest(self.found.taxonomy.version, str(listening.RULES_VERSION), str(LEAST))

    def facts(self, sentences: Collection[Sentence], projects: Projects) -> dict[Said, Quote]:
        """What a message says; of several sentences that say the same the surest."""
        surest: dict[Said, Quote] = {}
        for sentence in sentences:
            for said, confidence in self.named(sentence, projects):
                heard = Quote(round(confidence * sentence.belief, 4), sentence.text)
                if heard.confidence >= max(LEAST, surest.get(said, heard).confidence):
                    surest[said] = heard
        return surest

    def named(self, sentence: Sentence, projects: Projects) -> Iterator[tuple[Said, float]]:
        placed = self.found.placed(Statement(sentence.words, "a message"))
        yield from ((Said(stack=pk), sure) for pk, sure in placed.stacks.items())
        floor = 0.0 if sentence.engaged else IN_PASSING
        yield from ((Said(category=pk), sure) for pk, sure in placed.categories.items() if sure >= floor)
        yield from ((Said(project=pk), sure) for pk, sure in projects.named(sentence.affirmed))
        yield from ((Said(interest=phrase), listening.INTEREST) for phrase in self.free(sentence))

    def free(self, sentence: Sentence) -> Iterator[str]:
        """Interests that no stack or category stands for."""
        for phrase in listening.interests(sentence):
            placed = self.found.placed(Statement(phrase, "a message"))
            if not placed.stacks and not placed.categories:
                yield phrase


class Projects:
    """The projects that some texts may name, read at once. A name that two projects share names none."""

    BY_FULL_NAME, BY_NAME = 1.0, 0.8

    def __init__(self, texts: Collection[str]) -> None:
        named = {name for text in texts for name in listening.full_names(text)}
        short = {name.lower() for text in texts for name in listening.names(text)}
        rows = Project.objects.annotate(lower=Lower("full_name")).order_by("pk")
        self.full = dict(rows.filter(lower__in=named).values_list("lower", "pk")) if named else {}
        self.short: dict[str, list[tuple[str, int]]] = {}
        name = Substr("full_name", StrIndex("full_name", Value("/")) + 1)
        found = rows.annotate(own=name, key=Lower(name)).filter(key__in=short, stars__gte=KNOWN_BY_NAME)
        for key, own, pk in found.values_list("key", "own", "pk") if short else ():
            self.short.setdefault(key, []).append((own, pk))

    def named(self, text: str) -> Iterator[tuple[int, float]]:
        for full in listening.full_names(text):
            if full in self.full:
                yield self.full[full], self.BY_FULL_NAME
        said = listening.names(text) if self.short else set()
        for key in {each.lower() for each in said}:
            match self.short.get(key):
                case [(own, pk)] if listening.spelled(own, said):
                    yield pk, self.BY_NAME


# Reading what waits


def waiting() -> int:
    return Message.objects.to_read(Reader().mark).count()


def read(everything: bool = False) -> Iterator[Counter[str]]:
    """Read the messages that wait, a block a transaction: `read`, `facts` that are new, `small_talk`."""
    reader, after = Reader(), 0
    while True:
        with transaction.atomic():
            alone()
            found = Message.objects.all() if everything else Message.objects.to_read(reader.mark)
            waits = dict(found.filter(pk__gt=after).order_by("pk").values_list("pk", "user")[:MESSAGES_AT_ONCE])
            if not waits:
                return
            profiles.hold(set(waits.values()))
            rows = Message.objects.filter(pk__in=waits).order_by("pk").select_for_update()
            counts = read_block(rows.values_list("pk", "user", "text"), reader)
        yield counts
        after = max(waits)


def alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def read_block(block: Collection[tuple[int, int, str]], reader: Reader) -> Counter[str]:
    """The facts and the texts of some messages; their people's recommendations are out of date where facts changed."""
    projects = Projects([text for _, _, text in block])
    texts = texts_of({pk: text for pk, _, text in block})
    heard = {(pk, user): reader.facts(listening.sentences(text), projects) for pk, user, text in block if texts[pk]}
    before = set(Fact.objects.filter(sayings__message__in=texts).values_list("pk", flat=True))
    made = write(heard, list(texts))
    changed = settle(before | made)
    MessageEmbedding.objects.want(texts)
    Message.objects.filter(pk__in=texts).update(read_with=reader.mark)
    facts.changed(changed)
    return Counter(
        read=len(texts),
        small_talk=sum(not text for text in texts.values()),
        said=sum(map(len, heard.values())),
        changed_people=len(changed),
    )


def texts_of(messages: Mapping[int, str]) -> dict[int, str]:
    """What of each has a meaning: nothing of small talk, and no name of whom it is said to."""
    addressed = {pk: listening.addressee(text) for pk, text in messages.items()}
    known = set(User.objects.filter(username__in={*addressed.values()}).values_list("username", flat=True))
    said = {pk: listening.unaddressed(text) if addressed[pk] in known else text for pk, text in messages.items()}
    return {pk: "" if listening.is_small_talk(text) else text for pk, text in said.items()}


SAYINGS = {"user_id": "int8", "stack_id": "int8", "category_id": "int8", "project_id": "int8", "interest": "text",
           "message_id": "int8", "sentence": "text", "confidence": "float8"}  # fmt: skip
GONE = "DELETE FROM recommendations_saying WHERE message_id = ANY(%s)"
NEW_FACTS = """
    INSERT INTO recommendations_fact
        (user_id, stack_id, category_id, project_id, interest, sentence, confidence, count, state, said_at)
    SELECT DISTINCT s.user_id, s.stack_id, s.category_id, s.project_id, s.interest, '', 0::float8, 0, 'heard', now()
    FROM pg_temp.said s ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (user_id, stack_id, category_id, project_id, interest) DO NOTHING
"""
NEW_SAYINGS = """
    INSERT INTO recommendations_saying (fact_id, message_id, sentence, confidence)
    SELECT f.id, s.message_id, s.sentence, s.confidence FROM pg_temp.said s
    JOIN recommendations_fact f ON f.user_id = s.user_id AND f.interest = s.interest
        AND f.stack_id IS NOT DISTINCT FROM s.stack_id AND f.category_id IS NOT DISTINCT FROM s.category_id
        AND f.project_id IS NOT DISTINCT FROM s.project_id
    RETURNING fact_id
"""


def write(heard: Mapping[tuple[int, int], Mapping[Said, Quote]], messages: list[int]) -> set[int]:
    """Make what those messages say just this; returns the facts that are said. (message, user) -> what is said."""
    rows = [
        (user, *said, message, surest.sentence, surest.confidence)
        for (message, user), each in heard.items()
        for said, surest in each.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(GONE, [messages])
        copy_in("said", SAYINGS, rows)
        cursor.execute(NEW_FACTS)
        cursor.execute(NEW_SAYINGS)
        return {fact for (fact,) in cursor.fetchall()}


# What a fact shows is what its sayings come to, of equally new ones the later. Nobody says it any more: it goes,
# unless a person said something of it, which stands should it be said again.
SUMMED = """
    UPDATE recommendations_fact f SET count = s.count, confidence = s.confidence, message_id = s.newest[1],
        sentence = s.sentences[1], said_at = s.said_at
    FROM (
        SELECT f.id, count(m.id) AS count, coalesce(max(y.confidence), 0) AS confidence,
            array_agg(m.id ORDER BY m.said_at DESC, m.id DESC) AS newest,
            coalesce(array_agg(y.sentence ORDER BY m.said_at DESC, m.id DESC) FILTER (WHERE m.id IS NOT NULL),
                     ARRAY[f.sentence]) AS sentences,
            coalesce(max(m.said_at), f.said_at) AS said_at
        FROM recommendations_fact f LEFT JOIN recommendations_saying y ON y.fact_id = f.id
        LEFT JOIN recommendations_message m ON m.id = y.message_id
        WHERE f.id = ANY(%s) GROUP BY f.id ORDER BY f.id) s
    WHERE f.id = s.id AND (f.count, f.confidence, f.message_id, f.sentence, f.said_at)
        IS DISTINCT FROM (s.count, s.confidence, s.newest[1], s.sentences[1], s.said_at)
    RETURNING f.user_id
"""
UNSAID = """
    DELETE FROM recommendations_fact f WHERE f.id = ANY(%s) AND f.state = 'heard'
    AND NOT EXISTS (SELECT FROM recommendations_saying y WHERE y.fact_id = f.id) RETURNING f.user_id
"""


def settle(ids: Collection[int]) -> set[int]:
    """Make those facts what their sayings come to; returns whose facts changed."""
    changed: set[int] = set()
    for statement in (UNSAID, SUMMED):
        with connection.cursor() as cursor:
            cursor.execute(statement, [sorted(ids)])
            changed |= {user for (user,) in cursor.fetchall()}
    return changed


def forget(messages: Collection[int]) -> int:
    """Delete messages, and with them what they alone say; returns how many."""
    with transaction.atomic():
        alone()
        profiles.hold(Message.objects.filter(pk__in=messages).values_list("user", flat=True))
        said = list(Fact.objects.filter(sayings__message__in=messages).values_list("pk", flat=True))
        gone = Message.objects.filter(pk__in=messages).delete()[1].get(Message._meta.label, 0)
        facts.changed(settle(said))
    return gone

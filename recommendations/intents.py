"""What messages want: the intent whose prototype is nearest in meaning, and proposals where no prototype is near."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction

from engine.bulk import copy_in
from engine.models import EmbeddingModel
from engine.text import clip, squeeze
from engine.vectors import Matrix, digest, unit
from recommendations import facts, profiles
from recommendations.models import Intent, IntentEmbedding, Message, MessageEmbedding

FIXTURE = Path(__file__).parent / "fixtures" / "intents.json"
MESSAGES_AT_ONCE = 5000
NEAR = 0.42  # cosine: measured in docs/decisions/conversations.md

LOOKED_AT = 5000  # of the newest messages without an intent
LEAST_MESSAGES, LEAST_PEOPLE = 15, 3  # of a cluster that is proposed
PROPOSED_AT_MOST = 5
KNOWN = 0.75  # cosine of a cluster's middle to a prototype that there is already
ALIKE = 0.2  # mean cosine of two messages of it
EXEMPLARS, LONGEST_EXEMPLAR = 5, 300


class Prototypes(NamedTuple):
    """The intents in use that have a vector. vectors: (n, d), unit. mark: changes when any of it does."""

    ids: npt.NDArray[np.int64]
    vectors: Matrix
    mark: str


def seed() -> int:
    """The intents that ship with the project, where there are none yet; returns how many."""
    if Intent.objects.exists():
        return 0
    rows = [Intent(**fields) for fields in json.loads(FIXTURE.read_text(encoding="utf-8"))]
    with transaction.atomic():
        want(Intent.objects.bulk_create(rows))
    return len(rows)


def want(intents: Iterable[Intent]) -> None:
    """Say which text stands for each; to be called in the transaction that changed it."""
    IntentEmbedding.objects.want(
        {each.pk: "" if each.state == Intent.State.OFF else each.prototype for each in intents}
    )


def touch(intents: Iterable[Intent]) -> None:
    """What these tell of people changes: whoever wrote with one of them is out of date. In that transaction."""
    wrote = Message.objects.filter(intent__in=[each.pk for each in intents], sayings__isnull=False)
    facts.changed(set(wrote.values_list("user", flat=True)))


# Comparing


def used(model: EmbeddingModel) -> Prototypes:
    return prototypes(model, [Intent.State.USED])


def prototypes(model: EmbeddingModel, states: Sequence[str]) -> Prototypes:
    rows = IntentEmbedding.objects.filter(model=model, vector__isnull=False, subject__state__in=states)
    found = list(rows.order_by("subject").values_list("subject", "vector_hash", "vector"))
    made_of = [f"{pk} {vector_hash}" for pk, vector_hash, _ in found]
    vectors = np.array([vector for *_, vector in found], dtype=np.float32).reshape(-1, model.dimensions)
    return Prototypes(
        np.array([pk for pk, *_ in found], dtype=np.int64),
        unit(vectors).astype(np.float32),
        digest(str(model.pk), str(NEAR), *made_of),
    )


def waiting() -> int:
    model = EmbeddingModel.objects.live()
    return Message.objects.to_compare(used(model).mark, model).count()


def compare(everything: bool = False) -> Iterator[Counter[str]]:
    """Give the messages that wait their intents, a block a transaction: `compared`, and `understood` of them."""
    model = EmbeddingModel.objects.live()
    known, after = used(model), 0
    mark = "" if everything else known.mark
    while True:
        with transaction.atomic():
            waiting = Message.objects.to_compare(mark, model).filter(pk__gt=after).order_by("pk")
            block = dict(waiting.values_list("pk", "user")[:MESSAGES_AT_ONCE])
            if not block:
                return
            profiles.hold(set(block.values()))
            locked = Message.objects.filter(pk__in=block).order_by("pk").select_for_update()
            compared, understood = compare_block(list(locked.values_list("pk", flat=True)), known, model)
        yield Counter(compared=compared, understood=understood)
        after = max(block)


def compare_block(block: list[int], known: Prototypes, model: EmbeddingModel) -> tuple[int, int]:
    """Write the nearest intent of each, none where none is near; how many there are, and how many have one."""
    rows = MessageEmbedding.objects.filter(model=model, subject__in=block, vector__isnull=False).order_by("subject")
    found = list(rows.values_list("subject", "vector"))
    if not found:  # they went while we waited for their people
        return 0, 0
    messages, vectors = zip(*found, strict=True)
    which, cosine = nearest(np.array(vectors, dtype=np.float32), known)
    near = cosine >= NEAR
    copy_in(
        "compared",
        {"id": "int8", "intent_id": "int8", "nearness": "float8"},
        [
            (pk, int(intent) if is_near else None, float(alike) if len(known.ids) else None)
            for pk, intent, alike, is_near in zip(messages, which, cosine, near, strict=True)
        ],
    )
    with connection.cursor() as cursor:
        cursor.execute(COMPARED, [known.mark])
        facts.changed([user for (user,) in cursor.fetchall()])
    return len(found), int(near.sum())


# Gives back whose messages speak for them now, or otherwise than before.
COMPARED = """
    WITH compared AS (
        UPDATE recommendations_message m SET intent_id = c.intent_id, nearness = c.nearness, compared_with = %s
        FROM pg_temp.compared c JOIN recommendations_message old ON old.id = c.id WHERE m.id = c.id
        RETURNING m.id, m.user_id, old.compared_with = '' OR m.intent_id IS DISTINCT FROM old.intent_id AS changed)
    SELECT DISTINCT c.user_id FROM compared c JOIN recommendations_saying y ON y.message_id = c.id WHERE c.changed
"""


def nearest(vectors: Matrix, known: Prototypes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]]:
    """The nearest intent of each row and its cosine; both (n,). Without any intent the cosine is -1."""
    if not len(known.ids):
        return np.zeros(len(vectors), dtype=np.int64), np.full(len(vectors), -1.0)
    cosines = unit(vectors) @ known.vectors.T
    best = cosines.argmax(axis=1)
    return known.ids[best], np.round(cosines[np.arange(len(best)), best], 4)


# Proposing


class Unclear(NamedTuple):
    """A message without an intent."""

    user: int
    text: str
    vector: Matrix


def by_clock() -> str:
    """A chore: what people want that no intent stands for. What nobody took since the last time is made anew."""
    proposals = propose()
    with transaction.atomic():
        Intent.objects.filter(state=Intent.State.PROPOSED).delete()
        taken = set(Intent.objects.values_list("name", flat=True))
        want(Intent.objects.bulk_create([each for each in proposals if each.name not in taken]))
    return f"{len(proposals)} proposed" if proposals else "nothing to propose"


def propose() -> list[Intent]:
    """Clusters of messages without an intent, the largest first, none near to what there is."""
    model = EmbeddingModel.objects.live()
    rows = unclear(model)
    if len(rows) < LEAST_MESSAGES:
        return []
    from engine.clustering import cluster  # bring scikit-learn, of which the web process needs nothing
    from engine.exemplars import central, key_phrases

    vectors = unit(np.array([row.vector for row in rows], dtype=np.float32)).astype(np.float32)
    found = cluster(vectors)
    members = [np.flatnonzero(found.labels == label) for label in range(len(found.centroids))]
    known = prototypes(model, [Intent.State.USED, Intent.State.OFF])
    chosen = [where for where in members if many(rows, where) and of_one_kind(vectors[where])]
    chosen = [where for where in chosen if is_new(vectors[where], known)][:PROPOSED_AT_MOST]
    phrases = key_phrases([[rows[i].text for i in where] for where in chosen]) if chosen else []
    proposals = {}
    for where, words in zip(chosen, phrases, strict=True):
        texts = [squeeze(rows[i].text) for i in where]
        spoken = [texts[i] for i in central(vectors[where], texts, EXEMPLARS, [str(rows[i].user) for i in where])]
        if words:
            name = ", ".join(words[:3])[:60]
            prototype = "\n".join(clip(text, LONGEST_EXEMPLAR) for text in spoken)
            proposals[name] = Intent(name=name, prototype=prototype, state=Intent.State.PROPOSED, made_from=len(where))
    return list(proposals.values())


def unclear(model: EmbeddingModel) -> list[Unclear]:
    """The newest messages that were compared and have no intent."""
    rows = MessageEmbedding.objects.filter(model=model, vector__isnull=False, subject__intent=None)
    rows = rows.exclude(subject__compared_with="").order_by("-subject")
    found = rows.values_list("subject__user", "text", "vector")[:LOOKED_AT]
    return [Unclear(user, text, vector) for user, text, vector in found if vector is not None]


def many(rows: Sequence[Unclear], where: npt.NDArray[np.intp]) -> bool:
    return len(where) >= LEAST_MESSAGES and len({rows[i].user for i in where}) >= LEAST_PEOPLE


def of_one_kind(vectors: Matrix) -> bool:
    """By the length of the mean of unit rows: its square is the mean cosine of two of them."""
    return float(np.square(vectors.mean(axis=0)).sum()) >= ALIKE


def is_new(vectors: Matrix, known: Prototypes) -> bool:
    """Whether the middle of those messages is near to no prototype."""
    middle = unit(vectors.mean(axis=0, keepdims=True)).astype(np.float32)
    return bool(nearest(middle, known)[1][0] < KNOWN)

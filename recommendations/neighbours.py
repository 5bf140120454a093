"""Who writes about what, beside the catalogue: everyone who wrote and stands up for a project, read once for all."""

from dataclasses import replace

import numpy as np
from django.db import connection

from engine.models import EmbeddingModel
from engine.vectors import Matrix
from recommendations import scoring, spoken
from recommendations.catalogue import Loaded
from recommendations.company import Company, Voice, centre_of
from recommendations.inputs import RUNNING_PROJECT
from recommendations.models import Interaction, MessageEmbedding
from recommendations.people import interactions
from recommendations.scoring import Positions

MOST = 20_000  # people, the newest
AT_ONCE = 500

WROTE = f"""
SELECT DISTINCT f.user_id FROM recommendations_fact f
WHERE f.state IN ('heard', 'pinned') AND f.message_id IS NOT NULL AND (
    EXISTS (SELECT FROM recommendations_interaction i WHERE i.user_id = f.user_id AND i.kind = ANY(%s))
    OR EXISTS (SELECT FROM recommendations_engagement e JOIN recommendations_campaign c ON c.id = e.campaign_id
               WHERE e.user_id = f.user_id AND {RUNNING_PROJECT}))
ORDER BY f.user_id DESC LIMIT %s
"""  # noqa: S608  constants of ours
TOOK_UP = f"""
SELECT DISTINCT e.user_id, c.subject, c.name
FROM recommendations_engagement e JOIN recommendations_campaign c ON c.id = e.campaign_id
WHERE e.user_id = ANY(%s) AND {RUNNING_PROJECT} ORDER BY e.user_id, c.name
"""  # noqa: S608  constants of ours


def with_company(loaded: Loaded, model: EmbeddingModel) -> Loaded:
    """loaded: centred. The same, with who stands up for what."""
    with connection.cursor() as cursor:
        cursor.execute(WROTE, [list(Interaction.TASTE), MOST])
        users = np.array(sorted(row[0] for row in cursor.fetchall()), dtype=np.int64)
    blocks = [centres_of(users[start : start + AT_ONCE], loaded, model) for start in range(0, len(users), AT_ONCE)]
    people = {pk: centre for block in blocks for pk, centre in block.items()}
    if not people:
        return loaded
    ids = np.array(list(people), dtype=np.int64)
    return replace(loaded, company=Company(ids, np.stack(list(people.values())), voices_of(ids, loaded)))


def centres_of(users: Positions, loaded: Loaded, model: EmbeddingModel) -> dict[int, Matrix]:
    """By user what they write about, where vectors say so; two queries."""
    heard = spoken.heard_by(users)
    ids = np.unique(np.array([pk for each in heard.values() for pk in each.messages], dtype=np.int64))
    plain = MessageEmbedding.objects.vectors_of(model, ids)
    vectors = dict(zip(ids.tolist(), scoring.centred(plain, loaded.catalogue.centre), strict=True))
    found = {pk: [vectors[each] for each in heard[pk].messages if vectors[each].any()] for pk in sorted(heard)}
    return {pk: centre_of(np.stack(rows)) for pk, rows in found.items() if rows}


def voices_of(users: Positions, loaded: Loaded) -> list[Voice]:
    """users: ascending."""
    liked, _ = interactions(loaded.catalogue, users)
    rows = {int(pk): row for row, pk in enumerate(users)}
    said = [Voice(rows[pk], int(at)) for pk, places in sorted(liked.items()) for at in places]
    with connection.cursor() as cursor:
        cursor.execute(TOOK_UP, [users.tolist()])
        engaged = cursor.fetchall()
    taken = [
        Voice(rows[pk], int(at), name) for pk, subject, name in engaged for at in loaded.catalogue.positions([subject])
    ]
    return [*said, *taken]

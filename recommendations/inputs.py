"""The digest of all that recommendations are made from, computed where the rows are."""

from django.db import connection

from engine.models import EmbeddingModel
from engine.vectors import digest
from recommendations import scoring
from recommendations.models import Interaction, Weights
from recommendations.people import LIKED

# Of campaigns only those for a project, while they run, lead to one.
RUNNING_PROJECT = "c.kind = 'project' AND c.begins_at <= now() AND (c.ends_at IS NULL OR c.ends_at > now())"

# table, columns, condition
READ = (
    (
        "recommendations_project",
        "id, full_name, stars, is_archived, is_disabled, gone_at IS NULL, created_at",
        "TRUE",
    ),
    ("recommendations_projectcategory", "project_id, category_id", "applies"),
    ("recommendations_projecttechstack", "project_id, stack_id", "applies"),
    ("recommendations_projectembedding", "subject_id, vector_hash", "model_id = %(model)s"),
    ("recommendations_profile", "user_id", "TRUE"),
    ("recommendations_profilecategory", "profile_id, category_id, applies", "TRUE"),
    ("recommendations_profiletechstack", "profile_id, stack_id, applies", "TRUE"),
    ("recommendations_profileembedding", "subject_id, vector_hash", "model_id = %(model)s"),
    ("recommendations_interaction", "user_id, project_id, kind, at", "kind = ANY(%(kinds)s)"),
    ("auth_user", "id, username", "TRUE"),
    (
        "recommendations_fact",
        "user_id, stack_id, category_id, project_id, interest, confidence, sentence, state, said_at, message_id",
        "TRUE",
    ),
    (
        "recommendations_saying y JOIN recommendations_message m ON m.id = y.message_id"
        " LEFT JOIN recommendations_intent i ON i.id = m.intent_id",
        "y.fact_id, m.id, y.sentence, m.said_at, i.counts",
        "TRUE",
    ),
    (
        "recommendations_messageembedding",
        "subject_id, vector_hash",
        "model_id = %(model)s AND EXISTS (SELECT FROM recommendations_saying y WHERE y.message_id = subject_id)",
    ),
    (
        "recommendations_engagement e JOIN recommendations_campaign c ON c.id = e.campaign_id",
        "e.user_id, c.name, c.subject, e.count",
        RUNNING_PROJECT,
    ),
)
# Rows are hashed one by one and the hashes summed, so that order does not matter and memory stays constant.
SUMS = ", ".join(
    f"(SELECT concat(count(*), ':', sum(hashtextextended(concat_ws('|', {columns}), 0)::numeric))"  # noqa: S608  as above
    f" FROM {table} WHERE {condition})"
    for table, columns, condition in READ
)


def inputs(model: EmbeddingModel, weights: Weights, taxonomy: str) -> str:
    """Digest of all that a generation is made from."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {SUMS}", {"model": model.pk, "kinds": list(Interaction.KNOWN)})
        row = cursor.fetchone()
    return digest(scoring.VERSION, str(LIKED), taxonomy, str(weights.version), str(model.pk), *map(str, row))

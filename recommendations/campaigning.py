"""Who took up what an operator promotes: edges User-Intent-Campaign, counted anew from what people did and wrote."""

from django.db import connection

from recommendations.models import Campaign, Interaction

TAKEN_UP = (*Interaction.TASTE, Interaction.Kind.CLICK)

# While a campaign runs: each kind of act on what it promotes, or on a project placed under it; each fact that names it.
# An act has the intent that its person wrote last before it, a fact that of its message.
DERIVED = """
WITH about AS (
    SELECT id AS campaign_id, subject AS project_id, begins_at, ends_at FROM recommendations_campaign
    WHERE kind = 'project'
    UNION ALL SELECT c.id, l.project_id, c.begins_at, c.ends_at FROM recommendations_campaign c
    JOIN recommendations_projectcategory l ON c.kind = 'category' AND l.category_id = c.subject AND l.applies
    UNION ALL SELECT c.id, l.project_id, c.begins_at, c.ends_at FROM recommendations_campaign c
    JOIN recommendations_projecttechstack l ON c.kind = 'stack' AND l.stack_id = c.subject AND l.applies
), events AS (
    SELECT i.user_id, a.campaign_id, i.at, (
        SELECT m.intent_id FROM recommendations_message m
        WHERE m.user_id = i.user_id AND m.said_at <= i.at AND m.intent_id IS NOT NULL ORDER BY m.said_at DESC LIMIT 1
    ) AS intent_id
    FROM about a JOIN recommendations_interaction i ON i.project_id = a.project_id AND i.kind = ANY(%(kinds)s)
    WHERE i.at >= a.begins_at AND (a.ends_at IS NULL OR i.at < a.ends_at)
    UNION ALL
    SELECT f.user_id, c.id, f.said_at, m.intent_id
    FROM recommendations_campaign c JOIN recommendations_fact f
    ON c.subject = CASE c.kind WHEN 'project' THEN f.project_id WHEN 'category' THEN f.category_id
                               WHEN 'stack' THEN f.stack_id END
    LEFT JOIN recommendations_message m ON m.id = f.message_id
    WHERE f.state IN ('heard', 'pinned') AND f.said_at >= c.begins_at AND (c.ends_at IS NULL OR f.said_at < c.ends_at)
), derived AS (
    SELECT user_id, campaign_id, intent_id, count(*)::int AS count, max(at) AS last_at
    FROM events GROUP BY user_id, campaign_id, intent_id
)
"""
MADE_SO = """
, gone AS (
    DELETE FROM recommendations_engagement e WHERE NOT EXISTS (
        SELECT FROM derived d WHERE (d.user_id, d.campaign_id) = (e.user_id, e.campaign_id)
        AND d.intent_id IS NOT DISTINCT FROM e.intent_id)
    RETURNING 1
), put AS (
    INSERT INTO recommendations_engagement AS e (user_id, campaign_id, intent_id, count, last_at)
    SELECT user_id, campaign_id, intent_id, count, last_at FROM derived ORDER BY 1, 2, 3
    ON CONFLICT (user_id, campaign_id, intent_id) DO UPDATE SET count = excluded.count, last_at = excluded.last_at
    WHERE (e.count, e.last_at) IS DISTINCT FROM (excluded.count, excluded.last_at)
    RETURNING 1
) SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM put)
"""
DIFFERENT = """
SELECT count(*) FROM derived d FULL JOIN recommendations_engagement e
ON (d.user_id, d.campaign_id, COALESCE(d.intent_id, 0)) = (e.user_id, e.campaign_id, COALESCE(e.intent_id, 0))
WHERE (d.count, d.last_at) IS DISTINCT FROM (e.count, e.last_at)
"""


def recount() -> int:
    """Make the edges what people did and wrote; returns how many changed. Running it twice changes none."""
    return asked(MADE_SO)


def waiting() -> int:
    """How many edges are not what people did and wrote."""
    return asked(DIFFERENT) if Campaign.objects.exists() else 0


def asked(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(DERIVED + statement, {"kinds": list(TAKEN_UP)})
        return int(cursor.fetchone()[0])

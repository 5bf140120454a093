"""What the live store is to show: each visible issue, and each post that is evidence of it, as rows of an outbox.

Nothing here speaks to the store: the rows are written in the transaction that changes the issues, and sent afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count
from django.db.models.functions import Left
from prometheus_client.core import GaugeMetricFamily

from engine.bulk import copy_in
from engine.text import clip, printable, squeeze, text_hash
from issues.live_fields import ORIGIN
from issues.models import Assignment, Issue, IssueDay, LiveIssue
from issues.models.clustering import LIVE

AT_ONCE = 100  # issues that are compared together
STATUS = "open"
# What a post is, by where it was said.
SOURCE_TYPES = {"github": "issue", "stackoverflow": "question", "hackernews": "story", "reddit": "post"}
LONGEST = {"title": 300, "snippet": 500, "description": 5000, "author": 100, "licence": 100, "source": 40}  # characters
LONGEST_URL = 4000
ISSUES, EVIDENCE = LiveIssue.Collection.ISSUES, LiveIssue.Collection.EVIDENCE

Record = tuple[str, str, int, str, str]  # remote id, collection, issue, payload as JSON, its hash


def enqueue(ids: Iterable[int]) -> int:
    """Compare what is to be shown of those issues with the outbox; what differs waits. Returns how many rows do.

    To be called in the transaction that changed them. Without a live store it does nothing: `resync` begins one.
    """
    if not settings.POCKETBASE_URL:
        return 0
    chosen = sorted(set(ids))
    return sum(compare(chosen[start : start + AT_ONCE]) for start in range(0, len(chosen), AT_ONCE))


def enqueue_all() -> int:
    """The same for each issue that is to be shown, or that the outbox knows of; and for what has lost its issue."""
    shown = Issue.objects.visible().values_list("pk", flat=True)
    known = LiveIssue.objects.exclude(wanted_hash="").exclude(issue=None).values_list("issue", flat=True).distinct()
    orphans = LiveIssue.objects.filter(issue=None).exclude(wanted_hash="")
    return enqueue({*shown, *known}) + withdraw(orphans.values_list("remote_id", flat=True))


def compare(ids: Sequence[int]) -> int:
    wanted = list(records(ids))
    with transaction.atomic():
        columns = {"remote_id": "text", "collection": "text", "issue": "bigint", "payload": "text", "hash": "text"}
        copy_in("wanted_live", columns, wanted)
        with connection.cursor() as cursor:
            cursor.execute(WANT)
            changed = cursor.rowcount
        here = LiveIssue.objects.filter(issue__in=ids).exclude(wanted_hash="").values_list("remote_id", flat=True)
        return changed + withdraw(set(here) - {record[0] for record in wanted})


WANT = """
INSERT INTO issues_liveissue AS l (remote_id, collection, issue_id, payload, wanted_hash, sent_hash, state, attempts,
    lease, error, touched_at)
SELECT w.remote_id, w.collection, w.issue, w.payload::jsonb, w.hash, '', 'waiting', 0, '', '', statement_timestamp()
FROM pg_temp.wanted_live w
WHERE NOT EXISTS (SELECT FROM issues_liveissue o WHERE o.remote_id = w.remote_id AND o.wanted_hash = w.hash)
ON CONFLICT (remote_id) DO UPDATE SET payload = excluded.payload, wanted_hash = excluded.wanted_hash,
    issue_id = excluded.issue_id, attempts = 0, next_attempt_at = NULL, error = '', touched_at = statement_timestamp(),
    state = CASE l.sent_hash WHEN excluded.wanted_hash THEN 'sent' ELSE 'waiting' END
WHERE l.wanted_hash <> excluded.wanted_hash
"""


def withdraw(remote_ids: Iterable[str]) -> int:
    """They are to be gone. What never was there is withdrawn at once."""
    with connection.cursor() as cursor:
        cursor.execute(WITHDRAW, [list(remote_ids)])
        return cursor.rowcount


WITHDRAW = """
UPDATE issues_liveissue SET payload = NULL, wanted_hash = '', attempts = 0, next_attempt_at = NULL, error = '',
    touched_at = statement_timestamp(), state = CASE sent_hash WHEN '' THEN 'withdrawn' ELSE 'waiting' END
WHERE remote_id = ANY(%s) AND wanted_hash <> ''
"""


# What a record holds


def records(ids: Sequence[int]) -> Iterator[Record]:
    """All that is to be shown of those issues, an issue before its posts."""
    shown = list(Issue.objects.visible().filter(pk__in=ids).order_by("pk"))
    posts, sources = counted(issue.pk for issue in shown)
    for issue in shown:
        payload = issue_payload(issue, posts.get(issue.pk, 0), sorted(sources.get(issue.pk, ())))
        yield record(ISSUES, remote_id(ISSUES, issue.pk), issue.pk, payload)
    for row in evidence([issue.pk for issue in shown]):
        key = f"{row['issue']}:{row['item']}"
        yield record(EVIDENCE, remote_id(EVIDENCE, key), row["issue"], evidence_payload(row))


def counted(ids: Iterable[int]) -> tuple[dict[int, int], dict[int, set[str]]]:
    """How many posts, and from where, over all days."""
    posts: dict[int, int] = {}
    sources: dict[int, set[str]] = {}
    for issue, items, named in IssueDay.objects.filter(issue__in=list(ids)).values_list("issue", "items", "sources"):
        posts[issue] = posts.get(issue, 0) + items
        sources.setdefault(issue, set()).update(named)
    return posts, sources


def evidence(ids: Sequence[int]) -> Iterable[dict[str, Any]]:
    """Each post once for its issue, whatever days show it; of long texts the beginning."""
    live = Assignment.objects.filter(LIVE, issue__in=ids)
    facts = ("item__source", "item__url", "item__author", "item__licence", "item__created_at")
    begins = {"title": Left("item__title", 2000), "said": Left("item__said", 2000)}
    return live.order_by("issue", "item").distinct("issue", "item").values("issue", "item", *facts, **begins).iterator()


def record(collection: str, key: str, issue: int, payload: Mapping[str, Any]) -> Record:
    return key, collection, issue, json.dumps(payload, ensure_ascii=False), digest(payload)


def remote_id(collection: str, key: object) -> str:
    """The same at each time: 15 characters a-z and 0-9, as PocketBase wants them."""
    return hashlib.sha256(f"{collection}:{key}".encode()).hexdigest()[:15]


def digest(payload: Mapping[str, Any]) -> str:
    return text_hash(json.dumps(payload, sort_keys=True, ensure_ascii=False))


def issue_payload(issue: Issue, posts: int, sources: list[str]) -> dict[str, Any]:
    return {
        "number": issue.pk,
        "title": plain("title", issue.title),
        "description": plain("description", issue.description),
        "category": issue.category,
        "impact": issue.impact,
        "would_pay": issue.would_pay,
        "state": issue.state,
        "status": STATUS,
        "origin": ORIGIN,
        "posts": posts,
        "sources": sources,
        "first_seen": moment(issue.first_seen),
        "last_seen": moment(issue.last_seen),
    }


def evidence_payload(row: Mapping[str, Any]) -> dict[str, Any]:
    url = row["item__url"]
    return {
        "issue": remote_id(ISSUES, row["issue"]),
        "origin": ORIGIN,
        "source": plain("source", row["item__source"]),
        "source_type": SOURCE_TYPES.get(row["item__source"], "post"),
        "url": url if url.startswith(("https://", "http://")) and len(url) <= LONGEST_URL else "",
        "title": plain("title", row["title"]),
        "snippet": plain("snippet", row["said"]),
        "author": plain("author", row["item__author"]),
        "licence": plain("licence", row["item__licence"]),
        "posted_at": moment(row["item__created_at"]),
    }


def plain(field: str, text: str) -> str:
    """One line that steers neither a terminal nor the direction of reading."""
    return clip(printable(squeeze(text)), LONGEST[field]).strip()


def moment(value: date | datetime | None) -> str:
    """As PocketBase writes it: milliseconds, UTC, a blank in the middle; of a day its beginning."""
    if value is None:
        return ""
    at = value.astimezone(UTC) if isinstance(value, datetime) else datetime.combine(value, time(), UTC)
    return at.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds") + "Z"


# How it stands


def standing() -> dict[str, int]:
    """How many rows are in each state."""
    found = dict(LiveIssue.objects.values_list("state").annotate(count=Count("pk")).order_by("state"))
    return {state: found.get(state, 0) for state in LiveIssue.State.values}


def figures() -> Iterator[GaugeMetricFamily]:
    """For /metrics."""
    family = GaugeMetricFamily("ost_live_records", "Records of the live store, by state", labels=["state"])
    for state, count in standing().items():
        family.add_metric([state], count)
    yield family


def prune(keep: int) -> int:
    """Forget what is gone from the live store; returns how many. How many generations are kept says nothing here."""
    return LiveIssue.objects.filter(state=LiveIssue.State.WITHDRAWN).delete()[0]

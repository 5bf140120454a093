"""What the operations take and give, shown by example."""

from typing import Any

ISSUE: dict[str, Any] = {
    "id": 12,
    "url": "https://ost.example/issues/12/",
    "title": "Background jobs vanish when the worker restarts",
    "category": "devtools",
    "description": "Queued work is lost during a deploy, as tasks are acknowledged before they finish.",
    "would_pay": True,
    "impact": "high",
    "state": "growing",
    "first_seen": "2026-11-18",
    "last_seen": "2026-11-21",
    "posts": 38,
    "people": 31,
    "sources": ["github", "stackoverflow"],
    "quote": "we deploy ten times a day, and each time a few mails never go out",
    "trend": [{"day": "2026-11-20", "posts": 9}, {"day": "2026-11-21", "posts": 14}],
}
DETAIL = {
    **ISSUE,
    "claims": [{"field": "impact", "item": 1, "words": "a few mails never go out"}],
    "label_state": "labelled",
    "label_source": "llm",
    "reason": "",
    "days": [{"day": "2026-11-21", "items": 14, "authors": 12, "sources": ["github", "stackoverflow"]}],
    "lineage": [{"day": "2026-11-18", "kind": "born", "other": None, "why": ""}],
    "merged": [9],
    "evidence": "https://ost.example/api/v1/issues/12/evidence/",
}
POST: dict[str, Any] = {
    "url": "https://github.com/octo-org/queue/issues/7",
    "source": "github",
    "title": "Jobs are gone after a deploy",
    "snippet": "Whenever we deploy, the jobs that were running are gone.",
    "author": "",
    "licence": "",
    "created_at": "2026-11-21T08:12:00Z",
    "votes": 14,
    "comments": 3,
}
EVIDENCE = {**POST, "membership": 0.93, "day": "2026-11-21"}
DRAFT = {"title": "Jobs are lost on deploy", "text": "After each deploy some jobs never ran."}
ALIKE = {
    "read": True,
    "looks_new": False,
    "issues": [{"issue": ISSUE, "distance": 0.21}],
    "posts": [{"post": POST, "distance": 0.18}],
}
MERGED = {"code": "merged", "message": "It was merged into issue 12.", "field": None}

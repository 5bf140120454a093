"""What the live store holds of ours: two collections and their fields, as PocketBase names them."""

from collections.abc import Mapping
from typing import Any

ORIGIN = "collected"  # whose records they are: others in the same collections are not touched
TEXT, BOOL, NUMBER, DATE, JSON = "text", "bool", "number", "date", "json"

# collection -> field -> its type and options
COLLECTIONS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "issues": {
        "number": {"type": NUMBER, "onlyInt": True},
        "title": {"type": TEXT, "max": 200},
        "description": {"type": TEXT, "max": 5000},
        "category": {"type": TEXT, "max": 40},
        "impact": {"type": TEXT, "max": 20},
        "would_pay": {"type": BOOL},
        "state": {"type": TEXT, "max": 20},
        "status": {"type": TEXT, "max": 20},
        "origin": {"type": TEXT, "max": 20},
        "posts": {"type": NUMBER, "onlyInt": True},
        "sources": {"type": JSON},
        "first_seen": {"type": DATE},
        "last_seen": {"type": DATE},
    },
    "evidence": {
        "issue": {
            "type": "relation",
            "collectionId": "issues",
            "maxSelect": 1,
            "required": True,
            "cascadeDelete": True,
        },
        "origin": {"type": TEXT, "max": 20},
        "source": {"type": TEXT, "max": 40},
        "source_type": {"type": TEXT, "max": 20},
        "url": {"type": TEXT, "max": 4000},
        "title": {"type": TEXT, "max": 300},
        "snippet": {"type": TEXT, "max": 500},
        "author": {"type": TEXT, "max": 100},
        "licence": {"type": TEXT, "max": 100},
        "posted_at": {"type": DATE},
    },
}
AUTOMATIC = (
    {"name": "created", "type": "autodate", "onCreate": True},
    {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
)

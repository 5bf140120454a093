"""What the operations take and give, shown by example."""

from typing import Any

PROJECT: dict[str, Any] = {
    "full_name": "octo-org/gamekit",
    "url": "https://github.com/octo-org/gamekit",
    "description": "A small engine for 2D games.",
    "language": "Rust",
    "topics": ["game-engine", "rust"],
    "stars": 4100,
    "forks": 210,
    "open_issues": 37,
    "license": "MIT",
    "created_at": "2021-03-04T00:00:00Z",
    "pushed_at": "2026-11-01T12:30:00Z",
    "archived": False,
    "asks_newcomers": True,
    "categories": ["Games"],
    "tech_stacks": ["Rust"],
}
DETAIL = {
    **PROJECT,
    "languages": {"Rust": 812000, "GLSL": 9100},
    "watchers": 80,
    "homepage": "https://gamekit.example",
    "fork": False,
    "disabled": False,
    "updated_at": "2026-11-02T08:00:00Z",
}
FIRST_ISSUE = {
    "title": "Say which asset is missing",
    "number": 812,
    "url": "https://github.com/octo-org/gamekit/issues/812",
    "labels": ["Good First Issue", "assets"],
    "comments": 2,
    "claimed_at": None,
    "created_at": "2026-10-20T08:00:00Z",
    "updated_at": "2026-10-30T17:12:00Z",
    "checked_at": "2026-11-03T09:10:00Z",
    "readiness": {
        "score": 0.85,
        "verdict": "Ready to take",
        "parts": [
            {
                "name": "free",
                "share": 0.3,
                "value": 1.0,
                "adds": 0.3,
                "says": "It is open, nobody is assigned, and no open pull request would close it.",
            }
        ],
    },
    "project": PROJECT,
}
SIMILAR = {"results": [{"project": PROJECT, "similarity": 0.83}]}
CATEGORY = {"name": "Games", "aliases": ["Jeux"], "projects": 512, "description": "Games and what they are made with."}
STACK = {"name": "Rust", "aliases": ["rustlang"], "projects": 903, "kind": "LANGUAGE"}
FEEDBACK_SAID = {"project": "octo-org/gamekit", "kind": "save"}
FEEDBACK = {**FEEDBACK_SAID, "at": "2026-11-03T09:15:00Z"}
RECOMMENDATIONS = {
    "user_id": "alice_ml",
    "recommendations": [
        {
            "full_name": "octo-org/gamekit",
            "rank": 1,
            "score": 0.56,
            "raw_score": 0.61,
            "components": {"semantic": 0.62, "category": 1.0, "tech": 0.5, "popularity": 0.04},
            "parts": {"semantic": 0.403, "category": 0.1, "tech": 0.05, "popularity": 0.007},
            "reasons": ["Made with Rust, which you know.", "Serves Games, which you care for."],
            "cold_start": False,
        }
    ],
    "generated_at": "2026-11-03T04:00:12.345678+00:00",
    "weights": 1,
    "request": "0d2b7f43-9f5e-5d0c-8f0c-5b1f6f6f3f0a",
}
RUN = {
    "id": 41,
    "pipeline": "recommendations",
    "source": "",
    "day": None,
    "state": "done",
    "attempts": 0,
    "counts": {"score": {"scored": 120}},
    "error": "",
    "created_at": "2026-11-03T04:00:00Z",
    "next_attempt_at": None,
    "finished_at": "2026-11-03T04:00:12Z",
}
ME_SAID = {"bio": "I write game engines.", "tech_stacks": ["Rust"], "categories": ["Games"]}
ME = {
    "username": "alice_ml",
    "email": "alice@example.com",
    "bio": "I write game engines.",
    "job_title": "",
    "location": "",
    "company": "",
    "interests": ["physics"],
    "tech_stacks": ["Rust"],
    "categories": ["Games"],
    "refused": ["PHP"],
    "acts": {"save": 1, "star": 12},
    "heard": [
        {
            "kind": "stack",
            "name": "Rust",
            "sentence": "Is there an embedded database in Rust?",
            "state": "heard",
            "confidence": 0.9,
            "said_at": "2026-11-02T18:20:00Z",
        }
    ],
    "changed_at": "2026-11-03T09:15:00Z",
}
CONVERSATIONS: dict[str, Any] = {
    "conversations": [
        {"user_id": "grace_blockchain", "message": "I want to learn Rust.", "timestamp": "2026-11-03T09:00:00Z"},
        {"user_id": "sam_sample", "message": "hello", "timestamp": "2026-11-03T09:00:05Z", "message_id": "room-7-2"},
    ]
}
INGESTED = {
    "run_id": 41,
    "status": "done",
    "stages": {
        "ingest": {
            "state": "done",
            "seconds": 0.031,
            "counts": {"records": 2, "inserted": 2, "unchanged": 0, "refused": 0, "users": 1},
        }
    },
}

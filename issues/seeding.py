"""The keywords and feeds that a fresh table begins with. From then on the rows belong to curators."""

import json
from pathlib import Path
from typing import Any

from django.apps.registry import Apps
from django.apps.registry import apps as present

FIXTURE = Path(__file__).parent / "fixtures" / "collecting.json"


def seed_when_empty(using: str = "default", apps: Apps = present, **kwargs: Any) -> None:
    """A receiver of post_migrate. What somebody deleted does not come back, unless nothing at all is left."""
    try:
        keyword, feed = apps.get_model("issues", "Keyword"), apps.get_model("issues", "Feed")
    except LookupError:  # migrated back to before there were any
        return
    content = json.loads(FIXTURE.read_text(encoding="utf-8"))
    if not keyword._default_manager.using(using).exists():
        rows = [(text, group) for group, texts in content["keywords"].items() for text in texts]
        weights = content["weights"]
        keyword._default_manager.using(using).bulk_create(
            keyword(text=text, group=group, weight=weights.get(text, 1.0)) for text, group in rows
        )
    if not feed._default_manager.using(using).exists():
        feed._default_manager.using(using).bulk_create(
            feed(source=source, name=name, gated=kind == "gated")
            for source, kinds in content["feeds"].items()
            for kind, names in kinds.items()
            for name in names
        )

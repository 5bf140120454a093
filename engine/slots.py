"""What a page shows of another app: the settings name who fills the slot, so that apps do not import each other."""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string


def fill(slot: str, *given: Any) -> Any:
    """The answer of whom the settings name for that slot; None where they name nobody."""
    named = settings.SLOTS.get(slot)
    return import_string(named)(*given) if named else None

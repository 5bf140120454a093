"""Posts that say the same as an earlier one: copies, and the same text on two sites."""

from datetime import date

from django.db import transaction

from engine.twins import twins
from issues.importing import text_of
from issues.models import RawItem

DAYS = 3  # so far back a post is compared: copies follow soon


def link(day: date) -> int:
    """Point each post of those days at the earliest that says the same; returns the links that changed."""
    rows = RawItem.objects.within(day, DAYS).order_by("collected_on", "pk")
    posts = list(rows.values_list("pk", "twin_of", "title", "said"))
    found = twins([pk for pk, *_ in posts], [text_of(title, said) for *_, title, said in posts])
    changed = [RawItem(pk=pk, twin_of_id=found.get(pk)) for pk, twin, *_ in posts if found.get(pk) != twin]
    with transaction.atomic():
        RawItem.objects.bulk_update(changed, ["twin_of"], batch_size=1000)
    return len(changed)

"""What of ours waits, for the operator's overview."""

from django.urls import reverse

from issues import publishing

TOLD = {"waiting": "records wait for the live store", "dead": "records that the live store refused too often"}


def outbox() -> list[tuple[int, str, str]]:
    """(how many, of what, where they are listed), without what is nothing."""
    address = reverse("admin:issues_liveissue_changelist")
    counts = publishing.standing()
    return [(counts[state], words, f"{address}?state__exact={state}") for state, words in TOLD.items() if counts[state]]

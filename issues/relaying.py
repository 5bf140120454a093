"""Sends the outbox to the live store, and sets right what the store holds otherwise. No transaction spans a request."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from engine.ledger import reason_of
from engine.models import Anomaly
from issues import publishing
from issues.live_fields import COLLECTIONS
from issues.models import LiveIssue
from issues.models.live import LEASE
from issues.pocketbase import PAGE, Rejected, Store, StoreAway, Write

logger = structlog.get_logger(__name__)

AT_ONCE = 50  # records in one request, where the store takes batches; PocketBase's own default
SLICE = 45.0  # seconds of a scheduled pass: the next one begins a minute after it
AWAY = 30.0  # seconds until a store that is away is asked again, by --watch


def store() -> Store:
    return Store(settings.POCKETBASE_URL, settings.POCKETBASE_EMAIL, settings.POCKETBASE_PASSWORD)


def relay(seconds: float | None = None) -> Counter[str]:
    """Send what is due, for that long: `sent`, `withdrawn`, `refused`, `dead`. Raises StoreAway.

    A pass that finds nothing makes no call and writes nothing; neither writes one that finds the store away.
    """
    counts: Counter[str] = Counter()
    if not settings.POCKETBASE_URL or not LiveIssue.objects.due().exists():
        return counts
    ends = None if seconds is None else time.monotonic() + seconds
    with store() as target:
        target.ready()
        while (ends is None or time.monotonic() < ends) and (claims := LiveIssue.objects.claim(AT_ONCE)):
            send(target, claims, counts)
    return counts


def send(target: Store, claims: Sequence[LiveIssue], counts: Counter[str]) -> None:
    """All at once where the store takes that and likes each of them; else one after the other."""
    began, left = time.monotonic(), list(claims)
    try:
        if target.write_all([write_of(claim) for claim in left]):
            while left:
                settle(left.pop(), counts)
        while left and time.monotonic() - began < LEASE / 2:
            send_one(target, left[0], counts)
            left.pop(0)
    finally:  # the store went away, or time did
        for claim in left:
            claim.hand_back()


def send_one(target: Store, claim: LiveIssue, counts: Counter[str]) -> None:
    try:
        target.write(write_of(claim))
    except Rejected as refusal:
        refuse(claim, str(refusal), counts)
    else:
        settle(claim, counts)


def write_of(claim: LiveIssue) -> Write:
    return Write(claim.collection, claim.remote_id, claim.payload, known=claim.sent_hash != "")


def settle(claim: LiveIssue, counts: Counter[str]) -> None:
    claim.settle()
    counts["sent" if claim.wanted_hash else "withdrawn"] += 1


def refuse(claim: LiveIssue, reason: str, counts: Counter[str]) -> None:
    """One bad record never holds the others up; the last refusal is for a person to see."""
    dead = claim.refuse(reason)
    counts["dead" if dead else "refused"] += 1
    if dead:
        Anomaly.objects.alarm("live store", claim.collection, f"{claim} is refused: {reason}")


# What the store holds otherwise


def resync() -> Counter[str]:
    """Make the outbox what the issues are, and what it thinks of the store what the store holds; then `relay` mends.

    Counts `queued`, `differing` records and, among them, `stray` ones, which are ours and should not be. Raises
    StoreAway.
    """
    counts = Counter(queued=publishing.enqueue_all(), differing=0, stray=0)
    with store() as target:
        target.ready()
        for collection in COLLECTIONS:
            counts += look(target, collection)
    return counts


def look(target: Store, collection: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    after = ""
    while True:
        at = LiveIssue.objects.now()
        page = target.page(collection, after)
        until = page[-1]["id"] if len(page) == PAGE else ""
        hashes = {item["id"]: publishing.digest(fields_of(collection, item)) for item in page}
        differing, stray = LiveIssue.objects.found(collection, after, until, hashes, at)
        counts += Counter(differing=differing + stray, stray=stray)
        if not until:
            return counts
        after = until


def fields_of(collection: str, item: dict[str, Any]) -> dict[str, Any]:
    return {name: item.get(name) for name in COLLECTIONS[collection]}


# By the clock, and for ever


def by_clock() -> str:
    """A scheduled pass, in a few words."""
    return said(lambda: relay(SLICE))


def resync_by_clock() -> str:
    return said(lambda: resync() + relay(SLICE)) if settings.POCKETBASE_URL else "no live store"


def said(work: Callable[[], Counter[str]]) -> str:
    try:
        counts = +work()
    except StoreAway as away:
        logger.warning("live_store_away", reason=str(away))
        return "away"
    if counts:
        logger.info("live_store_synced", **counts)
    return " ".join(f"{name}={count}" for name, count in counts.items()) or "nothing waits"


def watch(idle: float) -> NoReturn:
    """Relay for ever; idle: seconds between two passes. An outage is told once."""
    trouble = ""
    while True:
        pause = idle
        try:
            if counts := relay():
                logger.info("live_store_synced", **counts)
            trouble = ""
        except (StoreAway, DatabaseError) as error:
            reason = reason_of(error)
            if reason != trouble:
                logger.warning("live_store_away", reason=reason)
            trouble, pause = reason, max(idle, AWAY)
            connection.close()
        time.sleep(pause)

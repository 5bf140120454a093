"""The stars that a person has on GitHub: begun by them, read page by page, kept as the list is, ended by them."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from engine import jobs
from engine.collectors.github_stars import AT_ONCE, NoList, Stars, is_login, starred
from engine.http import Client, HttpError, Limited, Quiet
from engine.ledger import reason_of
from engine.models import Allowance
from engine.records import Star
from recommendations import collecting, profiles
from recommendations.models import Interaction, Project, StarImport
from recommendations.models.star_import import LEASE

logger = structlog.get_logger(__name__)

State = StarImport.State
CHORE = "stars"
A_DAY = timedelta(days=1)
MOST_PAGES = 200  # of one list: 20,000 stars
AN_HOUR, BEGUN_AN_HOUR = 3600, 10  # how often a person may begin within an hour
HIDDEN = "GitHub shows no stars of this name any more: the list may be private now. What was imported stays."


# What the person says


@transaction.atomic
def begin(user: User, typed: str) -> StarImport:
    """Read that person's list as soon as there is time. Raises ValidationError for what is no name on GitHub."""
    login = login_in(typed)
    if Allowance.objects.take(f"stars:{user.pk}", AN_HOUR)[0] > BEGUN_AN_HOUR:
        raise ValidationError("You began this often within an hour. Try again later.")
    profiles.of(user)
    mine = of(user)
    if mine and mine.login.lower() != login.lower():
        remove(user)
        mine.delete()
    known, _ = StarImport.objects.get_or_create(user=user, defaults={"login": login})
    StarImport.objects.filter(pk=known.pk).update(
        login=login, state=State.WAITING, begun=[], error="", attempts=0, next_at=Now(), lease_until=None
    )
    transaction.on_commit(ring)
    known.refresh_from_db()
    return known


@transaction.atomic
def stop(user: User) -> None:
    """Read it no more, and take away what it brought."""
    StarImport.objects.filter(user=user).update(
        state=State.STOPPED, begun=[], pages=[], left_out=[], found=0, stored=0, skipped=0, last=0, error="",
        next_at=None, lease_until=None,
    )  # fmt: skip
    remove(user)


def at_sign_in(user: User, login: str) -> None:
    """GitHub said who they are: their list is read from now on, unless they said something else about it before."""
    mine = of(user)
    renamed = mine is not None and mine.state == State.LOST and mine.login.lower() != login.lower()
    if not is_login(login) or (mine is not None and not renamed):
        return
    if renamed:  # the same person: what was imported stays until the list is read
        StarImport.objects.filter(user=user).update(login=login, state=State.WAITING, error="", begun=[], next_at=Now())
    else:
        profiles.of(user)
        StarImport.objects.get_or_create(user=user, defaults={"login": login})
    transaction.on_commit(ring)


def leave_out(user: User, project: Project) -> None:
    """They took a star away here: the next reading does not bring it back."""
    brought = Interaction.objects.filter(user=user, project=project, kind=Interaction.Kind.STAR, from_github=True)
    mine = StarImport.objects.select_for_update().filter(user=user).first()
    if mine and project.github_id and brought.exists():
        left_out = sorted({*mine.left_out, project.github_id})
        StarImport.objects.filter(pk=mine.pk).update(left_out=left_out, stored=max(mine.stored - 1, 0))


def of(user: User) -> StarImport | None:
    return StarImport.objects.filter(user=user).first()


def login_in(typed: str) -> str:
    """The name in what was typed: a bare one, @name, or the address of a person's page."""
    text = typed.strip()
    page = re.fullmatch(r"(?:https?://)?(?:www\.)?github\.com/([^/?#\s]{1,60})/?(?:\?tab=stars)?", text, re.IGNORECASE)
    login = page[1] if page else text.removeprefix("@")
    if not is_login(login):
        raise ValidationError(
            "That is no name on GitHub: letters, digits and single hyphens between them, at most 39 of them."
        )
    return login


def remove(user: User) -> None:
    """Take away the stars that their list brought; those of files and of pages stay."""
    if brought(user).delete()[0]:
        profiles.touch([user.pk], told=False)


def brought(user: User | int) -> QuerySet[Interaction]:
    return Interaction.objects.filter(user=user, kind=Interaction.Kind.STAR, from_github=True)


def ring() -> bool:
    """Have the queue look at what is due, now and not by the clock. False: it is away, and the clock comes round."""
    return jobs.send("engine.jobs.chore", CHORE, name=CHORE)


# Reading


def by_clock() -> str:
    """Read the lists that are due, until a slice of time is over; a few words of what became of them."""
    began, done = time.monotonic(), Counter[str]()
    while time.monotonic() - began < settings.TIMING.slice and (mine := claim()):
        done[read(mine, began + settings.TIMING.slice)] += 1
    return " ".join(f"{word}={count}" for word, count in sorted(done.items())) or "nothing waits"


@transaction.atomic
def claim() -> StarImport | None:
    """The list that waits longest, leased to this process."""
    first = StarImport.objects.due().select_for_update(skip_locked=True).first()
    if first is None:
        return None
    StarImport.objects.filter(pk=first.pk).update(state=State.READING, lease_until=Now() + LEASE)
    first.refresh_from_db()
    return first


def read(mine: StarImport, until: float) -> str:
    """Go on with a list; returns in a word how that ended."""
    try:
        with collecting.rest() as asked:
            return pages(mine, asked, until)
    except Quiet as quiet:
        put_off(mine, quiet.until, str(quiet))
        return "waits"
    except HttpError as error:
        logger.warning("stars_not_read", user=mine.pk, reason=str(error))
        fail(mine, str(error))
    except DatabaseError as error:  # two who store the same repository at once; no list may keep the others waiting
        logger.warning("stars_not_stored", user=mine.pk, reason=reason_of(error))
        fail(mine, "They could not be stored.")
    return "failed"


def pages(mine: StarImport, asked: Client, until: float) -> str:
    """Page after page, each kept at once. Raises HttpError."""
    while len(mine.begun) < MOST_PAGES:
        if time.monotonic() > until:
            put_off(mine, timezone.now(), "")
            return "goes on"
        try:
            answer = starred(asked, mine.login, len(mine.begun) + 1, known(mine).etag)
        except Limited:
            continue  # the gate says for how long
        if isinstance(answer, NoList):
            lose(mine)
            return "lost"
        following = follows(mine, answer)
        if not keep(mine, answer):
            return "superseded"
        if not following:
            return "read" if finish(mine) else "superseded"
    fail(mine, f"The list has more than {MOST_PAGES * AT_ONCE:,} stars; nothing of it was taken away.")
    return "too long"


@dataclass(frozen=True)
class Page:
    """What was on a page when the list was last read whole."""

    etag: str = ""
    count: int = 0
    ids: tuple[int, ...] = ()


def known(mine: StarImport) -> Page:
    """The page that is asked for next, as it was."""
    number = len(mine.begun)
    if number >= len(mine.pages):
        return Page()
    etag, count, ids = mine.pages[number]
    return Page(etag, count, tuple(ids))


def follows(mine: StarImport, answer: Stars) -> bool:
    """Whether there is another page. One that is as it was does not say: behind a full one there may be a new one."""
    if answer.more is not None:
        return answer.more
    return len(mine.begun) + 1 < len(mine.pages) or known(mine).count >= AT_ONCE


@transaction.atomic
def keep(mine: StarImport, answer: Stars) -> bool:
    """Keep a page and where the reading stands. False: it is somebody else's now, or was stopped."""
    row = still(mine)
    if row is None:
        return False
    before = known(mine)
    page = [before.etag, before.count, list(before.ids)]
    if answer.stars is not None:
        page = [answer.etag, answer.count, store(mine.user_id, answer.stars, row.left_out)]
    mine.begun = [*mine.begun, page]
    mine.last = answer.last or max(mine.last, len(mine.begun))
    StarImport.objects.filter(pk=mine.pk).update(begun=mine.begun, last=mine.last, lease_until=Now() + LEASE)
    mine.refresh_from_db(fields=["lease_until"])
    return True


def still(mine: StarImport) -> StarImport | None:
    """The row, locked, if this process has the lease and nobody ended the reading."""
    row = StarImport.objects.select_for_update().filter(pk=mine.pk).first()
    return row if row and row.state == State.READING and row.lease_until == mine.lease_until else None


def store(user: int, stars: Sequence[Star], left_out: Sequence[int]) -> list[int]:
    """Projects and stars of a page; the numbers of the repositories that are here."""
    collecting.keep([star.repository for star in stars])
    starred_at = {star.repository.github_id: star.starred_at for star in stars}
    here = Project.objects.filter(github_id__in=starred_at).values_list("github_id", "pk")
    projects = {number: pk for number, pk in here if number is not None}
    add(user, {pk: starred_at[number] for number, pk in projects.items() if number not in left_out})
    return sorted(projects)


def add(user: int, starred_at: dict[int, datetime | None]) -> None:
    """Stars of those projects that are not there yet."""
    star = Interaction.Kind.STAR
    there = Interaction.objects.filter(user=user, kind=star, project__in=starred_at).values_list("project", flat=True)
    fresh = sorted(starred_at.keys() - set(there))
    now = timezone.now()
    rows = [
        Interaction(user_id=user, project_id=pk, kind=star, at=starred_at[pk] or now, from_github=True) for pk in fresh
    ]
    if Interaction.objects.bulk_create(rows, ignore_conflicts=True):
        profiles.touch([user], told=False)


@transaction.atomic
def finish(mine: StarImport) -> bool:
    """The whole list was read: what is no longer on it goes. False: somebody else's now, or stopped."""
    if still(mine) is None:
        return False
    found, ids = mine.read, {pk for _, _, each in mine.begun for pk in each}
    hidden = not found and bool(mine.pages) and brought(mine.user_id).exists()
    if not hidden and brought(mine.user_id).exclude(project__github_id__in=ids).delete()[0]:
        profiles.touch([mine.user_id], told=False)
    starred_here = Interaction.objects.filter(user=mine.user_id, kind=Interaction.Kind.STAR)
    told: dict[str, object] = {"error": HIDDEN}
    if not hidden:
        stored = starred_here.filter(project__github_id__in=ids).count()
        told = {"found": found, "stored": stored, "skipped": max(found - len(ids), 0), "pages": mine.begun, "error": ""}
    StarImport.objects.filter(pk=mine.pk).update(
        **told, state=State.DONE, begun=[], attempts=0, next_at=Now() + A_DAY, lease_until=None, fetched_at=Now()
    )
    return True


# When it does not go on


def put_off(mine: StarImport, until: datetime, reason: str) -> None:
    leased(mine).update(next_at=until, lease_until=None, error=reason[:300])


def fail(mine: StarImport, reason: str) -> None:
    """Try again later, each time a little; after a few times tomorrow."""
    given_up = mine.attempts + 1 >= settings.TIMING.attempts
    wait = A_DAY if given_up else timedelta(seconds=settings.TIMING.wait_after(mine.attempts + 1))
    told = {"state": State.DONE, "begun": []} if given_up and mine.fetched_at else {}
    leased(mine).update(
        attempts=0 if given_up else mine.attempts + 1,
        next_at=Now() + wait,
        lease_until=None,
        error=reason[:300],
        **told,
    )


def lose(mine: StarImport) -> None:
    """GitHub knows nobody of that name: what was imported stays, and it is not asked for again by itself."""
    leased(mine).update(state=State.LOST, begun=[], next_at=None, lease_until=None, error="")


def leased(mine: StarImport) -> QuerySet[StarImport]:
    """The row, if it is still this process's."""
    return StarImport.objects.filter(pk=mine.pk, state=State.READING, lease_until=mine.lease_until)

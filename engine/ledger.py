"""Who may work on a run, and what becomes of it: each rule one statement, on the database's clock.

waiting --claim--> running --close--> done | partly
   ^                  |
   +-- hand_back -----+   interrupted, or its slice is over: the claim does not count
   +-- postpone ------+   a server wants to be left alone until then: neither does this one
   +-- give_up, reap -+   a fault, or a silent owner: later again; after five without progress: quarantined
"""

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest, Now

from engine.logs import scrubbed
from engine.models import Anomaly, Audit, Run, Step
from engine.owner import owner
from engine.pipeline import Scope, StageError

# What a claim needs besides the run itself: a person takes whatever nobody works on, the queue what is due, and of a
# source that was switched off nothing.
FOR_A_PERSON = "(state IN ('waiting', 'quarantined') OR state = 'running' AND lease_until < clock_timestamp())"
WHEN_DUE = """state = 'waiting' AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp())
    AND NOT EXISTS (SELECT FROM engine_source s WHERE (s.pipeline, s.name) = (r.pipeline, r.source) AND NOT s."on")"""


class Busy(Exception):
    """A live run holds the partition; the message says whose it is."""


class LeaseLost(Exception):
    """Another claim has taken this run over: nothing of this one may be published."""


class NotAllowed(Exception):
    """A person asked for something that the present state does not allow."""


@dataclass(frozen=True)
class Reaped:
    """How many leases `reap` ended, and of how many runs that was the last attempt."""

    freed: int
    quarantined: int


def open_run(pipeline: str, scope: Scope, stages: Sequence[str] = ()) -> Run:
    """The live run of the partition, made if there is none."""
    fresh = Run(pipeline=pipeline, day=scope.day, source=scope.source, stages=list(stages), force=scope.force)
    Run.objects.bulk_create([fresh], ignore_conflicts=True)
    return Run.objects.of(pipeline, scope.day, scope.source).live().get()


def ask_for(pipeline: str, scope: Scope, stages: Sequence[str] = ()) -> Run:
    """For a person who leaves the work to the queue: the partition's run, due at once unless it runs already."""
    open_run(pipeline, scope, stages)
    with transaction.atomic():
        run = Run.objects.of(pipeline, scope.day, scope.source).live().select_for_update().get()
        if run.state == Run.State.RUNNING:
            if stages or scope.force:
                raise Busy(f"{pipeline} is run by {run.owner}, which does not do what is asked for")
            return run
        if run.state == Run.State.QUARANTINED:
            audit("run again", run)
        run.state, run.attempts, run.next_attempt_at, run.error = Run.State.WAITING, 0, None, ""
        run.stages, run.force, run.forced_from = list(stages), scope.force, run.fence + 1
        run.save()
    return run


def claim(pipeline: str, scope: Scope, stages: Sequence[str] = ()) -> Run:
    """For a person: the partition's run, made if none lives, taken over if nobody works on it. Raises Busy."""
    Run.objects.bulk_create([Run(pipeline=pipeline, day=scope.day, source=scope.source)], ignore_conflicts=True)
    live = Run.objects.of(pipeline, scope.day, scope.source).live()
    with transaction.atomic():
        before = live.select_for_update(skip_locked=True).first()
        run = leased(before.pk, FOR_A_PERSON) if before else None
        if run and before:
            run.stages, run.force, run.forced_from = list(stages), scope.force, run.fence
            run.save(update_fields=["stages", "force", "forced_from"])
            if before.state == Run.State.QUARANTINED:
                audit("run again", before)
    if run is None:
        holder = live.first()
        raise Busy(f"{pipeline} is run by {holder.owner}" if holder else f"{pipeline} is being claimed")
    return run


def claim_due(pk: int) -> Run | None:
    """For the queue: that run, if it is due. None: a ring too many, or its source is off, which is no fault."""
    return leased(pk, WHEN_DUE)


def leased(pk: int, condition: str) -> Run | None:
    """Lease a run that meets the condition; of many who try at once one gets it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH mine AS MATERIALIZED (
                SELECT id, state FROM engine_run r WHERE id = %s AND {condition} FOR UPDATE SKIP LOCKED)
            UPDATE engine_run r SET state = 'running', owner = %s, fence = r.fence + 1, next_attempt_at = NULL,
                attempts = CASE mine.state WHEN 'quarantined' THEN 1 ELSE r.attempts + 1 END,
                lease_until = clock_timestamp() + %s::interval
            FROM mine WHERE r.id = mine.id RETURNING r.id
            """,  # noqa: S608  one of the two conditions above
            [pk, owner(), f"{settings.TIMING.lease} seconds"],
        )
        if cursor.fetchone() is None:
            return None
    run = Run.objects.get(pk=pk)
    run.steps.filter(state=Step.State.RUNNING).update(state=Step.State.LOST, finished_at=Now())
    return run


def held(run: Run) -> QuerySet[Run]:
    """The run's row while this claim still holds it; empty afterwards."""
    return Run.objects.filter(pk=run.pk, fence=run.fence, state=Run.State.RUNNING)


def renew(run: Run, **fields: object) -> None:
    """A sign of life, and what else is to be kept. Raises LeaseLost when the run has a new owner."""
    if not held(run).update(lease_until=Now() + timedelta(seconds=settings.TIMING.lease), **fields):
        raise LeaseLost(f"{run} was taken over")


def record(run: Run, step: Step, progress: bool = True) -> None:
    """Keep what a block did; progress makes the attempts count anew. Raises LeaseLost."""
    run.attempts = 1 if progress else run.attempts
    renew(run, counts=run.counts, attempts=run.attempts)
    step.save(update_fields=["total", "counts", "cpu_seconds", "peak_memory"])


def finish(run: Run, step: Step, publish: object) -> None:
    """Publish and close the step in the transaction that holds the run and has looked at its fence."""
    with transaction.atomic():
        if not held(run).select_for_update().exists():
            raise LeaseLost(f"{run} was taken over")
        if callable(publish):
            publish()
        renew(run, counts=run.counts)
        end(step, Step.State.DONE)


def close(run: Run) -> None:
    """Done; partly, when some stage left something behind as `failed`."""
    failed = sum(counts.get("failed", 0) for counts in run.counts.values())
    mine = held(run).update(
        state=Run.State.PARTLY if failed else Run.State.DONE,
        error=f"{failed} left behind, each with its reason on its row" if failed else "",
        owner="",
        lease_until=None,
        finished_at=Now(),
    )
    if not mine:
        raise LeaseLost(f"{run} was taken over")


def give_up(run: Run, error: BaseException, step: Step | None = None) -> None:
    """Keep the reason; the run waits for its next attempt, or for a person after too many."""
    reason = reason_of(error)
    quarantined = run.attempts >= settings.TIMING.attempts
    wait = timedelta(seconds=settings.TIMING.wait_after(run.attempts))
    with transaction.atomic():
        mine = held(run).update(
            state=Run.State.QUARANTINED if quarantined else Run.State.WAITING,
            next_attempt_at=None if quarantined else Now() + wait,
            error=f"{step.name}: {reason}" if step else reason,
            owner="",
            lease_until=None,
        )
        if not mine:
            raise LeaseLost(f"{run} was taken over") from error
        if step:
            step.error = reason
            end(step, Step.State.FAILED)
    if quarantined:
        run.refresh_from_db()
        alarm(run)


def hand_back(run: Run, step: Step, reason: str = "") -> None:
    """Interrupted, or its slice is over: the claim does not count, and a draft stays for whoever goes on."""
    give_back(held(run), reason)
    end(step, Step.State.LOST)


def postpone(run: Run, step: Step, until: datetime, reason: str) -> None:
    """Nothing can be done before then, and it is nobody's fault."""
    give_back(held(run), scrubbed(reason)[:400], until)
    if step.counts:
        end(step, Step.State.LOST)
    else:  # a server that is away for days would leave one a minute
        step.delete()


def give_back(runs: QuerySet[Run], reason: str = "", until: datetime | None = None) -> int:
    """Runs as they were before their claim, due then, or at once."""
    return runs.update(
        state=Run.State.WAITING,
        attempts=Greatest(F("attempts"), 1) - 1,
        next_attempt_at=until,
        owner="",
        lease_until=None,
        error=reason,
    )


def end(step: Step, state: Step.State) -> None:
    step.state = state
    fields = {name: getattr(step, name) for name in ("total", "counts", "cpu_seconds", "peak_memory", "state", "error")}
    Step.objects.filter(pk=step.pk).update(**fields, finished_at=Now())


def free(group: str, guilty: Sequence[int]) -> int:
    """Take back the runs of an ended worker group; returns how many.

    guilty: the processes that ended by themselves. Their claims count; those of processes that the watchdog
    ended do not.
    """
    held_by_group = Run.objects.filter(state=Run.State.RUNNING, owner__contains=f":{group}:")
    theirs = Q(pk__in=[])
    for process in guilty:
        theirs |= Q(owner__contains=f":{group}:{process}:")
    held_by_group.filter(theirs).update(lease_until=Now() - timedelta(seconds=1))
    return give_back(held_by_group.exclude(theirs)) + reap().freed


def reap() -> Reaped:
    """End the leases that ran out: wait and try again, or wait for a person after too many claims."""
    timing = settings.TIMING
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE engine_run SET owner = '', lease_until = NULL,
                state = CASE WHEN attempts >= %(attempts)s THEN 'quarantined' ELSE 'waiting' END,
                next_attempt_at = CASE WHEN attempts < %(attempts)s THEN clock_timestamp()
                    + LEAST(%(backoff)s * 2 ^ GREATEST(attempts - 1, 0), %(longest)s) * interval '1 second' END,
                error = format('its process ended without a word, %%s times without progress; the last: %%s',
                               attempts, owner)
            WHERE state = 'running' AND lease_until < clock_timestamp()
            RETURNING id, state
            """,
            {"attempts": timing.attempts, "backoff": timing.backoff, "longest": timing.longest_backoff},
        )
        found = cursor.fetchall()
    stuck = [pk for pk, state in found if state == Run.State.QUARANTINED]
    for run in Run.objects.filter(pk__in=stuck):
        alarm(run)
    return Reaped(len(found), len(stuck))


def alarm(run: Run) -> None:
    """Have a quarantine noticed: it ends only when a person asks."""
    Anomaly.objects.alarm("run", f"{run} (run {run.pk})", f"quarantined: {run.error}")


def run_again(pk: int, actor: str) -> Run:
    """A quarantined or waiting run is due at once, its attempts forgotten. Raises NotAllowed."""
    with transaction.atomic():
        run = Run.objects.select_for_update().filter(pk=pk).first()
        if run is None:
            raise NotAllowed(f"there is no run {pk}")
        if run.state not in (Run.State.QUARANTINED, Run.State.WAITING):
            raise NotAllowed(f"run {pk} is {run.state}; only a quarantined or waiting one can be run again")
        audit("run again", run, actor)
        Run.objects.filter(pk=pk).update(state=Run.State.WAITING, attempts=0, next_attempt_at=Now(), error="")
    run.refresh_from_db()
    return run


def audit(action: str, run: Run, actor: str = "") -> None:
    Audit.objects.create(
        actor=actor or operator(), action=action, subject=f"run {run.pk}", note=f"{run.state}: {run.error}"
    )


def operator() -> str:
    """Who sits at the command line."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


def reason_of(error: BaseException) -> str:
    """One line a person can act on; a database's answer without its statement, which may hold data."""
    first = scrubbed(str(error)).strip().split("\n")[0][:400]
    if isinstance(error, StageError):
        return first
    return f"{type(error).__name__}: {first}" if first or isinstance(error, DatabaseError) else type(error).__name__

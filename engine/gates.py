"""The gate to other servers, in the database: one request at a time to a host, at its pace, none when it wants none.

Pace, quiet windows, breaker and the turn itself are one row a server and one a lane, on the database's clock, so that
every process of every host obeys them. docs/decisions/outside.md says why no rate-limiting library does this.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from engine.http import LONGEST_WAIT, Limit, Quiet
from engine.models.source import FAILURES

PATIENCE = 20.0  # seconds that a request waits here for its turn; what takes longer is asked for later
UNNAMED = 60.0  # seconds of quiet after a limit that names no time; doubled with each one after it
PROBE = 60.0  # seconds for which a server is left alone after FAILURES faults in a row
LOOK = 0.02  # seconds between two looks whether a request under way has ended; grows a little


@dataclass(frozen=True)
class Turn:
    """What stands in the way of a request. wait: seconds; 0, and the turn is taken. until: of a quiet window."""

    wait: float
    until: datetime | None = None
    reason: str = ""
    busy: bool = False


class DatabaseGate:
    """engine.http.Gate on the rows of Upstream. Seconds that a server names are `TIMING.upstream` of ours.

    alone: one request at a time to a host. Otherwise several may be under way, but for the one that tries a host again
    after FAILURES faults in a row.
    """

    def __init__(self, patience: float = PATIENCE, alone: bool = True) -> None:
        self.patience, self.alone = patience, alone

    def enter(self, host: str, lane: str, per_minute: float, longest: float) -> None:
        self.known(host, lane, per_minute)
        gives_up, pause = time.monotonic() + self.patience, LOOK
        while True:
            turn = self.ask(host, lane, longest)
            if turn.wait <= 0:
                return
            least = 0.0 if turn.busy else turn.wait  # a request under way may end at any moment
            if time.monotonic() + least > gives_up:
                raise Quiet(turn.until or later(turn.wait), f"{host}: {turn.reason}")
            time.sleep(min(turn.wait, pause + random.random() * pause))  # noqa: S311  spreads, hides nothing
            pause = min(pause * 1.5, 0.25)

    def known(self, host: str, lane: str, per_minute: float) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO engine_upstream (host, lane, own_pace, reason, failures, strikes, asked)
                SELECT DISTINCT ON (lane) %(host)s, lane, pace, '', 0, 0, 0
                FROM (VALUES ('', 0::float8), (%(lane)s, %(pace)s::float8)) AS v (lane, pace) ORDER BY lane, pace DESC
                ON CONFLICT (host, lane) DO UPDATE SET own_pace = excluded.own_pace
                WHERE engine_upstream.own_pace <> excluded.own_pace AND excluded.lane = %(lane)s
                """,
                {"host": host, "lane": lane, "pace": per_minute},
            )

    def ask(self, host: str, lane: str, longest: float) -> Turn:
        """Take the turn, if nothing stands in the way."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(STANDING, [host, lane])
            rows = cursor.fetchall()
            alone = self.alone or any(row[7] >= FAILURES for row in rows)
            waits = [turn for row in rows for turn in in_the_way(row, alone)]
            if waits:
                return max(waits, key=lambda turn: turn.wait)
            ids = [row[0] for row in rows]
            cursor.execute(TAKEN, {"longest": longest, "alone": alone, "minute": 60 * scale(), "ids": ids})
        return Turn(0.0)

    def leave(self, host: str, lane: str, limit: Limit | None, failed: str) -> None:
        limit = limit or Limit()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT FROM engine_upstream WHERE host = %s ORDER BY lane FOR UPDATE", [host])
            if failed:
                cursor.execute(
                    FAILED, {"host": host, "most": FAILURES, "probe": PROBE * scale(), "reason": failed[:150]}
                )
            else:
                cursor.execute(ANSWERED, {"host": host, "lane": lane, "limited": limit.limited})
            if limit.remaining is not None:
                cursor.execute(QUOTA, {
                    "host": host, "lane": lane, "quota": limit.limit, "remaining": limit.remaining,
                    "resets": None if limit.resets_in is None else limit.resets_in * scale(),
                })  # fmt: skip
            if limit.limited or limit.wait is not None or spent(limit):
                self.close(host, "" if limit.whole_host else lane, limit)

    def close(self, host: str, lane: str, limit: Limit) -> None:
        """Nobody goes through until the server's window is over."""
        named = limit.resets_in if spent(limit) and limit.wait is None else limit.wait
        reason = limit.reason or "its quota is spent"
        with connection.cursor() as cursor:
            cursor.execute(
                QUIET,
                {
                    "host": host, "lane": lane, "reason": reason[:200], "named": named, "scale": scale(),
                    "unnamed": UNNAMED, "longest": LONGEST_WAIT,
                },
            )  # fmt: skip


STANDING = """
    SELECT id, lane, clock_timestamp(), quiet_until, next_at, busy_until, reason, failures
    FROM engine_upstream
    WHERE host = %s AND lane IN ('', %s) ORDER BY lane FOR UPDATE
"""
TAKEN = """
    UPDATE engine_upstream SET asked = asked + 1,
        busy_until = CASE WHEN lane = '' AND %(alone)s
            THEN clock_timestamp() + %(longest)s * interval '1 second' END,
        next_at = clock_timestamp() + CASE WHEN coalesce(per_minute, own_pace) > 0
            THEN %(minute)s / coalesce(per_minute, own_pace) ELSE 0 END * interval '1 second'
    WHERE id = ANY(%(ids)s)
"""
FAILED = """
    UPDATE engine_upstream SET failures = failures + 1, busy_until = NULL,
        quiet_until = CASE WHEN failures + 1 >= %(most)s
            THEN greatest(quiet_until, clock_timestamp() + %(probe)s * interval '1 second') ELSE quiet_until END,
        reason = CASE WHEN failures + 1 >= %(most)s
            THEN format('%%s faults in a row, the last: %%s', failures + 1, %(reason)s::text) ELSE reason END
    WHERE host = %(host)s AND lane = ''
"""
ANSWERED = """
    UPDATE engine_upstream SET failures = 0, busy_until = NULL,
        strikes = CASE WHEN %(limited)s THEN strikes ELSE 0 END,
        answered_at = CASE WHEN %(limited)s THEN answered_at ELSE clock_timestamp() END
    WHERE host = %(host)s AND lane IN ('', %(lane)s)
"""
QUOTA = """
    UPDATE engine_upstream SET quota = coalesce(%(quota)s, quota), remaining = %(remaining)s,
        resets_at = clock_timestamp() + %(resets)s * interval '1 second'
    WHERE host = %(host)s AND lane = %(lane)s
"""
QUIET = """
    UPDATE engine_upstream SET reason = %(reason)s,
        strikes = least(strikes + CASE WHEN %(named)s::float8 IS NULL THEN 1 ELSE 0 END, 100),
        quiet_until = greatest(quiet_until, clock_timestamp() + interval '1 second' * %(scale)s
            * coalesce(%(named)s::float8, least(%(unnamed)s * 2 ^ least(strikes, 100), %(longest)s)))
    WHERE host = %(host)s AND lane = %(lane)s
"""


def in_the_way(row: tuple[Any, ...], alone: bool) -> Iterator[Turn]:
    """What a row of STANDING makes a request wait for. alone: no other may be under way."""
    _, _, now, quiet, following, busy, reason, _ = row
    if quiet and quiet > now:
        yield Turn((quiet - now).total_seconds(), quiet, reason)
    if following and following > now:
        yield Turn((following - now).total_seconds(), reason="its pace")
    if alone and busy and busy > now:
        yield Turn((busy - now).total_seconds(), reason="another request", busy=True)


def spent(limit: Limit) -> bool:
    return limit.remaining is not None and limit.remaining < 1 and bool(limit.resets_in)


def scale() -> float:
    """How many of our seconds one of the outside lasts."""
    return float(settings.TIMING.upstream)


def later(wait: float) -> datetime:
    """That many seconds from now, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() + %s * interval '1 second'", [wait])
        found: datetime = cursor.fetchone()[0]
    return found

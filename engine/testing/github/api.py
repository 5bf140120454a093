"""GitHub of our own: REST and GraphQL over a world, with the true limits and what they forbid."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from engine.testing.github import rest
from engine.testing.github.graphql import Call, Refused, Thing
from engine.testing.github.schema import KINDS, Schema, TooHeavy
from engine.testing.github.shapes import digest, number_of, stamp
from engine.testing.github.world import Issue, Repo, World
from engine.testing.limits import FixedWindow, InFlight, RollingWindow
from engine.testing.serving import Asked, Clock, Reply, told

HOUR, MINUTE = 3600.0, 60.0
WINDOWS = {"core": (5_000, 60, HOUR), "search": (30, 10, MINUTE), "graphql": (5_000, 0, HOUR)}  # with a token, without
POINTS = {"core": 900, "search": 900, "graphql": 2_000}  # a minute, over all requests
AT_A_TIME = 100
UNTOLD = 60  # seconds to leave it alone where a secondary limit does not say how long
LONGEST = 3600  # a longer wait is held to be a mistake of the server
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
NO_AGENT = "Missing or invalid User Agent string. See https://docs.github.com/rest#user-agent-required"
UNWELL = b"<!DOCTYPE html><html><body><p>This page is taking too long to load.</p></body></html>"


class GitHub(World):
    """tokens: those that are accepted; any other is answered with 401.

    most_readmes: how many READMEs one GraphQL call may ask for before the answer is 502; None is any number.
    limit_kind: the type of the error in which GraphQL says that the hour is used up; RATE_LIMIT is seen as well.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        repositories: Iterable[Repo] = (),
        issues: Iterable[Issue] = (),
        stars: Mapping[str, Sequence[tuple[str, datetime]]] | None = None,
        tokens: Collection[str] = ("sample-token",),
    ) -> None:
        super().__init__(clock, repositories, issues, stars)
        self.tokens = tokens
        self.most_readmes: int | None = None
        self.limit_kind = "RATE_LIMITED"
        self.in_flight = InFlight(AT_A_TIME)
        self.windows: dict[tuple[str, str], FixedWindow] = {}
        self.points: dict[tuple[str, int], RollingWindow] = {}
        self.tired: list[int | None] = []

    def tire(self, retry_after: int | None = None, times: int = 1) -> None:
        """Answer the next calls with a secondary limit. retry_after: seconds, None where it does not say how long."""
        with self.lock:
            self.tired += [retry_after] * times

    def spend(self, resource: str, leave: int = 0, token: str | None = None) -> None:
        """Use up a window but for so many calls, as if others had made them.

        token: None is the first that is accepted, "" are the calls without one.
        """
        with self.lock:
            window = self.window(resource, next(iter(self.tokens)) if token is None else token)
            window.take(self.clock.now(), 0)
            window.used = window.calls - leave

    def lane(self, asked: Asked) -> str:
        if asked.path in ("/graphql", "/rate_limit"):
            return asked.path[1:]
        return "search" if asked.path.startswith("/search/") else "core"

    def window(self, resource: str, token: str) -> FixedWindow:
        known, anonymous, seconds = WINDOWS[resource]
        return self.windows.setdefault((token, resource), FixedWindow(known if token else anonymous, seconds))

    def window_of(self, asked: Asked) -> FixedWindow:
        return self.window(self.lane(asked), token_of(asked))

    def refuse(self, asked: Asked) -> Reply | None:
        too_early = super().refuse(asked)
        if not asked.headers.get("user-agent"):
            return rest.error(403, NO_AGENT)
        token, lane = token_of(asked), self.lane(asked)
        if token and token not in self.tokens:
            return rest.error(401, "Bad credentials")
        if lane == "graphql" and not token:
            return rest.error(401, "This endpoint requires you to be authenticated.")
        refusal = too_early or self.secondary(asked)
        if refusal or lane == "rate_limit":
            return refusal
        return None if self.window_of(asked).take(asked.at) else self.primary(asked)

    def secondary(self, asked: Asked) -> Reply | None:
        """The answer to a call that is over a secondary limit, or that was told to be."""
        if self.tired:
            return tired(self.tired.pop(0))
        most = POINTS.get(self.lane(asked), POINTS["core"])
        points = self.points.setdefault((token_of(asked), most), RollingWindow(most, MINUTE))
        if not points.take(asked.at):
            self.violate(asked, f"more than {most} points a minute")
            return tired(UNTOLD)
        return tired(UNTOLD) if self.in_flight and self.in_flight.over else None

    def primary(self, asked: Asked) -> Reply:
        token = token_of(asked)
        who = f"user ID {number_of(token)}" if token else "127.0.0.1"
        message, headers = f"API rate limit exceeded for {who}.", self.rates(asked)
        if self.lane(asked) == "graphql":
            return Reply({"errors": [{"type": self.limit_kind, "message": message}]}, headers=headers)
        refusal = rest.error(403, message)
        return Reply(refusal.body, refusal.status, headers)

    def too_early(self, asked: Asked, until: float) -> Reply:
        lane = self.lane(asked)
        if lane in WINDOWS and self.quiet.windows.get("", 0.0) <= asked.at and not self.window_of(asked).remaining:
            return self.primary(asked)
        return tired(math.ceil(until - asked.at))

    def promise(self, asked: Asked, reply: Reply) -> None:
        """After a secondary limit nobody may call, after the last call of a window nobody in that lane."""
        now = self.clock.now()
        given = {name.lower(): value for name, value in reply.headers.items()}
        if given.get("x-ratelimit-remaining") == "0":
            reset = float(given.get("x-ratelimit-reset", now + UNTOLD))
            self.quiet.close(self.lane(asked), min(reset, now + LONGEST))
        elif "retry-after" in given or is_secondary(reply):
            until = told(given.get("retry-after", ""), now) or now + UNTOLD
            self.quiet.close("" if reply.status in (403, 429) else self.lane(asked), min(until, now + LONGEST))

    def rates(self, asked: Asked) -> dict[str, str]:
        lane, window = self.lane(asked), self.window_of(asked)
        return {
            "X-RateLimit-Limit": str(window.calls),
            "X-RateLimit-Remaining": str(window.remaining),
            "X-RateLimit-Used": str(window.used),
            "X-RateLimit-Reset": str(math.ceil(window.resets_at)),
            "X-RateLimit-Resource": lane,
        }

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/rate_limit":
            return self.rate_limit(asked)
        if asked.path == "/graphql":
            return self.graphql(asked) if asked.method == "POST" else rest.error(404, "Not Found")
        reply = rest.answer(self, asked) if asked.method == "GET" else rest.error(404, "Not Found")
        return self.finished(asked, reply)

    def finished(self, asked: Asked, reply: Reply) -> Reply:
        """With GitHub's headers; what the caller has already is 304, and free."""
        headers = {**GENERAL, "X-GitHub-Request-Id": digest(asked.at, asked.path)[:20], **reply.headers}
        if reply.status == 200:
            headers["ETag"] = f'W/"{digest(reply.payload, headers.get("Link"))}"'
            if is_known(asked, headers):
                self.window_of(asked).give_back()
                headers.pop("Link", "")
                return Reply(status=304, headers={**headers, **self.rates(asked)})
        return Reply(reply.body, reply.status, {**headers, **self.rates(asked)})

    def rate_limit(self, asked: Asked) -> Reply:
        resources = {}
        for resource in WINDOWS:
            window = self.window(resource, token_of(asked))
            window.take(asked.at, 0)  # one that has ended says so
            resources[resource] = {"limit": window.calls, "used": window.used, "remaining": window.remaining}
            resources[resource]["reset"] = math.ceil(window.resets_at)
        return Reply({"resources": resources, "rate": resources["core"]}, headers=GENERAL)

    def graphql(self, asked: Asked) -> Reply:
        window = self.window_of(asked)
        try:
            body = self.called(json.loads(asked.body), window)
        except Refused as fault:
            kind = {"type": fault.kind} if fault.kind else {}
            body = {"errors": [{**kind, "message": str(fault)}]}
        except TooHeavy:
            return Reply(UNWELL, 502, {"Content-Type": "text/html", **self.rates(asked)})
        except (ValueError, KeyError, TypeError, AttributeError):
            return rest.error(400, "Problems parsing JSON")
        media = {"X-GitHub-Media-Type": "github.v4; format=json"}
        return Reply(body, headers={**GENERAL, **media, **self.rates(asked)})

    def called(self, sent: dict[str, Any], window: FixedWindow) -> dict[str, Any]:
        call = Call(sent["query"], sent.get("variables") or {}, KINDS)
        window.used = min(window.calls, window.used + call.cost - 1)  # its first point is taken already
        resets = datetime.fromtimestamp(math.ceil(window.resets_at), UTC)
        left = {"limit": window.calls, "remaining": window.remaining, "used": window.used, "resetAt": stamp(resets)}
        limits = Thing("RateLimit", {**left, "cost": call.cost, "nodeCount": call.nodes})
        data = call.data(Schema(self, limits, self.most_readmes).query())
        return {"data": data, **({"errors": call.errors} if call.errors else {})}


GENERAL = {
    "Server": "github.com",
    "Cache-Control": "private, max-age=60, s-maxage=60",
    "Vary": "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With",
    "X-GitHub-Media-Type": "github.v3; format=json",
    "x-github-api-version-selected": "2022-11-28",
    "Access-Control-Allow-Origin": "*",
}


def token_of(asked: Asked) -> str:
    """The token that a call shows, "" for none."""
    kind, _, token = asked.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() in ("bearer", "token") else ""


def tired(retry_after: int | None) -> Reply:
    """The answer of a secondary limit: without the headers of the primary ones."""
    body = {"documentation_url": f"{rest.DOCS}#secondary-rate-limits", "message": SECONDARY}
    return Reply(body, 403, {} if retry_after is None else {"Retry-After": str(retry_after)})


def is_secondary(reply: Reply) -> bool:
    said = reply.payload.lower() if reply.status in (403, 429) else b""
    return b"secondary rate limit" in said or b"abuse detection" in said


def is_known(asked: Asked, headers: Mapping[str, str]) -> bool:
    """Whether the caller holds just this answer, by its mark or, where it shows none, by its date."""
    if shown := asked.headers.get("if-none-match"):
        return headers["ETag"].removeprefix("W/") in [each.strip().removeprefix("W/") for each in shown.split(",")]
    since, changed = asked.headers.get("if-modified-since"), headers.get("Last-Modified")
    return bool(since and changed) and parsedate_to_datetime(since or "") >= parsedate_to_datetime(changed or "")

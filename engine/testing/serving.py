"""One API of the outside on loopback: what it is asked, what it answers, its own clock, and faults on order."""

from __future__ import annotations

import json
import math
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from engine.testing.limits import InFlight, Quiet


@dataclass(frozen=True)
class Asked:
    """One request. path: decoded, without the query; query: of a name said twice the last; at: the upstream's clock."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass(frozen=True)
class Reply:
    """One answer. body: bytes as they are, anything else as JSON.

    delay: seconds before it; drip: seconds between its bytes, both as we count them; reset: the connection breaks in
    place of an answer; cut: how many bytes of the body come before the connection ends.
    """

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0
    reset: bool = False
    cut: int | None = None

    @property
    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def header(self, name: str) -> str:
        """name: in lower case. "" where it is not told."""
        return next((value for each, value in self.headers.items() if each.lower() == name), "")


Step = Reply | Callable[[Asked], Reply]
Match = str | Callable[[Asked], bool]


class Clock:
    """The time of an upstream, epoch seconds that run `times` faster than ours. start: now, unless told."""

    def __init__(self, times: float = 1.0, start: float | None = None) -> None:
        self.times = times
        self.start = time.time() if start is None else start
        self.begun = time.monotonic()

    def now(self) -> float:
        return self.start + (time.monotonic() - self.begun) * self.times


class Upstream:
    """What one API is. A subclass says how it answers, and which answers forbid the next call.

    A call against the rules is answered as the true API would answer it, and stands in `violations`. Whoever asks or
    changes the world holds `lock`; a Server does so for the methods below.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.violations: list[str] = []
        self.lock = threading.RLock()
        self.quiet = Quiet()
        self.in_flight: InFlight | None = None

    def answer(self, asked: Asked) -> Reply:
        """The answer of the API to a call that no limit stops."""
        raise NotImplementedError

    def refuse(self, asked: Asked) -> Reply | None:
        """The answer to a call that a limit stops, None to any other; counts the call."""
        if not asked.headers.get("user-agent"):
            self.violate(asked, "no User-Agent")
        if self.in_flight and self.in_flight.over:
            self.violate(asked, f"more than {self.in_flight.most} calls at a time")
        until = self.quiet.until(self.lane(asked), asked.at)
        if until is None:
            return None
        self.violate(asked, f"{until - asked.at:.1f} s too early")
        return self.too_early(asked, until)

    def too_early(self, asked: Asked, until: float) -> Reply:
        """The API's own error for a call in a forbidden window."""
        return Reply({"message": "Too Many Requests"}, 429, {"Retry-After": str(math.ceil(until - asked.at))})

    def promise(self, asked: Asked, reply: Reply) -> None:
        """Hold whoever asked to what this answer, scripted or not, says about the next call."""
        until = told(reply.header("retry-after"), self.clock.now())
        if until:
            self.quiet.close(self.lane(asked), until)

    def lane(self, asked: Asked) -> str:
        """The part of the API whose limits a call falls under."""
        return ""

    def violate(self, asked: Asked, text: str) -> None:
        when = datetime.fromtimestamp(asked.at, UTC).isoformat(timespec="milliseconds")
        self.violations.append(f"{when} {asked.method} {asked.path} {asked.query}: {text}")


class Faults:
    """Scripted answers in place of the API's own."""

    def __init__(self) -> None:
        self.rules: list[tuple[Match, list[Step], list[int]]] = []

    def script(self, match: Match, *replies: Step, times: int | None = 1) -> None:
        """Answer calls that match (a path prefix, or a function) with these one after the other, so many times round.

        times=None: for ever. The rule that was told first goes first.
        """
        self.rules.append((match, list(replies) * (times or 1), [0, times is None]))

    def take(self, asked: Asked) -> Reply | None:
        for match, replies, state in self.rules:
            used, endless = state
            if (asked.path.startswith(match) if isinstance(match, str) else match(asked)) and (
                endless or used < len(replies)
            ):
                state[0] += 1
                step = replies[used % len(replies)]
                return step if isinstance(step, Reply) else step(asked)
        return None

    def clear(self) -> None:
        self.rules.clear()


class Server:
    """Serves an upstream on 127.0.0.1 inside its `with`, and keeps what it was asked.

    Leaving raises AssertionError when a rule was violated, unless another error is on its way.
    """

    def __init__(self, upstream: Upstream, port: int = 0) -> None:
        self.upstream = upstream
        self.asked: list[Asked] = []
        self.faults = Faults()
        self.closing = threading.Event()
        self.http = Listener(("127.0.0.1", port), type("Bound", (Handler,), {"serving": self}))
        self.http.upstream = upstream

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> Self:
        serve = {"poll_interval": 0.02}
        threading.Thread(target=self.http.serve_forever, kwargs=serve, name="upstream", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()
        if kind is None and self.upstream.violations:
            raise AssertionError("violations:\n" + "\n".join(self.upstream.violations))

    def reply(self, asked: Asked) -> Reply:
        """Its answer: of a limit, of a script, or of the API; a scripted one counts against the limits as any does."""
        with self.upstream.lock:
            self.asked.append(asked)
            return self.upstream.refuse(asked) or self.faults.take(asked) or self.upstream.answer(asked)


class Listener(ThreadingHTTPServer):
    upstream: Upstream
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A mistake of an upstream is told as a violation, and does not pass for a broken connection."""
        if not isinstance(sys.exc_info()[1], OSError):  # who asked has gone
            self.upstream.violations.append(traceback.format_exc())


class Handler(BaseHTTPRequestHandler):
    serving: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits for the acknowledgement of its head

    def handle_asked(self) -> None:
        upstream = self.serving.upstream
        if upstream.in_flight:
            with upstream.in_flight:  # let go before the answer is out: who reads it may already ask again
                reply = self.decide()
        else:
            reply = self.decide()
        try:
            self.send(reply)
        except OSError:
            self.close_connection = True  # who asked has gone

    def do_GET(self) -> None:
        self.handle_asked()

    def do_POST(self) -> None:
        self.handle_asked()

    def decide(self) -> Reply:
        """The answer after its delay; what it promises begins when it is sent."""
        asked = self.read()
        reply = self.serving.reply(asked)
        if self.serving.closing.wait(reply.delay):
            return Reply(reset=True)
        if not reply.reset:
            with self.serving.upstream.lock:
                self.serving.upstream.promise(asked, reply)
        return reply

    def read(self) -> Asked:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Asked(self.command, unquote(parts.path), query, headers, body, self.serving.upstream.clock.now())

    def send(self, reply: Reply) -> None:
        if reply.reset:
            return self.reset()
        payload = reply.payload
        self.send_head(reply, len(payload))
        if reply.status in (204, 304):
            return None
        if reply.cut is not None:
            payload = payload[: reply.cut]
            self.close_connection = True
        for part in in_parts(payload, reply.drip):
            if self.serving.closing.wait(reply.drip):
                return self.reset()
            self.wfile.write(part)
        return None

    def send_head(self, reply: Reply, size: int) -> None:
        self.send_response_only(reply.status)
        headers = {
            "Date": formatdate(self.serving.upstream.clock.now(), usegmt=True),
            "Content-Type": "application/json; charset=utf-8",
            **({} if reply.status in (204, 304) else {"Content-Length": str(size)}),
            **reply.headers,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def reset(self) -> None:
        """RST in place of FIN: what is under way is lost."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *values: Any) -> None:
        """Nothing: who wants to know looks into `asked`."""


def told(wait: str, now: float) -> float | None:
    """When a Retry-After ends: it is a number of seconds, or a date."""
    if wait.isdecimal():
        return now + int(wait)
    try:
        return parsedate_to_datetime(wait).timestamp()
    except ValueError:
        return None


def in_parts(payload: bytes, drip: float) -> Sequence[bytes]:
    return [payload[at : at + 1] for at in range(len(payload))] if drip else [payload]

"""The one way to another system over HTTP: a deadline for all of it, a bounded answer, no redirects, few retries.

httpx itself bounds the time between two bytes and not the size. So each request runs on an event loop of this process,
where the whole of it can be given up.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from engine import tracing
from engine.dialling import transport
from engine.scrubbing import SHORTEST, forms, scrubbed
from engine.text import clip, printable, squeeze

LONGEST = 10_000_000  # bytes of an answer, unpacked
PARTS = 500_000  # of JSON: read, a part of three bytes takes a hundred
DEADLINE = 30.0  # seconds for a request, with all that it is tried again
TRIES = 5
PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds: full jitter below PAUSE, doubled each time
GRACE = 5.0  # seconds after which a request is given up that does not notice its own deadline
LONGEST_WAIT = 3600.0  # seconds that a server may ask for in a header
SAID = 200  # characters of what a server says
AGAIN = frozenset({408, 429, *range(500, 600)})
LIKE_AN_ETAG = re.compile(r"[!-~]{1,200}")

# What escapes httpx.HTTPError on bad addresses; the last two derive from ValueError too.
BAD_ADDRESS = (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError)

Value = TypeVar("Value")


class HttpError(Exception):
    """There is no answer that can be used. The message is one line without secrets."""


class BadAddress(HttpError):
    """The address is none, or leads to another host than the client's."""


class Unreadable(HttpError):
    """An answer that is too long, packed in an unknown way, or not the JSON that it should be."""


class Unreachable(HttpError):
    """Nobody is there, or the connection broke."""


class TooSlow(HttpError):
    """Not all of the answer came before the deadline."""


class Unwell(HttpError):
    """Busy or failing (408, 429, 5xx). retry_after: seconds, where the server named them."""

    def __init__(self, message: str, status: int, retry_after: float | None) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


class Limited(Unwell):
    """The server wants to be left alone; for how long, the gate knows."""


class Quiet(HttpError):
    """Nothing was sent: the server is to be left alone until then, by the clock of the gate."""

    def __init__(self, until: datetime, reason: str) -> None:
        super().__init__(reason)
        self.until = until


class Refused(HttpError):
    """The server understood and says no, and would again. everything: it is the credentials that it refuses."""

    def __init__(self, message: str, everything: bool = False) -> None:
        super().__init__(message)
        self.everything = everything


@dataclass(frozen=True)
class Answer:
    """Of any status that is no reason to ask again, redirects and refusals included."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def etag(self) -> str:
        """By which it is known whether it changed; "" where that cannot be sent back."""
        given = self.headers.get("etag", "")
        return given if LIKE_AN_ETAG.fullmatch(given) else ""

    @property
    def at(self) -> float:
        """When it was sent, epoch seconds by the server's own clock; ours where it does not say."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except (ValueError, OverflowError):
            return time.time()

    def json(self) -> Any:
        """Raises Unreadable."""
        if sum(self.body.count(sign) for sign in (b"{", b"[", b",")) > PARTS:
            raise Unreadable(f"JSON of more than {PARTS:,} parts")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"no JSON: {tidy(str(error))}") from None


@dataclass(frozen=True)
class Limit:
    """What an answer says about limits. Seconds are such as the server counts.

    limited: this request was refused for a limit. wait: leave it alone for so long, also after a good answer; None
    with `limited`: it did not say how long. whole_host: not this lane alone. remaining, limit, resets_in: of the
    present window.
    """

    limited: bool = False
    wait: float | None = None
    whole_host: bool = False
    reason: str = ""
    remaining: float | None = None
    limit: float | None = None
    resets_in: float | None = None


class Gate(Protocol):
    """Lets one request at a time through to a host, at its pace, and none while it is to be left alone."""

    def enter(self, host: str, lane: str, per_minute: float, longest: float) -> None:
        """Waits for its turn, which nobody else has for `longest` seconds or until `leave`. Raises Quiet."""

    def leave(self, host: str, lane: str, limit: Limit | None, failed: str) -> None:
        """Its turn is over. limit: what was learned, None without an answer; failed: what went wrong, else ""."""


class Open:
    """A gate that is no gate: for servers of our own."""

    def enter(self, host: str, lane: str, per_minute: float, longest: float) -> None: ...
    def leave(self, host: str, lane: str, limit: Limit | None, failed: str) -> None: ...


def retry_after_only(answer: Answer) -> Limit:
    """What most servers say of limits: 429, or a fault with a Retry-After of at most an hour."""
    if answer.status != 403 and answer.status not in AGAIN:
        return Limit()
    named = retry_after(answer.headers, answer.at)
    if answer.status != 429 and named is None:
        return Limit()
    return Limit(True, None if named is None else min(named, LONGEST_WAIT), reason=f"answers {answer.status}")


class Client:
    """Asks one server. What is asked may reach it more than once, and must bear that.

    credentials: headers, secrets: parameters; both go to this host only, and into no message. deadline: seconds for
    one request, its retries and the pauses between them included, but not the time its gate takes. public: only
    addresses of the public network are dialled. limits: reads an answer's limits, for the gate. pace: lane -> requests
    a minute; 0, or a lane that it does not name, is as fast as they come.
    """

    def __init__(
        self,
        base: str,
        deadline: float = DEADLINE,
        tries: int = TRIES,
        longest: int = LONGEST,
        pause: float = PAUSE,
        *,
        public: bool = False,
        gate: Gate | None = None,
        limits: Callable[[Answer], Limit] = retry_after_only,
        pace: Mapping[str, float] | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        try:
            self.base = httpx.URL(base.rstrip("/") + "/")
            self.host = self.base.host  # a name that is none is found out here
            self.server = self.base.netloc.decode()  # with its port, where that is not the usual one
        except BAD_ADDRESS as error:
            raise BadAddress(tidy(str(error))) from None
        self.deadline, self.tries, self.longest, self.pause = deadline, tries, longest, pause
        self.gate, self.limits, self.pace = gate or Open(), limits, dict(pace or {})
        self.credentials: dict[str, str] = {}
        self.secrets = dict(secrets or {})
        # No redirects, no proxy and no .netrc: nothing but the address says where a request goes and as whom.
        self.http = httpx.AsyncClient(
            timeout=deadline,
            trust_env=False,
            follow_redirects=False,
            transport=transport(public),
            headers={"Accept-Encoding": "gzip", **(headers or {})},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        finished(self.http.aclose(), GRACE)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        lane: str = "",
    ) -> Answer:
        """The answer; path: below the base; body: sent as JSON. Raises HttpError, tried as often as there was time.

        lane: which of the server's limits it counts for.
        """
        address = self.address(path)
        if params or self.secrets:
            address = address.copy_merge_params({**(params or {}), **self.secrets})
        sent = {**(headers or {}), **self.credentials}
        asked = self.http.build_request(method, address, json=body, data=form, headers=sent)
        left = Left(self.deadline)
        retrying = Retrying(
            retry=retry_if_exception_type((Unreachable, Unwell)),
            stop=lambda state: state.attempt_number >= self.tries or state.upcoming_sleep >= left.seconds,
            wait=self.wait,
            reraise=True,
        )
        return retrying(self.once, asked, lane, left)

    def wait(self, state: RetryCallState) -> float:
        """Seconds before the next try: those that the server named, else some below a bound that doubles."""
        failed = state.outcome and state.outcome.exception()
        if isinstance(failed, Limited) and not isinstance(self.gate, Open):
            return 0.0  # the gate lets nobody through before the time
        named = getattr(failed, "retry_after", None)
        jitter = wait_random_exponential(multiplier=self.pause, max=LONGEST_PAUSE)
        return float(jitter(state) if named is None else named)

    def get(self, path: str, params: Mapping[str, str | int] | None = None, **facts: Any) -> Answer:
        return self.request("GET", path, params=params, **facts)

    def address(self, path: str) -> httpx.URL:
        """Below the base; a whole address is taken where it leads to the same host."""
        try:
            found = self.base.join(path)
        except BAD_ADDRESS as error:
            raise BadAddress(tidy(str(error))) from None
        if (found.scheme, found.raw_host, found.port) != (self.base.scheme, self.base.raw_host, self.base.port):
            raise BadAddress(f"{tidy(str(found))} is another host than {self.host}")
        return found

    def once(self, asked: httpx.Request, lane: str, left: Left) -> Answer:
        """One try of it, when it is its turn."""
        with left.paused():
            self.gate.enter(self.server, lane, self.pace.get(lane, 0.0), left.seconds + GRACE)
        limit, failed = None, "no answer"
        try:
            with tracing.span(asked.method, "client", server_address=self.host) as span:
                answer = self.answer(asked, left.seconds)
                span.set_attribute("http.response.status_code", answer.status)
            limit = self.limits(answer)
            failed = f"answers {answer.status}" if answer.status in AGAIN and not limit.limited else ""
        except HttpError as error:
            failed = str(error)
            raise
        finally:
            self.gate.leave(self.server, lane, limit, failed)
        named = retry_after(answer.headers)
        if limit.limited:
            raise Limited(f"{self.host} {limit.reason}", answer.status, named)
        if answer.status in AGAIN:
            raise Unwell(f"{self.host} answers {answer.status}", answer.status, named)
        return answer

    def answer(self, asked: httpx.Request, seconds: float) -> Answer:
        try:
            return finished(self.exchange(asked), seconds)
        except (TimeoutError, httpx.TimeoutException):
            raise TooSlow(f"{self.host} did not answer within {self.deadline:g} s") from None
        except BAD_ADDRESS as error:
            raise BadAddress(self.told(error)) from None
        except httpx.HTTPError as error:
            raise Unreachable(self.told(error)) from None

    async def exchange(self, asked: httpx.Request) -> Answer:
        response = await self.http.send(asked, stream=True)
        try:
            content = await unpacked(response.aiter_raw(), response.headers.get("content-encoding", ""), self.longest)
        finally:
            await response.aclose()
        headers = httpx.Headers([(name, self.hidden(value)) for name, value in response.headers.raw])
        return Answer(response.status_code, headers, self.hidden(content))

    def hidden(self, said: bytes) -> bytes:
        """What came, without what was sent: a server may tell us our own credentials, and all that it says is shown."""
        for secret in self.sent():
            said = said.replace(secret.encode(), b"***")
        return said

    def sent(self) -> set[str]:
        """Each credential, without the kind before it, as it can stand in a line."""
        words = [value.split()[-1] for value in (*self.credentials.values(), *self.secrets.values()) if value.split()]
        return {form for word in words if len(word) >= SHORTEST for form in forms(word)}

    def told(self, error: Exception) -> str:
        """What went wrong, without what was sent."""
        text = str(error)
        for secret in self.sent():
            text = text.replace(secret, "***")
        return f"{self.host}: {tidy(text) or type(error).__name__}"


class Left:
    """What is left of a deadline; the clock stands still while it is paused."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds

    @property
    def seconds(self) -> float:
        return self.ends - time.monotonic()

    @contextmanager
    def paused(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.ends += time.monotonic() - began


async def unpacked(chunks: AsyncIterator[bytes], encoding: str, longest: int) -> bytes:
    """All of a body, of which never more than `longest` bytes are unpacked. Raises Unreadable."""
    if encoding.lower() not in ("", "identity", "gzip", "deflate"):
        raise Unreadable(f"packed as {tidy(encoding)[:40]}, which was not asked for")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding.lower() in ("gzip", "deflate") else None
    content = bytearray()
    async for chunk in chunks:
        try:
            content += unpack.decompress(chunk, longest + 1 - len(content)) if unpack else chunk
        except zlib.error:
            raise Unreadable("cannot be unpacked") from None
        if len(content) > longest:
            raise Unreadable(f"longer than {longest:,} bytes")
    return bytes(content)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds, from figures or a date; None where it names none that can be meant. now: what a date is read against."""
    named, now = headers.get("retry-after", ""), time.time() if now is None else now
    try:
        seconds = float(named) if named[:1].isdigit() else parsedate_to_datetime(named).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def tidy(text: str) -> str:
    """One short line of what came from outside, without secrets."""
    return clip(printable(squeeze(scrubbed(text))), SAID)


@cache
def loop(process: int) -> asyncio.AbstractEventLoop:
    """The event loop of this process, in a thread of its own; it outlives the requests, as their connections do."""
    found = asyncio.new_event_loop()
    threading.Thread(target=found.run_forever, name=f"http of {process}", daemon=True).start()
    return found


def finished(work: Awaitable[Value], seconds: float) -> Value:
    """Its result, or TimeoutError after that many seconds in all."""
    future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, max(seconds, 0.0)), loop(os.getpid()))
    try:
        return future.result(max(seconds, 0.0) + GRACE)
    finally:
        future.cancel()

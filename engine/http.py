"""The one way to another system over HTTP: a deadline for all of it, a bounded answer, no redirects, few retries.

httpx itself bounds the time between two bytes and not the size. So each request runs on an event loop of this process,
where the whole of it can be given up.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import ssl
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_random_exponential

from engine.scrubbing import scrubbed
from engine.text import clip, printable, squeeze

LONGEST = 10_000_000  # bytes of an answer, unpacked
DEADLINE = 30.0  # seconds for a request, with all that it is tried again
TRIES = 5
PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds: full jitter below PAUSE, doubled each time
GRACE = 5.0  # seconds after which a request is given up that does not notice its own deadline
SAID = 200  # characters of what a server says
AGAIN = frozenset({408, 429, *range(500, 600)})

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


@dataclass(frozen=True)
class Answer:
    """Of any status that is no reason to ask again, redirects and refusals included."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Raises Unreadable."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"no JSON: {tidy(str(error))}") from None


class Client:
    """Asks one server. What is asked may reach it more than once, and must bear that.

    credentials: headers that go to this host only, and into no message. deadline: seconds for one request, its
    retries and the pauses between them included.
    """

    def __init__(
        self, base: str, deadline: float = DEADLINE, tries: int = TRIES, longest: int = LONGEST, pause: float = PAUSE
    ) -> None:
        try:
            self.base = httpx.URL(base.rstrip("/") + "/")
            self.host = self.base.host  # a name that is none is found out here
        except BAD_ADDRESS as error:
            raise BadAddress(tidy(str(error))) from None
        self.deadline, self.tries, self.longest, self.pause = deadline, tries, longest, pause
        self.credentials: dict[str, str] = {}
        # No redirects, no proxy and no .netrc: nothing but the address says where a request goes and as whom.
        self.http = httpx.AsyncClient(
            timeout=deadline,
            trust_env=False,
            follow_redirects=False,
            verify=trusted(),
            headers={"Accept-Encoding": "gzip"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        finished(self.http.aclose(), GRACE)

    def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, str | int] | None = None
    ) -> Answer:
        """The answer; path: below the base; body: sent as JSON. Raises HttpError, tried as often as there was time."""
        asked = self.http.build_request(method, self.address(path), json=body, params=params, headers=self.credentials)
        ends = time.monotonic() + self.deadline
        jitter = wait_random_exponential(multiplier=self.pause, max=LONGEST_PAUSE)

        def wait(state: RetryCallState) -> float:
            named = getattr(state.outcome and state.outcome.exception(), "retry_after", None)
            return float(jitter(state) if named is None else named)

        retrying = Retrying(
            retry=retry_if_exception_type((Unreachable, Unwell)),
            stop=stop_after_attempt(self.tries) | stop_before_delay(self.deadline),
            wait=wait,
            reraise=True,
        )
        return retrying(self.once, asked, ends)

    def address(self, path: str) -> httpx.URL:
        """Below the base; a whole address is taken where it leads to the same host."""
        try:
            found = self.base.join(path)
        except BAD_ADDRESS as error:
            raise BadAddress(tidy(str(error))) from None
        if (found.scheme, found.raw_host, found.port) != (self.base.scheme, self.base.raw_host, self.base.port):
            raise BadAddress(f"{tidy(str(found))} is another host than {self.host}")
        return found

    def once(self, asked: httpx.Request, ends: float) -> Answer:
        """One try of it."""
        try:
            answer = finished(self.exchange(asked), ends - time.monotonic())
        except (TimeoutError, httpx.TimeoutException):
            raise TooSlow(f"{self.host} did not answer within {self.deadline:g} s") from None
        except BAD_ADDRESS as error:
            raise BadAddress(self.told(error)) from None
        except httpx.HTTPError as error:
            raise Unreachable(self.told(error)) from None
        if answer.status in AGAIN:
            raise Unwell(f"{self.host} answers {answer.status}", answer.status, retry_after(answer.headers))
        return answer

    async def exchange(self, asked: httpx.Request) -> Answer:
        response = await self.http.send(asked, stream=True)
        try:
            content = await unpacked(response.aiter_raw(), response.headers.get("content-encoding", ""), self.longest)
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, content)

    def told(self, error: Exception) -> str:
        """What went wrong, without what was sent."""
        text = str(error)
        for secret in self.credentials.values():
            text = text.replace(secret, "***")
        return f"{self.host}: {tidy(text) or type(error).__name__}"


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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from figures or a date; None where it names none that can be meant."""
    named = headers.get("retry-after", "")
    try:
        seconds = float(named) if named[:1].isdigit() else parsedate_to_datetime(named).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def tidy(text: str) -> str:
    """One short line of what came from outside, without secrets."""
    return clip(printable(squeeze(scrubbed(text))), SAID)


@cache
def trusted() -> ssl.SSLContext:
    """The certificates of a process, read once: that takes long."""
    return httpx.create_ssl_context(trust_env=False)


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

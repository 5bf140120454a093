"""LiteLLM with our connections below it: bounded answers, no redirects, no proxy."""

from functools import cache
from typing import Any

import httpx

from engine.dialling import transport
from engine.llm import Route, litellm

LONGEST = 32_000_000  # bytes of an answer: 512 vectors of 2,000 values of 25 characters, and some
ONE = 100.0  # seconds for a request


class TooLong(httpx.TransportError):
    """More than is read, or packed, so that nobody knows how much it is."""


class Bounded(httpx.AsyncBaseTransport):
    """Reads an answer whole, up to LONGEST bytes: LiteLLM and the libraries below it know no bound."""

    def __init__(self) -> None:
        self.inner = transport(public=False)  # the address is the operator's: Ollama is on this machine as a rule

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["Accept-Encoding"] = "identity"
        response = await self.inner.handle_async_request(request)
        try:
            if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
                raise TooLong("packed, which was not asked for", request=request)
            content = bytearray()
            async for part in response.stream:  # type: ignore[union-attr]  # it is an asynchronous one
                content += part
                if len(content) > LONGEST:
                    raise TooLong(f"longer than {LONGEST:,} bytes", request=request)
        finally:
            await response.aclose()
        return httpx.Response(response.status_code, headers=response.headers, content=bytes(content))


@cache
def connection(process: int) -> httpx.AsyncClient:
    """The connections of this process: no redirects, no proxy, no .netrc."""
    return httpx.AsyncClient(transport=Bounded(), trust_env=False, follow_redirects=False, timeout=ONE)


@cache
def client(route: Route, process: int) -> Any:
    """OpenAI's client on our connections: LiteLLM's own would follow redirects and read without bound."""
    from openai import AsyncOpenAI  # late, as LiteLLM is

    return AsyncOpenAI(
        api_key=route.api_key or "none", base_url=route.api_base, http_client=connection(process), max_retries=0
    )


class Posting:
    """What LiteLLM posts to Ollama with; it takes no client of ours there, so this stands in its module's place."""

    def __init__(self, process: int) -> None:
        self.process = process

    async def post(self, url: str, json: Any) -> httpx.Response:
        response = await connection(self.process).post(url, json=json)
        return response.raise_for_status()


@cache
def ours(process: int) -> Any:
    """LiteLLM with our connections below it."""
    found = litellm()
    found.module_level_aclient = Posting(process)
    found.DEFAULT_MAX_RETRIES = 0  # it takes max_retries=0 for "not said", and would try three times
    return found

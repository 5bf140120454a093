"""Remote providers: Ollama, OpenAI and Together through LiteLLM. What they answer is bounded and checked here.

One object holds what a provider is: its limits, its labels, its gate (pace, quiet windows, breaker of all processes).
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from engine import tracing
from engine.embeddings.base import EmbedderError, PutOff
from engine.embeddings.remote import wire
from engine.embeddings.remote.answers import CONTEXT, BadAnswer, in_order, named_limit, usable, wait_named
from engine.embeddings.remote.texts import clipped, tokens
from engine.embeddings.remote.wire import TooLong, client, ours
from engine.http import GRACE, Gate, Left, Limit, Open, Quiet, finished
from engine.llm import OUT_OF_MONEY, Route, causes, complaint, cost, counted, litellm, tidy, true_response
from engine.vectors import Matrix, checked, unit

LANE = "embeddings"
ALL = 240.0  # seconds for a batch with its retries; a claim of texts holds 300
UNNAMED = 60.0  # seconds after which a busy provider is asked again that does not say when
IN_A_ROW = 5  # so many refused batches are the texts' fault; with the next one it is looked whether it is theirs at all
PLAIN = "a text"  # beyond suspicion


@dataclass(frozen=True)
class Provider:
    """What holds for all models of a provider.

    prefix: LiteLLM's. texts, call_tokens: at most in one request. text_tokens: of one text, where LiteLLM does not
    know the model. per_minute: requests, 0 for no pace. key: the setting that holds it.
    """

    name: str
    prefix: str
    texts: int
    text_tokens: int
    call_tokens: int
    per_minute: float = 0.0
    encoding: str | None = None
    key: str = ""


OLLAMA = Provider("ollama", "ollama/", texts=512, text_tokens=2_048, call_tokens=2_000_000)
OPENAI = Provider("openai", "openai/", 2_048, 8_191, 300_000, 3_000, "base64", "OPENAI_API_KEY")
TOGETHER = Provider("together", "together_ai/", 512, 8_192, 300_000, 1_000, "float", "TOGETHER_API_KEY")


class RefusedTexts(ValueError):
    """The provider says no to these texts, or to one of them."""


class TooManyTokens(ValueError):
    """A text is longer than the model takes. most: tokens, where the provider names them."""

    def __init__(self, reason: str, most: int | None) -> None:
        super().__init__(reason)
        self.most = most


class Fault(Exception):
    """No answer, or one of a server in trouble; the next may be better."""


class Busy(Exception):
    """Asked too often."""

    def __init__(self, reason: str, wait: float | None) -> None:
        super().__init__(reason)
        self.limit = Limit(True, wait, reason=reason)

    def put_off(self) -> PutOff:
        named = UNNAMED if self.limit.wait is None else self.limit.wait
        return PutOff(datetime.now(UTC) + timedelta(seconds=max(named, 1.0)), str(self))


class RemoteEmbedder:
    """One model of one provider. Nothing is imported or asked before the first text.

    base: its address; gate: of all processes; tries: of a request that meets a fault; delay: the least seconds between
    two requests, of all processes together; shortened: the model is asked for vectors of that width.
    """

    def __init__(
        self,
        provider: Provider,
        name: str,
        dimensions: int,
        *,
        base: str,
        key: str = "",
        gate: Gate | None = None,
        tries: int = 3,
        delay: float = 0.0,
        pause: float = 1.0,
    ) -> None:
        self.provider, self.name, self.dimensions = provider, name, dimensions
        self.route = Route(f"{provider.prefix}{name}", base, key)
        self.host = httpx.URL(base).netloc.decode()
        self.gate: Gate = gate or Open()
        self.tries, self.pause = tries, pause
        self.pace = min(filter(None, (provider.per_minute, 60 / delay if delay else 0.0)), default=0.0)
        self.refused = 0
        self._spent: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def labels(self) -> Mapping[str, str]:
        """By which its figures are told apart."""
        return {"provider": self.provider.name, "model": self.name}

    def take_spent(self) -> Counter[str]:
        with self._lock:
            spent, self._spent = self._spent, Counter()
        return spent

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(n,) texts -> (n, d) unit vectors, in order.

        Raises ValueError when a text is to blame, EmbedderError when none is, and PutOff when it is to be left alone.
        """
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        left, most = Left(ALL), self.most_tokens()
        short = [clipped(text, most) for text in texts]
        return np.concatenate([self.batch(batch, most, left) for batch in self.batches(short)])

    def most_tokens(self) -> int:
        """Tokens of one text, by LiteLLM's table."""
        table = litellm().model_cost
        facts = table.get(self.route.model) or table.get(self.name) or {}
        return int(facts.get("max_input_tokens") or self.provider.text_tokens)

    def batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """As many texts a request as the provider takes."""
        batch: list[str] = []
        total = 0
        for text in texts:
            if batch and (len(batch) == self.provider.texts or total + tokens(text) > self.provider.call_tokens):
                yield batch
                batch, total = [], 0
            batch.append(text)
            total += tokens(text)
        yield batch

    def batch(self, texts: list[str], most: int, left: Left) -> Matrix:
        """Its vectors; too long a text is cut once more. What fails again and again is told from what texts cause."""
        try:
            try:
                found = self.tried(texts, left)
            except TooManyTokens as error:
                least = min(max(map(tokens, texts)), most) // 2
                found = self.tried([clipped(text, min(error.most or least, least)) for text in texts], left)
        except (RefusedTexts, TooManyTokens):
            self.refused += 1
            if self.refused > IN_A_ROW:
                self.answers_at_all(left)
            raise
        except Fault as fault:
            if texts == [PLAIN]:
                raise EmbedderError(f"{self.provider.name} does not answer: {fault}") from None
            self.answers_at_all(left)
            raise RefusedTexts(f"{fault}, but only for these texts") from None
        self.refused = 0
        return found

    def answers_at_all(self, left: Left) -> None:
        """Raises EmbedderError where no text gets a vector, so that none is blamed."""
        self.refused = 0
        try:
            self.tried([PLAIN], left, tries=1)
        except (Fault, ValueError) as error:
            raise EmbedderError(f"{self.provider.name} embeds nothing any more: {error}") from None

    def tried(self, texts: list[str], left: Left, tries: int = 0) -> Matrix:
        """As often as there are tries and time."""
        retrying = Retrying(
            retry=retry_if_exception_type((Fault, Busy)),
            stop=lambda state: stop_after_attempt(tries or self.tries)(state) or state.upcoming_sleep >= left.seconds,
            wait=self.wait,
            before_sleep=lambda state: self.count(retries=1),
            reraise=True,
        )
        try:
            return retrying(self.once, texts, left)
        except Busy as busy:
            raise busy.put_off() from None
        except Quiet as quiet:
            raise PutOff(quiet.until, str(quiet)) from None

    def wait(self, state: RetryCallState) -> float:
        """Seconds before the next try; where the provider is busy the gate knows them."""
        busy = state.outcome is not None and isinstance(state.outcome.exception(), Busy)
        return 0.0 if busy else float(wait_random_exponential(multiplier=self.pause, max=10 * self.pause)(state))

    def once(self, texts: list[str], left: Left) -> Matrix:
        """One request, when it is its turn. What comes of it is told to the gate."""
        seconds = max(min(wire.ONE, left.seconds), 1.0)
        self.gate.enter(self.host, LANE, self.pace, seconds + GRACE)
        limit, failed = Limit(), ""
        try:
            with tracing.span("embeddings", "client", server_address=self.host, model=self.name, texts=len(texts)):
                return self.read(self.asked(texts, seconds), len(texts))
        except Busy as busy:
            limit = busy.limit
            self.count(limits=1)
            raise
        except (Fault, BadAnswer) as error:
            failed = "" if isinstance(error, BadAnswer) and not error.whole else str(error)
            raise
        finally:
            self.gate.leave(self.host, LANE, limit, failed)

    # The request

    def asked(self, texts: list[str], seconds: float) -> Any:
        """LiteLLM's EmbeddingResponse. Raises what its errors mean."""
        from openai import OpenAIError  # what all errors of LiteLLM derive from; as late as that one

        self.count(calls=1)
        facts: dict[str, Any] = {}
        if self.provider.encoding:
            facts = {"client": client(self.route, os.getpid()), "encoding_format": self.provider.encoding}
        if self.name.startswith("text-embedding-3-"):
            facts["dimensions"] = self.dimensions
        request = ours(os.getpid()).aembedding(
            model=self.route.model,
            input=texts,
            api_base=self.route.api_base,
            api_key=self.route.api_key or "none",
            max_retries=0,
            num_retries=0,
            timeout=seconds + GRACE,
            **facts,
        )
        try:
            return finished(request, seconds)
        except TimeoutError:
            raise Fault(f"no answer within {seconds:.0f} s") from None
        except OpenAIError as error:
            raise self.meaning(error) from None

    def meaning(self, error: BaseException) -> Exception:
        """What an error amounts to; the true response is in the chain of its causes."""
        name, response = self.provider.name, true_response(error)
        if response is None:
            return self.unanswered(error)
        status, message = response.status_code, complaint(response)
        reason = f"{name} answers HTTP {status} {tidy(message, self.route)}".strip()
        if status in (401, 403):
            return EmbedderError(f"{reason}; {self.provider.key or 'the key'} is refused: set one that may embed")
        if status == 402 or (status in OUT_OF_MONEY and OUT_OF_MONEY[status].search(message)):
            return EmbedderError(f"{reason}; the quota is used up: pay, or name another provider")
        if CONTEXT.search(message):
            return TooManyTokens(reason, named_limit(message))
        if status == 404 or 300 <= status < 400:
            return EmbedderError(f"{reason}; is {self.route.api_base} right, and does it have {self.name!a}?")
        if status == 429:
            return Busy(reason, wait_named(response.headers))
        return Fault(reason) if status == 408 or status >= 500 else RefusedTexts(reason)

    def unanswered(self, error: BaseException) -> Fault:
        for cause in causes(error):
            if isinstance(cause, TooLong):
                return Fault(f"{self.provider.name} answers more than {wire.LONGEST:,} bytes, or packed")
            if isinstance(cause, httpx.TransportError | ConnectionError):
                return Fault(f"{self.host} is not reached, or broke off")
        return Fault(f"{self.provider.name} gives no usable answer")

    # The answer

    def read(self, response: Any, count: int) -> Matrix:
        """(count, d) unit vectors. Raises BadAnswer, and EmbedderError when the width is not the model's."""
        self.note(response)
        rows = in_order(response.data, count)
        widths = {len(row) for row in rows}
        if len(widths) == 1 and widths != {self.dimensions}:
            raise EmbedderError(f"MODEL_DIMENSIONS is {self.dimensions}, but {self.name!a} gives {widths.pop()}")
        try:
            return unit(checked(rows, count, self.dimensions)).astype(np.float32)
        except ValueError as error:
            good = sum(usable(row, self.dimensions) for row in rows)
            self.count(invalid=len(rows) - good)
            raise BadAnswer(f"{self.provider.name}: {error}", whole=not good) from None

    def note(self, response: Any) -> None:
        """Add up what it took, also for an answer that is of no use."""
        dollars = cost(response, self.route)
        self.count(tokens=counted(response.usage, "prompt_tokens"), microdollars=round(dollars * 1e6))

    def count(self, **spent: int) -> None:
        with self._lock:
            self._spent.update({name: figure for name, figure in spent.items() if figure})

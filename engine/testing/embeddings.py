"""The embedding APIs of Ollama, OpenAI and Together on loopback: /api/embed, and /v1/embeddings of the other two.

A text's vector is made of its own words, so that order and identity can be seen in the answer.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.testing.serving import Asked, Clock, Reply, Upstream
from engine.vectors import Matrix

POISON = "poison"  # a text with this word is one that the API cannot embed
Change = Callable[[list[Any], Sequence[str]], list[Any]]


def vector(text: str, width: int) -> Matrix:
    """The unit vector of a text, (width,): the same text gives the same one."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    drawn = np.random.default_rng(seed).standard_normal(width)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


class Embeddings(Upstream):
    """What the three have in common. tokens: of one text, at about four characters each.

    poisoned: how a text with POISON in it ends: refused (400), failed (500), or one of FAULTS for its vector alone.
    latency: seconds before an answer. fault: what is done to the vectors of every answer while it is set.
    """

    texts_at_most = 2_048

    def __init__(
        self,
        width: int = 8,
        tokens: int = 8_191,
        key: str = "",
        models: Sequence[str] = ("tiny",),
        poisoned: str = "refused",
        latency: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(clock)
        self.width, self.tokens, self.key, self.models = width, tokens, key, models
        self.poisoned, self.latency = poisoned, latency
        self.fault: Change | None = None
        self.embedded: Counter[str] = Counter()  # texts, and how often each was paid for
        self.batches: list[int] = []

    def answer(self, asked: Asked) -> Reply:
        try:
            body = json.loads(asked.body)
            model, given = body["model"], body["input"]
        except (ValueError, KeyError, TypeError):
            return self.error(400, "you must provide a model and an input")
        texts = [given] if isinstance(given, str) else given
        self.batches.append(len(texts))
        refusal = self.refusal(asked, model, texts)
        if refusal:
            return refusal
        vectors: list[Any] = [vector(text, body.get("dimensions") or self.width).tolist() for text in texts]
        for place, text in enumerate(texts):
            if POISON in text and self.poisoned in FAULTS:
                vectors[place] = FAULTS[self.poisoned]([vectors[place]], [text])[0]
        if self.fault:
            vectors = self.fault(vectors, texts)
        self.embedded.update(texts)
        return Reply(self.shape(model, vectors, texts, body.get("encoding_format", "float")), delay=self.latency)

    def refusal(self, asked: Asked, model: str, texts: Sequence[str]) -> Reply | None:
        if self.key and asked.headers.get("authorization") != f"Bearer {self.key}":
            return self.error(
                401, f"Incorrect API key provided: {asked.headers.get('authorization')}", "invalid_api_key"
            )
        if model not in self.models:
            return self.unknown(model)
        if len(texts) > self.texts_at_most:
            return self.error(400, f"'input' array too long, at most {self.texts_at_most} items")
        longest = max(len(text) // 4 for text in texts)
        if longest > self.tokens:
            return self.too_long(longest)
        if any(POISON in text for text in texts) and self.poisoned == "refused":
            return self.error(400, "'$.input' is invalid")
        if any(POISON in text for text in texts) and self.poisoned == "failed":
            return self.error(500, "the model stopped")
        return None

    def used(self, texts: Sequence[str]) -> int:
        return sum(len(text) // 4 + 1 for text in texts)

    def shape(self, model: str, vectors: list[Any], texts: Sequence[str], encoding: str) -> Any:
        raise NotImplementedError

    def error(self, status: int, message: str, code: str | None = None) -> Reply:
        raise NotImplementedError

    def unknown(self, model: str) -> Reply:
        raise NotImplementedError

    def too_long(self, tokens: int) -> Reply:
        raise NotImplementedError


class Ollama(Embeddings):
    """POST /api/embed, of a server that does not cut what is too long (truncate is broken in some)."""

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/":
            return Reply(b"Ollama is running", headers={"Content-Type": "text/plain"})
        if asked.path == "/api/tags":
            return Reply({"models": [{"name": name, "model": name, "size": 1, "details": {}} for name in self.models]})
        if (asked.method, asked.path) != ("POST", "/api/embed"):
            return Reply(b"404 page not found", 404, {"Content-Type": "text/plain"})
        return super().answer(asked)

    def shape(self, model: str, vectors: list[Any], texts: Sequence[str], encoding: str) -> Any:
        counted = {"total_duration": 14_143_917, "load_duration": 1_019_500, "prompt_eval_count": self.used(texts)}
        return {"model": model, "embeddings": vectors, **counted}

    def error(self, status: int, message: str, code: str | None = None) -> Reply:
        return Reply({"error": message}, status)

    def unknown(self, model: str) -> Reply:
        return self.error(404, f'model "{model}" not found, try pulling it first')

    def too_long(self, tokens: int) -> Reply:
        return self.error(400, "the input length exceeds the context length")


class OpenAI(Embeddings):
    """POST /v1/embeddings, float or base64."""

    def answer(self, asked: Asked) -> Reply:
        if (asked.method, asked.path) != ("POST", "/v1/embeddings"):
            return self.error(404, f"Invalid URL ({asked.method} {asked.path})")
        return super().answer(asked)

    def shape(self, model: str, vectors: list[Any], texts: Sequence[str], encoding: str) -> Any:
        given = [packed(each) for each in vectors] if encoding == "base64" else vectors
        data = [{"object": "embedding", "index": place, "embedding": each} for place, each in enumerate(given)]
        if self.shuffled:
            data.reverse()
        used = self.used(texts)
        return {
            "object": "list", "data": data, "model": model, "usage": {"prompt_tokens": used, "total_tokens": used},
        }  # fmt: skip

    shuffled = False  # whether the places are told by `index` alone

    def error(self, status: int, message: str, code: str | None = None) -> Reply:
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return Reply({"error": {"message": message, "type": kind, "param": None, "code": code}}, status)

    def unknown(self, model: str) -> Reply:
        return self.error(404, f"The model `{model}` does not exist or you do not have access.", "model_not_found")

    def too_long(self, tokens: int) -> Reply:
        said = f"This model's maximum context length is {self.tokens} tokens, however you requested {tokens} tokens."
        return self.error(400, said, "context_length_exceeded")


class Together(OpenAI):
    """The same shape; it names no figure for what is too long."""

    texts_at_most = 512

    def too_long(self, tokens: int) -> Reply:
        return self.error(400, "Input is longer than the maximum context length of the model.", "invalid_request_error")


def packed(values: Sequence[float]) -> str:
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def each(change: Callable[[list[float]], list[float]]) -> Change:
    return lambda vectors, texts: [change(one) for one in vectors]


FAULTS: dict[str, Change] = {
    "wide": each(lambda one: [*one, 0.5]),
    "NaN": each(lambda one: [float("nan"), *one[1:]]),
    "infinite": each(lambda one: [1e300, *one[1:]]),
    "zeros": each(lambda one: [0.0] * len(one)),
    "fewer": lambda vectors, texts: vectors[:-1],
    "more": lambda vectors, texts: [*vectors, vectors[0]],
    "ragged": lambda vectors, texts: [vectors[0][:-1], *vectors[1:]],
}


def busy(message: str = "Rate limit reached.", **headers: str) -> Reply:
    """A 429. headers: as they are called, with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    error = {"message": message, "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    return Reply({"error": error}, 429, named)


NO_QUOTA = Reply(
    {"error": {"message": "You exceeded your current quota.", "type": "insufficient_quota", "param": None,
               "code": "insufficient_quota"}},
    429,
)  # fmt: skip
UNWELL = Reply({"error": "server busy, please try again.  maximum pending requests exceeded"}, 503)

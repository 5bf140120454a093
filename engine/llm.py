"""Questions to language models that end in a checked value. LiteLLM speaks to the providers; the only loop is here.

What a model answers is hostile, as posts of strangers are in its prompt: it is bounded, decoded strictly and checked
against a schema, and nothing else is ever made of it.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, Generic, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from engine import tracing
from engine.http import GRACE, finished, retry_after
from engine.scrubbing import SHORTEST, forms, scrubbed
from engine.text import clip, printable, squeeze

LONGEST = 8_000  # characters of an answer
DEEPEST = 6  # objects and lists within each other
CALLS = 4  # for one question, whatever becomes of them
ANSWER_TOKENS = 2_000
QUOTED = 600  # bytes of a bad answer that its model sees again
REASON = 300  # characters of what was wrong with an answer, and of all routes
SAID = 120  # characters of what a provider says, and of what is told of one route
SHORT = 5.0  # seconds that are waited where a provider is busy; beyond them the next one is asked
MOST_TOKENS = 10_000_000  # a larger figure is no count

# Read by LiteLLM when it is imported: it would fetch its prices and headers from GitHub, and read .env itself.
AT_HOME = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
    "MAX_TIME_TO_CLEAR_QUEUE": "0",  # seconds at the end of a process for reports that nobody asked for; it would be 5
}

Messages = Sequence[Mapping[str, str]]
Value = TypeVar("Value", bound=BaseModel)


@dataclass(frozen=True)
class Route:
    """A model and where it is asked. model: a LiteLLM name, such as openai/qwen3 or groq/llama-3.3-70b-versatile."""

    model: str
    api_base: str = ""
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What an answer took, failed ones included. calls: HTTP requests; cost: US dollars, 0 where no price is known."""

    calls: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Answer(Spent, Generic[Value]):
    value: Value
    model: str


class LLMError(Exception):
    """No route gave a value. reason: one line without keys; retry_after: seconds, where a provider named them."""

    def __init__(self, reason: str, spent: Spent, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.spent, self.retry_after = reason, spent, retry_after

    @property
    def calls(self) -> int:
        return self.spent.calls


class Stop(LLMError):
    """The key is refused or nothing is left to pay with: no call will do better, of any question."""


class Fault(Exception):
    """One answer that is none. again: asking the same model once more may help; quoted: what it said."""

    def __init__(self, reason: str, again: bool = True, quoted: str = "", retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.again, self.quoted, self.retry_after = again, quoted, retry_after


class NoKey(Exception):
    """What makes a Stop, before it is known what was spent."""


class NoSchema(Exception):
    """The server does not take the schema itself, only JSON."""


def ask(
    messages: Messages, schema: type[Value], routes: Sequence[Route], timeout: float = 60.0, most: int = CALLS
) -> Answer[Value]:
    """What the first model says that gives a value of the schema; each is asked twice at most.

    timeout: seconds for one call, all of it. most: calls in all. The second call of a model carries what was wrong
    with its first answer.
    Raises LLMError, and Stop as soon as a provider refuses the key or wants to be paid.
    """
    if not routes or most < 1:
        raise ValueError("no route to ask, or no call to ask it by")
    asking = Asking(messages, schema, timeout, most)
    faults: list[str] = []
    waits: list[float] = []
    for route in routes:
        if not asking.left:
            faults.append(f"{route.model}: not asked, {most} calls are the end")
            break
        try:
            return Answer(value=asking.of(route), model=route.model, **asdict(asking.spent))
        except NoKey as error:
            raise Stop(f"{route.model}: {error}", asking.spent) from None
        except Fault as fault:
            faults.append(f"{route.model}: {clip(str(fault), SAID)}")
            waits += [] if fault.retry_after is None else [fault.retry_after]
    raise LLMError(clip("; ".join(faults), REASON), asking.spent, min(waits, default=None))


class Asking(Generic[Value]):
    """One question on its way along the routes, and what it has taken so far."""

    no_schema: set[tuple[str, str]] = set()  # which models want their schema in words: found out once a process

    def __init__(self, messages: Messages, schema: type[Value], timeout: float, most: int) -> None:
        self.messages, self.schema, self.timeout, self.most = messages, schema, timeout, most
        self.spent = Spent()
        self.waited = False

    @property
    def left(self) -> int:
        """So many calls may still be made."""
        return self.most - self.spent.calls

    def of(self, route: Route) -> Value:
        """The value that this route gives. Raises Fault with the last reason."""
        try:
            return self.once(route, self.messages)
        except Fault as fault:
            if not fault.again or not self.left:
                raise
            second = with_note(self.messages, repair(fault))
        return self.once(route, second)

    def once(self, route: Route, messages: Messages) -> Value:
        """One answer, checked. A refused schema or a busy provider is no answer yet."""
        try:
            return self.call(route, messages)
        except NoSchema:
            self.no_schema.add((route.model, route.api_base))
            if not self.left:
                raise Fault("takes no schema, and no call is left", again=False) from None
            return self.once(route, messages)
        except Fault as fault:
            if not self.left or self.waited or fault.retry_after is None or fault.retry_after > SHORT:
                raise
            self.waited = True
            time.sleep(fault.retry_after)
        return self.once(route, messages)

    def call(self, route: Route, messages: Messages) -> Value:
        plain = (route.model, route.api_base) in self.no_schema
        if plain:
            messages = with_note(messages, in_words(self.schema))
        self.spent = replace(self.spent, calls=self.spent.calls + 1)
        with tracing.span("chat", "client", gen_ai_request_model=route.model):
            wanted = {"type": "json_object"} if plain else self.schema
            response = response_of(route, messages, wanted, self.timeout, plain)
        self.spent = total(self.spent, spent_on(response, route))
        return checked(said(response), self.schema)


def with_note(messages: Messages, note: str) -> Messages:
    """With a note at the end of the last message: the templates of many local models want the roles to alternate."""
    *first, last = messages
    return [*first, {**last, "content": f"{last['content']}\n\n{note}"}]


def repair(fault: Fault) -> str:
    """What the second call says about the first answer, which is shown as data."""
    began = printable(fault.quoted[:QUOTED]).encode()[:QUOTED].decode(errors="ignore")
    shown = f" It began: {json.dumps(began, ensure_ascii=False)}." if began else ""
    return (
        f"An earlier answer was refused. Reason: {fault}.{shown}"
        " Answer anew: one JSON object that fits the schema, and nothing else."
    )


def in_words(schema: type[BaseModel]) -> str:
    return (
        f"Answer with one JSON object of this JSON schema, and nothing else: {json.dumps(schema.model_json_schema())}"
    )


# The call


@cache
def litellm() -> Any:
    """The library, imported at the first question: that takes seconds and 170 MB."""
    os.environ.update(AT_HOME)
    import litellm

    litellm.suppress_debug_info = True  # it would print to standard output
    warnings.filterwarnings("ignore", "Pydantic serializer warnings")  # its copies of odd answers, on standard error
    return litellm


@cache
def connected(process: int) -> Any:
    """The library with connections of this process."""
    found = litellm()
    # Where posts go is what the settings say; nobody who answers there sends them on to another host.
    found.aclient_session = httpx.AsyncClient(follow_redirects=False)
    return found


def response_of(route: Route, messages: Messages, response_format: Any, timeout: float, plain: bool) -> Any:
    """LiteLLM's ModelResponse. Raises Fault, NoKey, and NoSchema unless it was asked for plain JSON."""
    from openai import OpenAIError  # what all errors of LiteLLM derive from; as late as that one

    question = connected(os.getpid()).acompletion(
        model=route.model,
        messages=[dict(each) for each in messages],
        api_base=route.api_base or None,
        # Without one LiteLLM would send the provider's key from the environment, to whatever address is set.
        api_key=route.api_key or ("none" if route.api_base else None),
        response_format=response_format,
        max_tokens=ANSWER_TOKENS,
        temperature=0,
        drop_params=True,
        max_retries=0,
        num_retries=0,
        timeout=timeout + GRACE,
    )
    try:
        return finished(question, timeout)
    except TimeoutError:
        raise Fault(f"timeout, no answer within {timeout:g} s", again=False) from None
    except OpenAIError as error:
        raise meaning(error, route, plain) from None


# What an error means. LiteLLM guesses from words in the text, which may be a stranger's; the true response is in the
# chain of its causes.


def meaning(error: BaseException, route: Route, plain: bool) -> Exception:
    """The Fault, NoKey or NoSchema that it amounts to."""
    response = true_response(error)
    if response is None:
        return unanswered(error, route)
    status, message = response.status_code, complaint(response)
    if status in (401, 402, 403) or (status in (400, 429) and OUT_OF_MONEY[status].search(message)):
        return NoKey(REFUSALS.get(status, f"HTTP {status}, the quota is used up"))
    if status in (400, 422) and not plain and SCHEMA_REFUSED.search(message):
        return NoSchema()
    reason = f"HTTP {status} {tidy(message, route)}".strip()
    if status == 429:
        return Fault(f"busy, {reason}", again=False, retry_after=retry_after(response.headers))
    return Fault(reason, again=status >= 500 or BAD_ANSWER.search(message) is not None)


REFUSALS = {
    401: "HTTP 401, the key is refused",
    402: "HTTP 402, payment is required",
    403: "HTTP 403, the key may not use this",
}
# A busy provider and one that wants money both say 429; some say 400, where only their set phrases are taken.
OUT_OF_MONEY = {
    429: re.compile(r"quota|billing|credit balance", re.IGNORECASE),
    400: re.compile(r"insufficient_quota|credit balance is too low", re.IGNORECASE),
}
BAD_ANSWER = re.compile(r"json_validate_failed|tool_use_failed")  # Groq checks for itself
SCHEMA_REFUSED = re.compile(r"response[_ ]?format|json[_ ]?schema", re.IGNORECASE)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(20):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def true_response(error: BaseException) -> httpx.Response | None:
    """What the server said; the stand-ins that LiteLLM makes have no headers."""
    found = (getattr(each, "response", None) for each in causes(error))
    return next((each for each in found if isinstance(each, httpx.Response) and each.headers), None)


def complaint(response: httpx.Response) -> str:
    """Code, type and message of an error body. What else is in it may be a failed answer, and is not read."""
    try:
        body = decoded(response.text)
    except Fault:
        return ""
    error = body.get("error", body)
    if not isinstance(error, dict):
        return str(error)
    return ", ".join(str(error[name]) for name in ("code", "type", "param", "message") if error.get(name))


def unanswered(error: BaseException, route: Route) -> Fault:
    """There is no response with an error in it: nothing came, or nothing that can be read."""
    broken = (httpx.TransportError, ConnectionError)
    if any(isinstance(each, broken) for each in causes(error)):
        return Fault("connection broken or refused")
    return Fault(f"no usable response, {tidy(str(error).partition('Traceback')[0], route)}")


def tidy(text: str, route: Route) -> str:
    """One short line of it without keys."""
    secrets = sorted(forms(route.api_key), key=len, reverse=True) if len(route.api_key) >= SHORTEST else []
    for secret in secrets:
        text = text.replace(secret, "***")
    return clip(printable(squeeze(scrubbed(text))), SAID)


# The answer


def said(response: Any) -> str:
    """The text of an answer that is one. Raises Fault."""
    if not response.choices:
        raise Fault("no answer in the response")
    choice = response.choices[0]
    message = choice.message
    if message.tool_calls or getattr(message, "function_call", None):
        raise Fault("tool call instead of an answer")
    refusal = (getattr(message, "provider_specific_fields", None) or {}).get("refusal")
    if refusal or choice.finish_reason == "content_filter":
        raise Fault(f"refusal {printable(str(refusal or 'by a content filter'))[:100]}")
    if choice.finish_reason == "length":
        raise Fault(f"cut off, longer than {ANSWER_TOKENS} tokens")
    if not isinstance(message.content, str) or not message.content.strip():
        raise Fault("empty answer")
    return message.content


def checked(text: str, schema: type[Value]) -> Value:
    """The value. Raises Fault with what is wrong, in few words and without what was said."""
    try:
        return schema.model_validate(decoded(text))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        raise Fault(f"invalid, {'; '.join(map(in_short, wrong[:5]))}"[:REASON], quoted=text) from None


def in_short(wrong: Mapping[str, Any]) -> str:
    place = ".".join(printable(str(each))[:30] for each in wrong["loc"])
    return f"{place}: {wrong['msg']}"[:150]


def decoded(text: str) -> dict[str, Any]:
    """The object at the first brace, whatever stands around it.

    Raises Fault where it is too long, no JSON, nested too deep, holds a name twice or a number that JSON has not.
    """
    if len(text) > LONGEST:
        raise Fault(f"answer of {len(text)} characters, more than {LONGEST}", quoted=text)
    start = text.find("{")
    if start < 0:
        raise Fault("no JSON object in the answer", quoted=text)
    try:
        value, _ = DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise Fault(f"invalid JSON, {str(error)[:100]}", quoted=text) from None
    if not shallow([value], DEEPEST + 1):
        raise Fault(f"JSON nested deeper than {DEEPEST}", quoted=text)
    return dict(value)


def once_each(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"a name stands twice: {printable(name)[:30]}")
        found[name] = value
    return found


def no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


DECODER = json.JSONDecoder(object_pairs_hook=once_each, parse_constant=no_number)


def shallow(value: Any, levels: int) -> bool:
    """Whether objects and lists lie at most that deep in each other."""
    if not isinstance(value, dict | list):
        return True
    return levels > 0 and all(
        shallow(each, levels - 1) for each in (value.values() if isinstance(value, dict) else value)
    )


# What it took


def spent_on(response: Any, route: Route) -> Spent:
    usage = getattr(response, "usage", None)
    prompt, answer = counted(usage, "prompt_tokens"), counted(usage, "completion_tokens")
    return Spent(prompt_tokens=prompt, answer_tokens=answer, cost=cost(response, route) if prompt or answer else 0.0)


def counted(usage: Any, name: str) -> int:
    tokens = getattr(usage, name, 0)
    return tokens if isinstance(tokens, int) and 0 <= tokens <= MOST_TOKENS else 0


def cost(response: Any, route: Route) -> float:
    try:
        dollars = float(litellm().completion_cost(completion_response=response, model=route.model))
    except Exception:  # noqa: BLE001  a model without a price raises a bare Exception, and a label is worth more
        return 0.0
    return dollars if math.isfinite(dollars) and dollars > 0 else 0.0


def total(one: Spent, other: Spent) -> Spent:
    return Spent(**{name: figure + asdict(other)[name] for name, figure in asdict(one).items()})

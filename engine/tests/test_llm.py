"""Every way in which a model can answer, over HTTP, with its calls counted where they arrive."""

import json
import logging
import subprocess
import sys
import threading
import time
import warnings
from email.utils import formatdate
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from engine import llm
from engine.http import retry_after
from engine.llm import Fault, LLMError, Route, Stop, ask, decoded
from engine.tests.llm_server import LABEL, SCRIPTS, VALID, Reply, Server, fails, label, says, without_schema

MESSAGES = [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": "What is it?"}]
KEY = "sk-canary-0123456789"


class Said(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    title: str
    category: Literal["devtools", "other"]
    description: str
    claims: list[str]
    would_pay: bool
    impact: Literal["low", "high"]


@pytest.fixture(autouse=True)
def nothing_learned(monkeypatch):
    """Ports come again, and with them what was found out about another server."""
    monkeypatch.setattr(llm.Asking, "no_schema", set())


def to(server, model="openai/local", key=KEY):
    return Route(model, server.url, key)


def answer(*servers, timeout=10):
    return ask(MESSAGES, Said, [to(each) for each in servers], timeout)


def failure(*servers, timeout=10):
    with pytest.raises(LLMError) as caught:
        answer(*servers, timeout=timeout)
    assert caught.value.calls == sum(each.calls for each in servers)
    return caught.value


# What gives a value


@pytest.mark.parametrize(
    ("script", "calls"), [("valid", 1), ("fenced", 1), ("prose", 1), ("repaired", 2), ("no-schema", 2)]
)
def test_a_value_comes_out_after_so_many_calls(script, calls):
    with Server.of(script) as server:
        given = answer(server)
    assert given.value == Said(**LABEL)
    assert (given.calls, server.calls, given.model) == (calls, calls, "openai/local")


@pytest.mark.parametrize(
    "model", ["groq/llama-3.3-70b-versatile", "hosted_vllm/qwen3", "lm_studio/qwen3", "gpt-5-mini"]
)
def test_all_providers_of_that_shape_are_spoken_to(model):
    with Server(VALID, key=KEY) as server:
        assert ask(MESSAGES, Said, [to(server, model)]).value == Said(**LABEL)


def test_tokens_of_failed_answers_count():
    with Server.of("repaired") as server:
        given = answer(server)
    assert (given.prompt_tokens, given.answer_tokens) == (200, 40)


def test_the_schema_goes_with_the_question_strictly():
    with Server(VALID) as server:
        answer(server)
    asked = server.asked[0]
    assert asked["messages"] == MESSAGES
    assert asked["model"] == "local"
    assert asked["response_format"]["json_schema"]["strict"] is True
    assert asked["response_format"]["json_schema"]["schema"]["required"] == list(LABEL)
    assert "tools" not in asked


def test_the_second_call_tells_what_was_wrong_and_shows_it_as_data():
    with Server(says('{"title": "\x1b]0;a\nb"'), VALID) as server:
        answer(server)
    note = server.asked[1]["messages"][-1]["content"]
    assert note.startswith("What is it?\n\nAn earlier answer was refused. Reason: invalid JSON")
    assert r'It began: "{\"title\": \"]0;ab\""' in note


def test_a_long_bad_answer_is_quoted_in_part():
    with Server(says("no " * 2_000), VALID) as server:
        answer(server)
    assert len(server.asked[1]["messages"][-1]["content"]) < 1_400


def test_a_server_that_knows_no_schema_is_told_it_in_words():
    with Server.of("no-schema") as server:
        answer(server)
    asked = server.asked[1]
    assert asked["response_format"] == {"type": "json_object"}
    assert '"would_pay"' in asked["messages"][-1]["content"]


def test_it_is_found_out_once():
    with Server.of("no-schema") as server:
        answer(server)
        assert answer(server).calls == 1


def test_a_refused_schema_is_none_of_the_two_answers():
    with Server(without_schema(says("no")), without_schema(says("no")), without_schema(VALID)) as server:
        assert answer(server).calls == 3


def test_a_server_that_refuses_all_formats_is_asked_twice():
    with Server(fails(400, "response_format is not supported")) as server:
        assert failure(server).calls == 2


def test_the_second_route_answers_where_the_first_cannot():
    with Server.of("broken") as first, Server(VALID) as second:
        given = ask(MESSAGES, Said, [to(first), to(second, "openai/remote")])
    assert (given.model, given.calls, first.calls, second.calls) == ("openai/remote", 3, 2, 1)
    assert second.asked[0]["messages"] == MESSAGES


def test_four_answers_are_the_end():
    with Server.of("broken") as first, Server.of("wrong-enum") as second:
        error = failure(first, second)
    assert error.calls == 4
    assert error.reason.startswith("openai/local: invalid JSON")
    assert "category: Input should be 'devtools' or 'other'" in error.reason
    assert (error.spent.prompt_tokens, error.spent.answer_tokens) == (400, 80)


@pytest.mark.parametrize(("script", "most"), [("broken", 1), ("broken", 3), ("no-schema", 1), ("busy", 1)])
def test_no_more_calls_are_made_than_are_left(script, most):
    with Server.of(script) as first, Server.of("broken") as second, pytest.raises(LLMError) as caught:
        ask(MESSAGES, Said, [to(first), to(second)], most=most)
    assert first.calls + second.calls == caught.value.calls == most


def test_nobody_sends_the_posts_on_to_another_host():
    with Server(VALID) as elsewhere:
        with Server(Reply(status=307, headers={"Location": f"{elsewhere.url}/chat/completions"})) as server:
            assert failure(server).reason.startswith("openai/local: HTTP 307")
        assert elsewhere.calls == 0


def test_no_route_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="no route"):
        ask(MESSAGES, Said, [])


# What is no answer


def shaped(**choice):
    return Reply(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice] if choice else []}
    )


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        *[(SCRIPTS[script][0], reason) for script, reason in {
            "broken": "invalid JSON",
            "wrong-enum": "invalid, category",
            "refusal": "refusal I cannot help",
            "null": "empty answer",
            "cut-off": "cut off",
            "tool-call": "tool call",
            "huge": "answer of 1000",
            "hostile": "invalid, cluster",
            "reset": "connection broken",
            "unwell": "HTTP 503",
        }.items()],
        (says("  "), "empty answer"),
        (says("I'm sorry, I can't."), "no JSON object"),
        (says('{"title": NaN}'), "invalid JSON, NaN"),
        (says('{"title": "a", "title": "b"}'), "invalid JSON, a name stands twice"),
        (says('{"a":' * 100 + "1" + "}" * 100), "JSON nested deeper"),
        (says('{"a":' + "[" * 7_000), "invalid JSON"),
        (says('{"a": ' + "9" * 5_000 + "}"), "invalid JSON"),
        (says("x", finish="content_filter"), "refusal"),
        (says({"title": "a"}), "no usable response"),
        (shaped(), "no answer"),
        (Reply({}), "no usable response"),
        (Reply(b"<html>"), "no usable response"),
        (Reply(b"[]"), "no usable response"),
        (Reply(b"\xff\xfe"), "no usable response"),
        (Reply(b"<html>Bad gateway</html>", 502), "HTTP 502"),
        (fails(400, "Failed to generate JSON", "json_validate_failed"), "HTTP 400 json_validate_failed"),
        (fails(400, "Failed to call a function", "tool_use_failed"), "HTTP 400 tool_use_failed"),
    ],
)  # fmt: skip
def test_it_is_asked_once_more_and_then_fails_with_a_reason(step, reason):
    with Server(step) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = failure(server)
    assert error.reason.startswith(f"openai/local: {reason}")
    assert error.calls == 2
    assert not isinstance(error, Stop)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (
            fails(400, "This model's maximum context length is 8192 tokens.", "context_length_exceeded"),
            "HTTP 400 context",
        ),
        (fails(404, "The model does not exist.", "model_not_found"), "HTTP 404 model_not_found"),
        (fails(429, "Rate limit reached.", headers={"Retry-After": "3600"}), "busy, HTTP 429"),
        (fails(429, "Rate limit reached."), "busy, HTTP 429"),
    ],
)
def test_what_a_second_call_cannot_mend_is_not_tried_again(step, reason):
    with Server(step) as server:
        error = failure(server)
    assert error.reason.startswith(f"openai/local: {reason}")
    assert error.calls == 1


@pytest.mark.parametrize("script", ["timeout", "drip"])
def test_a_call_ends_at_its_deadline_however_its_bytes_arrive(script):
    with Server.of(script) as slow, Server(VALID) as second:
        began = time.monotonic()
        assert answer(slow, second, timeout=1).calls == 2
    assert time.monotonic() - began < 5


def test_a_timeout_is_a_reason():
    with Server.of("timeout") as server:
        assert failure(server, timeout=0.5).reason == "openai/local: timeout, no answer within 0.5 s"


def test_nobody_there_is_a_reason():
    with Server(VALID) as server:
        gone = to(server)
    with pytest.raises(LLMError, match="connection broken or refused"):
        ask(MESSAGES, Said, [gone])


def test_a_name_that_means_no_provider_is_told():
    with pytest.raises(LLMError, match="LLM Provider NOT provided"):
        ask(MESSAGES, Said, [Route("nobody/knows")])


# What ends all calls


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        *[(SCRIPTS[script][0], reason) for script, reason in {
            "401": "HTTP 401, the key is refused",
            "402": "HTTP 402, payment is required",
            "403": "HTTP 403, the key may not use this",
            "quota": "HTTP 429, the quota is used up",
        }.items()],
        (fails(400, "Your credit balance is too low to access the API."), "HTTP 400, the quota is used up"),
    ],
)  # fmt: skip
def test_a_refused_key_or_an_empty_purse_stops_at_once(step, reason):
    with Server(step) as first, Server(VALID) as second, pytest.raises(Stop) as caught:
        answer(first, second)
    assert caught.value.reason == f"openai/local: {reason}"
    assert (caught.value.calls, first.calls, second.calls) == (1, 1, 0)


@pytest.mark.parametrize("words", ["insufficient_quota", "rate limit 429", "invalid_api_key 401", "quota"])
def test_words_of_a_failed_answer_stop_nothing(words):
    """LiteLLM takes such words, which a post may have brought about, for the provider's own."""
    error = {"message": "Failed to generate JSON", "code": "json_validate_failed", "failed_generation": words}
    with Server(Reply({"error": error}, 400), VALID) as server:
        assert answer(server).calls == 2


# A busy provider


def test_a_short_wait_is_waited_once():
    with Server.of("busy") as server:
        began = time.monotonic()
        assert answer(server).calls == 2
    assert time.monotonic() - began >= 1


def test_a_provider_that_stays_busy_is_left():
    with Server(fails(429, "Rate limit reached.", headers={"Retry-After": "0"})) as server:
        error = failure(server)
    assert (error.calls, error.retry_after) == (2, 0)


def test_a_busy_call_is_none_of_the_two_answers():
    busy = fails(429, "Rate limit reached.", headers={"Retry-After": "0"})
    with Server(busy, says("no"), VALID) as server:
        assert answer(server).calls == 3


def test_a_long_wait_is_told_and_not_waited():
    with Server.of("closed") as first, Server.of("broken") as second:
        assert failure(first, second).retry_after == 3600


def test_a_wait_may_be_a_date():
    with Server(fails(429, "Later.", headers={"Retry-After": formatdate(time.time() + 100, usegmt=True)})) as server:
        assert 90 < failure(server).retry_after <= 100


@pytest.mark.parametrize("named", ["soon", "-5", "inf", "nan", "9" * 400, ""])
def test_a_wait_that_means_nothing_is_none(named):
    assert retry_after({"retry-after": named}) is None


# Keys, figures, and what leaves the machine


def test_the_key_goes_to_the_server_and_nowhere_else(caplog):
    caplog.set_level(logging.DEBUG)
    leak = fails(500, f"Upstream said: {KEY} and Bearer {KEY}")
    with Server(leak) as server:
        error = failure(server)
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert "***" in error.reason
    assert KEY not in f"{error!r} {error.reason} {to(server)!r}"
    assert KEY not in caplog.text


def test_a_server_without_a_key_gets_none_of_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Server(VALID) as server:
        ask(MESSAGES, Said, [Route("openai/local", server.url)])
    assert server.headers[0]["authorization"] == "Bearer none"


def test_a_reason_steers_no_terminal_and_is_one_line():
    with Server(fails(500, "a\x1b[2J\n\nb" + "c" * 5_000)) as server:
        reason = failure(server).reason
    assert reason.isprintable()
    assert len(reason) <= 300


def test_a_reason_does_not_repeat_what_was_said():
    with Server(label(category="Owned\x1b[2J")) as server:
        assert "Owned" not in failure(server).reason


def test_a_known_price_is_a_cost():
    with Server(says(json.dumps(LABEL), model="gpt-4o-mini")) as server:
        given = ask(MESSAGES, Said, [to(server, "openai/gpt-4o-mini")])
    assert given.cost == pytest.approx(100 * 0.15e-6 + 20 * 0.6e-6)


def test_an_unknown_price_is_none():
    with Server(VALID) as server:
        assert answer(server).cost == 0


@pytest.mark.parametrize("figure", [-1, 10**12])
def test_figures_that_cannot_be_are_none(figure):
    with Server(says(json.dumps(LABEL), tokens=figure)) as server:
        given = answer(server)
    assert (given.prompt_tokens, given.answer_tokens) == (0, 20)


def test_many_threads_may_ask_at_once():
    given = []
    with Server(Reply(VALID.body, delay=1)) as server:
        threads = [threading.Thread(target=lambda: given.append(answer(server))) for _ in range(8)]
        began = time.monotonic()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert (len(given), server.calls) == (8, 8)
    assert time.monotonic() - began < 6


PHONES = """
import os, sys
seen = set()
def watch(event, values):
    if event == "socket.getaddrinfo": seen.add(values[0])
    if event == "socket.connect" and isinstance(values[1], tuple): seen.add(values[1][0])
sys.addaudithook(watch)
import engine.llm as llm
assert "litellm" not in sys.modules
from engine.tests.llm_server import VALID, Server
from engine.tests.test_llm import MESSAGES, Said, KEY
for model in ("openai/local", "groq/llama-3.3-70b-versatile", "anthropic/claude-sonnet-4-5", "ollama_chat/llama3"):
    with Server(VALID) as server:
        try: llm.ask(MESSAGES, Said, [llm.Route(model, server.url, KEY)])
        except llm.LLMError: pass
print("hosts", *sorted(seen), "dotenv" if os.environ.get("FROM_DOTENV") else "")
"""


def test_nobody_else_is_asked_and_nothing_is_imported_early(tmp_path, monkeypatch):
    """Of each provider the address is ours here; its shape need not be."""
    (tmp_path / ".env").write_text("FROM_DOTENV=1\n")
    monkeypatch.setenv("PYTHONPATH", str(llm.__file__.removesuffix("/engine/llm.py")))
    done = subprocess.run([sys.executable, "-c", PHONES], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["hosts", "127.0.0.1"], done.stderr


# The decoder


@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Sure! {} Done.", "{} {{}}", "\ufeff{}", "[{}]"])
def test_what_stands_around_the_object_is_left_out(around):
    assert decoded(around.format('{"a": [1, {"b": "}"}]}')) == {"a": [1, {"b": "}"}]}


@pytest.mark.parametrize("text", ["", "null", "{" * 8_000, '{"a": Infinity}', "{'a': 1}", '{"a": 1,}', '{"a": "\n"}'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(Fault):
        decoded(text)


def test_hostile_texts_take_no_time():
    began = time.monotonic()
    for part in ("{", '{"', '{"a":', '{"a":[', "\\", '"{'):
        with pytest.raises(Fault):
            decoded((part * 8_000)[:8_000])
    assert time.monotonic() - began < 2

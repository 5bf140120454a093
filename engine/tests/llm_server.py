"""A scripted language model on loopback that speaks the OpenAI chat-completions API.

By hand: python -m engine.tests.llm_server --port 8901 --script valid, and then
LLM_MODEL=openai/local LLM_API_BASE=http://127.0.0.1:8901/v1. --list names the scripts; the last reply of one repeats.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Body = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. delay: seconds before it; drip: seconds between its bytes; reset: the connection breaks."""

    body: Body | bytes = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    drip: float = 0
    reset: bool = False


Step = Reply | Callable[[Body], Reply]


def says(
    content: Any, finish: str = "stop", message: Body | None = None, model: str = "local", tokens: int = 100
) -> Reply:
    """A completion. message: what else stands in it, such as refusal or tool_calls; tokens: of the prompt."""
    message = {"role": "assistant", "content": content, "refusal": None, **(message or {})}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 20, "total_tokens": tokens + 20},
        "service_tier": "default",
        "system_fingerprint": None,
    }
    return Reply(body)


def fails(
    status: int, message: str, code: str | None = None, kind: str = "invalid_request_error", **facts: Any
) -> Reply:
    """An error in OpenAI's shape."""
    return Reply({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, **facts)


def calls_tool(name: str, arguments: Body) -> Reply:
    function = {"name": name, "arguments": json.dumps(arguments)}
    tools = [{"id": "call_1", "type": "function", "function": function}]
    return says(None, finish="tool_calls", message={"tool_calls": tools})


LABEL = {
    "title": "Exports of large tables stop halfway",
    "category": "devtools",
    "description": "People lose rows when they export large tables.",
    "claims": [],
    "would_pay": False,
    "impact": "low",
}
VALID = says(json.dumps(LABEL))
UNAUTHORISED = fails(401, "Incorrect API key provided: sk-none.", "invalid_api_key")
NO_SCHEMA = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."


def label(**changes: Any) -> Reply:
    """The valid label with other values in it."""
    return says(json.dumps({**LABEL, **changes}))


def echo(body: Body) -> Reply:
    """A valid label made of the first post in the prompt: its title, and no claims."""
    found = re.search(r'"title": ("(?:[^"\\]|\\.)*")', body["messages"][-1]["content"])
    return label(title=json.loads(found[1])) if found else VALID


def without_schema(reply: Reply) -> Callable[[Body], Reply]:
    """That reply, of a server that knows only {"type": "json_object"}."""

    def step(body: Body) -> Reply:
        strict = body.get("response_format", {}).get("type") == "json_schema"
        return fails(400, NO_SCHEMA) if strict else reply

    return step


SCRIPTS: dict[str, list[Step]] = {
    "valid": [VALID],
    "echo": [echo],
    "repaired": [says("{"), VALID],
    "broken": [says('{"title": ')],
    "fenced": [says(f"```json\n{json.dumps(LABEL, indent=2)}\n```")],
    "prose": [says(f"Here is the label.\n{json.dumps(LABEL)}\nAnything else?")],
    "wrong-enum": [label(category="gardening")],
    "long-title": [label(title="Export " * 16 + "endlessly")],  # 121 characters
    "refusal": [says(None, message={"refusal": "I cannot help with that."})],
    "null": [says(None)],
    "cut-off": [says('{"title": "Exports', finish="length")],
    "tool-call": [calls_tool("send_mail", {"to": "everyone"})],
    "huge": [label(description="word " * 200_000)],
    "hostile": [label(title="<b>Owned</b> https://attacker.example", cluster=7)],
    "timeout": [Reply(delay=3600)],
    "drip": [Reply(VALID.body, drip=0.2)],
    "reset": [Reply(reset=True)],
    "401": [UNAUTHORISED],
    "402": [fails(402, "Payment required.", "payment_required")],
    "403": [fails(403, "This key may not use the model.", "permission_denied")],
    "quota": [fails(429, "You exceeded your current quota.", "insufficient_quota", "insufficient_quota")],
    "busy": [fails(429, "Rate limit reached.", "rate_limit_exceeded", headers={"Retry-After": "1"}), VALID],
    "closed": [fails(429, "Rate limit reached.", "rate_limit_exceeded", headers={"Retry-After": "3600"})],
    "no-schema": [without_schema(VALID)],
    "unwell": [fails(503, "Overloaded.", kind="server_error")],
}


class Server:
    """Answers with one step after the other, the last one over and over, and keeps what it was asked.

    key: the one that is asked for, any where it is empty. Stop it by leaving its `with`.
    """

    def __init__(self, *steps: Step, key: str = "", port: int = 0) -> None:
        self.steps, self.key = steps, key
        self.asked: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.taking = threading.Lock()
        self.closing = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Handler,), {"model": self}))
        self.http.daemon_threads = True
        self.http.block_on_close = False

    @classmethod
    def of(cls, script: str, **facts: Any) -> Self:
        return cls(*SCRIPTS[script], **facts)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    @property
    def calls(self) -> int:
        return len(self.asked)

    def __enter__(self) -> Self:
        serve = {"poll_interval": 0.02}
        threading.Thread(target=self.http.serve_forever, kwargs=serve, name="scripted model", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()

    def reply(self, path: str, headers: dict[str, str], body: Any) -> Reply:
        """What the script says now; the checks that the true API makes come first."""
        if not path.endswith("/v1/chat/completions"):
            return fails(404, f"Unknown request URL: POST {path}.", "unknown_url")
        with self.taking:
            self.asked.append(body)
            self.headers.append(headers)
            step = self.steps[min(len(self.asked), len(self.steps)) - 1]
        if self.key and headers.get("authorization") != f"Bearer {self.key}":
            return UNAUTHORISED
        if not isinstance(body, dict) or not body.get("model") or not body.get("messages"):
            return fails(400, "you must provide a model parameter and messages")
        return step if isinstance(step, Reply) else step(body)


class Handler(BaseHTTPRequestHandler):
    model: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(said)
        except ValueError:
            body = None
        reply = self.model.reply(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        try:
            self.send(reply)
        except OSError:
            self.close_connection = True  # who asked has gone

    def send(self, reply: Reply) -> None:
        if self.model.closing.wait(reply.delay) or reply.reset:
            return self.reset()
        said = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(said)),
            **reply.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        for part in [said[at : at + 1] for at in range(len(said))] if reply.drip else [said]:
            if self.model.closing.wait(reply.drip):
                return self.reset()
            self.wfile.write(part)
        return None

    def reset(self) -> None:
        """RST in place of FIN: what is under way is lost."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *values: Any) -> None:
        """Nothing: who wants to know looks into `asked`."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A scripted language model on loopback.")
    parser.add_argument("--port", type=int, default=8901)
    parser.add_argument("--script", default="valid", choices=SCRIPTS)
    parser.add_argument("--key", default="", help="the key that is asked for; any by default")
    parser.add_argument("--list", action="store_true", help="name the scripts and leave")
    asked = parser.parse_args(arguments)
    if asked.list:
        sys.stdout.write("\n".join(SCRIPTS) + "\n")
        return
    with Server.of(asked.script, key=asked.key, port=asked.port) as server:
        sys.stdout.write(f"url={server.url} script={asked.script}\n")
        told = 0
        while True:
            time.sleep(0.2)
            if told < server.calls:
                told = server.calls
                sys.stdout.write(f"calls={told}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)

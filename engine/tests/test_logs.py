"""Logs: one event is one line, whatever is in it, and no line holds a secret."""

import io
import json
import logging
import logging.config
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog

from engine import logs
from ostsite import environment

ROOT = Path(__file__).parents[2]
OURS = structlog.get_logger("engine.kitchen")
THEIRS = logging.getLogger("somebody.else")
HOSTILE = "Soup\r\ntime=2026-01-01 level=info event=forged\x1b[2J\x9b\u2028\u202e"
SECRET = 'it\'s-a\\"sécret"/50% + more'


class Kept:
    """What was written, read as a person or a program reads it."""

    def __init__(self, log_format: str) -> None:
        self.stream = io.StringIO()
        self.handler = logs.LineHandler(self.stream)
        self.handler.setFormatter(logs.formatter(log_format))

    def __str__(self) -> str:
        return self.stream.getvalue()

    def facts(self) -> dict[str, object]:
        (line,) = str(self).splitlines()
        found: dict[str, object] = json.loads(line)
        return found


@pytest.fixture
def kept(request) -> Iterator[Kept]:
    """The lines of our logger and of theirs, in the format that the test names."""
    found = Kept(getattr(request, "param", "text"))
    for name in ("engine.kitchen", "somebody.else"):
        logging.getLogger(name).addHandler(found.handler)
    yield found
    for name in ("engine.kitchen", "somebody.else"):
        logging.getLogger(name).removeHandler(found.handler)
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def secret() -> Iterator[str]:
    logs.configure([SECRET, "short"])
    yield SECRET
    logs.configure(environment.secrets)


text = pytest.mark.parametrize("kept", ["text"], indirect=True)
as_json = pytest.mark.parametrize("kept", ["json"], indirect=True)
both = pytest.mark.parametrize("kept", ["text", "json"], indirect=True)


def fail(reason: str) -> None:
    raise ValueError(reason)


def log_a_trace(reason: str) -> None:
    try:
        fail(reason)
    except ValueError:
        OURS.exception("spilt")


# A line


@text
def test_a_line_of_text_is_key_and_value(kept):
    OURS.warning("cooked", dish="soup", portions=3, note="too hot")
    assert re.fullmatch(
        r'time=\S+Z level=warning logger=engine\.kitchen event=cooked dish=soup portions=3 note="too hot"\n', str(kept)
    )


@as_json
def test_a_line_of_json_holds_the_facts(kept):
    OURS.warning("cooked", dish="soup", portions=3)
    facts = kept.facts()
    assert list(facts) == ["time", "level", "logger", "event", "dish", "portions"]
    assert (facts["event"], facts["portions"]) == ("cooked", 3)


@as_json
def test_the_time_is_utc(kept):
    OURS.warning("cooked")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", str(kept.facts()["time"]))


@as_json
def test_a_line_of_json_holds_the_ids_that_are_bound(kept):
    structlog.contextvars.bind_contextvars(request="r1", run=7, step=8)
    OURS.warning("cooked")
    assert kept.facts().items() >= {"request": "r1", "run": 7, "step": 8}.items()


@as_json
def test_a_library_s_line_is_of_the_same_kind(kept):
    structlog.contextvars.bind_contextvars(run=7)
    THEIRS.warning("%d pans are missing", 3)
    assert kept.facts().items() >= {"logger": "somebody.else", "event": "3 pans are missing", "run": 7}.items()


@as_json
@pytest.mark.parametrize(
    "value", [float("nan"), {(1, 2): 3}, Path("/kitchen"), {"a", "b"}], ids=["nan", "mapping", "path", "set"]
)
def test_a_value_that_json_has_no_word_for_is_text(kept, value):
    OURS.warning("cooked", value=value, portions=3)
    assert kept.facts().items() >= {"value": str(value), "portions": 3}.items()


# One line


@both
@pytest.mark.parametrize("where", ["event", "value", "key", "inside"])
def test_what_is_hostile_stays_on_its_line(kept, where):
    facts = {"value": {"title": HOSTILE}, "key": {HOSTILE: "x"}, "inside": {"titles": [HOSTILE]}}.get(where, {})
    OURS.warning(HOSTILE if where == "event" else "found", **facts)  # type: ignore[arg-type]
    assert str(kept).removesuffix("\n").isprintable()
    assert len(str(kept).splitlines()) == 1


@text
@pytest.mark.parametrize("value", ["a b", "a=b", 'a"b', "a\\b", "", 'x" level="error'])
def test_a_value_that_could_be_misread_is_quoted(kept, value):
    OURS.warning("found", title=value)
    assert str(kept).endswith(f" title={json.dumps(value)}\n")


@text
def test_a_fact_cannot_pose_as_the_level(kept):
    OURS.warning("found", level="critical", logger="root", time="never")
    assert " level=warning logger=engine.kitchen event=found\n" in str(kept)


@text
def test_a_trace_follows_its_line_indented(kept):
    log_a_trace(HOSTILE)
    first, *trace = str(kept).removesuffix("\n").split("\n")
    assert first.endswith("event=spilt")
    assert trace[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") and line.isprintable() for line in trace)


@as_json
def test_a_trace_is_one_field_of_json(kept):
    log_a_trace("the pot")
    assert str(kept.facts()["exception"]).endswith("ValueError: the pot")


@text
def test_a_record_that_cannot_be_written_is_named_by_its_place_alone(kept, capsys, monkeypatch):
    monkeypatch.setattr(THEIRS, "propagate", False)  # pytest's own handler raises
    THEIRS.warning("%d pans", "hunter2")
    assert re.search(r'logger=somebody\.else event="log_failed TypeError at test_logs\.py:\d+"\n', str(kept))
    assert "hunter2" not in str(kept) + "".join(capsys.readouterr())


# Secrets


@both
@pytest.mark.parametrize(
    "written",
    [
        pytest.param(SECRET, id="as it is"),
        pytest.param(f"\t{SECRET}\n", id="among control characters"),
        pytest.param(quote(SECRET), id="in a path"),
        pytest.param(quote(SECRET, safe=""), id="in an address"),
        pytest.param(json.dumps({"key": SECRET}), id="in JSON"),
        pytest.param(repr([SECRET]), id="in a repr"),
    ],
)
@pytest.mark.parametrize("where", ["message", "fact", "key", "nested", "trace", "theirs"])
def test_a_secret_is_in_no_line(kept, secret, written, where):
    {
        "message": lambda: OURS.warning(written),
        "fact": lambda: OURS.warning("found", value=written),
        "key": lambda: OURS.warning("found", **{written: 1}),
        "nested": lambda: OURS.warning("found", value={"deep": [written]}),
        "trace": lambda: log_a_trace(written),
        "theirs": lambda: THEIRS.warning("GET %s", written),
    }[where]()
    assert "***" in str(kept)
    assert "cret" not in str(kept)


@text
def test_a_secret_of_several_lines_is_in_no_trace(kept):
    logs.configure(["-----BEGIN-----\nabcdef"])
    log_a_trace("-----BEGIN-----\nabcdef")
    logs.configure(environment.secrets)
    assert str(kept).endswith("ValueError: ***\n")


def test_a_secret_shorter_than_6_characters_is_no_secret(secret):
    assert logs.scrubbed("a short word") == "a short word"


def test_without_secrets_every_text_stays_as_it_is():
    logs.configure([])
    assert logs.scrubbed("a text") == "a text"
    logs.configure(environment.secrets)


def test_an_address_hides_its_password_too(monkeypatch):
    monkeypatch.setattr(environment, "secrets", set())
    monkeypatch.setenv("SOME_URL", "redis://someone:p%40ssword@cache/0")
    environment.secret("SOME_URL")
    assert environment.secrets >= {"redis://someone:p%40ssword@cache/0", "p%40ssword", "p@ssword"}


# Levels


def told(program: str, **variables: str) -> list[str]:
    """The log of a process of its own that ran this with the settings."""
    done = subprocess.run(
        [sys.executable, "-c", f"import django, logging; django.setup()\n{program}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "ostsite.settings", **variables},
        check=True,
    )
    return done.stderr.splitlines()


def test_libraries_are_silent_below_warning_and_told_once_from_there():
    lines = told(
        "for name in ('httpx', 'LiteLLM', 'django-q', '_granian', 'engine'):\n"
        "    logging.getLogger(name).info('quiet'); logging.getLogger(name).warning('heard')",
        LOG_LEVEL="WARNING",
    )
    assert [line.split(" ", 2)[2] for line in lines] == [
        f"logger={name} event=heard" for name in ("httpx", "LiteLLM", "django-q", "_granian", "engine")
    ]


def test_ours_begin_at_the_level_that_is_set():
    lines = told(
        "for name in ('engine', 'httpx'): logging.getLogger(name).debug('heard')", LOG_LEVEL="DEBUG", LOG_FORMAT="json"
    )
    assert [json.loads(line)["logger"] for line in lines] == ["engine"]


def test_a_handler_that_a_library_brings_along_writes_nothing():
    lines = told(
        "logging.getLogger('LiteLLM').addHandler(logging.StreamHandler())\nlogging.getLogger('LiteLLM').error('heard')"
    )
    assert [line.split(" ", 1)[1] for line in lines] == ["level=error logger=LiteLLM event=heard"]


def test_the_key_and_the_password_of_the_settings_are_in_no_line():
    lines = told(
        "from django.conf import settings\n"
        "logging.getLogger('engine').error([settings.SECRET_KEY, settings.METRICS_TOKEN, 'hunter2-hunter2'])",
        DATABASE_URL="postgresql://someone:hunter2-hunter2@db/ost",
        METRICS_TOKEN="a-token-of-some-length",
    )
    assert [line.split(" ", 3)[3] for line in lines] == ["event=\"['***', '***', '***']\""]

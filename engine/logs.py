"""One event, one line: structlog over the standard library's logging, for our records and for those of libraries.

text: `time=… level=… logger=… event=… key=value`; a trace follows, each of its lines indented by 4 blanks.
json: one object a line, with a trace as its field `exception`.
What was scraped or typed reaches both, so no key and no value may end a line or steer a terminal.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from engine.scrubbing import hide, scrubbed
from engine.text import visible

FORMATS = ("text", "json")
FIRST = ("time", "level", "logger", "event")
BARE = re.compile(r"[^\s\"=\\]+")
TALKATIVE = ("httpx", "httpcore", "LiteLLM", "LiteLLM Router", "LiteLLM Proxy")  # below WARNING: addresses with keys
COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,  # request, run, step
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.format_exc_info,
]
# One list for all configurations: a logger in use keeps it, and structlog's capture_logs empties it.
CHAIN = [structlog.stdlib.filter_by_level, *COMMON, ProcessorFormatter.wrap_for_formatter]


def configure(secrets: Iterable[str]) -> None:
    """Set structlog up; from now on no line shows one of the secrets."""
    hide(secrets)
    structlog.configure(
        processors=CHAIN,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logging_config(log_format: str, level: str, ours: Iterable[str]) -> dict[str, Any]:
    """What dictConfig takes: our loggers from that level on, everybody else's from WARNING on."""
    alone = {"level": "WARNING", "handlers": ["stderr"], "propagate": False}
    loggers = {
        "django": {"level": "WARNING", "handlers": []},
        "django.request": {"level": "ERROR"},  # a 4xx has its line from RequestLog
        "django.server": {"level": "CRITICAL", "handlers": []},  # runserver's lines show the query string
        "_granian": alone,
        "django-q": alone,
        **{name: {"level": "WARNING", "filters": [without_its_handlers]} for name in TALKATIVE},
        **{name: {"level": level} for name in ours},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "log_format": log_format}},
        "handlers": {"stderr": {"class": "engine.logs.LineHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": loggers,
    }


def formatter(log_format: str) -> logging.Formatter:
    last = {"text": as_text, "json": as_json}[log_format]
    return ProcessorFormatter(processors=[ProcessorFormatter.remove_processors_meta, last], foreign_pre_chain=COMMON)


class LineHandler(logging.StreamHandler):
    """To standard error. Of a record that cannot be written only its place is told: it may hold secrets."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the library's name
        message = f"log_failed {type(sys.exc_info()[1]).__name__} at {record.filename}:{record.lineno}"
        failure = logging.makeLogRecord({"name": record.name, "levelname": "ERROR", "msg": message})
        with suppress(OSError, ValueError):  # nobody reads any more
            self.stream.write(self.format(failure) + self.terminator)


def without_its_handlers(record: logging.LogRecord) -> bool:
    """A filter that takes from a logger the handlers that its library adds when it is imported, after dictConfig."""
    logging.getLogger(record.name).handlers.clear()
    return True


def as_text(logger: object, method: str, facts: EventDict) -> str:
    trace = scrubbed(str(facts.pop("exception", "")))  # before a secret of several lines is parted
    line = " ".join(f"{quoted(key)}={quoted(value)}" for key, value in ordered(facts).items())
    return scrubbed("\n    ".join([line, *map(visible, trace.split("\n") if trace else ())]))


def as_json(logger: object, method: str, facts: EventDict) -> str:
    known = ordered(facts)
    try:
        return scrubbed(json.dumps(known, default=str, allow_nan=False))
    except (TypeError, ValueError):  # a value with a NaN, with keys that are no text, or that holds itself
        plain = {key: each if isinstance(each, str | int | None) else str(each) for key, each in known.items()}
        return scrubbed(json.dumps(plain))


def ordered(facts: EventDict) -> dict[str, Any]:
    return {key: facts.pop(key, "") for key in FIRST} | dict(facts)


def quoted(value: object) -> str:
    """A value as it stands behind `key=`: bare where nothing in it can be misread."""
    plain = str(value)
    bare = BARE.fullmatch(plain) and plain.isprintable()
    return plain if bare else visible(json.dumps(plain, ensure_ascii=False))

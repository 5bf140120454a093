from argparse import SUPPRESS, ArgumentTypeError
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import CommandParser
from django.db import Error as DatabaseError

from engine import jobs, probe
from engine.commands import INCOMPLETE, Refused, first_line
from engine.commands import Command as BaseCommand
from engine.worker import PARTS, Watchdog
from ostsite import database

logger = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Work through the queue and keep vectors fresh, until SIGTERM. Start as many as you like, on any host."
    checks_database = False  # the database may be away when it starts: it waits

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--bind", type=address, default="127.0.0.1:9090", metavar="HOST:PORT",
            help="where /livez, /health and /metrics are (127.0.0.1:9090); port 0: nowhere",
        )  # fmt: skip
        parser.add_argument(
            "--no-embed", action="store_true", help="leave the vectors to an `embed --watch` of its own"
        )
        parser.add_argument("--part", choices=["cluster"], help=SUPPRESS)

    def handle(self, *, bind: tuple[str, int], no_embed: bool, part: str | None, **_: Any) -> int | None:
        if part == "cluster":
            jobs.serve()
            return None
        watchdog = Watchdog([name for name in PARTS if name != "embed" or not no_embed], start_database)
        host, port = bind
        try:
            if port:
                probe.serve(host, port, lambda: watchdog.chores.silent, settings.TIMING.silence)
        except OSError as error:
            raise Refused(f"worker: --bind: {host}:{port} cannot be had: {error.strerror}") from error
        start_database()
        try:
            return INCOMPLETE if watchdog.run() else None
        except DatabaseError as error:  # it went away in this moment; whoever supervises starts another
            return self.say(f"the database failed: {first_line(error)}", INCOMPLETE)


def start_database() -> None:
    """Have the embedded server run, and kept while this process lives; another one is not ours to start."""
    try:
        database.ensure_running()
    except database.DatabaseUnavailable as error:
        logger.warning("database_unavailable", reason=str(error)[:300])


def address(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ArgumentTypeError(f"{value[:60]!a} is not allowed; allowed: HOST:PORT, for example 0.0.0.0:9090")
    return host.strip("[]"), int(port)

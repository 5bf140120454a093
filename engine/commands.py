"""What every command shares: exit codes, one-line errors, a summary line, a progress bar on a terminal."""

import json
import os
import signal
import sys
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import IO, Any, NoReturn, cast

from django.core.management.base import BaseCommand, CommandParser, OutputWrapper, SystemCheckError
from django.db import DEFAULT_DB_ALIAS, OperationalError, ProgrammingError, connections
from django.utils import timezone
from psycopg.errors import UndefinedColumn, UndefinedTable
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from engine.embeddings.base import EmbedderError
from engine.ledger import Busy, LeaseLost, NotAllowed
from engine.lines import FileRefused
from engine.models import Step
from engine.pipeline import Stage, Terminated
from engine.text import printable

DONE, INCOMPLETE, WRONG_USAGE, BUSY, INTERRUPTED, TERMINATED = 0, 1, 2, 75, 130, 143
FIRST_DAY = date(1970, 1, 1)


class Refused(Exception):
    """The command ends here; one line says why, the code says of which kind it is."""

    def __init__(self, message: str, code: int = WRONG_USAGE) -> None:
        super().__init__(message)
        self.code = code


class TableConsole(Console):
    """rich's, but a reader that has seen enough is no fault."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Command(BaseCommand):
    """`handle` returns its exit code (None is 0); what it cannot do it raises as Refused."""

    checks_database = False  # a command that works on rows also says where they differ from the settings

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)

        def refuse(message: str) -> NoReturn:
            raise Refused(f"{subcommand}: {message}")

        parser.error = refuse  # type: ignore[method-assign]  # this parser alone
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        """Run, and end the process with the code that says how it went."""
        code = self.ended(argv)
        connections.close_all()
        sys.exit(code)

    def ended(self, argv: list[str]) -> int:
        """The exit code. Faults of our own still rise as traces: they are for a bug report."""
        signal.signal(signal.SIGTERM, terminate)
        try:
            options = vars(self.create_parser(argv[0], argv[1]).parse_args(argv[2:]))
            args = options.pop("args", ())
            self._called_from_command_line = True
            code = self.execute(*args, **options)
            sys.stdout.flush()
            return int(code or DONE)
        except Refused as refused:
            return self.say(str(refused), refused.code)
        except FileRefused as refused:
            return self.say(str(refused), WRONG_USAGE)
        except Busy as busy:
            return self.say(str(busy), BUSY)
        except NotAllowed as refused:
            return self.say(str(refused), INCOMPLETE)
        except (LeaseLost, EmbedderError) as fault:
            return self.say(str(fault), INCOMPLETE)
        except SystemCheckError as fault:
            return self.say(" ".join(str(fault).split()), WRONG_USAGE)
        except (OperationalError, ProgrammingError) as fault:
            return self.database_fault(fault)
        except KeyboardInterrupt:
            return self.say("interrupted", INTERRUPTED)
        except BrokenPipeError:  # the reader has seen enough, as in `… | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        except OSError as fault:  # a full disk, a file that went away
            return self.say(f"{fault.filename or 'the output'}: {fault.strerror or fault}", INCOMPLETE)

    def execute(self, *args: Any, **options: Any) -> Any:
        """As Django's, but the result is an exit code and is not printed."""
        for stream in ("stdout", "stderr"):
            if options.get(stream):
                setattr(self, stream, OutputWrapper(options[stream]))
        if options["no_color"]:
            self.stdout.style_func = self.stderr.style_func = None
        if self.requires_system_checks and not options["skip_checks"]:
            self.check(databases=[DEFAULT_DB_ALIAS] if self.checks_database else None)
        return self.handle(*args, **options)

    def handle(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError

    @property
    def out(self) -> IO[str]:
        """Standard output as a plain stream: Django's wrapper would end each piece with a line end."""
        return cast(IO[str], self.stdout._out)

    def console(self) -> Console:
        """For tables: as wide as the terminal, and wide enough where there is none."""
        return TableConsole(file=self.out, highlight=False, width=None if self.out.isatty() else 120)

    def say(self, message: str, code: int) -> int:
        sys.stderr.write(f"ost: {printable(message)}\n")
        return code

    def database_fault(self, fault: Exception) -> int:
        if isinstance(fault.__cause__, UndefinedTable | UndefinedColumn):
            return self.say("the database lacks a table; run: ./ost manage migrate", WRONG_USAGE)
        if connections[DEFAULT_DB_ALIAS].connection is None:
            return self.say(f"the database does not answer (DATABASE_URL): {first_line(fault)}", WRONG_USAGE)
        if isinstance(fault, OperationalError):
            return self.say(f"the database failed: {first_line(fault)}", INCOMPLETE)
        raise fault

    def summary(self, **facts: object) -> None:
        """The one line a script reads: key=value …"""
        self.stdout.write(" ".join(f"{key}={value}" for key, value in facts.items()))

    def write_json(self, value: object) -> None:
        self.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False))

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Bars on standard error while it is a terminal; nothing otherwise."""
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            yield bars


class StageBars:
    """Shows a run's stages as bars, one a stage."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def started(self, stage: Stage, total: int) -> None:
        self.tasks[stage.name] = self.bars.add_task(stage.name, total=total)

    def advanced(self, stage: Stage, counts: Counter[str]) -> None:
        self.bars.advance(self.tasks[stage.name], stage.done(counts))

    def finished(self, step: Step) -> None: ...


def whole(least: int, most: int) -> Callable[[str], int]:
    """An argparse type: a whole number in the range."""

    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) < 12 and least <= int(value) <= most):
            raise ArgumentTypeError(f"{value[:40]!a} is not allowed; allowed: a whole number from {least} to {most}")
        return int(value)

    return read


def terminate(signum: int, frame: object) -> NoReturn:
    """SIGTERM: end with its code, handing back on the way what is held."""
    raise Terminated(TERMINATED)


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]


def day_named(command: str, option: str, text: str) -> date:
    """The UTC day of an option; refused when it is none, or has not begun."""
    try:
        found = datetime.strptime(text if len(text) == 10 else "", "%Y-%m-%d").date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        raise Refused(f"{command}: --{option}: {text[:40]!a} is not a day; allowed: YYYY-MM-DD") from None
    if not FIRST_DAY <= found <= timezone.now().date():
        raise Refused(f"{command}: --{option}: {found} is none to work on; allowed: {FIRST_DAY} to today")
    return found

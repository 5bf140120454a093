"""What every command that reads a file of lines shares: blocks, bad lines by number, the summary, the exit code."""

import sys
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Generic

from django.core.management.base import CommandParser

from engine.commands import DONE, INCOMPLETE, Command, Refused
from engine.lines import BadLine, LineFile, Record
from engine.text import printable

LINES_AT_ONCE = 5000
FAULTS_SHOWN = 10


class LinesCommand(Command, Generic[Record]):
    """Reads a file of JSON Lines. Subclasses name the schema of a line."""

    schema: type[Record]

    def records(self, lines: LineFile, counts: Counter[str], size: int) -> Iterator[list[Record]]:
        """The good lines, so many at a time; the bad ones are reported. counts: `lines` and `rejected` grow."""
        block: list[Record] = []
        with self.progress() as bars:
            task = bars.add_task(f"reading {lines.name}", total=lines.size or None)
            for line in lines.records(self.schema):
                counts["lines"] += 1
                if isinstance(line, BadLine):
                    self.report(lines.name, line, counts)
                    continue
                block.append(line.record)
                if len(block) >= size:
                    yield block
                    block = []
                    bars.update(task, completed=lines.position)
            if block:
                yield block
            bars.update(task, completed=lines.position)

    def remarks(self) -> list[str]:
        """What to say once at the end, on standard error."""
        return []

    def report(self, file: str, line: BadLine, counts: Counter[str]) -> None:
        counts["rejected"] += 1
        if counts["rejected"] <= FAULTS_SHOWN:
            sys.stderr.write(printable(f"{file}:{line.number}: {line.reason}") + "\n")

    def finish(self, file: str, counts: Counter[str], summary: bool = True) -> int:
        """Say what became of the lines; the exit code."""
        if not counts["lines"]:
            raise Refused(f"{file} holds no lines")
        if counts["rejected"] > FAULTS_SHOWN:
            sys.stderr.write(f"… and {counts['rejected'] - FAULTS_SHOWN} more lines\n")
        for remark in self.remarks():
            sys.stderr.write(printable(remark) + "\n")
        bad = counts["rejected"] + counts["refused"]
        state = "done" if not bad else "partly" if counts["lines"] > bad else "failed"
        if summary:
            self.summary(state=state, **counts)
        return DONE if state == "done" else INCOMPLETE


class ImportCommand(LinesCommand[Record]):
    """Writes what it reads. Subclasses write a block of lines."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="JSON Lines, also gzipped; - is standard input")

    @abstractmethod
    def write(self, records: Sequence[Record]) -> Counter[str]:
        """Write one block whole or not at all; what became of its lines."""

    def handle(self, *, file: str, **options: Any) -> int:
        return self.finish(file, self.read(file))

    def read(self, file: str) -> Counter[str]:
        """Import the file; what became of its lines."""
        counts: Counter[str] = Counter(lines=0, rejected=0)
        with LineFile(file) as lines:
            for block in self.records(lines, counts, LINES_AT_ONCE):
                counts.update(self.write(block))
        return counts

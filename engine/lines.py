"""JSON Lines from a file nobody vouches for: bounded, streamed, every bad line named and none fatal."""

from __future__ import annotations

import gzip
import io
import stat
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

LONGEST_LINE = 1 << 20  # bytes
LONGEST_SKIPPED = 64 << 20  # a "line" beyond this is no text file: reading stops

Record = TypeVar("Record", bound=BaseModel)


class FileRefused(Exception):
    """The file cannot be read at all; the message names it and says why."""


@dataclass(frozen=True)
class BadLine:
    """number: counted from 1. reason: one short sentence."""

    number: int
    reason: str


@dataclass(frozen=True)
class GoodLine(Generic[Record]):
    number: int
    record: Record


def standard_input() -> io.BufferedReader:
    """Standard input as bytes."""
    return io.BufferedReader(cast(io.RawIOBase, sys.stdin.buffer))


class LineFile:
    """A file of JSON objects, one a line; `-` is standard input, `.gz` is unpacked as it is read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._raw: io.BufferedReader = standard_input() if name == "-" else self._open(Path(name))
        try:
            head = self._raw.peek(2)[:2]
        except OSError as error:
            raise FileRefused(f"{name} cannot be read: {error.strerror}") from error
        if not head:
            raise FileRefused(f"{name} is empty")
        packed = head[:2] == b"\x1f\x8b"
        if name.endswith(".gz") and not packed:
            raise FileRefused(f"{name} is not a gzip file")
        self._lines: IO[bytes] = cast(IO[bytes], gzip.GzipFile(fileobj=self._raw)) if packed else self._raw

    def _open(self, path: Path) -> io.BufferedReader:
        try:
            mode = path.stat().st_mode
            if not stat.S_ISREG(mode):
                kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
                raise FileRefused(f"{self.name} is {kind}; allowed: a file, or - for standard input")
            return path.open("rb")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise FileRefused(f"{self.name} cannot be read: {reason}") from error

    @property
    def size(self) -> int:
        """Bytes in all, packed ones of a packed file; 0 when unknown."""
        try:
            return Path(self.name).stat().st_size if self.name != "-" else 0
        except OSError:
            return 0

    @property
    def position(self) -> int:
        """Bytes read so far, in the same measure as `size`."""
        return self._raw.tell() if self.name != "-" else 0

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self.name != "-":
            self._raw.close()

    def __iter__(self) -> Iterator[tuple[int, bytes] | BadLine]:
        """Each line that is not blank, with its number; a break in the file ends it as a bad line."""
        number = 0
        while True:
            number += 1
            try:
                line = self._lines.readline(LONGEST_LINE + 1)
                if not line:
                    return
                if len(line) > LONGEST_LINE:
                    ended = self._skip_rest(line)
                    yield BadLine(
                        number, f"longer than {LONGEST_LINE:,} bytes" + ("" if ended else "; reading stops here")
                    )
                    if not ended:
                        return
                    continue
            except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
                yield BadLine(number, f"the file breaks off here: {error}")
                return
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            if line.strip():
                yield number, line

    def _skip_rest(self, line: bytes) -> bool:
        """Read to the end of an overlong line; False when it has none within reason."""
        skipped = len(line)
        while line and not line.endswith(b"\n"):
            line = self._lines.readline(LONGEST_LINE)
            skipped += len(line)
            if skipped > LONGEST_SKIPPED:
                return False
        return True

    def records(self, schema: type[Record]) -> Iterator[GoodLine[Record] | BadLine]:
        """Each line as a record of that schema, or why it is not one."""
        for line in self:
            yield line if isinstance(line, BadLine) else parse(line[0], line[1], schema)


def parse(number: int, line: bytes, schema: type[Record]) -> GoodLine[Record] | BadLine:
    """One line."""
    try:
        found: Any = from_json(line, allow_inf_nan=False)
    except ValueError as error:
        return BadLine(number, f"not JSON: {error}")
    return record_of(number, found, schema)


def record_of(number: int, found: Any, schema: type[Record]) -> GoodLine[Record] | BadLine:
    """One value of JSON as a record of that schema. null and "" count as absent; unknown keys are ignored."""
    if not isinstance(found, dict):
        return BadLine(number, "not a JSON object")
    try:
        given = {key: value for key, value in found.items() if value is not None and value != ""}
        return GoodLine(number, schema.model_validate(given))
    except ValidationError as error:
        return BadLine(number, first_fault(error))


def first_fault(error: ValidationError) -> str:
    """The first thing wrong with a record: `stars: Input should be a valid integer`."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part)[:40] for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else fault["msg"]

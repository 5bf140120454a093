"""Records from a file of JSON Lines, or from one JSON document that holds a list of them; streamed either way."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator

from engine.lines import LONGEST_LINE, LONGEST_SKIPPED, BadLine, GoodLine, LineFile, Record, parse

CHUNK = 1 << 16
MARK = re.compile(rb'["\[\]{},]')
END_OF_STRING = re.compile(rb'\\.|"', re.DOTALL)


def list_begins(member: str) -> re.Pattern[bytes]:
    """How a document begins that is a list, or an object whose member of that name is one, plain members before it."""
    name = re.escape(member.encode())
    plain = rb'"(?!%s")[^"\\]*"\s*:\s*(?:"[^"\\]*"|[-+.\w]+)\s*,\s*' % name
    return re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\[|\{\s*(?:%s)*"%s"\s*:\s*\[)' % (plain, name))


class DocumentFile(LineFile):
    """A file of records. member: the key that a list may stand under. Records of a list are numbered from 1."""

    def __init__(self, name: str, member: str) -> None:
        super().__init__(name)
        self._begins = list_begins(member)

    def records(self, schema: type[Record]) -> Iterator[GoodLine[Record] | BadLine]:
        for each in self.elements() if self._is_list() else self:
            yield each if isinstance(each, BadLine) else parse(each[0], each[1], schema)

    def _is_list(self) -> bool:
        try:
            head = self._lines.peek(CHUNK)  # type: ignore[attr-defined]  # all that LineFile opens have it
        except (EOFError, zlib.error, gzip.BadGzipFile, OSError):
            return False  # whoever reads it is told at which line
        return bool(self._begins.match(head))

    def elements(self) -> Iterator[tuple[int, bytes] | BadLine]:
        """Each element of the list, with its number; one too long, and a break in the file, is a bad one."""
        scan, number, begun = Scanner(), 0, False
        while not scan.ended:
            try:
                chunk = self._lines.read(CHUNK)
            except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
                yield BadLine(number + 1, f"the file breaks off here: {error}")
                return
            if not chunk:
                yield BadLine(number + 1, "the file breaks off here: the list has no end")
                return
            if not begun:
                found = self._begins.match(chunk)
                chunk, begun = chunk[found.end() if found else 0 :], True
            for element in scan.feed(chunk):
                number += 1
                fits = element is not None and len(element) <= LONGEST_LINE
                yield (number, element) if element and fits else BadLine(number, f"longer than {LONGEST_LINE:,} bytes")
            if scan.skipped > LONGEST_SKIPPED:
                yield BadLine(number + 1, f"longer than {LONGEST_LINE:,} bytes; reading stops here")
                return


class Scanner:
    """Finds where the elements of a JSON list end, whatever stands in them. Holds one element at most."""

    def __init__(self) -> None:
        self.ended = False
        self.skipped = 0
        self._held = bytearray()
        self._depth = 0
        self._in_string = False
        self._cut = False  # within an escape
        self._some = False  # an element came before: [] has none, [1,] has an empty one

    def feed(self, chunk: bytes) -> Iterator[bytes | None]:
        """The elements that end in this piece; None is one too long to hold."""
        if self._cut:  # a sign and its backslash stay together
            del self._held[-1:]
            chunk = b"\\" + chunk
        begin = at = 0
        while found := (END_OF_STRING if self._in_string else MARK).search(chunk, at):
            mark, at = found[0], found.end()
            if mark == b'"':
                self._in_string = not self._in_string
            elif mark in b"[{":
                self._depth += 1
            elif mark in b"]}" and self._depth:
                self._depth -= 1
            elif not self._in_string and not self._depth:  # a comma between elements, or the end of the list
                self.ended = mark != b","
                yield from self._element(chunk[begin : found.start()])
                begin = at
                if self.ended:
                    return
        self._cut = self._in_string and chunk.endswith(b"\\", at)
        self._hold(chunk[begin:])

    def _element(self, rest: bytes) -> Iterator[bytes | None]:
        self._hold(rest)
        element = None if self.skipped else bytes(self._held).strip()
        self._held.clear()
        self.skipped = 0
        if element != b"" or self._some or not self.ended:
            yield element if element != b"" else b"\n"
        self._some = True

    def _hold(self, piece: bytes) -> None:
        if self.skipped or len(self._held) + len(piece) > LONGEST_LINE + CHUNK:
            self.skipped += len(self._held) + len(piece)
            self._held.clear()
        else:
            self._held += piece

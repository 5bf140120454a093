"""Where a command's result goes: a file that appears whole, or standard output."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from engine.commands import Refused


@contextmanager
def written(name: str | None, stdout: IO[str]) -> Iterator[IO[str]]:
    """A text stream. A named file is written beside its place and put there only when all went well."""
    if name in (None, "-"):
        yield stdout
        return
    path = Path(str(name))
    if path.is_dir():
        raise Refused(f"-o: {name} is a directory; allowed: a file, or - for standard output")
    path = path.resolve()  # a link stays one
    if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced
        with path.open("w", encoding="utf-8") as file:
            yield file
        return
    try:
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise Refused(f"-o: {name} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
        Path(beside).chmod(0o666 & ~umask())
        Path(beside).replace(path)
    except BaseException:  # Ctrl-C too: a half-written file goes, and what happened rises on
        with suppress(OSError):
            Path(beside).unlink()
        raise


def umask() -> int:
    """The process's own; it can only be read by setting it."""
    value = os.umask(0o022)
    os.umask(value)
    return value

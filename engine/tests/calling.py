"""Commands as a user calls them, in this process: exit code, standard output, standard error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import get_commands, load_command_class

from engine.commands import Command

Ost = Callable[..., "Ended"]


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def summary(self) -> dict[str, str]:
        """The key=value line."""
        return dict(pair.split("=", 1) for pair in self.out.split())


@pytest.fixture
def ost(capsys: pytest.CaptureFixture[str]) -> Ost:
    def run(name: str, *arguments: str | Path) -> Ended:
        capsys.readouterr()
        command = load_command_class(str(get_commands()[name]), name)
        assert isinstance(command, Command)
        code = command.ended(["manage.py", name, *map(str, arguments)])
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def lines(tmp_path: Path) -> Callable[..., Path]:
    """A file of JSON Lines; a text stands as it is."""

    def write(name: str, *rows: dict[str, Any] | str) -> Path:
        path = tmp_path / name
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return path

    return write

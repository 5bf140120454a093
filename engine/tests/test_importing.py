"""What every import command shares, by one that imports dishes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel

from engine.importing import LINES_AT_ONCE, ImportCommand


class Dish(BaseModel):
    name: str


class Dishes(ImportCommand[Dish]):
    requires_system_checks: list[str] = []
    schema = Dish

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[list[str]] = []

    def write(self, records: Sequence[Dish]) -> Counter[str]:
        self.blocks.append([dish.name for dish in records])
        return Counter(created=len(records))

    def remarks(self) -> list[str]:
        return ["the kitchen closes at ten"]


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "dishes.jsonl"


def imported(file: Path, content: str) -> tuple[int, list[list[str]]]:
    """The exit code and the blocks that were written."""
    file.write_text(content)
    command = Dishes()
    return command.ended(["manage.py", "dishes", str(file)]), command.blocks


def test_good_lines_are_written_and_summed_up(file, capsys):
    assert imported(file, '{"name": "soup"}\n{"name": "rice"}\n') == (0, [["soup", "rice"]])
    assert capsys.readouterr().out == "state=done lines=2 rejected=0 created=2\n"


def test_a_bad_line_is_named_and_the_good_ones_are_kept(file, capsys):
    assert imported(file, '{"name": "soup"}\n{"name": 3}\n{"name": "rice"}\n') == (1, [["soup", "rice"]])
    out, error = capsys.readouterr()
    assert out == "state=partly lines=3 rejected=1 created=2\n"
    assert f"{file}:2: name: Input should be a valid string\n" in error


def test_a_file_without_a_good_line_has_failed(file, capsys):
    assert imported(file, "soup\n") == (1, [])
    assert capsys.readouterr().out == "state=failed lines=1 rejected=1\n"


def test_ten_bad_lines_are_shown_and_the_others_counted(file, capsys):
    imported(file, "soup\n" * 13)
    error = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1] for line in error[:10]] == [str(number) for number in range(1, 11)]
    assert error[10] == "… and 3 more lines"


def test_remarks_come_last(file, capsys):
    imported(file, '{"name": "soup"}\n')
    assert capsys.readouterr().err == "the kitchen closes at ten\n"


def test_many_lines_are_written_in_blocks(file):
    _, blocks = imported(file, '{"name": "soup"}\n' * (2 * LINES_AT_ONCE + 1))
    assert [len(block) for block in blocks] == [LINES_AT_ONCE, LINES_AT_ONCE, 1]


def test_a_file_of_blank_lines_is_refused(file, capsys):
    assert imported(file, "\n\n") == (2, [])
    assert capsys.readouterr().err == f"ost: {file} holds no lines\n"


def test_an_empty_file_is_refused(file, capsys):
    assert imported(file, "") == (2, [])
    assert capsys.readouterr().err == f"ost: {file} is empty\n"


def test_a_missing_file_is_refused(file, capsys):
    assert Dishes().ended(["manage.py", "dishes", str(file)]) == 2
    assert capsys.readouterr().err == f"ost: {file} cannot be read: No such file or directory\n"


def test_a_file_must_be_named(capsys):
    assert Dishes().ended(["manage.py", "dishes"]) == 2
    assert capsys.readouterr().err == "ost: dishes: the following arguments are required: FILE\n"

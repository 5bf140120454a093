"""Files nobody vouches for: what cannot be read is refused by name, a bad line is named and the others are kept."""

import gzip
import io
import os
import random
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from engine.lines import LONGEST_LINE, BadLine, FileRefused, GoodLine, LineFile, parse


class Dish(BaseModel):
    model_config = ConfigDict(strict=True)
    name: str
    price: int | None = None
    tags: list[str] | None = None


@pytest.fixture
def read(tmp_path):
    """Content -> the dishes' names, and "number: reason" for each bad line."""

    def read(content: bytes, name: str = "dishes.jsonl") -> tuple[list[str], list[str]]:
        (tmp_path / name).write_bytes(content)
        return told(str(tmp_path / name))

    return read


def told(file: str) -> tuple[list[str], list[str]]:
    names, faults = [], []
    with LineFile(file) as lines:
        for line in lines.records(Dish):
            if isinstance(line, BadLine):
                faults.append(f"{line.number}: {line.reason}")
            else:
                names.append(line.record.name)
    return names, faults


def dish(name: str) -> bytes:
    return b'{"name": "%s"}\n' % name.encode()


def parsed(content: str | bytes) -> GoodLine[Dish] | BadLine:
    return parse(7, content.encode() if isinstance(content, str) else content, Dish)


def record(content: str) -> Dish:
    line = parsed(content)
    assert isinstance(line, GoodLine), line
    return line.record


def reason(content: str | bytes) -> str:
    line = parsed(content)
    assert isinstance(line, BadLine), line
    return line.reason


# Files


def refusal(file: object) -> str:
    with pytest.raises(FileRefused) as refused:
        LineFile(str(file))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_missing_file_is_refused(tmp_path):
    assert refusal(tmp_path / "no.jsonl") == f"{tmp_path}/no.jsonl cannot be read: No such file or directory"


def test_a_directory_is_refused(tmp_path):
    assert f"{tmp_path} is a directory; allowed: a file" in refusal(tmp_path)


def test_a_fifo_is_refused_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in refusal(tmp_path / "pipe")


def test_a_device_without_an_end_is_refused():
    assert "is not a regular file" in refusal("/dev/zero")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    assert refusal(tmp_path / "empty.jsonl").endswith("is empty")


def test_a_name_with_a_nul_is_refused():
    assert "cannot be read" in refusal("dishes\0.jsonl")


def test_a_file_that_only_calls_itself_gzip_is_refused(tmp_path):
    (tmp_path / "dishes.jsonl.gz").write_bytes(dish("soup"))
    assert refusal(tmp_path / "dishes.jsonl.gz").endswith("is not a gzip file")


def test_a_gzip_file_is_unpacked_as_it_is_read(read):
    assert read(gzip.compress(dish("soup") + dish("rice")), "dishes.jsonl.gz") == (["soup", "rice"], [])


def test_a_gzip_file_is_known_by_its_content(read):
    assert read(gzip.compress(dish("soup"))) == (["soup"], [])


def test_a_gzip_file_that_breaks_off_keeps_its_earlier_lines_and_names_the_line(read):
    letters = random.Random(0)
    lines = [dish("".join(letters.choices("abcdefghij", k=300))) for _ in range(400)]
    packed = gzip.compress(b"".join(lines))
    names, faults = read(packed[: len(packed) // 2])
    assert 100 < len(names) < 300
    assert [fault.split(": ")[:2] for fault in faults] == [[f"{len(names) + 1}", "the file breaks off here"]]


def test_a_gzip_file_with_a_damaged_middle_keeps_its_earlier_lines(read):
    letters = random.Random(0)
    packed = bytearray(gzip.compress(b"".join(dish("".join(letters.choices("abcdefghij", k=300))) for _ in range(400))))
    packed[len(packed) // 2 : len(packed) // 2 + 200] = bytes(200)
    names, faults = read(bytes(packed))
    assert names
    assert "the file breaks off here" in faults[-1]


def test_a_byte_order_mark_is_no_part_of_the_first_line(read):
    assert read(b"\xef\xbb\xbf" + dish("soup")) == (["soup"], [])


def test_lines_may_end_as_windows_ends_them(read):
    assert read(b'{"name": "soup"}\r\n{"name": "rice"}\r\n') == (["soup", "rice"], [])


def test_the_last_line_needs_no_end(read):
    assert read(b'{"name": "soup"}') == (["soup"], [])


def test_blank_lines_are_skipped_and_counted(read):
    assert read(b"\n  \r\n" + dish("soup") + b"\nrice\n")[1][0].startswith("5: not JSON")


def test_a_line_of_ten_megabytes_is_skipped_by_its_number_and_the_next_is_read(read):
    names, faults = read(dish("soup") + b'{"name": "' + b"x" * 10_000_000 + b'"}\n' + dish("rice"))
    assert (names, faults) == (["soup", "rice"], ["2: longer than 1,048,576 bytes"])


def test_a_line_just_short_enough_is_read(read):
    line = b'{"name": "' + b"x" * (LONGEST_LINE - 13) + b'"}\n'
    assert len(line) == LONGEST_LINE
    assert read(line)[1] == []


def test_a_gzip_file_that_unpacks_without_an_end_is_given_up(read):
    names, faults = read(gzip.compress(dish("soup") + bytes(80 << 20)))
    assert (names, faults) == (["soup"], ["2: longer than 1,048,576 bytes; reading stops here"])


def test_lines_come_from_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(dish("soup") + dish("rice"))))
    assert told("-") == (["soup", "rice"], [])


def test_standard_input_may_be_packed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(dish("soup")))))
    assert told("-") == (["soup"], [])


def test_an_empty_standard_input_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert refusal("-") == "- is empty"


def test_the_position_reaches_the_size_at_the_end(tmp_path):
    path = Path(tmp_path, "dishes.jsonl")
    path.write_bytes(dish("soup") * 10)
    with LineFile(str(path)) as lines:
        list(lines)
        assert lines.position == lines.size == 10 * len(dish("soup"))


# Lines


def test_a_good_line_keeps_its_number():
    assert parsed('{"name": "soup"}').number == 7


def test_a_bad_line_keeps_its_number():
    assert parsed("soup").number == 7


def test_unknown_keys_are_ignored():
    assert record('{"name": "soup", "colour": "green"}') == Dish(name="soup")


@pytest.mark.parametrize("value", ["null", '""'])
def test_null_and_an_empty_text_are_absent(value):
    assert record(f'{{"name": "soup", "price": {value}}}').price is None


@pytest.mark.parametrize("value", ["null", '""'])
def test_a_required_value_that_is_absent_is_named(value):
    assert reason(f'{{"name": {value}}}') == "name: Field required"


def test_zero_and_false_are_not_absent():
    assert record('{"name": "soup", "price": 0}').price == 0


def test_a_value_of_the_wrong_type_is_named_by_its_field():
    assert reason('{"name": "soup", "price": "9"}') == "price: Input should be a valid integer"


def test_a_wrong_value_within_a_list_is_named_by_its_place():
    assert reason('{"name": "soup", "tags": ["hot", 3]}') == "tags.1: Input should be a valid string"


def test_a_fault_does_not_repeat_the_value():
    assert "hunter2" not in reason('{"name": "soup", "price": "hunter2"}')


@pytest.mark.parametrize("content", ['["soup"]', '"soup"', "3", "null", "true"])
def test_only_an_object_is_a_record(content):
    assert reason(content) == "not a JSON object"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{name: soup}", id="no JSON"),
        pytest.param('{"name": "soup"', id="cut short"),
        pytest.param('{"name": "soup"} {"name": "rice"}', id="two in a line"),
        pytest.param('{"name": "soup", "price": NaN}', id="NaN"),
        pytest.param('{"name": "soup", "price": Infinity}', id="Infinity"),
        pytest.param('{"name": "soup", "price": -Infinity}', id="-Infinity"),
        pytest.param('{"name": "so\0up"}', id="NUL"),
        pytest.param('{"name": "\\ud800"}', id="lone surrogate"),
        pytest.param(b'{"name": "\xed\xa0\x80"}', id="lone surrogate as bytes"),
        pytest.param(b'{"name": "caf\xe9"}', id="Latin-1"),
        pytest.param('{"name": ' + "[" * 100_000, id="deeply nested"),
        pytest.param('{"name": "soup"}'.encode("utf-16"), id="UTF-16"),
    ],
)
def test_what_is_no_json_of_utf_8_is_a_bad_line(content):
    assert reason(content).startswith("not JSON: ")


def test_a_pair_of_surrogates_is_one_character():
    assert record('{"name": "\\ud83c\\udf72"}').name == "\N{POT OF FOOD}"


def test_the_last_of_two_equal_keys_wins():
    assert record('{"name": "soup", "name": "rice"}').name == "rice"


def test_a_number_of_any_length_is_kept_whole():
    assert record('{"name": "soup", "price": ' + "9" * 400 + "}").price == int("9" * 400)

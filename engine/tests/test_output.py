import io
import os
from pathlib import Path

import pytest

from engine.commands import Refused
from engine.output import written


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "result.jsonl"


def write(file: object, text: str = "new") -> None:
    with written(str(file), io.StringIO()) as stream:
        stream.write(text)


def write_half(file: object, fault: type[BaseException]) -> None:
    with written(str(file), io.StringIO()) as stream:
        stream.write("half")
        raise fault


def refusal(file: object) -> str:
    with pytest.raises(Refused) as refused:
        write(file)
    assert refused.value.code == 2
    return str(refused.value)


@pytest.mark.parametrize("name", [None, "-"])
def test_without_a_file_the_result_goes_to_standard_output(name):
    stdout = io.StringIO()
    with written(name, stdout) as stream:
        stream.write("new")
    assert stdout.getvalue() == "new"


def test_a_file_holds_the_result(file):
    write(file, "caf\N{LATIN SMALL LETTER E WITH ACUTE}\n")
    assert file.read_bytes() == b"caf\xc3\xa9\n"


def test_a_file_appears_whole(file):
    with written(str(file), io.StringIO()) as stream:
        stream.write("half")
        stream.flush()
        assert not file.exists()


def test_an_older_file_is_replaced(file):
    file.write_text("old")
    write(file)
    assert file.read_text() == "new"


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_older_file_and_nothing_beside_it(file, fault):
    file.write_text("old")
    with pytest.raises(fault):
        write_half(file, fault)
    assert {path.name: path.read_text() for path in file.parent.iterdir()} == {file.name: "old"}


def test_nothing_is_left_beside_a_file_that_was_written(file):
    write(file)
    assert list(file.parent.iterdir()) == [file]


def test_a_file_is_as_readable_as_others_of_its_user(file):
    before = os.umask(0o027)
    try:
        write(file)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_directory_is_refused(tmp_path):
    assert refusal(tmp_path) == f"-o: {tmp_path} is a directory; allowed: a file, or - for standard output"


def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path):
    assert refusal(tmp_path / "no" / "file") == f"-o: {tmp_path}/no/file cannot be written: No such file or directory"


def test_a_file_below_a_file_is_refused(file):
    file.touch()
    assert "cannot be written: Not a directory" in refusal(file / "result")


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()


def test_a_device_is_written_to_and_not_replaced():
    write(Path("/dev/null"))
    assert not Path("/dev/null").is_file()

"""`manage.py worker` with wrong arguments: it ends before it starts anything, and one line says why."""

import socket
from collections.abc import Iterator

import pytest

from ostsite.management.commands.worker import Command, address


@pytest.fixture
def worker(capsys):
    """Call it as a user does: (exit code, standard error)."""

    def call(*arguments: str) -> tuple[int, str]:
        code = Command().ended(["manage.py", "worker", *arguments])
        return code, capsys.readouterr().err

    return call


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("given", ["nonsense", "", "9090", ":9090", "here:", "here:-1", "here:65536", "here:٨", "a\nb"])
def test_an_address_that_is_none_is_wrong_usage(worker, given):
    code, said = worker("--bind", given)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("ost: worker: argument --bind: ")
    assert said.endswith("is not allowed; allowed: HOST:PORT, for example 0.0.0.0:9090\n")


def test_a_taken_port_is_one_line_that_names_it(worker, taken):
    code, said = worker("--bind", f"127.0.0.1:{taken}")
    assert (code, said) == (2, f"ost: worker: --bind: 127.0.0.1:{taken} cannot be had: Address already in use\n")


def test_a_host_that_is_not_this_machine_is_one_line(worker):
    code, said = worker("--bind", "192.0.2.1:9090")
    assert (code, said) == (2, "ost: worker: --bind: 192.0.2.1:9090 cannot be had: Cannot assign requested address\n")


def test_a_part_that_there_is_not_is_wrong_usage(worker):
    assert worker("--part", "dance")[0] == 2


@pytest.mark.parametrize(("given", "meant"), [("0.0.0.0:9090", ("0.0.0.0", 9090)), ("localhost:0", ("localhost", 0))])
def test_an_address_is_a_host_and_a_port(given, meant):
    assert address(given) == meant

"""`ost`, as far as it goes without making an environment."""

import argparse
import importlib.machinery
import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

OST = Path(__file__).resolve().parents[2] / "ost"


@pytest.fixture
def ost() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("ost", str(OST))
    spec = importlib.util.spec_from_loader("ost", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, OST, *arguments], capture_output=True, text=True)


def test_help_names_every_command():
    said = call("--help").stdout
    assert [name for name in ("demo", "up", "test", "bench", "manage", "install") if f"./ost {name}" not in said] == []


def test_an_unknown_command_is_wrong_usage():
    answer = call("dance")
    assert (answer.returncode, "dance" in answer.stderr) == (2, True)


def test_an_unknown_option_is_wrong_usage():
    assert call("demo", "--dance").returncode == 2


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_port_that_is_none_is_wrong_usage(command):
    answer = call(command, "--port", "abc")
    assert answer.returncode == 2
    assert "argument --port: 'abc' is not allowed; allowed: a whole number from 1 to 65535" in answer.stderr


@pytest.mark.parametrize("given", ["0", "65536", "70000", "-1", "", "8_0", "٨٠", "9" * 5000])
def test_a_port_is_a_number_that_a_port_can_have(ost, given):
    with pytest.raises(argparse.ArgumentTypeError):
        ost.port(given)


@pytest.mark.parametrize("given", [1, 8000, 65535])
def test_a_port_may_be_any_of_those(ost, given):
    assert ost.port(str(given)) == given


def test_an_old_python_looks_for_the_newest_one(ost):
    there = {"python3.11": "/usr/bin/python3.11", "python3.12": "/opt/python3.12"}
    assert ost.newer_python(there.get, works=bool) == "/opt/python3.12"


def test_an_old_python_passes_over_one_that_does_not_run(ost):
    there = {"python3.11": sys.executable, "python3.12": "/bin/false"}
    assert ost.newer_python(there.get) == sys.executable


def test_an_old_python_may_be_all_there_is(ost):
    assert ost.newer_python({}.get) is None


def test_the_stamp_stays_while_nothing_changes(ost):
    assert ost.stamp([ost.REQUIREMENTS]) == ost.stamp([ost.REQUIREMENTS])


def test_the_stamp_changes_with_a_requirement(ost, tmp_path):
    (tmp_path / "a").write_text("django==5.2.19\n")
    (tmp_path / "b").write_text("django==5.2.20\n")
    assert ost.stamp([tmp_path / "a"]) != ost.stamp([tmp_path / "b"])


def test_the_stamp_changes_with_the_place(ost, monkeypatch):
    before = ost.stamp([ost.REQUIREMENTS])
    monkeypatch.setattr(ost, "ROOT", "/elsewhere")
    assert ost.stamp([ost.REQUIREMENTS]) != before


def test_the_stamp_changes_with_the_python(ost, monkeypatch):
    before = ost.stamp([ost.REQUIREMENTS])
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    assert ost.stamp([ost.REQUIREMENTS]) != before


def test_what_checks_the_code_has_a_stamp_of_its_own(ost):
    assert ost.stamp([ost.REQUIREMENTS]) != ost.stamp([ost.REQUIREMENTS, ost.DEV_REQUIREMENTS])


def test_an_environment_that_was_moved_is_not_usable(ost, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pip").write_text("#!/elsewhere/.venv/bin/python\n")
    monkeypatch.setattr(ost, "VENV", str(tmp_path))
    assert not ost.usable()


def test_no_environment_is_not_usable(ost, monkeypatch, tmp_path):
    monkeypatch.setattr(ost, "VENV", str(tmp_path))
    assert not ost.usable()


def test_a_failed_step_shows_its_last_lines(ost, tmp_path):
    with (tmp_path / "lock").open("w") as lock, pytest.raises(ost.InstallError, match="no such package"):
        ost.attempt([sys.executable, "-c", "import sys; sys.exit('no such package')"], lock.fileno())


def test_a_command_passes_its_exit_code_on(ost, monkeypatch):
    monkeypatch.setattr(ost, "PYTHON", sys.executable)
    assert ost.run("-c", "raise SystemExit(75)") == 75


def test_a_killed_command_ends_as_a_shell_would_say(ost, monkeypatch):
    monkeypatch.setattr(ost, "PYTHON", sys.executable)
    assert ost.run("-c", "import os; os.kill(os.getpid(), 9)") == 137


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def idle(ost, monkeypatch) -> None:
    """No database is held, every command fails, whoever listens on the worker's port is left alone, and what is told
    to a command's processes is told to no other test."""
    monkeypatch.setattr(ost.os, "environ", dict(ost.os.environ))
    monkeypatch.setattr(ost.database, "hold", lambda instance: None)
    monkeypatch.setattr(ost.database, "release", lambda instance: None)
    monkeypatch.setattr(ost, "run", lambda *command: 3)
    monkeypatch.setattr(ost, "PROBE_PORT", 0)


def test_a_taken_port_is_one_line_that_names_it(ost, idle, taken, capsys):
    assert ost.up(taken) == 2
    assert capsys.readouterr().err == (
        f"ost: port {taken} for the web cannot be had: Address already in use; choose another with --port\n"
    )


def test_a_taken_port_of_the_worker_is_named_too(ost, idle, taken, capsys, monkeypatch):
    monkeypatch.setattr(ost, "PROBE_PORT", taken)
    assert ost.up(port=0) == 2
    assert capsys.readouterr().err == f"ost: port {taken} for the worker cannot be had: Address already in use\n"


@pytest.mark.parametrize(("kept", "level"), [("", "WARNING"), ("LOG_LEVEL=DEBUG\n", None)])
def test_a_demo_logs_only_what_goes_wrong_unless_somebody_wants_more(ost, monkeypatch, tmp_path, kept, level):
    (tmp_path / ".env").write_text(kept)
    monkeypatch.setattr(ost.os, "environ", {"OST_ENV_FILE": str(tmp_path / ".env")})
    monkeypatch.setattr(ost, "install", lambda dev: None)
    monkeypatch.setattr(ost, "demo", lambda *given: 0)
    assert ost.main(["demo", "--no-serve"]) == 0
    assert ost.os.environ.get("LOG_LEVEL") == level


def test_the_demo_stops_at_the_first_failure(ost, idle, monkeypatch):
    codes = iter([0, 3])
    monkeypatch.setattr(ost, "run", lambda *command: next(codes))
    assert (ost.demo(serve=False, port=0), list(codes)) == (3, [])


def test_what_fails_before_it_serves_ends_it(ost, idle):
    assert ost.up(port=0) == 3


ADDRESSES = "ALLOW_PRIVATE_UPSTREAMS=1\nGITHUB_API_URL=http://127.0.0.1:9\n\nwhat is said at the end\n"


def test_the_addresses_of_the_servers_end_with_an_empty_line(ost):
    told = ost.addresses_told(iter(ADDRESSES.splitlines(keepends=True)))
    assert told == {"ALLOW_PRIVATE_UPSTREAMS": "1", "GITHUB_API_URL": "http://127.0.0.1:9"}


def test_servers_that_end_before_they_told_their_addresses_did_not_start(ost):
    with pytest.raises(ost.InstallError, match="did not start"):
        ost.addresses_told(["GITHUB_API_URL=http://127.0.0.1:9\n"])


@pytest.fixture
def scripted(ost, monkeypatch) -> None:
    """In place of the servers a script that tells an address; nobody's environment is changed for good."""
    monkeypatch.setattr(ost, "OUTSIDE", ("-c", f"print({ADDRESSES!r}, flush=True); import time; time.sleep(60)"))
    monkeypatch.setattr(ost, "PYTHON", sys.executable)
    monkeypatch.setattr(ost.os, "environ", {"PATH": ost.os.environ["PATH"]})
    monkeypatch.setattr(ost.database, "DATABASE", "ost")
    monkeypatch.setattr(ost.database, "given", lambda instance: "")


def test_a_demo_like_a_live_one_tells_its_processes_where_the_sources_are(ost, idle, scripted, monkeypatch):
    seen: list[dict[str, str]] = []

    def run(*command: str) -> int:
        seen.append(dict(ost.os.environ))
        return 3

    monkeypatch.setattr(ost, "run", run)
    assert ost.demo(serve=False, port=0, live_like=True) == 3
    assert seen[0]["GITHUB_API_URL"] == "http://127.0.0.1:9"
    assert seen[0]["DJANGO_SETTINGS_MODULE"] == "ostsite.live_like"


def test_a_demo_like_a_live_one_leaves_the_real_credentials_at_home(ost, idle, scripted):
    ost.os.environ["GITHUB_API_URL_FILE"] = "/run/secrets/real"
    ost.demo(serve=False, port=0, live_like=True)
    assert "GITHUB_API_URL_FILE" not in ost.os.environ


def test_a_demo_like_a_live_one_has_a_database_of_its_own(ost, idle, scripted):
    ost.demo(serve=False, port=0, live_like=True)
    assert (ost.database.DATABASE, ost.os.environ["OST_DATABASE"]) == ("ost_live_like", "ost_live_like")


def test_a_demo_like_a_live_one_takes_no_database_of_somebody_elses(ost, idle, scripted, monkeypatch):
    monkeypatch.setattr(ost.database, "given", lambda instance: "postgresql://elsewhere/ost")
    with pytest.raises(ost.InstallError, match="DATABASE_URL"):
        ost.demo(serve=False, port=0, live_like=True)


def test_an_ordinary_demo_starts_no_servers(ost, idle, monkeypatch):
    monkeypatch.setattr(ost, "outside", lambda: pytest.fail("servers in the place of the sources"))
    assert ost.demo(serve=False, port=0) == 3

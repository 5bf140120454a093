"""The guard of the embedded database, on real servers in folders of their own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import environ
import psycopg
import pytest

from ostsite import database

USER = """
import sys
from pathlib import Path
from ostsite import database
database.REPOSITORY = Path(sys.argv[1])
try:
    database.ensure_running("test")
except database.DatabaseUnavailable as error:
    sys.exit(str(error))
print(database._Server("test").pid(), flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses the server of a checkout until it is told to leave."""

    def __init__(self, checkout: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, checkout],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def server(self) -> int:
        """The pid of the server, once it answers."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return int(line)

    def complaint(self) -> str:
        return self.process.communicate()[1]

    def leave(self) -> None:
        self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def checkout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands for the repository; no server outlives it. A parameter names it."""
    top = Path(tempfile.mkdtemp(prefix="ost-test-")).resolve()
    top.chmod(0o755)  # as root, the server's user has to get in; pytest's own folders are private
    path = top / getattr(request, "param", "checkout")
    path.mkdir()
    monkeypatch.setattr(database, "REPOSITORY", path)
    monkeypatch.setattr(database, "_held", {})
    yield path
    path.chmod(0o755)
    server = database._Server("test")
    database.release("test")
    if pid := server.pid():
        os.kill(pid, signal.SIGQUIT)
        gone(server)
    if server.sockets.parent == Path("/tmp"):
        shutil.rmtree(server.sockets, ignore_errors=True)
    shutil.rmtree(top)


def gone(server: database._Server) -> bool:
    deadline = time.monotonic() + 20
    while server.lives() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not server.lives()


def answers() -> bool:
    return not database._Server("test").problem("ost")


def leftover(checkout: Path) -> database._Server:
    """A server that was killed together with all its users."""
    user = User(checkout)
    pid = user.server()
    user.kill()
    os.kill(pid, signal.SIGKILL)
    server = database._Server("test")
    assert gone(server)
    return server


def test_four_processes_that_start_at_once_share_one_server(checkout):
    users = [User(checkout) for _ in range(4)]
    assert len({user.server() for user in users}) == 1
    for user in users:
        user.kill()


def test_the_last_one_out_stops_the_server(checkout):
    first, last = User(checkout), User(checkout)
    first.server(), last.server()
    first.leave()
    assert answers()
    last.leave()
    assert not database._Server("test").lives()


def test_a_killed_user_does_not_stop_it_for_the_others(checkout):
    killed, other = User(checkout), User(checkout)
    killed.server(), other.server()
    killed.kill()
    assert answers()
    other.leave()
    assert not database._Server("test").lives()


def test_ctrl_c_does_not_reach_the_server(checkout):
    user = User(checkout)
    user.server()
    database.hold("test")
    os.killpg(user.process.pid, signal.SIGINT)
    user.process.communicate()
    assert answers()


def test_a_fork_that_ends_leaves_the_server_to_its_parent(checkout):
    database.ensure_running("test")
    child = os.fork()
    if not child:
        database._leave("test", os.getppid())
        os._exit(0)
    os.waitpid(child, 0)
    assert answers()


def test_data_outlive_a_killed_server(checkout):
    database.ensure_running("test")
    with psycopg.connect(database.url("test"), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = on")  # off in this instance
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    os.kill(database._Server("test").pid() or 0, signal.SIGKILL)
    database.ensure_running("test")
    with psycopg.connect(database.url("test")) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_a_start_waits_for_what_a_killed_server_left_at_work(checkout):
    database.ensure_running("test")
    connection = psycopg.connect(database.url("test"))
    connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 4000000)")  # about a second of work
    time.sleep(0.1)
    os.kill(database._Server("test").pid() or 0, signal.SIGKILL)
    database.ensure_running("test")
    assert answers()


def test_a_pid_file_that_names_a_stranger_is_stale(checkout):
    server = leftover(checkout)
    lines = (server.data / "postmaster.pid").read_text().splitlines()
    (server.data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
    (server.sockets / f"{database.SOCKET_NAME}.lock").write_text(f"{os.getpid()}\n")
    database.ensure_running("test")
    assert server.pid() not in (None, os.getpid())


@pytest.mark.parametrize("content", ["", "\n", "12", "no number\n/somewhere\n"])
def test_a_half_written_pid_file_is_stale(checkout, content):
    server = leftover(checkout)
    (server.data / "postmaster.pid").write_text(content)
    database.ensure_running("test")
    assert answers()


def test_a_start_that_was_killed_does_not_count(checkout):
    data = database._Server("test").data
    user = User(checkout)
    while not data.with_name("postgres-test.new").exists():
        time.sleep(0.01)
    user.kill()
    assert not data.exists()
    database.ensure_running("test")
    assert answers()


def test_deleted_data_take_their_server_along(checkout):
    user = User(checkout)
    old = user.server()
    user.kill()
    shutil.rmtree(checkout / ".data")
    database.ensure_running("test")
    with suppress(FileNotFoundError):  # a killed process that nobody has waited for may still be listed
        assert "Z" in Path(f"/proc/{old}/stat").read_text()
    assert answers()


@pytest.mark.parametrize("checkout", ["x" * 120, "a, 'b' \"c\" $d %20 é"], indirect=True)
def test_the_path_of_the_checkout_may_be_anything(checkout):
    database.ensure_running("test")
    assert answers()


def test_the_address_is_one_that_environ_reads(checkout):
    database.ensure_running("test")
    config = environ.Env.db_url_config(database.url("test"))
    assert psycopg.connect(dbname=config["NAME"], user=config["USER"], **config["OPTIONS"])


def test_the_address_is_known_before_anything_exists(checkout):
    assert database.url("main").startswith("postgresql://postgres@/ost?host=")
    assert not list(checkout.iterdir())


def test_a_given_address_wins_and_starts_nothing(checkout, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/ost")
    database.ensure_running("main")
    assert database.url() == "postgresql://elsewhere/ost"
    assert not list(checkout.iterdir())


def test_a_server_that_cannot_start_says_why_and_where_its_log_is(checkout):
    server = leftover(checkout)
    with (server.data / "postgresql.conf").open("a") as file:
        file.write("nonsense = 1\n")
    with pytest.raises(database.DatabaseUnavailable, match=r"contains errors.*postgres-test\.log"):
        database.ensure_running("test")


def test_a_socket_folder_that_is_not_ours_is_refused(checkout):
    database.run_folder()
    (checkout / ".data" / "run" / "test").symlink_to("/tmp")
    with pytest.raises(database.DatabaseUnavailable, match="belongs to"):
        database.ensure_running("test")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_told_whose_it_is(checkout):
    database.run_folder()
    child = os.fork()
    if not child:
        os.setuid(65534)
        try:
            database.ensure_running("test")
        except database.DatabaseUnavailable as error:
            os._exit(0 if "run this as root" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for the server")
def test_root_keeps_the_data_where_the_server_can_enter(checkout):
    assert database.base_folder() == checkout / ".data"
    checkout.chmod(0o700)
    assert database.base_folder().parent == Path("/var/lib/ost")


def test_a_copy_of_the_programs_runs(checkout):
    package = database._Server("test")._programs().parents[1]
    database._copy_programs(package, checkout / "copy")
    postgres = checkout / "copy" / package.name / "pginstall18" / "bin" / "postgres"
    assert subprocess.run([postgres, "--version"]).returncode == 0


def test_stop_leaves_a_used_server_alone(checkout, capsys):
    database.ensure_running("test")
    assert database.main(["stop", "test"]) == 0
    assert 'state="in use"' in capsys.readouterr().out
    assert answers()


def test_stop_ends_a_server_without_users(checkout):
    user = User(checkout)
    user.server()
    user.kill()
    assert [database.stop("test"), database.stop("test")] == ["stopped", "not running"]

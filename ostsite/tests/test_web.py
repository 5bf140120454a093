"""The real web server with our settings, in front of a database that goes away and comes back."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from django.db import connection
from django.utils.formats import date_format

from ostsite.wsgi import WithoutEnvironment

ROOT = Path(__file__).parents[2]
SERVER = [sys.executable, "-m", "ostsite.webserver"]
PASSWORD, TOKEN, KEY = "planted-password", "planted-token", "planted-key-" + "k9-" * 20

# The server has a session of its own: it sees what is committed, and what it counts is.
pytestmark = pytest.mark.django_db(transaction=True)


class Wire:
    """A way to the server of the tests that can be cut, which ends its sessions, and joined again."""

    def __init__(self, host: str, port: int) -> None:
        """Where the server is: its host, or the folder of its unix socket."""
        self.server = host, port
        self.ends: list[socket.socket] = []
        self.port = free_port()
        self.join()

    def join(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, args=[self.listener], daemon=True).start()

    def cut(self) -> None:
        """Whoever is connected loses the connection, whoever comes is refused."""
        for each in (self.listener, *self.ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.ends.clear()

    def accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # cut
            while True:
                near, far = listener.accept()[0], connected(*self.server)
                self.ends += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()


def connected(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Site:
    """Our web server as `./ost up` starts it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.home, self.log, port = folder / "home", folder / "log", free_port()
        self.home.mkdir()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*SERVER, "--bind", f"127.0.0.1:{port}"],
                cwd=ROOT,
                env={**os.environ, "HOME": str(self.home), **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)
        until(self.answers)

    def answers(self) -> bool:
        with suppress(httpx.TransportError):
            return self.get("/livez").is_success
        return False

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path, headers={"Authorization": f"Bearer {TOKEN}", "Connection": "close"})

    def lines(self) -> list[dict[str, Any]]:
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def workers(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def left(self) -> list[int]:
        """The processes of its session."""
        return [pid for pid in psutil.pids() if session(pid) == self.process.pid]

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(15)


def session(pid: int) -> int:
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


def until(seen: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def wire(django_db_setup) -> Wire:
    found = connection.settings_dict
    return Wire(found["HOST"], int(found["PORT"] or 5432))


@pytest.fixture(scope="module")
def start(wire, tmp_path_factory) -> Iterator[Callable[[], Site]]:
    sites: list[Site] = []

    def start_one() -> Site:
        found = connection.settings_dict
        password = found["PASSWORD"] or PASSWORD  # the embedded server asks for none
        url = f"postgresql://{found['USER']}:{password}@127.0.0.1:{wire.port}/{found['NAME']}"
        secrets = {"DATABASE_URL": url, "METRICS_TOKEN": TOKEN, "SECRET_KEY": KEY}
        sites.append(Site(tmp_path_factory.mktemp("site"), LOG_FORMAT="json", LOG_LEVEL="DEBUG", **secrets))
        return sites[-1]

    yield start_one
    wire.cut()  # or its sessions would keep the test's database
    for site in sites:
        site.client.close()
        site.process.kill()
        for pid in site.left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        site.process.wait()


@pytest.fixture(scope="module")
def site(start) -> Site:
    """One for most tests here."""
    return start()


@pytest.fixture
def cut(wire, site) -> Iterator[None]:
    site.get("/health")
    wire.cut()
    yield
    wire.join()
    until(lambda: site.get("/health").is_success, seconds=5)


@pytest.mark.parametrize("path", ["/livez", "/health", "/metrics"])
def test_it_answers(site, path):
    assert site.get(path).status_code == 200


# The database


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_while_the_database_is_away_a_page_says_when_to_come_back(site, cut, path):
    answers = [site.get(path) for _ in range(4)]  # of several threads
    assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {(503, "5")}


def test_while_the_database_is_away_the_process_is_alive(site, cut):
    assert site.get("/livez").status_code == 200


def test_when_the_database_is_back_the_same_processes_serve_on(site, wire):
    before = site.workers()
    wire.cut()
    assert site.get("/health").status_code == 503
    wire.join()
    until(lambda: site.get("/health").is_success, seconds=5)
    assert site.workers() == before


def test_a_database_that_restarted_between_two_requests_is_not_noticed(site, wire):
    for _ in range(8):
        site.get("/health")
    wire.cut()
    wire.join()
    assert {site.get("/health").status_code for _ in range(8)} == {200}


# The log


def test_each_line_is_an_object_of_json_also_of_the_server_itself(site):
    site.get("/nowhere")
    os.kill(site.workers()[0], signal.SIGKILL)
    until(lambda: any(line["logger"] == "_granian" for line in site.lines()))
    assert all({"time", "level", "logger", "event"} <= line.keys() for line in site.lines())


def test_a_request_is_a_line_with_the_id_of_its_answer(site):
    given = site.get("/nowhere").headers["X-Request-ID"]
    assert [line["path"] for line in site.lines() if line.get("request") == given] == ["/nowhere"]


def test_what_was_searched_for_is_not_logged(site):
    site.get("/nowhere?q=embarrassing")
    assert "embarrassing" not in site.log.read_text()


def test_no_line_shows_a_secret(site, cut):
    """Last, so that all the others have said what they say: that the database refuses, too."""
    site.get(f"/nowhere/{TOKEN}")
    site.get("/metrics")
    assert [secret for secret in (PASSWORD, TOKEN, KEY) if secret in site.log.read_text()] == []


# The end


def test_it_keeps_nothing_in_the_home_of_whoever_starts_it(site):
    assert list(site.home.iterdir()) == []


def test_told_to_end_it_leaves_no_process(start):
    site = start()
    site.get("/health")
    assert len(site.left()) == 3
    assert site.end() == 0
    assert site.left() == []


def test_when_the_main_process_is_killed_no_process_keeps_the_port(start):
    site = start()
    site.process.kill()
    site.process.wait()
    until(lambda: site.left() == [])


# The wire


def test_requests_that_never_end_hold_no_thread(site):
    with ExitStack() as stack:
        for _ in range(60):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", site.client.base_url.port)))
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Never")
        assert site.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--bind", "8000"], "is not ADDRESS:PORT"), (["--threads", "0"], "is no number from 1 to 64")],
)
def test_a_wrong_argument_is_told(arguments, said):
    done = subprocess.run([*SERVER, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, said in done.stderr) == (2, True)


def test_a_wrong_setting_ends_it_with_one_line():
    environment = {**os.environ, "PROXY_COUNT": "many"}
    done = subprocess.run(SERVER, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr.count("\n"), "PROXY_COUNT" in done.stderr) == (2, 1, True)


def test_a_request_knows_nothing_of_the_environment():
    seen = {}
    os.environ["PLANTED"] = "secret"
    answer = WithoutEnvironment(lambda environ, start_response: seen.update(environ) or [])
    answer({"PLANTED": "secret", "HTTP_HOST": "localhost"}, lambda *given: None)
    del os.environ["PLANTED"]
    assert seen == {"HTTP_HOST": "localhost"}


def test_a_moment_in_the_admin_reads_the_same_in_every_country():
    assert date_format(datetime(2026, 11, 2, 6, 17, tzinfo=UTC), "DATETIME_FORMAT") == "2 Nov 2026, 06:17 UTC"

"""A real PocketBase for tests, and a proxy before it that can act at a chosen write."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self

import httpx
from django.db import connection

from issues.pocketbase import Store

PROGRAM = Path(sys.executable).with_name("pocketbase")
HTTP = httpx.Client(trust_env=False, timeout=20, verify=False)  # certificates take long to load
EMAIL, PASSWORD = "ost@example.org", "planted-password-of-the-store"


class PocketBase:
    """One server with a folder of its own, that can be stopped, started and put back to what it was."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder / "data", free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = ""
        self.run("superuser", "upsert", EMAIL, PASSWORD)
        self.start()
        self.sign_in_quickly()

    def run(self, *arguments: str) -> None:
        subprocess.run([PROGRAM, *arguments, "--dir", self.folder], check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        command = [PROGRAM, "serve", "--http", f"127.0.0.1:{self.port}", "--dir", self.folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                HTTP.get(f"{self.url}/api/health")
                return
            time.sleep(0.02)
        raise TimeoutError("PocketBase did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def copy(self, folder: Path) -> Path:
        """What it holds now, to be put back later."""
        self.stop()
        shutil.copytree(self.folder, folder)
        self.start()
        return folder

    def put_back(self, folder: Path) -> None:
        self.stop()
        shutil.rmtree(self.folder)
        shutil.copytree(folder, self.folder)
        self.start()

    def sign_in_quickly(self) -> None:
        """Hash the password in a sixtieth of the time: tests sign in very often."""
        whose = "/api/collections/_superusers"
        fields = self.ask("GET", whose)["fields"]
        cheap = [field | ({"cost": 4} if field["type"] == "password" else {}) for field in fields]
        self.ask("PATCH", whose, json={"fields": cheap})
        (person,) = self.ask("GET", f"{whose}/records")["items"]
        anew = {"password": PASSWORD, "passwordConfirm": PASSWORD}
        self.ask("PATCH", f"{whose}/records/{person['id']}", json=anew)

    # As a person with all rights sees and changes it

    def ask(self, method: str, path: str, **facts: Any) -> Any:
        answer = HTTP.request(method, f"{self.url}{path}", headers={"Authorization": self.token}, **facts)
        if answer.status_code in (401, 403):
            who = {"identity": EMAIL, "password": PASSWORD}
            signed_in = HTTP.post(f"{self.url}/api/collections/_superusers/auth-with-password", json=who)
            self.token = signed_in.json()["token"]
            answer = HTTP.request(method, f"{self.url}{path}", headers={"Authorization": self.token}, **facts)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def records(self, collection: str) -> list[dict[str, Any]]:
        found = self.ask("GET", f"/api/collections/{collection}/records", params={"perPage": 1000, "sort": "id"})
        assert found["totalPages"] <= 1
        items: list[dict[str, Any]] = found["items"]
        return items

    def make_anew(self) -> None:
        """Empty collections, as `sync_live_issues --make-collections` makes them; batches are off, as they come."""
        present = {row["name"] for row in self.ask("GET", "/api/collections", params={"perPage": 200})["items"]}
        for name in ("evidence", "issues"):
            if name in present:
                self.ask("DELETE", f"/api/collections/{name}")
        self.take_batches(False)
        with self.store() as store:
            store.make_collections()

    def take_batches(self, yes: bool) -> None:
        self.ask("PATCH", "/api/settings", json={"batch": {"enabled": yes, "maxRequests": 50, "timeout": 3}})

    def limit_titles(self, longest: int) -> None:
        fields = self.ask("GET", "/api/collections/issues")["fields"]
        changed = [field | ({"max": longest} if field["name"] == "title" else {}) for field in fields]
        self.ask("PATCH", "/api/collections/issues", json={"fields": changed})

    def end_all_tokens(self) -> None:
        self.ask("PATCH", "/api/collections/_superusers", json={"authToken": {"secret": os.urandom(30).hex()}})

    def store(self) -> Store:
        return Store(self.url, EMAIL, PASSWORD)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Proxy:
    """Forwards to the store and counts. `act` is called at write number `at`, before or after the store has done it.

    Where `act` answers False, whoever asked gets no answer. says: the status that writes get, in place of the store's.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.asked: list[str] = []
        self.says = 0
        self.at, self.phase = 0, "before"
        self.act: Callable[[], bool] = lambda: True
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"proxy": self}))
        self.http.daemon_threads = True
        self.counting = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    @property
    def writes(self) -> list[str]:
        return [line for line in self.asked if not line.startswith("GET") and "auth-with-password" not in line]

    def __enter__(self) -> Self:
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def watch(self, at: int = 0, phase: Literal["before", "after"] = "before", act: Callable[[], bool] = bool) -> None:
        """Count from the beginning."""
        self.asked, self.at, self.phase, self.act = [], at, phase, act

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response | None:
        with self.counting:
            self.asked.append(f"{method} {path.partition('?')[0]}")
            writes = self.asked[-1:] == self.writes[-1:]
            here = writes and len(self.writes) == self.at
        if writes and self.says:
            return httpx.Response(self.says, json={"message": "because"})
        if here and self.phase == "before" and not self.act():
            return None
        answer = HTTP.request(method, f"{self.target}{path}", headers=headers, content=body)
        if here and self.phase == "after" and not self.act():
            return None
        return answer


class Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def work(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kept = {name: self.headers[name] for name in ("Authorization", "Content-Type") if self.headers[name]}
        answer = self.proxy.forward(self.command, self.path, kept, body)
        self.close_connection = answer is None
        if answer is not None:
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

    do_GET = do_POST = do_PATCH = do_DELETE = work  # noqa: N815  the names that http.server looks for

    def log_message(self, *_: object) -> None: ...


class Child:
    """A forked process that does some work on the same database, to be killed at a moment that another thread knows."""

    def __init__(self) -> None:
        self.born = threading.Event()

    def run(self, work: Callable[[], object]) -> int:
        """Its exit code; a signal it died of is negative."""
        self.pid = os.fork()
        if self.pid:
            self.born.set()
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        code = 1
        try:
            connection.connection = None  # the parent's: psycopg closes no connection that another process opened
            work()
            connection.close()
            code = 0
        except BaseException:  # noqa: BLE001  nothing may rise into what the parent does next
            traceback.print_exc()
        finally:
            os._exit(code)

    def kill(self) -> bool:
        self.born.wait()
        os.kill(self.pid, 9)
        return False

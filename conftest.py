"""One embedded PostgreSQL of its own for all test runs; one database a run; one model a session."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import psycopg
import pytest
from django.conf import settings
from psycopg import sql

DEPLOYED = (
    "RECOMMENDATION_", "EMBEDDING_", "MODEL_", "BATCH_", "PROJECT_TEXT", "REDIS_", "Q_BROKER", "WORKER_", "METRICS_",
    "LOG_", "DEBUG", "ALLOWED_HOSTS", "READ_", "SITE_", "PROXY_", "GITHUB_", "EMAIL_", "CLUSTER_", "LLM_", "GROQ_",
    "ANTHROPIC_", "OPENAI_", "OLLAMA_", "TOGETHER_", "RETRY_", "POCKETBASE_",
    "IMPRESSION_", "STACKEXCHANGE_", "REDDIT_", "HACKERNEWS_", "ALLOW_PRIVATE_", "OTEL_",
)  # fmt: skip
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ostsite.settings")
for name in list(os.environ):  # a deployment's variables are no part of a test
    if name.startswith(DEPLOYED):
        del os.environ[name]
for name in ("DATABASE_URL_FILE", "SECRET_KEY_FILE"):
    os.environ.pop(name, None)
os.environ["OST_ENV_FILE"] = os.devnull  # nor is a developer's .env
os.environ["READ_TEXTS"] = "0"  # a page must not load the model behind a test's back
# A suite in the background of a shell inherits that SIGINT is ignored, and so would the processes that it interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

from ostsite import database  # noqa: E402  after the environment is clean

if "DATABASE_URL" not in os.environ:
    database.ensure_running("test")
    os.environ["DATABASE_URL"] = database.url("test")
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "0" * 40)
# Not named in pyproject.toml: pytest-django would load the settings before the lines above.
django.setup()
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a password costs a test no time


def pytest_collection_finish() -> None:
    """Twelve thousand tests and the site stay until the end; to look for garbage in them is a tenth of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With OST_NO_SKIPS a skipped test fails the run, unless only root could do it; pytest has named it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("OST_NO_SKIPS") and any("only root" not in str(report.longrepr) for report in skipped):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


# With -n: what kills processes, waits for the clock or starts servers runs one after the other, in one process.
MACHINE = {
    "test_worker", "test_kills", "test_crashes", "test_ledger", "test_probe", "test_llm", "test_redis", "test_web",
    "test_database", "test_supervisor", "test_ost", "test_tracing", "test_prometheus", "test_latency",
}  # fmt: skip
LONGEST = ("browser", "machine")  # dealt first


def lot(nodeid: str) -> str:
    """With -n: what a test is dealt with, to one process: its file, as a rule, for the fixtures."""
    file = Path(nodeid.partition("::")[0])
    return "machine" if file.stem in MACHINE else "browser" if file.parent.name == "browser" else str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    from xdist.scheduler import LoadScopeScheduling  # late: it is there only for -n

    class ByLot(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return lot(nodeid)

    config.option.loadscopereorder = False
    return ByLot(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: lot(item.nodeid) not in LONGEST)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """A database a run, named by its process: two runs at once do not meet; what a killed run left goes."""
    test: dict[str, Any] = settings.DATABASES["default"].setdefault("TEST", {})
    test["NAME"] = f"{test.get('NAME') or 'test_ost'}_{os.getpid()}"
    drop_leftovers()


def drop_leftovers() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test_ost%'").fetchall()
        for (name,) in names:
            pid = name.rsplit("_", 1)[-1]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists():
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


@pytest.fixture(scope="session", autouse=True)
def static_files_listed_once() -> Iterator[None]:
    """Each test's client makes the middleware anew, which would look at every static file each time: 12 ms."""
    from whitenoise.middleware import WhiteNoiseMiddleware as Middleware  # late: it asks for the settings

    look, found = Middleware.add_files_from_finders, {}

    def listed(self: Any) -> None:
        key = self.static_prefix, self.max_age
        if key not in found:
            look(self)
            found[key] = dict(self.files)
        self.files.update(found[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Middleware, "add_files_from_finders", listed)
        yield


@pytest.fixture(scope="module")
def kept_for_the_file(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What the fixtures of a file write: each of its tests changes it for itself alone, and after the last it goes."""
    from ostsite.tests.world import undone  # late: it asks for the settings

    with django_db_blocker.unblock(), undone():
        yield


@pytest.fixture(autouse=True)
def fresh_process():
    """What a web process keeps between requests belongs to one test alone."""
    yield
    from engine import tallies  # late: the apps are loaded by now
    from engine.api.throttling import PURSE
    from engine.embeddings.reading import READER
    from recommendations import serving, showing

    serving.forget()
    showing.HELD.begin()
    READER.forget()
    PURSE.forget()
    tallies.HELD.begin()


ASYNC_UNSAFE = "DJANGO_ALLOW_ASYNC_UNSAFE"  # of this process, while it has a browser


@pytest.fixture
def manage():
    """Run manage.py as a process of its own, as a user would: (code, stdout, stderr)."""

    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).parent / "manage.py"), *arguments],
            capture_output=True,
            text=True,
            env={**{name: value for name, value in os.environ.items() if name != ASYNC_UNSAFE}, **environment},
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="session")
def packaged_model() -> object:
    """The real model, loaded once."""
    from engine.embeddings.local import PACKAGED, LocalEmbedder  # late: for the tests that ask for it

    return LocalEmbedder(PACKAGED, 384)

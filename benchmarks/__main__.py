"""Run the benchmarks in a database that is made for them and dropped afterwards: one table of ratios, in Markdown."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import django
from django.db import connection

from benchmarks.table import HEAD, line, machine
from ostsite import database

NAMES = ("importing", "embedding", "nearest", "scoring", "storing", "density", "serving")
# Minutes each, and only when named: what breaks must mend itself.
DRILLS = ("crashes", "kills", "storm", "collecting", "fetch_kills", "embedding_workers", "ingest_kills", "anomalies")
FED = ("ingest_kills",)  # may be followed by a file: real data stays outside the project


@contextmanager
def own_database() -> Iterator[None]:
    """Django on the embedded test server, in a fresh database of this process."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ostsite.settings")
    os.environ.setdefault("SECRET_KEY", "only-for-benchmarks-" + "0" * 40)
    for name in ("DATABASE_URL_FILE", "SECRET_KEY_FILE"):
        os.environ.pop(name, None)
    os.environ["OST_ENV_FILE"] = os.devnull
    database.ensure_running("test")
    os.environ["DATABASE_URL"] = database.url("test")
    django.setup()
    connection.settings_dict["TEST"]["NAME"] = f"test_ost_bench_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db("ost", verbosity=0)


def main(names: list[str]) -> int:
    if len(names) == 2 and names[0] in FED and Path(names[1]).is_file():
        with own_database():
            return min(int(import_module(f"benchmarks.{names[0]}").drill(names[1])), 1)
    unknown = set(names) - set(NAMES + DRILLS)
    if unknown:
        sys.stderr.write(f"bench: unknown {min(unknown)!a}; allowed: {', '.join(NAMES + DRILLS)}\n")
        return 2
    if set(names) & set(DRILLS):
        with own_database():
            return min(sum(import_module(f"benchmarks.{name}").drill() for name in names), 1)
    with own_database():
        print(f"\n{machine()}\n\n{HEAD}")
        for name in names or NAMES:
            for row in import_module(f"benchmarks.{name}").measure():
                print(line(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

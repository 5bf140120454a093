"""The web server: python -m ostsite.webserver --bind 127.0.0.1:8000

Granian holds the connections outside of Python: one that is slow, or never finishes its request, keeps no thread.
"""

import argparse
import math
import os
import sys

os.environ["OST_SERVES_PAGES"] = "1"  # before the settings are read
# Threads answer requests here; were each to have more for its arithmetic, they would only be in each other's way.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from django.core.exceptions import ImproperlyConfigured  # noqa: E402  after what the libraries go by
from granian import Granian  # noqa: E402
from granian.constants import HTTPModes, Interfaces  # noqa: E402
from granian.http import HTTP1Settings  # noqa: E402
from granian.log import LogLevels  # noqa: E402

PROCESSES = 2  # a fault in one leaves the other
THREADS = 2  # of a process: where the database is far away, more of them wait for it at once
HEADER_SECONDS = 10  # a client may take for its headers
HEADER_BYTES = 65_536  # of a request at most; more is 414 or 431
LIFE_SECONDS = 24 * 3600  # of a process: whatever a library leaks ends with it


def serve(host: str, port: int, processes: int, threads: int) -> None:
    """Answer until SIGTERM or SIGINT. Raises ImproperlyConfigured on a setting that a command would refuse."""
    from ostsite.settings import LOGGING, TIMING  # late: they are refused here

    os.environ["OST_WEB_SERVER"] = str(os.getpid())  # whom its processes end with, even one that is still starting
    Granian(
        "ostsite.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=processes,
        blocking_threads=threads,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=HEADER_BYTES),
        log_level=LogLevels.error,
        log_dictconfig=LOGGING,
        respawn_failed_workers=True,
        workers_lifetime=LIFE_SECONDS,
        workers_kill_timeout=math.ceil(TIMING.grace),
    ).serve()


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError("is not ADDRESS:PORT, such as 127.0.0.1:8000")
    return host.strip("[]"), int(port)


def count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 64:
        raise argparse.ArgumentTypeError("is no number from 1 to 64")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser("python -m ostsite.webserver", description="Serve pages and API.")
    parser.add_argument("--bind", type=address, default="127.0.0.1:8000", metavar="ADDRESS:PORT", help="%(default)s")
    parser.add_argument("--processes", type=count, default=PROCESSES, metavar="N", help="%(default)s")
    parser.add_argument("--threads", type=count, default=THREADS, metavar="N", help="of each process; %(default)s")
    asked = parser.parse_args()
    try:
        host, port = asked.bind
        serve(host, port, asked.processes, asked.threads)
    except ImproperlyConfigured as error:  # in one line, as manage.py tells it
        sys.stderr.write("ost: " + " ".join(str(error).split()) + "\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

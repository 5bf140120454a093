"""How gunicorn serves the pages: python -m gunicorn --config python:ostsite.webserver --bind 127.0.0.1:8000"""

import os
from typing import Any

os.environ["OST_SERVES_PAGES"] = "1"  # before the settings are read
# Threads answer requests here; were each to have more for its arithmetic, they would only be in each other's way.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from ostsite.settings import LOGGING  # noqa: E402  after what it goes by

wsgi_app = "ostsite.wsgi"
worker_class = "gthread"
workers = 2  # a fault in one leaves the other
threads = 8  # a page waits for the database most of its time
timeout = 60  # seconds without a sign of life from a worker
graceful_timeout = 8  # seconds a request may still take after SIGTERM; Docker kills after ten
max_requests = 500_000  # whatever a library leaks ends with its process, which has a model to load again
max_requests_jitter = 50_000
logconfig_dict = LOGGING
control_socket_disable = True  # it would lie in the home of whoever starts this, one for all


def post_worker_init(worker: Any) -> None:
    """Load the catalogue before anybody asks."""
    from recommendations import serving  # the apps are loaded by now

    serving.begin()

"""How gunicorn serves the pages: python -m gunicorn --config python:ostsite.webserver --bind 127.0.0.1:8000"""

import os

os.environ["OST_SERVES_PAGES"] = "1"  # before the settings are read
# Threads answer requests here; were each to have more for its arithmetic, they would only be in each other's way.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from ostsite.settings import LOGGING

wsgi_app = "ostsite.wsgi"
worker_class = "gthread"
workers = 2  # a fault in one leaves the other
threads = 8  # a page waits for the database most of its time
timeout = 60  # seconds without a sign of life from a worker
graceful_timeout = 8  # seconds a request may still take after SIGTERM; Docker kills after ten
max_requests = 20_000  # whatever a library leaks ends with its process
max_requests_jitter = 2_000
logconfig_dict = LOGGING
control_socket_disable = True  # it would lie in the home of whoever starts this, one for all

"""The application of a web process. It refuses to start on a setting that a command would refuse."""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application

from ostsite import database

Answer = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WithoutEnvironment:
    """The server lays a request over the process's environment, and the secrets in it have no place in a request."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.environment = list(os.environ.items())

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        for name, value in self.environment:
            if environ.get(name) == value:
                del environ[name]
        return self.answer(environ, start_response)


def end_with(parent: int) -> None:
    """End when the process that started this one is gone: an orphan would keep the port from its successor."""
    while os.getppid() == parent:
        time.sleep(1)
    for _ in range(math.ceil(settings.TIMING.grace)):
        os.kill(os.getpid(), signal.SIGTERM)  # which the server loses while it starts
        time.sleep(1)
    os._exit(1)


def begin() -> None:
    """Load the catalogue before anybody asks, and keep an eye on the server's main process."""
    from engine import tallies  # once the apps are loaded
    from recommendations import holding, showing

    holding.begin()
    request_finished.connect(showing.flush_when_due)  # before the tallies, which count what it writes
    request_finished.connect(tallies.flush_when_due)
    server = int(os.environ.get("OST_WEB_SERVER", os.getppid()))
    threading.Thread(target=end_with, args=[server], name="end_with_parent", daemon=True).start()


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ostsite.settings")
application: Answer = WithoutEnvironment(get_wsgi_application())  # loads the settings, and with them .env
database.ensure_running()
if settings.SERVES_PAGES:
    begin()

"""The worker's own addresses: /livez, /health and /metrics, by default on port 9090 of this machine alone."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from django.db import Error as DatabaseError
from django.db import connection
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from engine import metrics

logger = structlog.get_logger(__name__)

Answer = tuple[str, str, bytes]  # status, content type, body


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client went away, or said nothing; the library would print a trace past the log."""
        logger.warning("probe_client_lost", error=type(sys.exc_info()[1]).__name__)


class Quiet(WSGIRequestHandler):
    timeout = 10  # seconds for one who connects and says nothing

    def log_message(self, format: str, *arguments: Any) -> None: ...


def serve(host: str, port: int, silence: Callable[[], float], limit: float) -> None:
    """Answer in a thread, as long as the process lives. Raises OSError when the port is taken.

    silence: seconds since the group's last sign of life; above `limit` it is unhealthy.
    """

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, kind, body = answer(environ.get("PATH_INFO", ""), silence(), limit)
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    Server.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = make_server(host, port, application, Server, Quiet)
    threading.Thread(target=server.serve_forever, name="probe", daemon=True).start()


def answer(path: str, silence: float, limit: float) -> Answer:
    try:
        if path == "/livez":
            return as_json("200 OK", status="alive")
        if path == "/health":
            metrics.database_answers()
            stalled = silence > limit
            code = "503 Service Unavailable" if stalled else "200 OK"
            return as_json(code, status="stalled" if stalled else "ok", silent_seconds=round(silence, 1))
        if path == "/metrics":
            return "200 OK", CONTENT_TYPE_LATEST, metrics.exposition()
        return as_json("404 Not Found", status="unknown", addresses=["/livez", "/health", "/metrics"])
    except DatabaseError:
        return as_json("503 Service Unavailable", status="database away")
    except Exception:  # an address that fails must not look like one that is not there
        logger.exception("probe_failed", path=path[:100])
        return as_json("500 Internal Server Error", status="failed")
    finally:
        connection.close()


def as_json(code: str, **facts: object) -> Answer:
    return code, "application/json", json.dumps(facts).encode()

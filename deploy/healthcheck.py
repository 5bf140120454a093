"""Whether the service on that port of this machine answers /health with 200: python healthcheck.py PORT

A container's health check. The image has no curl, and urllib would go by a proxy of the environment.
"""

import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 4  # less than the engine waits for us


def healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if healthy(int(sys.argv[1])) else 1)

"""How often somebody may ask: counted by the minute in the database, by all processes together."""

import ipaddress
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from engine.models import Allowance
from engine.recent import Recent

if TYPE_CHECKING:
    from rest_framework.views import APIView

WINDOW = 60  # seconds


class Left(NamedTuple):
    """What the answer's headers tell. reset: seconds until the window ends."""

    limit: int
    remaining: int
    reset: int


class Throttle(BaseThrottle):
    """Somebody known is counted by who they are, with a key or without; everybody else by their address."""

    left: Left

    def allow_request(self, request: Request, view: "APIView") -> bool:
        known = request.user.is_authenticated
        subject = f"user:{request.user.pk}" if known else f"anon:{address_of(request)}"
        limit = int(api_settings.DEFAULT_THROTTLE_RATES["user" if known else "anon"] or 0)
        allowed, self.left = PURSE.spend(subject, limit)
        return allowed

    def wait(self) -> float:
        return self.left.reset


@dataclass
class Coins:
    """What a process still holds of what it took for one subject; until: on the clock of time.monotonic."""

    left: int
    taken: int
    until: float


class Purse:
    """A process takes a fortieth of an allowance at a time, so that most requests cost no statement.

    What it took and does not spend is lost to the other processes until the window ends: nobody gets more than the
    limit, and somebody may get a fortieth less for each process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Recent[str, Coins] = Recent(5000)

    def spend(self, subject: str, limit: int) -> tuple[bool, Left]:
        """Whether one more is allowed, and what is left then."""
        with self._lock:
            held = self._held.get(subject)
            if held and held.left and time.monotonic() < held.until:
                held.left -= 1
                return True, Left(limit, limit - held.taken + held.left, int(held.until - time.monotonic()) + 1)
        share, began = max(1, limit // 40), time.monotonic()
        taken, seconds = Allowance.objects.take(subject, WINDOW, share)
        granted = min(share, limit - taken + share)
        if granted > 1:
            self._held.put(subject, Coins(granted - 1, min(taken, limit), began + seconds))
        return granted > 0, Left(limit, max(limit - taken + share - 1, 0), int(seconds) + 1)

    def forget(self) -> None:
        self._held.clear()


PURSE = Purse()


def address_of(request: Request | HttpRequest) -> str:
    """Where a request comes from. X-Forwarded-For is believed as far as our own proxies wrote it, and no further."""
    address = request.META.get("REMOTE_ADDR", "")
    if settings.PROXY_COUNT:
        written = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        address = written[-settings.PROXY_COUNT :][0] or address
    return network_of(address)


def network_of(address: str) -> str:
    """The address; of IPv6 the /64, all of which one household has; "unknown" for what is none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)

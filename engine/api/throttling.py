"""How often somebody may ask: counted by the minute in the database, by all processes together."""

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from engine.models import Allowance

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
        taken, seconds = Allowance.objects.take(subject, WINDOW)
        self.left = Left(limit, max(limit - taken, 0), seconds)
        return taken <= limit

    def wait(self) -> float:
        return self.left.reset


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

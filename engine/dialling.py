"""Where a request may go: how the client reaches the network, and that sources lie in the public one."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any

import httpcore
import httpx


class NotPublic(ValueError):
    """The address is one of this machine, or of a network that only those inside it reach."""


class PublicNetwork(httpcore.AnyIOBackend):
    """Dials addresses of the public network only: looked up here, and dialled as they were looked up."""

    async def connect_tcp(self, host: str, port: int, *facts: Any, **named: Any) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from None
        addresses = [str(each[4][0]) for each in found]
        if not addresses or not all(is_public(address) for address in addresses):
            raise NotPublic("no address of the public network; ALLOW_PRIVATE_UPSTREAMS=1 allows it")
        for address in addresses[:-1]:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await super().connect_tcp(address, port, *facts, **named)
        return await super().connect_tcp(addresses[-1], port, *facts, **named)


def is_public(address: str) -> bool:
    """Whether it is reached over the public network, also what is hidden in an IPv6 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    hidden: Iterable[ipaddress.IPv4Address | None] = (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ()), nat64(ip))
    inside = [each for each in hidden if each]
    itself = bool(ip.ipv4_mapped) or (ip.is_global and not ip.is_multicast)
    return itself and all(is_public(str(each)) for each in inside)


def nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address behind one of the well-known prefix (RFC 6052)."""
    known = ip in ipaddress.ip_network("64:ff9b::/96")
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if known else None


def transport(public: bool) -> httpx.AsyncHTTPTransport:
    made = httpx.AsyncHTTPTransport(verify=trusted(), trust_env=False)
    if public:  # httpx has no way of saying so
        made._pool = httpcore.AsyncConnectionPool(ssl_context=trusted(), network_backend=PublicNetwork())
    return made


@cache
def trusted() -> ssl.SSLContext:
    """The certificates of a process, read once: that takes long."""
    return httpx.create_ssl_context(trust_env=False)

"""One spelling for each address on the web, by which a post is known."""

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from yarl import URL

LONGEST_URL, LONGEST_HOST = 2_048, 253  # characters; the second is the limit of the domain name system
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
SAME_SITE = ("www.", "old.")  # names under which sites serve the same pages

# What says where a reader came from, and nothing about what is read.
TRACKING = frozenset(
    {
        *("gclid", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "igshid", "mc_cid", "mc_eid"),
        *("ref", "referrer", "referer", "source", "campaign"),
    }
)
TRACKING_PREFIXES = ("utm_", "ref_")
# Where these name what is read: a branch, an app's listing. A bare number does so anywhere.
NEEDED: Mapping[str, frozenset[str]] = {
    "api.github.com": frozenset(["ref"]),
    "gitlab.com": frozenset(["ref", "ref_type"]),
    "osv.dev": frozenset(["source"]),
    "lists.apache.org": frozenset(["source"]),
}


class BadUrl(ValueError):
    """An address that is none, with the reason."""


def _read(url: str) -> URL:
    """The parts of an address of the web. Raises BadUrl."""
    url = url.strip(" ")
    if not url or len(url) > LONGEST_URL:
        raise BadUrl(f"a url has 1 to {LONGEST_URL} characters")
    if not all(each.isprintable() for each in url):
        raise BadUrl("a url holds no control characters")
    try:
        found = URL(url)
        host, port = found.host, found.port
    except (ValueError, IndexError) as error:  # the second is yarl's answer to brackets with nothing between them
        raise BadUrl("not a url" if "@" in url else f"not a url: {error}") from None  # it may quote a password
    if found.scheme not in ("http", "https") or not host or port == 0:
        raise BadUrl("a url begins with http:// or https:// and a host")
    if found.raw_user is not None or found.raw_password is not None:
        raise BadUrl("a url holds no user name or password")
    return found


def _ipv6(host: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError as error:
        raise BadUrl(f"not a url: {error}") from error


def _host(raw: str) -> str:
    """The name of the site, in ASCII. Raises BadUrl."""
    host = raw.lower().removesuffix(".")
    if ":" in host:
        return _ipv6(host)
    if len(host) > LONGEST_HOST or not all(map(LABEL.fullmatch, host.split("."))):
        raise BadUrl("not the name of a host")
    while host.startswith(SAME_SITE) and "." in host[4:]:
        host = host[4:]
    return host


def _is_tracking(host: str, name: str, value: str) -> bool:
    name = name.lower()
    needed = name in NEEDED.get(host, ()) or (name in ("source", "ref") and value.isdecimal())
    return not needed and (name in TRACKING or name.startswith(TRACKING_PREFIXES))


def normal_url(url: str) -> str:
    """The one spelling of an address: https, no www., no tracking, no fragment, its query in order.

    Raises BadUrl with the reason.
    """
    read = _read(url)
    host = _host(read.raw_host or "")
    port = None if read.explicit_port in (None, 80, 443) else read.explicit_port
    query = [(name, value) for name, value in read.query.items() if not _is_tracking(host, name, value)]
    path = read.raw_path.rstrip("/") or "/"
    found = str(URL.build(scheme="https", host=host, port=port, path=path, encoded=True).with_query(sorted(query)))
    if len(found) > LONGEST_URL:
        raise BadUrl(f"a url has 1 to {LONGEST_URL} characters")
    return found


def url_hash(url: str) -> str:
    """SHA-256 of the normalised address, hex. Raises BadUrl."""
    return hashlib.sha256(normal_url(url).encode()).hexdigest()


def web_address(text: str) -> str:
    """The address if a browser may be sent there, otherwise "": http or https, a host, nobody's password."""
    text = text.strip()
    if len(text) > LONGEST_URL or not text.isprintable() or re.search(r"[\s\\]", text):
        return ""
    try:
        parts = urlsplit(text)
        fit = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port or a host that is none
        return ""
    return text if fit and "@" not in parts.netloc else ""

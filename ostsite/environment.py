"""Settings from the environment: each reader checks its value and names the variable when it is wrong.

A secret may also come from a file: NAME_FILE holds the path. `.env` in the repository is read first and
never overrides what the process was given.
"""

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.FileAwareEnv()
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
secrets: set[str] = set()  # what no line of the log may show


def read_file(path: Path) -> None:
    """Read NAME=value lines. Raises ImproperlyConfigured when the file is not UTF-8 text."""
    if not path.is_file():
        return
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise ImproperlyConfigured(f"{path.name} cannot be read: {type(error).__name__}") from None
    for number, line in enumerate(lines, 1):
        # Refused here by its number: the library would show the line, and a secret with it.
        if line.strip() and not re.match(r"\s*(#|(export\s+)?[A-Za-z_0-9]+=)", line):
            raise ImproperlyConfigured(f"{path.name} line {number} is not NAME=value, without blanks around the =")
    environ.Env.read_env(str(path), encoding="utf-8-sig")


def text(name: str, default: str = "") -> str:
    """The value without surrounding blanks; an empty one counts as absent."""
    try:
        value = str(env.ENVIRON.get(name, default)).strip()  # not env.str: there "$" names another variable
    except (OSError, UnicodeError) as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names a file that cannot be read: {error.__class__.__name__}"
        ) from None
    return value or default


def secret(name: str) -> str:
    """Like text; the value, and the password in it where it is an address, are kept out of the log."""
    value = text(name)
    secrets.add(value)
    with suppress(ValueError):  # an address that cannot be read is refused by who needs it
        address = urlsplit(value)
        for password in [address.password or "", *parse_qs(address.query).get("password", [])]:
            secrets.update({password, unquote(password)})
    return value


def choice(name: str, default: str, allowed: Sequence[str]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {shown(value)}; allowed: {', '.join(allowed)}")
    return value


def yes_or_no(name: str, default: bool) -> bool:
    value = text(name, YES[0] if default else NO[0]).lower()
    if value not in YES + NO:
        raise ImproperlyConfigured(f"{name} is {shown(value)}; allowed: {', '.join(YES + NO)}")
    return value in YES


def whole(name: str, default: int, least: int, most: int) -> int:
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) < 20 and least <= int(value) <= most):
        raise ImproperlyConfigured(f"{name} is {shown(value)}; allowed: a whole number from {least} to {most}")
    return int(value)


def number(name: str, default: float, least: float, most: float) -> float:
    value = text(name, str(default))
    try:
        result = float(value)
    except ValueError:
        result = math.nan
    if not least <= result <= most:  # NaN is never within
        raise ImproperlyConfigured(f"{name} is {shown(value)}; allowed: a number from {least:g} to {most:g}")
    return result


def names(name: str, default: Sequence[str]) -> list[str]:
    """A list separated by commas."""
    return [part.strip() for part in text(name, ",".join(default)).split(",") if part.strip()]


def redis(name: str) -> str:
    """The address of a Redis, a secret because of its password; "" when there is none."""
    value = secret(name)
    if value and value.partition("://")[0] not in ("redis", "rediss", "unix"):
        raise ImproperlyConfigured(f"{name} is not an address; allowed: redis://host:port/number")
    return value


def address(name: str, default: str) -> str:
    """The address of a site, without a path: scheme://host[:port]."""
    value = text(name, default).rstrip("/")
    problem = f"{name} is {shown(value)}; allowed: http://host[:port] or https://host[:port], nothing behind it"
    try:
        parts = urlsplit(value)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ImproperlyConfigured(problem) from None
    if parts.scheme not in ("http", "https") or not whole or value != f"{parts.scheme}://{parts.netloc}":
        raise ImproperlyConfigured(problem)
    if "@" in parts.netloc or not re.fullmatch(r"[A-Za-z0-9.\-:\[\]]+", parts.netloc):
        raise ImproperlyConfigured(problem)
    return value


def key(name: str) -> str:
    """A secret that goes into a header: no blank, quote or line end in it."""
    value = secret(name)
    if value and not re.fullmatch(r"[!#-&(-~]{8,500}", value):
        raise ImproperlyConfigured(f"{name} is no key; allowed: 8 to 500 characters without blanks and quotes")
    return value


def headers(name: str) -> dict[str, str]:
    """Headers with tokens, as OpenTelemetry writes them: name=value,name=value; the values are secrets."""
    value = secret(name)
    found = re.fullmatch(r"(?:[A-Za-z0-9-]{1,60}=[!-+\--~ ]{1,500}(?:,|$)){0,10}", value)
    if not found:
        raise ImproperlyConfigured(f"{name} is no list of headers; allowed: name=value,name=value")
    given = {
        key.strip().lower(): unquote(rest)
        for key, _, rest in (part.partition("=") for part in value.split(",") if part)
    }
    secrets.update(given.values())
    return given


def header(name: str, default: str = "") -> str:
    """What goes into a header as it is: printable ASCII."""
    value = text(name, default)
    if not re.fullmatch(r"[ -~]{0,200}", value):
        raise ImproperlyConfigured(f"{name} is {shown(value)}; allowed: at most 200 printable ASCII characters")
    return value


def model(name: str) -> str:
    """The name of a model as LiteLLM writes it, provider/name; "" for none."""
    value = text(name)
    if not re.fullmatch(r"[!-~]{0,200}", value):
        raise ImproperlyConfigured(f"{name} is {shown(value)}; allowed: at most 200 characters without blanks")
    return value


def link_local(host: str) -> bool:
    """Whether it is an address that clouds answer their machines' secrets at."""
    try:
        return ip_address(host).is_link_local
    except ValueError:
        return False


def base(name: str) -> str:
    """The address of a service, without a slash at its end; "" where there is none."""
    value = text(name)
    allowed = "http://host[:port][/path] or https://host[:port][/path], without user and password"
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
        fits = fits and not link_local(parts.hostname or "")
    except ValueError:
        fits = False
    if value and (not fits or parts.query or parts.fragment or re.search(r"\s", value)):
        told = "an address with a user in it" if "@" in value else shown(value)
        raise ImproperlyConfigured(f"{name} is {told}; allowed: {allowed}")
    return value.rstrip("/")


def upstream(name: str, default: str, private: bool) -> str:
    """The address of a source: https, unless private ones are allowed."""
    value = base(name) or default
    if not private and not value.startswith("https://"):
        raise ImproperlyConfigured(f"{name} is {shown(value)}; allowed: https://…, or ALLOW_PRIVATE_UPSTREAMS=1")
    return value


def email(name: str, default: str) -> dict[str, object]:
    """How mail is sent, as settings: consolemail:// shows it in the log of the web process."""
    value = secret(name) or default
    try:
        return dict(env.email_url_config(value))
    except (KeyError, ValueError, ImproperlyConfigured):
        problem = f"{name} is not an address; allowed: smtp+tls://user:password@host:port or consolemail://"
        raise ImproperlyConfigured(problem) from None


def shown(value: str) -> str:
    """The value as one short line, so that an error cannot flood or forge a log."""
    return ascii(value if len(value) <= 60 else value[:57] + "...")

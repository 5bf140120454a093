"""The HTTP client against a server that does what it wants with its bytes."""

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import repeat

import pytest

from engine.dialling import is_public
from engine.http import (
    Answer,
    BadAddress,
    Client,
    HttpError,
    Quiet,
    TooSlow,
    Unreachable,
    Unreadable,
    Unwell,
    retry_after_only,
)

Reply = bytes | Callable[[socket.socket], None]
SECRET = "token-that-nobody-may-read"


class Site:
    """Answers one connection after the other as told, the last reply over and over, and keeps what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                threading.Thread(target=self.answer, args=(peer,), daemon=True).start()

    def answer(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            self.asked.append(peer.recv(65536).decode())
            reply = self.replies[min(len(self.asked), len(self.replies)) - 1]
            if callable(reply):
                reply(peer)
            else:
                peer.sendall(reply)


def says(status: int = 200, body: bytes = b"{}", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def drip(pieces: Iterator[bytes], pause: float = 0.02) -> Callable[[socket.socket], None]:
    def send(peer: socket.socket) -> None:
        for piece in pieces:
            peer.sendall(piece)
            time.sleep(pause)

    return send


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(*replies: Reply) -> Site:
        made.append(Site(*replies))
        return made[-1]

    yield make
    for each in made:
        each.listener.close()


def client(site: Site, deadline: float = 5.0, **facts: float) -> Client:
    return Client(site.url, deadline=deadline, pause=0.01, **facts)


def get(site: Site, path: str = "thing", **facts: float):
    with client(site, **facts) as each:
        return each.request("GET", path)


# Answers


def test_an_answer_is_read_whole(site):
    assert get(site(says(body=b'{"a": [1]}'))).json() == {"a": [1]}


def test_a_packed_answer_is_unpacked(site):
    body = gzip.compress(b'{"a": 1}')
    assert get(site(says(200, body, "Content-Encoding: gzip"))).json() == {"a": 1}


@pytest.mark.parametrize(("said", "etag"), [('W/"a1"', 'W/"a1"'), ("é", ""), ('"' + "a" * 300 + '"', "")])
def test_an_etag_is_taken_that_can_be_sent_back(site, said, etag):
    with Client(site(says(200, b"", f"ETag: {said}"), says(304)).url) as each:
        assert each.get("thing").etag == etag
        assert each.get("thing", headers={"If-None-Match": etag}).status == 304


def test_a_refusal_is_an_answer_and_asked_once(site):
    found = site(says(400, b'{"why": "so"}'))
    answer = get(found)
    assert (answer.status, answer.ok, answer.json(), len(found.asked)) == (400, False, {"why": "so"}, 1)


@pytest.mark.parametrize("body", [b"<html>", b"[" * 200_000, b"\xff"])
def test_what_is_no_json_is_said_to_be_none(site, body):
    with pytest.raises(Unreadable):
        get(site(says(body=body))).json()


def test_a_redirect_is_not_followed(site):
    other = site(says())
    answer = get(site(says(302, b"", f"Location: {other.url}/")))
    assert (answer.status, other.asked) == (302, [])


# What never ends, or is too much


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(repeat(b"H"), id="nothing that is a header"),
        pytest.param(iter([b"HTTP/1.1 200 OK\r\nX: ", *[b"y"] * 10_000]), id="a header by the byte"),
        pytest.param(
            iter([b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", *[b" "] * 9999]), id="a body by the byte"
        ),
        pytest.param(
            iter([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 9999]),
            id="no last chunk",
        ),
    ],
)
def test_what_comes_by_the_byte_is_given_up_at_the_deadline(site, pieces):
    began = time.monotonic()
    with pytest.raises(HttpError):
        get(site(drip(pieces)), deadline=0.5)
    assert time.monotonic() - began < 2


def test_silence_is_given_up_at_the_deadline(site):
    with pytest.raises(TooSlow, match=r"did not answer within 0\.3 s"):
        get(site(lambda peer: time.sleep(2)), deadline=0.3)


def test_a_body_that_is_too_long_is_not_read_to_its_end(site):
    endless = iter([b"HTTP/1.1 200 OK\r\n\r\n", *repeat(b"x" * 65536, 2000)])
    with pytest.raises(Unreadable, match="longer than 1,000,000 bytes"):
        get(site(drip(endless, 0)), longest=1_000_000)


def test_a_bomb_is_not_unpacked(site):
    bomb = gzip.compress(bytes(100_000_000))
    found = site(says(200, bomb, "Content-Encoding: gzip"))
    tracemalloc.start()
    with pytest.raises(Unreadable):
        get(found)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64_000_000


def test_an_unknown_packing_is_refused(site):
    with pytest.raises(Unreadable, match="packed as br"):
        get(site(says(200, b"x", "Content-Encoding: br")))


def test_a_header_of_a_megabyte_is_refused(site):
    with pytest.raises(HttpError):
        get(site(says(200, b"", "X: " + "y" * 1_000_000)), tries=1)


# Trying again


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_server_that_is_unwell_is_asked_again(site, status):
    found = site(says(status), says())
    assert (get(found).status, len(found.asked)) == (200, 2)


def test_a_broken_connection_is_tried_again(site):
    found = site(b"", says())
    assert (get(found).status, len(found.asked)) == (200, 2)


def test_it_is_asked_no_more_often_than_allowed(site):
    found = site(says(503))
    with pytest.raises(Unwell, match="answers 503"):
        get(found, tries=3)
    assert len(found.asked) == 3


def test_it_waits_as_long_as_the_server_says(site):
    began = time.monotonic()
    get(site(says(429, b"", "Retry-After: 0.4"), says()))
    assert 0.4 <= time.monotonic() - began < 2


def test_a_wait_beyond_the_deadline_is_left_to_the_caller(site):
    found = site(says(429, b"", "Retry-After: 3600"))
    with pytest.raises(Unwell) as told:
        get(found)
    assert (told.value.retry_after, len(found.asked)) == (3600, 1)


def test_nobody_there_is_said_in_one_line():
    with Client("http://127.0.0.1:9", tries=1) as nobody, pytest.raises(Unreachable) as told:
        nobody.request("GET", "x")
    assert "\n" not in str(told.value)


# Where to, and as whom


@pytest.mark.parametrize("path", ["http://127.0.0.2/x", "//example.org/x", "https://127.0.0.1/x", "http://[::1"])
def test_a_path_leads_to_no_other_host(site, path):
    found = site(says())
    with pytest.raises(BadAddress):
        get(found, path)
    assert found.asked == []


def test_a_path_is_below_the_base(site):
    found = site(says())
    with Client(f"{found.url}/below") as each:
        each.request("GET", "x?y=1")
    assert found.asked[0].startswith("GET /below/x?y=1 ")


@pytest.mark.parametrize(
    "base", ["ftp://example.org", "nothing", "http://[::1", "http://a\0b", "http://xn--a.example", "http://\ud800"]
)
def test_a_bad_address_is_called_one(base):
    with pytest.raises(BadAddress), Client(base, tries=1) as each:
        each.request("GET", "x")


def test_credentials_are_sent_and_named_in_no_error(site, caplog):
    found = site(says(503, SECRET.encode()))
    with client(found, tries=2) as each, caplog.at_level("DEBUG", "engine"):
        each.credentials = {"Authorization": SECRET}
        with pytest.raises(Unwell) as told:
            each.request("GET", "x")
    assert SECRET in found.asked[0]
    assert SECRET not in str(told.value) + caplog.text + repr(each.__class__)


def test_a_netrc_adds_no_credentials(site, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"default login someone password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    found = site(says())
    get(found)
    assert "authorization" not in found.asked[0].lower()


# Where a request may go

PRIVATE = ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_public_client_never_dials_an_address_of_this_machine(site, host):
    canary = site(says())
    port = canary.listener.getsockname()[1]
    with Client(f"http://{host}:{port}", tries=1, public=True) as each, pytest.raises(HttpError):
        each.get("thing")
    assert canary.asked == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True), ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True), ("10.0.0.1", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("192.168.1.1", False), ("224.0.0.1", False),
        ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False), ("::", False), ("64:ff9b::5db8:d70e", True), ("::ffff:93.184.215.14", True),
    ],
)  # fmt: skip
def test_what_is_the_public_network(address, public):
    assert is_public(address) is public


def test_an_address_is_looked_up_once_and_dialled_as_it_was_found(site, monkeypatch):
    """A name whose second answer leads elsewhere has no second answer."""
    canary, asked = site(says()), []

    async def names(self, host, port, **_):
        asked.append(host)
        return [(2, 1, 6, "", (["10.1.1.1", "127.0.0.1"][len(asked) > 1], port))]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", names)
    port = canary.listener.getsockname()[1]
    with Client(f"http://rebound.example:{port}", tries=1, public=True) as each, pytest.raises(BadAddress):
        each.get("thing")
    assert (canary.asked, asked) == ([], ["rebound.example"])


def test_a_secret_parameter_is_sent_and_in_no_error(site):
    found = site(lambda peer: peer.sendall(b"nonsense " + SECRET.encode() + b"\r\n\r\n"))
    with Client(found.url, tries=1, secrets={"key": SECRET}) as each, pytest.raises(HttpError) as error:
        each.get("thing", {"page": 1})
    assert f"page=1&key={SECRET}" in found.asked[0]
    assert SECRET not in str(error.value)


class Watched:
    """A gate that keeps what it is told."""

    def __init__(self, *closed: Exception) -> None:
        self.closed = list(closed)
        self.told: list[tuple[object, ...]] = []

    def enter(self, host, lane, per_minute, longest):
        if len(self.told) and self.closed:
            raise self.closed.pop()
        self.told.append(("enter", lane, per_minute))

    def leave(self, host, lane, limit, failed):
        self.told.append(("leave", limit, failed))


def test_each_try_waits_for_its_turn(site):
    gate = Watched()
    with Client(site(says(503), says()).url, pause=0.01, gate=gate, pace={"search": 30}) as each:
        each.get("thing", lane="search")
    assert [told[0] for told in gate.told] == ["enter", "leave", "enter", "leave"]
    assert gate.told[0] == ("enter", "search", 30)
    assert [told[2] for told in gate.told[1::2]] == ["answers 503", ""]


class Slow(Watched):
    """A gate that takes its time."""

    def enter(self, host, lane, per_minute, longest):
        super().enter(host, lane, per_minute, longest)
        time.sleep(0.4)


def test_the_time_that_the_gate_takes_is_not_of_the_deadline(site):
    with Client(site(says(503), says(503), says()).url, deadline=0.6, pause=0.01, gate=Slow()) as each:
        assert each.get("thing").ok


def test_a_limit_is_told_to_the_gate_which_says_when_to_go_on(site):
    until = datetime(2030, 1, 1, tzinfo=UTC)
    gate, found = Watched(Quiet(until, "limited")), site(says(429, b"", "Retry-After: 7"))
    with Client(found.url, gate=gate) as each, pytest.raises(Quiet) as quiet:
        each.get("thing")
    assert (quiet.value.until, len(found.asked)) == (until, 1)
    assert (gate.told[1][1].limited, gate.told[1][1].wait) == (True, 7)


@pytest.mark.parametrize(
    ("named", "wait"), [("7", 7), ("soon", None), ("-1", None), ("", None), ("1000000000", 3600), ("1e300", 3600)]
)
def test_what_a_retry_after_asks_for_is_bounded_to_an_hour(named, wait):
    limit = retry_after_only(Answer(429, {"retry-after": named}, b""))
    assert (limit.limited, limit.wait) == (True, wait)


def test_a_retry_after_may_be_a_date_and_is_read_by_the_clock_of_the_server():
    sent = {"date": "Tue, 01 Sep 2026 10:00:00 GMT", "retry-after": "Tue, 01 Sep 2026 10:00:30 GMT"}
    assert retry_after_only(Answer(429, sent, b"")).wait == 30

"""The HTTP client against a server that does what it wants with its bytes."""

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import repeat

import pytest

from engine.http import BadAddress, Client, HttpError, TooSlow, Unreachable, Unreadable, Unwell

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

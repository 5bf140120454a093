import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.urls import LONGEST_URL, BadUrl, normal_url, url_hash

ANY_TEXT = st.text(max_size=60)
PARTS = (
    "http:// HTTPS:// www. old. a.org bücher.de xn-- :80 :443 :8080 / // .. ? & = # %7e %C3%A9 %zz %2f + é @ [::1] [ ]"
    " : utm_source=x ref=4 b ; . % 0"
)
PIECES = st.lists(st.sampled_from([*PARTS.split(), " "]), max_size=14).map("".join)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a?b=1&c=2",
        "HTTP://WWW.Example.ORG:80/a/?c=2&b=1#part",
        "https://old.example.org:443/a?b=1&c=2&utm_source=x&UTM_Medium=y",
        " https://example.org/x/../%61?gclid=1&b=1&c=2&ref=feed&source=mail&campaign=may ",
        "https://www.www.example.org./a?b=1&c=2&ref_src=t&fbclid=2&mc_cid=3&mc_eid=4",
    ],
)
def test_one_page_has_one_spelling(url):
    assert normal_url(url) == "https://example.org/a?b=1&c=2"


def test_the_hash_is_of_the_normalised_url():
    assert url_hash("http://example.org/a/") == hashlib.sha256(b"https://example.org/a").hexdigest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://bücher.example/ü", "https://XN--BCHER-KVA.example/%c3%bc"),
        ("https://a.org/%7euser", "https://a.org/~user"),
        ("https://a.org/a%2fb", "https://a.org/a%2Fb"),
        ("https://a.org", "http://a.org/"),
    ],
)
def test_the_same_address_in_other_letters_is_the_same(one, other):
    assert normal_url(one) == normal_url(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.org/A", "https://a.org/a"),
        ("https://a.org/a%2Fb", "https://a.org/a/b"),
        ("https://a.org/?source=17", "https://a.org/?source=18"),
        ("https://gitlab.com/a/b?ref=main", "https://gitlab.com/a/b?ref=next"),
        ("https://a.org/?reference=x", "https://a.org/?reference=y"),
        ("https://a.org:8080/", "https://a.org/"),
        ("https://a.org/?a=1&a=2", "https://a.org/?a=1"),
    ],
)
def test_another_page_keeps_another_address(one, other):
    assert normal_url(one) != normal_url(other)


NO_ADDRESS = (
    "//x a.org/b javascript:alert(1) data:text/html,x ftp://a.org/ http:// http:///a http:a http://[::1 http://[0:]/"
    " http://a\u2100b/ http://h:99999/ http://h:0/ http://xn--a/ http://-a.org/ http://u:p@a.org/ http://u@a.org/"
    " http://a..org/ http://%41.org/ http://a\\b/ http://a.org/\x00 http://a.org/\ud800 http://a.org/\u202e"
)
TOO_LONG = ["a" * 300 + ".org/", "a." * 150 + "org/", "a.org/" + "x" * 20_000, "a.org/" + "é" * 900]


@pytest.mark.parametrize("url", [*NO_ADDRESS.split(" "), "", "  ", "http://a b/", "http://a.org/\n", "http://a\t.org/"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(BadUrl):
        normal_url(url)


@pytest.mark.parametrize("rest", TOO_LONG)
def test_a_long_address_is_refused(rest):
    with pytest.raises(BadUrl):
        normal_url("https://" + rest)


@pytest.mark.parametrize("host", ["example.org", "a\u2100b", "a:99999", "[::1"])
def test_a_refusal_tells_no_secret(host):
    with pytest.raises(BadUrl) as refused:
        normal_url(f"http://me:secret@{host}/")
    assert "secret" not in str(refused.value)


def test_a_name_that_is_only_www_stays():
    assert normal_url("https://www.org/") == "https://www.org/"


@given(ANY_TEXT.map("https://a.org/{}".format) | PIECES | PIECES.map("http://{}".format) | ANY_TEXT)
@example("https://a.org/?a=%26&b=%3D&c=+%2B")
def test_normalising_twice_changes_nothing(url):
    try:
        once = normal_url(url)
    except BadUrl:
        return
    assert normal_url(once) == once
    assert len(once) <= LONGEST_URL

"""What no page and no list of the admin can use is answered with a clear 4xx, or as if it were not there: never a 5xx."""

from collections.abc import Container, Iterable, Sequence
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from engine.models import Anomaly, Run
from issues import filters
from ostsite.tests.world import Place, World, places
from recommendations.models import Category, TechStack, Weights

pytestmark = pytest.mark.django_db
MARKUP = "%27%22%3E%3Cscript%3E"
SPOKEN = b"'\"><script>"  # the same, had a page said it back as it came
DIGITS = "9" * 5000
LISTS = ("/projects/", "/trending/", "/new/", "/issues/")


def ask(world: World, who: str, method: str, address: str, said: Any = None, **headers: str) -> HttpResponse:
    """Their request; a statement that fails spoils no other test."""
    with world.undo():
        return world.ask(who, method, address, said, **headers)


def status(world: World, who: str, method: str, address: str, said: Any = None, **headers: str) -> int:
    return ask(world, who, method, address, said, **headers).status_code


def short(value: Any) -> str:
    """How a case is called where it fails."""
    text = repr(value)
    return text if len(text) < 100 else f"{text[:90]}… of {len(text)}"


def wrong(answers: Iterable[tuple[Any, int, Container[int]]]) -> dict[str, int]:
    """Of (case, status, what is allowed) all that is answered otherwise."""
    return {short(case): code for case, code, allowed in answers if code not in allowed}


def faults_of(answer: HttpResponse) -> list[str]:
    """What no answer may be, whatever was asked."""
    broken = [str(answer.status_code)] if answer.status_code >= 500 else []
    return broken + (["says the markup back"] if SPOKEN in answer.getvalue() else [])


# Every page

NO_TEXT = ("%00", "a%00b", "%ff", "%c3%28")
READ = [
    place
    for place in places()
    if not place.route.startswith(("api/", "recommendations/", "livez", "health", "metrics"))
    and (not place.route.startswith("admin/") or place.name.endswith(("_changelist", "_add", "index", "_export")))
]
OWN = {
    "projects": (
        "q", "category", "stack", "language", "stars_min", "stars_max", "active", "newcomers", "order", "page",
    ),
    "issues": (*filters.NAMES, "page"),
    **dict.fromkeys(("issues_atom", "issues_feed", "issues_csv", "issues_json"), filters.NAMES),
    "trending": ("page",),
    "new": ("page",),
    "for_you": ("show", "active", "newcomers", "small"),
    "profile": ("kind", "page"),
    "admin:recommendations_weights_add": ("from", "people"),
    "admin:recommendations_weights_changelist": ("page",),
    "admin:recommendations_recommendation_changelist": ("person", "q", "p", "o"),
    "admin:recommendations_project_changelist": ("category", "stack", "links", "q", "p", "o", "is_archived__exact"),
    "admin:recommendations_project_export": ("as", "q", "links"),
}  # fmt: skip
OF_A_LIST = ("q", "p", "o", "_changelist_filters")


def names_of(place: Place) -> Sequence[str]:
    """The parameters that a page reads; of any other page one that it might."""
    usual = OF_A_LIST if place.name.endswith("_changelist") else ("next",)
    return OWN.get(place.name, usual)


def queries(place: Place, value: str) -> list[str]:
    """Our own parameters one by one; a list of Django's looks at each of its, also when they come together."""
    pairs = [f"{name}={value}" for name in names_of(place)]
    return pairs if place.name in OWN else ["&".join(pairs)]


READERS: dict[Place, str] = {}


def reader(world: World, place: Place) -> str:
    """Somebody for whom the page opens."""
    if place.route.startswith("admin/"):
        return "root"
    if place not in READERS:
        opens = [role for role in ("alice", "anon") if status(world, role, "GET", world.address(place)) == 200]
        READERS[place] = (opens or ["alice"])[0]
    return READERS[place]


@pytest.mark.parametrize("place", READ, ids=lambda place: place.name)
def test_what_no_text_holds_is_a_400_on_every_page(world, place):
    address = f"{world.address(place)}?{names_of(place)[-1]}="
    answers = {value: status(world, "root", "GET", address + value) for value in NO_TEXT}
    assert answers == dict.fromkeys(NO_TEXT, 400)


@pytest.mark.parametrize("place", READ, ids=lambda place: place.name)
def test_no_value_of_a_parameter_breaks_a_page(world, place):
    role, address = reader(world, place), world.address(place)
    asked = [query for value in (DIGITS, MARKUP, "x" * 300_000) for query in queries(place, value)]
    faults = {query[:60]: faults_of(ask(world, role, "GET", f"{address}?{query}")) for query in asked}
    assert {query: found for query, found in faults.items() if found} == {}


FORMED = {
    "array": "{0}[]=1",
    "twice": "{0}=1&{0}=2",
    "unknown": "unknown=1",
    "nameless": "&&=&{0}&%{0}=%&{0}=%u0041",
    "markup": f"{MARKUP}=1",
    "1001_fields": "a=1&" * 1001,
}


@pytest.mark.parametrize("place", READ, ids=lambda place: place.name)
def test_no_form_of_a_parameter_breaks_a_page(world, place):
    role, address, name = reader(world, place), world.address(place), names_of(place)[0]
    answers = {
        form: ask(world, role, "GET", f"{address}?{query.replace('{0}', name)}") for form, query in FORMED.items()
    }
    assert {form: found for form, answer in answers.items() if (found := faults_of(answer))} == {}


def test_too_many_parameters_are_a_400_also_where_there_is_no_page(world):
    assert status(world, "anon", "GET", "/nowhere?" + "a=1&" * 1001) == 400


# The parameters of our own pages: who asks, what, and how it may be answered

NUMBERS = ("abc", "-1", "0", "9" * 24, DIGITS, "1.5", "NaN", "%D9%A1", "1e3", "+1", "0x1", "1_0", "%201")
PAGED = [("anon", f"{path}?page={number}", {404}) for path in LISTS for number in NUMBERS]
COUNTED = [
    ("anon", f"/projects/?{name}={number}", {200} if number in ("0", "+1", "%201") else {400})
    for name in ("stars_min", "stars_max")
    for number in NUMBERS
]
CHOSEN = [
    ("anon", f"/projects/?{name}={value}", {400})
    for name in ("category", "stack", "active", "newcomers", "order")
    for value in ("maybe", "None", "-", "1%20or%201=1", MARKUP, DIGITS, "x" * 300_000, "%D9%A1", "%E2%80%AE")
]
CHOSEN_PROBLEMS = [
    ("anon", f"{path}?{name}={value}", {400})
    for path in ("/issues/", "/issues/feed.atom", "/issues/feed.json", "/issues/export.csv", "/issues/export.json")
    for name in ("category", "impact", "pay", "state", "days", "order", "q")
    for value in ("None:a", MARKUP + ":b a:b", "x:" + DIGITS, "b:%D9%A1", "c:%E2%80%AE")
]
ORDERED = [
    ("anon", f"/projects/?order={order}", {400})
    for order in ("pid;drop%20table", "user__password", "-stars", "stars,name", ",".join(["stars"] * 50), "STARS")
]
SEARCHED = [
    ("anon", f"/projects/?q={text}", {200})
    for text in (
        "a%20%26%20", "%22%20(%20!", "%25_%5C", "(((", "(a%2B)%2B%24", "[", "*", "-", "--", "%27", "OR", "%3A*",
        "%21", "%7C",
        "a%3Ab", "%3C-%3E", "%5C", "%22", "%E2%80%8B", "%F0%9F%98%80", "%E2%80%AE",  "x" * 200, "or%20" * 66, "/",
        "a/b",
        "%7B%7B7*7%7D%7D", "%25s", "%0D%0ASet-Cookie:%20a=b", "%01",
    )
]  # fmt: skip
LONG = [("anon", f"/projects/?q={text}", {400}) for text in ("x" * 201, "x" * 1_000_000, "%20or%20".join(["a"] * 2000))]
ODD = [
    ("anon", f"/projects/?{query}", {400})
    for query in (
        "page_size=10", "_connector=OR%201=1", "_negated=1", "category__name=x", "stars__gte=1", "id=1", "pk=1",
        "Q=a", "q[]=a",
        "q=a&q=b", "page=1&page=2", "order=name&order=stars", "stars_min=1&stars_min=2",
        "category=Games&category=Games", "format=json",
    )
]  # fmt: skip
OF_A_PERSON = [
    ("alice", f"/for-you/?{query}", {400})
    for query in (
        "show=all", "show=-1", "show=51", f"show={DIGITS}", "active=1", "active=-30", "newcomers=maybe", "small=0",
        "show=50&show=20",
        "user=2", "page=1", "top=100", "show=%D9%A5%D9%A0",
    )
] + [
    ("alice", f"/profile/?{query}", allowed)
    for query, allowed in (
        ("kind=stare", {404}), ("kind=", {404}), (f"kind={DIGITS}", {404}), (f"kind={MARKUP}", {404}),
        ("kind=click", {404}),
        ("page=abc", {200}), ("page=-1", {200}), (f"page={DIGITS}", {200}), ("kind=like&kind=save", {200}),
        ("unknown=1", {200}),
    )
]  # fmt: skip
OF_WEIGHTS = [
    ("root", f"/admin/recommendations/weights/add/?from={number}", {404}) for number in NUMBERS if number != "0x1"
] + [
    ("root", f"/admin/recommendations/weights/{rest}", allowed)
    for rest, allowed in (
        ("add/?from=0x1", {404}), ("add/?from=2&from=99", {404}), ("add/?people=nobody", {200}),
        (f"add/?people={MARKUP}", {200}),
        (f"add/?people={'a,' * 5000}", {200}), ("?page=99", {404}), ("?page=abc", {404}), (f"?page={DIGITS}", {404}),
        ("?page=-1", {404}), ("?page=1.5", {404}), ("preview/?people=a%0d%0ab", {302}), ("preview/?from=abc", {302}),
    )
]  # fmt: skip
OF_LISTS = [
    ("root", f"/admin/{rest}", allowed)
    for rest, allowed in (
        ("engine/run/?ev__exact=a%00", {400}), ("engine/run/?state__exact=%00", {400}),
        ("engine/run/?created_at__year=99999999999", {400}), ("engine/run/?created_at__gte=2025-02-30", {400}),
        ("engine/run/?created_at__gte=0000-01-01", {400}), ("engine/run/?created_at__gte=9999-12-31T25:00", {400}),
        ("engine/run/?created_at__gte=now", {400}), ("engine/run/?created_at__gte=99999-01-01", {400}),
        ("engine/run/?state__regex=(((", {400}), ("engine/run/?state__iregex=(a%2B)%2B$", {400}),
        ("recommendations/project/?full_name__regex=(((", {400}),
        ("recommendations/project/?is_archived__exact=maybe", {200, 302, 400}),
        ("recommendations/interaction/?user__password__startswith=p", {400}),
        ("auth/user/?password__startswith=p", {400}),
        ("auth/user/?is_staff__exact=2", {200, 302, 400}), ("engine/apikey/?user__password__regex=^a", {400}),
        ("engine/apikey/?digest__startswith=a", {400}), ("recommendations/profile/?user__password=a", {400}),
        ("recommendations/recommendation/?person=abc", {400}),
        (f"recommendations/recommendation/?person={DIGITS}", {400}),
        ("recommendations/recommendation/?person=-1", {400}), ("recommendations/recommendation/?person=%D9%A1", {400}),
        ("recommendations/recommendation/?generation__id__exact=abc", {200, 400}),
        (f"recommendations/recommendation/?generation__id__exact={DIGITS}", {200, 302, 400}),
        (f"recommendations/recommendation/?generation__id__exact={'9' * 30}", {200, 302, 400}),
        ("recommendations/project/?category=abc", {400}), (f"recommendations/project/?stack={'9' * 30}", {400}),
        ("recommendations/project/?links=nothing", {200, 400}), ("recommendations/project/?p=0", {200, 302, 400}),
        ("recommendations/project/?p=abc", {200, 302, 400}), (f"recommendations/project/?p={DIGITS}", {200, 302, 400}),
        ("recommendations/project/?p=-1", {200, 302, 400}), ("recommendations/project/?o=abc", {200}),
        ("recommendations/project/?o=-99.0.-.3..", {200}), (f"recommendations/project/?o={DIGITS}", {200, 400}),
        (f"recommendations/project/?o={'1.' * 500}", {200}), ("recommendations/project/?all=", {200}),
        ("recommendations/project/?e=1", {200}),
        (f"recommendations/project/?q={'x' * 201}", {400}), ("recommendations/project/?q=%26%20!%20(%20%7C", {200}),
        ("recommendations/category/?q=%5C", {200}), ("recommendations/category/?q=%22", {200}),
        (f"auth/user/?q={'x' * 201}", {400}),
        ("recommendations/project/?_to_field=full_name", {400}), ("recommendations/project/?_to_field=password", {400}),
        ("auth/user/?_to_field=password", {400}), ("recommendations/project/?_popup=1", {200}),
        ("recommendations/project/?_connector=OR%201=1", {400}), ("recommendations/project/?_negated=1", {400}),
        ("recommendations/project/?_facets=1", {200, 400}), ("recommendations/project/?unknown=1", {400}),
        ("recommendations/project/?is_archived__exact=1&is_archived__exact=0", {200, 400}),
        ("recommendations/project/export/?as=exe", {400}), ("recommendations/project/export/?as=csv&as=exe", {400}),
        ("recommendations/project/export/?as=csv&stars__regex=(", {400}),
        (f"recommendations/project/export/?q={'x' * 201}", {400}),
        ("autocomplete/?term=a", {403, 404}),
        ("autocomplete/?app_label=auth&model_name=user&field_name=password", {403, 404}),
        ("jsi18n/?language=%2e%2e%2f", {200}), ("engine/nothing/", {404}), ("nowhere/", {404}),
        ("recommendations/project/1/change/?_changelist_filters=%3D%26%3D", {200, 302}),
    )
]  # fmt: skip


ASKED = {
    "page": PAGED,
    "stars": COUNTED,
    "choice": CHOSEN,
    "problems": CHOSEN_PROBLEMS,
    "order": ORDERED,
    "search": SEARCHED,
    "too long": LONG,
    "unknown": ODD,
    "person": OF_A_PERSON,
    "weights": OF_WEIGHTS,
    "admin": OF_LISTS,
}


@pytest.mark.parametrize("kind", ASKED)
def test_a_parameter_is_answered_as_its_page_says(world, kind):
    answers = ((address, status(world, who, "GET", address), allowed) for who, address, allowed in ASKED[kind])
    assert wrong(answers) == {}


# Addresses

PATHS = [
    *((f"/projects/{owner}/tool/", {404}) for owner in ("%2e%2e%2f", "..", "%2e", "a b", "%EF%BB%BF", "x" * 8000,
        MARKUP, "%25", "%0a")),
    *((f"/projects/{owner}/tool/", {400}) for owner in ("%00", "a%00")),
    *((f"/projects/{owner}/tool/", {404}) for owner in ("%ff%fe", "%c0%ae", "%ed%a0%80")),
    ("/projects/octo0/%2e%2e%2f%2e%2e%2fetc%2fpasswd/", {404}), ("/projects/octo0/tool/why/%00", {400}),
    ("/" + "x" * 8192, {404, 414}),
    ("/%2e%2e%2f%2e%2e%2fetc/passwd", {404}), ("/static/%2e%2e%2f%2e%2e%2fmanage.py", {404}),
    ("/static/..%5cmanage.py", {404}),
    ("/static/%00", {400, 404}), ("/static/" + "x" * 8192, {404}), ("/%ff%fe", {404}), ("//evil.com/", {404}),
    ("//evil.com", {404}),
    ("///evil.com/%2e%2e", {404}), ("/\\evil.com/", {404}), ("/https://evil.com/", {404}),
    ("/projects/%0d%0aSet-Cookie:%20a=b/x/", {404}),
    ("/profile/keys/abc/revoke/", {404}), ("/favicon.ico%00", {400}), ("/.git/config", {404}), ("/.env", {404}),
    ("/admin/../.env", {302}),
]  # fmt: skip


def test_an_address_of_nothing_is_not_found(world):
    assert wrong((path, status(world, "alice", "GET", path), allowed) for path, allowed in PATHS) == {}


ROWS = sorted({place.name.removesuffix("_changelist") for place in places() if place.name.endswith("_changelist")})
IDS = ("abc", "0", "-1", "9" * 30, DIGITS, "1.5", "_00", "a_00b", "1_2F..", "_", "_ZZ", "%E2%80%AE", "x" * 4000)
PAGES_OF_A_ROW = {"change": IDS, "history": IDS[3:7:3], "delete": IDS[3:7:3]}


@pytest.mark.parametrize("table", ROWS)
def test_a_row_that_cannot_be_is_not_there(world, table):
    """_00 is how the admin writes NUL in an address."""
    address = reverse(f"{table}_changelist")
    asked = [f"{address}{pk}/{page}/" for page, ids in PAGES_OF_A_ROW.items() for pk in ids]
    assert wrong((each, status(world, "root", "GET", each), {302, 403, 404}) for each in asked) == {}


@pytest.mark.parametrize("pk", ["abc", "9" * 30, "_00"])
@pytest.mark.parametrize("kind", ["1", "abc", "9" * 30])
def test_the_way_from_a_row_to_its_page_ends_at_nothing(world, kind, pk):
    assert status(world, "root", "GET", f"/admin/r/{kind}/{pk}/") == 404


# Methods

ONLY_READ = ("home", "for_you", "projects", "trending", "new", "project", "why", "profile_export")


@pytest.mark.parametrize("name", ONLY_READ)
def test_a_page_that_is_only_read_takes_no_form(world, name):
    (place,) = (place for place in places() if place.name == name)
    assert status(world, "alice", "POST", world.address(place)) == 405


@pytest.mark.parametrize("method", ["TRACE", "PUT", "X" * 1000], ids=["TRACE", "PUT", "long"])
def test_no_page_knows_another_method(world, method):
    assert wrong((place.name, status(world, "root", method, world.address(place)), {405}) for place in READ) == {}


PASSING = ("X-Request-ID", "Content-Length", "Set-Cookie", "Expires")  # Expires: the second of the answer


@pytest.mark.parametrize("place", READ, ids=lambda place: place.name)
def test_head_answers_as_get_without_the_page(world, place):
    role, address = reader(world, place), world.address(place)
    full, head = (ask(world, role, method, address) for method in ("GET", "HEAD"))
    assert {**head.headers, **dict.fromkeys(PASSING)} == {**full.headers, **dict.fromkeys(PASSING)}
    assert (head.status_code, head.getvalue()) == (full.status_code, b"")


# Headers

SOME = {
    "/": 200,
    "/projects/": 200,
    "/for-you/": 200,
    "/projects/octo0/tool/": 200,
    "/admin/": 302,
    "/try/": 200,
    "/nowhere/": 404,
}
FOREIGN = (
    "evil.com",
    "evil.com:80",
    "localhost.evil.com",
    "testserver,evil.com",
    "",
    "a@testserver",
    "é",
    "[::1",
)
IGNORED = [
    {"If-None-Match": '"' * 5000}, {"If-None-Match": "W/"}, {"If-Modified-Since": "Fri, 31 Dec 99999 23:59:59 GMT"},
    {"If-Modified-Since": "0"}, {"If-Modified-Since": "x" * 5000}, {"Range": "bytes=0-0,-1,99999999999999999999-"},
    {"Range": "bytes=abc"},
    {"Range": "bytes=5-2"}, {"Accept": "application/xml"}, {"Accept": ";q=abc,*/*;q=9e9"},
    {"Accept-Language": "é" * 500},
    {"Accept-Language": "en," * 1000}, {"Accept-Encoding": "gzip;q=x"}, {"Referer": "javascript:alert(1)"},
    {"User-Agent": "x" * 8000},
    {"X-Tries": "-1"}, {"X-Tries": DIGITS}, {"X-Tries": "²"}, {"HX-Current-URL": "http://[::1"},
    {"HX-Target": MARKUP}, {"X-Forwarded-For": "a" * 5000},
    {"X-Forwarded-For": "evil"}, {"HX-Trigger": "x" * 5000}, {"HX-Request": "maybe"},
    {"HX-Request": "true", "HX-Boosted": "x"}, {"Content-Length": "-1"},
    {"Content-Length": "abc"}, {"Content-Type": "multipart/form-data"}, {"Expect": "100-continue"},
    {"X-CSRFToken": "é"},
    {"HX-Request": "true", "HX-Current-URL-URI-AutoEncoded": "true", "HX-Current-URL": "%ff%00"},
    {"Authorization": "Basic %%%"}, {"Origin": "null"},
]  # fmt: skip


@pytest.mark.parametrize("path", SOME)
def test_a_host_that_is_not_ours_is_a_400(world, path):
    answers = {host: status(world, "alice", "GET", path, Host=host) for host in FOREIGN}
    assert answers == dict.fromkeys(FOREIGN, 400)


@pytest.mark.parametrize("path", SOME)
def test_a_header_that_means_nothing_changes_nothing(world, path):
    answers = ((headers, status(world, "alice", "GET", path, **headers), {SOME[path]}) for headers in IGNORED)
    assert wrong(answers) == {}


def test_a_condition_or_a_range_that_means_nothing_breaks_no_file(world):
    file = "/static/css/components.css"
    allowed = {200, 206, 304, 416}
    assert wrong((each, status(world, "anon", "GET", file, **each), allowed) for each in IGNORED[:8]) == {}


COOKIES = {
    "nul": ('session="\\000aaaa"', {400}),
    "nul_of_another": ('a="b\\000"; session=x', {400}),
    "thousand": ("; ".join(f"c{number}=x" for number in range(1000)), {200, 400, 431}),
    "long": (f"session={'a' * 60_000}", {200, 400, 431}),
    "csrf": ("csrf=%00; csrf=é", {200, 400}),
    "messages": ("messages=" + "W1tb" * 1000, {200, 400}),
    "none": (";=;;", {200, 400}),
}


@pytest.mark.parametrize("path", ["/", "/projects/", "/accounts/login/", "/try/"])
def test_a_cookie_that_means_nothing_breaks_no_page(world, path):
    answers = (
        (name, Client().get(path, headers={"Cookie": said}).status_code, allowed)
        for name, (said, allowed) in COOKIES.items()
    )
    assert wrong(answers) == {}


# Forms that cannot be read

FORMS = (
    "try",
    "welcome",
    "profile",
    "act",
    "fact",
    "keys",
    "account_login",
    "account_signup",
    "admin:recommendations_category_add",
)
TEXT = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b"
FILE = '--b\r\nContent-Disposition: form-data; name="f{0}"; filename="f"\r\n\r\nx\r\n'
BODIES = {
    "1001_fields": (TEXT, "&".join(f"a{number}=1" for number in range(1001)), {400}),
    "1001_of_one_name": (TEXT, "&".join(["stacks=1"] * 1001), {400}),
    "100_files": (PARTS, "".join(FILE.format(number) for number in range(100)) + "--b--\r\n", {400}),
    "no_boundary": ("multipart/form-data", "x", {400}),
    "bad_boundary": ("multipart/form-data; boundary=" + "b" * 300, "x", {400}),
    "boundary_of_signs": ('multipart/form-data; boundary="é\\"', "x", {400}),
    "3_mb": (TEXT, "text=" + "x" * 3_000_000, {400}),
    "3_mb_in_a_part": (PARTS, f'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n{"x" * 3_000_000}\r\n--b--\r\n', {400}),
    "1000_parts_of_nothing": (PARTS, "--b\r\n\r\n" * 1000 + "--b--", {200, 302, 400, 404, 422}),
    "cut": (PARTS, '--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nx', {200, 302, 400, 404, 422}),
    "base64": (
        PARTS,
        '--b\r\nContent-Disposition: form-data; name="text"\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%\r\n--b--\r\n',
        {200, 302, 400, 404, 422},
    ),
    "charset": (f"{TEXT}; charset=bogus", "text=x", {200, 302, 400, 404, 422}),
    "charset_utf_16": (f"{TEXT}; charset=utf-16", "text=x", {200, 302, 400, 404, 422}),
    "nul": (TEXT, "text=%00&bio=%00&do=%00&project=%00&name=%00&login=%00&username=%00&interests=%00&do=",
        {200, 400, 404, 422}),
    "not_utf8": (TEXT, "text=%ff&do=words&bio=%ff&project=%ff&name=%ff&login=%ff&interests=%ed%a0%80",
        {200, 302, 400, 404, 422}),
    "json": ("application/json", "[" * 100_000, {200, 302, 400, 404, 415, 422}),
    "xml": ("application/xml", "<x/>", {200, 302, 400, 404, 415, 422}),
    "no_type": ("", "text=x", {200, 302, 400, 404, 415, 422}),
    "empty": (TEXT, "", {200, 302, 400, 404, 422}),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("strict", [False, True], ids=["with_token", "without_token"])
def test_a_form_that_cannot_be_read_is_a_400(world, form, strict):
    (place,) = (place for place in places() if place.name == form)
    role = "root" if form.startswith("admin") else "anon" if form.startswith("account") else "alice"
    address = world.address(place)
    world.client(role).handler.enforce_csrf_checks = strict
    refused = {403} if strict else set()
    answers = (
        (name, posted(world, world.client(role), address, kind, body), allowed | refused)
        for name, (kind, body, allowed) in BODIES.items()
    )
    assert wrong(answers) == {}


def posted(world: World, client: Client, address: str, kind: str, body: str) -> int:
    with world.undo():
        return client.generic("POST", address, body, content_type=kind).status_code


# Forms that say what nothing can hold

BIG = "9" * 30
SAID: list[tuple[str, dict[str, Any], set[int]]] = [
    *(("act", {"do": "like", "project": pk}, {404}) for pk in ("", "abc", "-1", "0", BIG, DIGITS, "1\0", "1.5", "١",
        "1 or 1=1")),
    *(("act", {"do": do}, {400}) for do in ("", "star", "like\0", "LIKE", "undo-", "undo-star", "x" * 300_000,
        "click")),
    *(("act", {"do": f"{verb}-{pk}"}, {404}) for verb in ("refuse", "accept") for pk in ("", "abc", "-1", "0",
        BIG, DIGITS, "1\0", "²")),
    *(("fact", {"do": "mute", "fact": pk}, {404}) for pk in ("", "abc", "-1", "0", BIG, DIGITS, "1\0", "1.5")),
    *(("fact", {"do": do}, {400}) for do in ("", "heard", "mute\0", "MUTE", "x" * 300_000)),
    *(("profile", {"do": do}, {400}) for do in ("", "nothing", "words\0", "x" * 300_000)),
    *(("profile", {"do": do, "kind": "stack", "id": pk}, {404}) for do in ("add", "drop", "refuse",
        "forget") for pk in ("", "abc", BIG, "1\0")),
    *(("profile", {"do": do, "kind": "user", "id": "1"}, {400}) for do in ("add", "drop", "refuse", "forget", "undo")),
    *(("profile", {"do": "undo", "kind": "like", "project": pk}, {404}) for pk in ("", "abc", BIG, DIGITS, "1\0")),
    *(("profile", {"do": "words", field: "a\0b"}, {422}) for field in ("bio", "job_title", "location", "company")),
    *(("profile", {"do": "words", "bio": text}, {422}) for text in ("x" * 2001, "x" * 1_000_000, "\u202edlrow",
        "\x1b[31m")),
    *(("profile", {"do": "words", "bio": text}, {302}) for text in ("z\u0351\u0352" * 600, "\U0001f600" * 2000,
        "\u200b")),
    *(("profile", {"do": "interest", "interest": text}, {422}) for text in ("", " ", "x" * 61, "a\0b", "\u202ea",
        "\x00")),
    ("profile", {"do": "drop-interest", "value": "a\0b"}, {302}), ("profile", {"do": "drop-interest"}, {302}),
    *(("try", {"text": text}, {422}) for text in ("x" * 1001, "x" * 1_000_000, "a\0b", "\u202ea", "\x1b[0m")),
    *(("try", {name: pk}, {422}) for name in ("stacks", "categories") for pk in ("abc", "-1", "0", BIG, DIGITS, "1\0",
        "1.5")),
    ("try", {"stacks": ["1"] * 900}, {200, 422}), ("try", {"text": "{{7*7}} {% load x %} ' \" < > & \\ %s"}, {200}),
    *(("welcome", {"interests": text, "bio": "a"}, {422}) for text in ("a," * 5000, "x" * 100, "a\0b",
        ",".join(map(str, range(30))))),
    *(("welcome", {"stacks": pk, "categories": pk}, {422}) for pk in ("abc", BIG, DIGITS, "1\0")),
    *(("keys", {"name": "a", "scopes": "read", "days": days}, {422}) for days in ("", "0", "-1", "366",
        BIG, DIGITS, "NaN", "1.5", "1\0")),
    *(("keys", {"name": name, "scopes": "read", "days": "9"}, {422}) for name in ("", "a\0b", "x" * 81,
        "x" * 1_000_000)),
    *(("keys", {"name": "a", "scopes": scope, "days": "9"}, {422}) for scope in ("", "admin", "conversations",
        "read\0")),
    *(("profile_delete", {"username": name}, {422}) for name in ("", "a\0b", "bob_webdev", "x" * 300_000)),
]  # fmt: skip


@pytest.mark.parametrize("name", sorted({name for name, _, _ in SAID}))
def test_a_form_says_what_is_wrong_with_it(world, name):
    (place,) = (place for place in places() if place.name == name)
    usual, address = {"project": world.project.pk} if name == "act" else {}, world.address(place)
    answers = (
        (said, status(world, "alice", "POST", address, {**usual, **said}), allowed)
        for form, said, allowed in SAID
        if form == name
    )
    assert wrong(answers) == {}


AWAY = (
    "home",
    "abc",
    "?a=b",
    "//evil.com",
    "https:evil.com",
    "javascript:alert(1)",
    "/\\evil.com",
    "https://evil.com/",
    "/" + "x" * 5000,
    "a\0b",
    "\thttps://evil.com",
)


@pytest.mark.parametrize("away", AWAY, ids=lambda each: repr(each)[:30])
def test_an_act_leads_nowhere_else(world, away):
    said = {"do": "like", "project": world.project.pk, "next": away}
    answer = ask(world, "alice", "POST", "/act/", said)
    assert answer["Location"] == "/for-you/"


# What the admin is told

TERMS = "admin:recommendations_category"
RUNS = "admin:engine_run"
INVISIBLE = ("", " ", "\u200b\u200c\u200d", "\u2060\ufeff", "\u00a0", "\u202e")


def typed(**said: str) -> dict[str, str]:
    return {"name": "Tools", "description": "", "aliases": "", "topics": "", "words": "", **said}


WRONG = [
    *(typed(name=name) for name in (*INVISIBLE, "x" * 121, "a\0b", "x" * 1_500_000)),
    *(typed(**{field: "a\0b"}) for field in ("description", "aliases", "topics", "words")),
    *(typed(**{field: "x" * 201}) for field in ("aliases", "topics", "words")),
    typed(aliases="x\n" * 300_000),
]


@pytest.mark.parametrize("said", WRONG, ids=lambda said: repr({k: v for k, v in said.items() if v})[:60])
def test_a_term_that_cannot_be_kept_is_an_error_of_its_field(world, said):
    answer = ask(world, "root", "POST", reverse(f"{TERMS}_add"), said)
    assert (answer.status_code, b"errorlist" in answer.getvalue()) == (200, True)


def test_more_than_a_form_may_hold_is_a_400(world):
    assert status(world, "root", "POST", reverse(f"{TERMS}_add"), typed(description="x" * 2_200_000)) == 400


FIGURES = {
    "semantic": "1", "category": "1", "tech": "1", "popularity": "1", "popularity_threshold": "1000",
    "popularity_scale": "log",
    "min_similarity": "0", "top_n": "10", "variety": "0", "people": "", "reason": "to see what comes of it",
    "started_from": "1",
}  # fmt: skip
FIGURE_FAULTS = [
    *({name: value} for name in ("semantic", "popularity_threshold", "top_n", "started_from") for value in ("", "abc",
        "-1", BIG, DIGITS, "NaN", "inf", "1e400")),
    {"min_similarity": "2"}, {"popularity_scale": "cubic"}, {"people": "a\0b"}, {"people": "x" * 801},
    {"people": "nobody_of_that_name"},
    {"reason": "short"}, {"reason": "x" * 1001}, {"reason": "a\0bcdefghijk"}, {"over": "abc"}, {"over": BIG},
    {"semantic": "0", "popularity": "0"},
    {"semantic": "0,25"}, {"variety": "1.5"},
]  # fmt: skip


def test_weights_that_cannot_be_are_not_published(world):
    before, address = Weights.objects.count(), "/admin/recommendations/weights/add/"
    with world.lasting():
        answers = ((said, status(world, "root", "POST", address, {**FIGURES, **said}), {400}) for said in FIGURE_FAULTS)
        assert wrong(answers) == {}
    assert Weights.objects.count() == before


ACTED = [({"_selected_action": pk}, {400}) for pk in ("abc", "1\0", DIGITS, "1.5", "")] + [
    ({"_selected_action": "-1"}, {200, 302}), ({"_selected_action": BIG}, {200, 302, 400}),
    ({"_selected_action": "1", "action": "nothing"}, {200, 302}),
    ({"_selected_action": "1", "index": "abc"}, {200, 302, 400}),
    ({"_selected_action": "1", "index": BIG}, {200, 302, 400}),
    ({"_selected_action": "1", "action": "a\0b"}, {200, 302, 400}), ({"select_across": "yes"}, {200, 302}),
    ({"select_across": "\0"}, {200, 302, 400}),
]  # fmt: skip


@pytest.mark.parametrize(
    "table", ["recommendations_category", "recommendations_project", "engine_run", "engine_apikey", "engine_anomaly"]
)
def test_an_action_on_what_is_not_there_breaks_nothing(world, table):
    usual = {"recommendations_project": "place", "engine_run": "run_again", "engine_apikey": "revoke"}
    address, action = reverse(f"admin:{table}_changelist"), usual.get(table, "delete_selected")
    answers = (
        (said, status(world, "root", "POST", address, {"action": action, "index": "0", **said}), allowed)
        for said, allowed in ACTED
    )
    assert wrong(answers) == {}


def test_what_was_deleted_meanwhile_leads_back_with_a_word(world):
    gone = Category.objects.order_by("-pk").first().pk + 1
    with world.undo():
        answer = world.client("root").post(reverse(f"{TERMS}_change", args=[gone]), typed(), follow=True)
    assert "exist. Perhaps it was deleted" in answer.content.decode()


@pytest.mark.parametrize("said", [{"pipeline": ""}, {"pipeline": "nothing"}, {"pipeline": "a\0b"}, {}])
def test_a_run_of_no_pipeline_is_refused(world, said):
    assert status(world, "root", "POST", reverse(f"{RUNS}_request"), said) == 400


@pytest.mark.parametrize("state", ["running", "retry"])
def test_a_run_that_is_not_over_is_not_driven_again(world, state):
    with world.undo():
        run = Run.objects.create(pipeline="recommendations", state=state, source="s")
        client = world.client("root")
        client.post(reverse(f"{RUNS}_again", args=[run.pk]))
        run.refresh_from_db()
    assert run.state == state


@pytest.mark.parametrize("pk", ["0", BIG])
def test_a_run_that_is_gone_is_a_message(world, pk):
    with world.undo():
        answer = world.client("root").post(f"/admin/engine/run/{pk}/again/", follow=True)
    assert answer.status_code in (200, 404)


def test_the_second_of_two_curators_of_a_category_gets_a_notice(world):
    games = Category.objects.get(name="Games")
    address = reverse(f"{TERMS}_change", args=[games.pk])
    seen = ask(world, "root", "GET", address).context["adminform"].form["seen"].value()
    with world.lasting():
        assert status(world, "root", "POST", address, typed(name="Games", description="first", seen=seen)) == 302
        late = ask(world, "curator", "POST", address, typed(name="Games", description="second", seen=seen))
    assert "Somebody else changed this" in late.content.decode()
    games.refresh_from_db()
    assert games.description == "first"


def test_an_anomaly_that_is_gone_is_not_deleted_twice(world):
    gone = Anomaly.objects.order_by("-pk").first().pk + 1
    assert status(world, "root", "POST", reverse("admin:engine_anomaly_delete", args=[gone]), {"post": "yes"}) == 302


def test_stacks_are_named_once(world):
    said = {**typed(name=TechStack.objects.first().name.upper()), "kind": "TECH", "languages": ""}
    assert b"errorlist" in ask(world, "root", "POST", reverse("admin:recommendations_techstack_add"), said).getvalue()

import json
from datetime import datetime

import pytest

from engine.lines import BadLine, GoodLine, parse
from recommendations.schemas import CandidatesLine, InteractionLine, ProjectLine, UserLine

ACT = {"username": "alice", "full_name": "octo/tool", "kind": "star", "at": "2024"}


def read(schema, **values):
    return parse(1, json.dumps(values).encode(), schema)


def project(**values) -> ProjectLine:
    line = read(ProjectLine, **{"full_name": "octo/tool", **values})
    assert isinstance(line, GoodLine), line
    return line.record


def refused(schema=ProjectLine, **values) -> str:
    line = read(schema, **{"full_name": "octo/tool", **values})
    assert isinstance(line, BadLine), line
    return line.reason


@pytest.mark.parametrize(
    ("given", "first"),
    [
        ("2024", "2024-01-01T00:00:00"),
        ("2024-03", "2024-03-01T00:00:00"),
        ("2024-03-05", "2024-03-05T00:00:00"),
        ("2024-03-05T06:07:08Z", "2024-03-05T06:07:08"),
        ("2024-03-05T06:07:08.500Z", "2024-03-05T06:07:08.500000"),
        ("2024-03-05T06:07:08+02:00", "2024-03-05T04:07:08"),
        ("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00"),
        ("2024-02-29", "2024-02-29T00:00:00"),
        ("1970", "1970-01-01T00:00:00"),
    ],
)
def test_a_date_is_its_first_instant_in_utc(given, first):
    assert project(created_at=given).created_at == datetime.fromisoformat(f"{first}+00:00")


@pytest.mark.parametrize(
    "given",
    [
        "2025-02-30",
        "2024-13",
        "0000",
        "0000-01-01",
        "1969-12-31",
        "9999",
        "9999-12-31T23:59:59-12:00",
        "2016-12-31T23:59:60Z",
        "20240305",
        "yesterday",
        "2024-",
        "2024-03-05T25:00:00Z",
        "２０２４",
        1_700_000_000,
        2024,
        True,
        ["2024"],
        {"year": 2024},
    ],
)
def test_what_is_no_date_is_refused(given):
    assert refused(created_at=given).startswith("created_at: ")


@pytest.mark.parametrize("stars", ["12", True, -1, 2**40, 1.5, [1], float("1e3") + 0.5])
def test_what_is_no_count_is_refused(stars):
    assert refused(stars=stars).startswith("stars: ")


@pytest.mark.parametrize("flag", ["true", 1, 0])
def test_what_is_no_flag_is_refused(flag):
    assert refused(archived=flag).startswith("archived: ")


@pytest.mark.parametrize("topics", ["web", [1], {"web": 1}, ["a\x00b"], [None]])
def test_what_is_no_list_of_words_is_refused(topics):
    assert refused(topics=topics).startswith("topics")


@pytest.mark.parametrize("sizes", [["Go"], {"Go": "1"}, {"Go": -1}, {"G\x00": 1}])
def test_what_is_no_table_of_bytes_is_refused(sizes):
    assert refused(languages=sizes).startswith("languages")


@pytest.mark.parametrize("name", ["octo/tool", "o/t", "Octo-Cat/my.tool_2", f"{'o' * 39}/{'t' * 100}"])
def test_a_full_name_is_owner_and_name(name):
    assert project(full_name=name).full_name == name


@pytest.mark.parametrize(
    "name",
    [
        "octo",
        "/tool",
        "octo/",
        "octo/tool/x",
        "octo tool/x",
        "octo/my tool",
        "../tool",
        "octo/../tool",
        "octo/tool\n",
        "octo/to\x00ol",
        " octo/tool",
        "-octo/tool",
        "octo/tööl",
        f"{'o' * 40}/tool",
        f"octo/{'t' * 101}",
        1,
    ],
)
def test_what_is_no_full_name_is_refused(name):
    assert refused(full_name=name).startswith("full_name: ")


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_is_a_path_is_refused(name):
    assert refused(full_name=f"octo/{name}").startswith("full_name: ")


def test_a_full_name_is_required():
    assert isinstance(parse(1, b'{"stars": 1}', ProjectLine), BadLine)


def test_a_text_that_is_too_long_loses_its_end_and_not_the_line():
    assert len(project(description="x" * 5_000).description or "") == 4_000


def test_a_text_with_nul_is_refused():
    assert refused(description="a\x00b").startswith("description: ")


@pytest.mark.parametrize("absent", [None, ""])
def test_null_and_the_empty_text_are_absent(absent):
    found = project(description=absent, stars=absent, created_at=absent, topics=absent)
    assert (found.description, found.stars, found.created_at, found.topics) == (None, None, None, None)


def test_an_empty_list_is_not_absent():
    assert project(topics=[]).topics == []


def test_terms_are_trimmed_and_kept_once_in_order():
    assert project(topics=[" web ", "go", "web", " "]).topics == ["web", "go"]


def test_no_more_than_a_hundred_terms_are_kept():
    assert len(project(topics=[str(number) for number in range(200)]).topics or []) == 100


def test_unknown_keys_are_ignored():
    assert project(colour="red") == project()


@pytest.mark.parametrize("size", [10**25, 10**400], ids=["10^25", "10^400"])
def test_a_size_that_no_language_has_is_refused(size):
    assert refused(languages={"Go": size}).startswith("languages")


@pytest.mark.parametrize(
    "line", [b"[]", b"1", b'"x"', b"{", b"\xff", b'{"full_name": NaN}', b'{"full_name":"\\ud800/x"}']
)
def test_what_is_no_object_is_refused(line):
    assert isinstance(parse(7, line, ProjectLine), BadLine)


@pytest.mark.parametrize("name", ["alice", "al.ice@x+y-z_1", "élise", "a" * 150])
def test_a_username_is_one_that_django_takes(name):
    assert isinstance(read(UserLine, username=name), GoodLine)


@pytest.mark.parametrize("name", ["al ice", "a/b", "a" * 151, "alice\n", 5])
def test_what_is_no_username_is_refused(name):
    assert refused(UserLine, username=name).startswith("username: ")


@pytest.mark.parametrize("kind", ["star", "like", "save", "click", "view", "dismiss"])
def test_an_interaction_is_of_a_known_kind(kind):
    assert isinstance(read(InteractionLine, **{**ACT, "kind": kind}), GoodLine)


@pytest.mark.parametrize("kind", ["Star", "fork", 1])
def test_another_kind_is_refused(kind):
    assert refused(InteractionLine, **{**ACT, "kind": kind}).startswith("kind: ")


@pytest.mark.parametrize("missing", ["username", "full_name", "kind", "at"])
def test_an_interaction_lacks_nothing(missing):
    line = read(InteractionLine, **{key: value for key, value in ACT.items() if key != missing})
    assert isinstance(line, BadLine)
    assert line.reason == f"{missing}: Field required"


def test_relevant_candidates_are_positions():
    assert refused(CandidatesLine, username="alice", candidates=["a/b"], relevant=[-1]).startswith("relevant")

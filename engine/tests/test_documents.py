"""A list of records in one JSON document, read a piece at a time: a bad element is named and the others are kept."""

import gzip
import io
import json
import sys
import tracemalloc

import pytest
from pydantic import BaseModel

from engine import documents
from engine.documents import DocumentFile, Scanner
from engine.lines import LONGEST_LINE, BadLine


class Dish(BaseModel):
    name: str


def told(file) -> tuple[list[str], list[str]]:
    names, faults = [], []
    with DocumentFile(str(file), "dishes") as document:
        for each in document.records(Dish):
            if isinstance(each, BadLine):
                faults.append(f"{each.number}: {each.reason}")
            else:
                names.append(each.record.name)
    return names, faults


@pytest.fixture
def read(tmp_path):
    def read(content: bytes | str) -> tuple[list[str], list[str]]:
        (tmp_path / "dishes").write_bytes(content if isinstance(content, bytes) else content.encode())
        return told(tmp_path / "dishes")

    return read


NASTY = ["a", 'q"uo]te', "back\\slash", "\\", "]}", "é\n", "日本"]
RECORDS = [{"name": name, "more": [{"deep": ["]", {}]}]} for name in NASTY]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2, ensure_ascii=False),
        json.dumps({"dishes": RECORDS}),
        json.dumps({"version": 2, "title": "of a day", "dishes": RECORDS, "end": [1]}, indent=1),
        "\ufeff " + json.dumps(RECORDS),
        "\n".join(map(json.dumps, RECORDS)),
    ],
)
@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 16])
def test_every_form_gives_the_same_records(read, monkeypatch, content, chunk):
    monkeypatch.setattr(documents, "CHUNK", max(chunk, 64))
    assert read(content) == (NASTY, [])


@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_an_element_may_be_cut_anywhere(chunk):
    text = (json.dumps(RECORDS)[1:]).encode()
    scan = Scanner()
    found: list[bytes | None] = []
    for at in range(0, len(text), chunk):
        found += scan.feed(text[at : at + chunk])
    assert ([json.loads(each or b"")["name"] for each in found], scan.ended) == (NASTY, True)


@pytest.mark.parametrize(("content", "names"), [("[]", []), ('{"dishes": [ ]}', []), ('[{"name": "a"}]', ["a"])])
def test_a_list_may_hold_nothing(read, content, names):
    assert read(content) == (names, [])


def test_a_bad_element_is_named_by_its_number(read):
    names, faults = read('[{"name": "a"}, 7, {"name": NaN}, {"name": 3}, , {"name": "b"}]')
    assert (names, [each.partition(":")[0] for each in faults]) == (["a", "b"], ["2", "3", "4", "5"])


@pytest.mark.parametrize(
    "content", ['[{"name": "a"}, {"name": "b', '{"dishes": [{"name": "a"}, ', '[{"name": "a"},{"x":[}']
)
def test_a_document_without_an_end_keeps_what_came_before(read, content):
    names, faults = read(content)
    assert names == ["a"]
    assert "breaks off" in faults[-1]


def test_an_element_too_long_is_left_out(read):
    names, faults = read(json.dumps([{"name": "a"}, {"name": "b" * (2 * LONGEST_LINE)}, {"name": "c"}]))
    assert (names, faults) == (["a", "c"], [f"2: longer than {LONGEST_LINE:,} bytes"])


def test_a_packed_document_that_breaks_off_keeps_what_came_before(tmp_path):
    records = json.dumps([{"name": f"{number:06}"} for number in range(50_000)])
    (tmp_path / "dishes.gz").write_bytes(gzip.compress(records.encode())[:-3000])
    names, faults = told(tmp_path / "dishes.gz")
    assert (len(names) > 1000, "breaks off" in faults[-1]) == (True, True)


def test_standard_input_is_read(monkeypatch):
    stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b'[{"name": "a"}]')))
    monkeypatch.setattr(sys, "stdin", stream)
    assert told("-") == (["a"], [])


def test_memory_is_bounded(tmp_path):
    with (tmp_path / "many").open("w") as file:
        file.write("[" + ",".join(['{"name": "%s"}' % ("x" * 1000)] * 30_000) + "]")
    tracemalloc.start()
    with DocumentFile(str(tmp_path / "many"), "dishes") as document:
        count = sum(1 for _ in document.records(Dish))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, peak < 4_000_000) == (30_000, True)

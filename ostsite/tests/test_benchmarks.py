"""Each benchmark runs at a size that costs nothing, for what nobody runs rots; embedding and serving take too long."""

from importlib import import_module

import pytest

from benchmarks import density, importing, nearest, scoring, storing
from benchmarks.__main__ import DRILLS, NAMES
from benchmarks.table import HEAD, Row, line
from recommendations.models import Project

SMALL = {
    importing: {"PROJECTS": 40},
    storing: {"PEOPLE": 3, "KEPT": 4},
    nearest: {"VECTORS": 300, "QUERIES": 3},
    density: {"SMALL": 1_000, "LARGE": 1_000},
    scoring: {"SIZES": ((2, 60, 3),)},
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("benchmark", SMALL, ids=lambda module: module.__name__)
def test_a_benchmark_yields_rows_with_both_times(benchmark, monkeypatch):
    for name, size in SMALL[benchmark].items():
        monkeypatch.setattr(benchmark, name, size)
    rows = list(benchmark.measure())
    assert rows
    assert all(row.ours > 0 and row.other > 0 for row in rows)
    assert not Project.objects.exists()  # or the next one would be slower for it


@pytest.mark.parametrize("name", NAMES)
def test_each_named_benchmark_measures(name):
    assert callable(import_module(f"benchmarks.{name}").measure)


@pytest.mark.parametrize("name", DRILLS)
def test_each_named_drill_drills(name):
    assert callable(import_module(f"benchmarks.{name}").drill)


def test_a_row_has_a_cell_for_each_column():
    row = line(Row("40 projects", 0.002, "bulk_create", 0.01, "20,000 rows/s", "at least 3 x"))
    assert row == "| 40 projects | 2 ms | bulk_create | 10 ms | 5 x | at least 3 x | 20,000 rows/s |"
    assert row.count("|") == HEAD.splitlines()[0].count("|")

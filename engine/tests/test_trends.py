"""How much a counter grew, and what a histogram says."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from engine.drawing import bar, graph, polylines
from engine.templatetags import ost_charts
from engine.templatetags.ost_charts import age, duration, signed_size, sparkline, within
from engine.trends import Trend, increases, quantile


def test_a_counter_that_began_anew_grew_by_what_it_has():
    assert increases([5, 8, 2, 2]) == [3, 2, 0]


@pytest.mark.parametrize(
    ("counts", "share", "found"),
    [
        ([10, 0, 0, 0], 0.5, 0.5),
        ([5, 5, 0, 0], 0.5, 1.0),
        ([5, 5, 0, 0], 0.95, 1.9),
        ([0, 0, 4, 0], 0.5, 3.0),
        ([0, 0, 0, 3], 0.5, math.inf),
        ([0, 0, 0, 0], 0.5, None),
    ],
)
def test_a_quantile_is_read_straight_on_within_its_bucket(counts, share, found):
    assert quantile([1, 2, 4], counts, share) == (found if found in (None, math.inf) else pytest.approx(found))


def test_a_trend_knows_its_last_value_and_its_rows_newest_first():
    times = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    trend = Trend(times, [4.0, 5.0, None])
    assert trend.last == 5.0
    assert trend.rows[0] == (times[2], None)


def test_a_line_breaks_where_nothing_is_known():
    assert len(polylines([1, 2, None, 3, 4])) == 2


def test_a_line_stays_in_its_picture():
    for line in polylines([0, 7, 3, 9.5], 100, 20):
        for point in line.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 100
            assert 0 <= y <= 20


@pytest.mark.parametrize("values", [[], [None], [0, 0], [5], [math.inf, 2]])
def test_any_values_can_be_drawn(values):
    assert sparkline(values)["lines"] is not None


def test_a_bar_has_its_usual_in_the_middle_until_it_takes_twice_as_long():
    assert (bar(5, 10).length, bar(5, 10).mark) == (25, 50)
    assert (bar(40, 10).length, bar(40, 10).mark) == (100, 25)


def test_a_bar_without_a_usual_has_no_mark():
    assert bar(3, None).mark is None


def test_a_bar_says_what_it_shows():
    assert ost_charts.bar(90, 30, "embed")["told"] == "embed: 1 min 30 s, usually 30.0 s"
    assert ost_charts.bar(90, 30)["over"]


def test_each_box_of_a_graph_stands_below_what_it_comes_after():
    drawn = graph({"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")})
    height = {box.name: box.y for box in drawn.boxes}
    assert height["a"] < height["b"] == height["c"] < height["d"]
    assert len(drawn.arrows) == 4


def test_no_two_boxes_of_a_graph_overlap():
    boxes = graph(dict.fromkeys("abcdef", ())).boxes
    assert len({(box.x, box.y) for box in boxes}) == 6


def test_a_graph_of_nothing_can_be_drawn():
    assert graph({}).boxes == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.018, "18 ms"), (2.34, "2.3 s"), (250, "4 min 10 s"), (11_100, "3 h 5 min"), (math.inf, "beyond")],
)
def test_durations_are_told_in_the_largest_unit_that_says_them(seconds, words):
    assert duration(seconds) == words


def test_what_lies_above_the_last_bucket_says_so():
    assert within(math.inf, (0.5, 2.5)) == "> 2.5 s"


def test_sizes_grow_and_shrink():
    assert signed_size(2048).replace("\xa0", " ") == "+2.0 KB"
    assert signed_size(-2048).replace("\xa0", " ") == "−2.0 KB"


def test_nothing_is_said_to_be_in_the_future():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert [age(now - timedelta(seconds=each), now) for each in (-5, 30, 90, 7200, 86400 * 3)] == [
        "just now", "just now", "1 min ago", "2 h ago", "3 d ago",
    ]  # fmt: skip

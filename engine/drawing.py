"""Where the lines and boxes of small pictures stand. Lengths are units of the picture's viewBox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.trends import Values

WIDTH, HEIGHT, EDGE = 120.0, 28.0, 3.0
BOX, ROOM, DEPTH = (200, 34), (224, 62), 28  # a box, the room it takes, the length of an arrow


def polylines(values: Values, width: float = WIDTH, height: float = HEIGHT) -> list[str]:
    """Points of a line for each unbroken row of values, from 0 at the bottom to the greatest on top."""
    top = max((value for value in values if value is not None), default=0) or 1
    step = (width - 2 * EDGE) / max(len(values) - 1, 1)
    lines: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            lines.append([])
        else:
            y = height - EDGE - (height - 2 * EDGE) * min(value / top, 1)
            lines[-1].append(f"{EDGE + at * step:.1f},{y:.1f}")
    # A single point is drawn as a line of no length, which a round cap makes a dot.
    return [" ".join(line if len(line) > 1 else line * 2) for line in lines if line]


@dataclass(frozen=True)
class Bar:
    """length: of the value; mark: where the usual is. Both from 0 to 100, together with what they are shares of."""

    length: float
    mark: float | None


def bar(value: float, usual: float | None) -> Bar:
    """The usual stands at half of it, unless the value goes beyond twice as much."""
    if not usual:
        return Bar(50.0 if value else 0.0, None)
    whole = max(2 * usual, value)
    return Bar(round(100 * value / whole, 1), round(100 * usual / whole, 1))


@dataclass(frozen=True)
class Box:
    name: str
    x: float
    y: float

    @property
    def middle(self) -> float:
        return self.x + BOX[0] / 2

    @property
    def bottom(self) -> float:
        return self.y + BOX[1]


@dataclass(frozen=True)
class Graph:
    """Boxes, and arrows as (x, y, x, y) from one's bottom to another's top."""

    boxes: Sequence[Box]
    arrows: Sequence[tuple[float, float, float, float]]
    width: float
    height: float


def graph(after: Mapping[str, Sequence[str]]) -> Graph:
    """Each name below all that it comes after. after: in an order in which those stand before it."""
    depths: dict[str, int] = {}
    for name, earlier in after.items():
        depths[name] = 1 + max((depths[each] for each in earlier), default=-1)
    levels = [
        [name for name in after if depths[name] == level] for level in range(max(depths.values(), default=-1) + 1)
    ]
    width = ROOM[0] * max(map(len, levels), default=1)
    boxes = {
        name: Box(name, (width - ROOM[0] * len(level)) / 2 + ROOM[0] * at + 12, 6 + ROOM[1] * depth)
        for depth, level in enumerate(levels)
        for at, name in enumerate(level)
    }
    arrows = [
        (boxes[each].middle, boxes[each].bottom, boxes[name].middle, boxes[name].y - 3)
        for name, earlier in after.items()
        for each in earlier
    ]
    return Graph(list(boxes.values()), arrows, width, ROOM[1] * len(levels) - DEPTH + 12)

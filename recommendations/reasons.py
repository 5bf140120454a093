"""Why something is recommended, in words; and figures that add up when they are rounded."""

from collections.abc import Mapping, Sequence

from engine.text import joined

TELLING = 0.15  # a component that brings less than this share of the score is not mentioned without a name


def sentences(
    parts: Mapping[str, float],
    stacks: Sequence[str],
    categories: Sequence[str],
    nearest: str | None,
    stars: int | None,
) -> list[str]:
    """One sentence a reason, the named ones first; never empty.

    parts: contributions by component; empty for a person nothing is known of.
    """
    if not parts:
        return ["Popular or new: nothing that is known of you leads to a project yet."]
    total = sum(parts.values()) or 1.0
    said = []
    if stacks:
        said.append(f"Made with {joined(list(stacks))}, which you know.")
    if categories:
        said.append(f"Serves {joined(list(categories))}, which you care for.")
    if nearest and parts["semantic"] / total >= TELLING:
        said.append(f"Close in meaning to {nearest}, from your stars, likes and saves.")
    elif parts["semantic"] / total >= TELLING:
        said.append("Close in meaning to what you say of yourself.")
    if stars and parts["popularity"] / total >= TELLING:
        said.append(f"Known to many: {stars:,} stars.")
    return said or ["Close in meaning to what you say of yourself."]


def percents(parts: Sequence[float], digits: int = 1) -> list[float]:
    """Parts as percents that sum to the rounded total: the largest remainders are rounded up."""
    scale = 100 * 10**digits
    exact = [part * scale for part in parts]
    floors = [int(value) for value in exact]
    short = round(sum(exact)) - sum(floors)
    for index in sorted(range(len(exact)), key=lambda i: (floors[i] - exact[i], i))[:short]:
        floors[index] += 1
    return [value / 10**digits for value in floors]

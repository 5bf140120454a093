"""Hybrid scores in blocks, beside a loop over pairs; the loop is timed on some pairs and reckoned for all."""

import resource
from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.table import Row, fastest, seconds
from engine.vectors import unit
from recommendations import scoring
from recommendations.people import LIKED
from recommendations.scoring import Catalogue, Formula, Person

FORMULA = Formula(scoring.REFERENCE, 100_000, True, 0.1)
KEPT = 50
SIZES = ((10, 979, 0), (10, 979, LIKED), (1000, 10_000, 0), (1000, 31_951, LIKED))  # people, projects, liked by each


def measure() -> Iterator[Row]:
    for people, projects, liked in SIZES:
        catalogue, crowd = made(people, projects, liked)
        ours = partial(in_blocks, catalogue, crowd)
        took = fastest(ours) if people < 100 else seconds(ours)
        some = crowd[: max(1, min(people, 2_000 // projects))]
        at = np.arange(min(projects, 2_000 if liked else projects))
        loop = seconds(partial(pair_by_pair, catalogue, some, at))
        every = loop * people * projects / (len(some) * len(at))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        note = f"{people * projects / took / 1e6:.2f} M pairs/s, peak {memory} MB"
        yield Row(f"{people:,} people x {projects:,} projects, {liked} liked", took, "a loop over pairs", every, note)


def made(people: int, projects: int, liked: int) -> tuple[Catalogue, list[Person]]:
    """A catalogue and people of the usual shape, from a seed."""
    random = np.random.default_rng(7)
    catalogue = Catalogue(
        ids=np.arange(1, projects + 1),
        vectors=unit(random.standard_normal((projects, 384), dtype=np.float32)),
        centre=np.zeros(384, dtype=np.float32),
        categories=(random.random((projects, 18)) < 0.07).astype(np.float32),
        stacks=(random.random((projects, 76)) < 0.03).astype(np.float32),
        stars=random.lognormal(7, 2, projects),
        served=np.ones(projects, dtype=bool),
    )
    crowd = [
        Person(
            id=number,
            text=unit(random.standard_normal((1, 384), dtype=np.float32))[0],
            liked=random.choice(projects, liked, replace=False),
            categories=(random.random(18) < 0.2).astype(np.float32),
            stacks=(random.random(76) < 0.08).astype(np.float32),
            never=np.empty(0, dtype=np.int64),
        )
        for number in range(people)
    ]
    return catalogue, crowd


def in_blocks(catalogue: Catalogue, people: list[Person]) -> None:
    """Our way: each person with all projects at once."""
    popular = scoring.popular_of(catalogue, FORMULA)
    for person in people:
        scoring.best(catalogue, person, FORMULA, KEPT, popular)


def pair_by_pair(catalogue: Catalogue, people: list[Person], at: scoring.Positions) -> None:
    """The obvious way: for each pair its cosines, its sets and its sum."""
    share = {person.id: scoring.shares(FORMULA.weights, person.heard) for person in people}
    for person in people:
        taste = person.taste(catalogue)
        mine = [set(np.flatnonzero(person.categories)), set(np.flatnonzero(person.stacks))]
        totals = []
        for i in at:
            cosines = sorted(float(row @ catalogue.vectors[i]) for row in taste)[-3:]
            theirs = [set(np.flatnonzero(catalogue.categories[i])), set(np.flatnonzero(catalogue.stacks[i]))]
            overlaps = [len(a & b) / len(a | b) if a and b else 0.0 for a, b in zip(mine, theirs, strict=True)]
            popular = min(np.log1p(catalogue.stars[i]) / np.log1p(FORMULA.threshold), 1.0)
            values = [max(0.0, sum(cosines) / len(cosines)), *overlaps, popular]
            totals.append(sum(s * v for s, v in zip(share[person.id], values, strict=True)))
        np.argsort(totals)[-KEPT:]

"""People like somebody: who writes about the same, and what those stand up for. Arrays in, words out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.vectors import Matrix, unit
from recommendations.scoring import Floats, Person, Positions

NEAR = 15  # people at most who are taken for somebody's like
ALIKE = 0.3  # cosine of what two people write about, the centre taken away
FEW = 3  # so many people must be near, or nothing is said of them
AGREE = 2  # so many of them stand up for a project
VOUCHED = 10  # projects at most


@dataclass(frozen=True)
class Voice:
    """That one person stands up for a project. row: of that person; campaign: through which, "" by liking it."""

    row: int
    position: int
    campaign: str = ""


@dataclass(frozen=True)
class Company:
    """People who wrote, and what they like. people (u,) ids; centres (u, d) unit rows: what each writes about."""

    people: Positions
    centres: Matrix
    voices: Sequence[Voice]

    def vouch(self, person: Person) -> dict[int, str]:
        """What the nearest stand up for, most of them first: position -> in words.

        Nothing for somebody who is known by more than what they wrote.
        """
        if not person.only_wrote or person.spoken is None or not len(self.people):
            return {}
        cosines = (self.centres @ centre_of(person.spoken)).astype(np.float64)
        cosines[self.people == person.id] = -1
        near = [int(row) for row in np.lexsort((self.people, -cosines))[:NEAR] if cosines[row] >= ALIKE]
        return self.told(near, cosines) if len(near) >= FEW else {}

    def told(self, near: Sequence[int], cosines: Floats) -> dict[int, str]:
        """near: rows. cosines (u,)."""
        heard: dict[int, dict[int, str]] = {}
        for voice in self.voices:
            if voice.row in near:
                heard.setdefault(voice.position, {}).setdefault(voice.row, voice.campaign)
        agreed = {at: rows for at, rows in heard.items() if len(rows) >= AGREE}
        order = sorted(agreed, key=lambda at: (-len(agreed[at]), -sum(cosines[list(agreed[at])]), at))
        return {at: words(list(agreed[at].values())) for at in order[:VOUCHED]}


def words(campaigns: Sequence[str]) -> str:
    """campaigns: of each who stands up for it, the campaign or ""."""
    one = len(set(campaigns)) == 1
    deed = "like it" if not all(campaigns) else f"took up “{campaigns[0]}”" if one else "took it up"
    return f"{len(campaigns)} people who write like you {deed}"


def centre_of(vectors: Matrix) -> Matrix:
    """What somebody writes about: the mean direction of their messages. (k, d) -> (d,)."""
    return unit(vectors.mean(axis=0)[None, :])[0]

"""Whose list moved by what they wrote: the same person scored with their words and without."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.contrib.auth.models import User
from django.db.models import Max

from recommendations import answers, holding, serving
from recommendations.models import Fact
from recommendations.people import block_of_people
from recommendations.scoring import Person

LOOKED_AT = 200  # people, those who wrote last


@dataclass(frozen=True)
class Moved:
    """One person's first projects by name, without and with what they wrote, and why the first of those that came."""

    username: str
    before: list[str]
    after: list[str]
    why: str

    @property
    def came(self) -> list[str]:
        return [name for name in self.after if name not in self.before]


def most_moved(top: int = 5) -> Moved | None:
    """The one whose first projects changed most by what they wrote; None where nobody's did.

    Both lists are scored now, over the catalogue that this process holds.
    """
    served = holding.catalogue()
    names = dict(wrote_last()) if served else {}
    if served is None or not names:
        return None
    ids = np.array(sorted(names), dtype=np.int64)
    pairs = zip(
        block_of_people(served.loaded, served.model, ids, names, words=False),
        block_of_people(served.loaded, served.model, ids, names),
        strict=True,
    )
    moved = [compared(served, names[before.id], before, after, top) for before, after in pairs]
    best = max(moved, key=lambda each: (len(each.came), each.username), default=None)
    return best if best and best.came else None


def wrote_last() -> Sequence[tuple[int, str]]:
    users = User.objects.filter(facts__state__in=Fact.COUNTS).annotate(wrote_at=Max("facts__said_at"))
    return list(users.order_by("-wrote_at", "-pk").values_list("pk", "username")[:LOOKED_AT])


def compared(served: holding.Served, username: str, before: Person, after: Person, top: int) -> Moved:
    shown, now = (answers.unstored(serving.ranked(served, each, reading=False).rows[:top]) for each in (before, after))
    was = [row.project.full_name for row in shown]
    why = next((" ".join(answers.sentences(row)) for row in now if row.project.full_name not in was), "")
    return Moved(username, was, [row.project.full_name for row in now], why)

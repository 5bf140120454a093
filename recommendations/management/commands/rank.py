import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.core.management.base import CommandParser

from engine.importing import LinesCommand
from engine.lines import LineFile
from engine.models import EmbeddingModel
from engine.output import written
from recommendations import scoring
from recommendations.catalogue import Loaded, load
from recommendations.models import Profile, Weights
from recommendations.people import block_of_people
from recommendations.schemas import CandidatesLine
from recommendations.scoring import COMPONENTS, Formula, Person, Positions

LINES_AT_ONCE = 100


class Command(LinesCommand[CandidatesLine]):
    schema = CandidatesLine
    help = "Rank given candidates for given users: every known candidate once, best first, starred ones too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help='lines of {"username", "candidates"}; - is standard input')
        parser.add_argument("-o", "--output", metavar="OUT", help="where to (standard output)")

    def handle(self, *, file: str, output: str | None, **_: Any) -> int:
        counts: Counter[str] = Counter(lines=0, rejected=0, unknown_users=0, unknown_candidates=0)
        with LineFile(file) as lines, written(output, self.out) as out:
            model = EmbeddingModel.objects.live()
            loaded = load(model).centred()
            where = {name.lower(): position for position, name in enumerate(loaded.names)}
            formula = Weights.objects.current().formula
            for block in self.records(lines, counts, LINES_AT_ONCE):
                for line, person in with_people(block, loaded, model):
                    counts["unknown_users"] += person is None
                    ranked = ranking(loaded, known(line.candidates, where, counts), person, formula)
                    out.write(json.dumps({"username": line.username, "ranking": ranked}) + "\n")
        return self.finish(file, counts, summary=output not in (None, "-"))


def with_people(
    block: list[CandidatesLine], loaded: Loaded, model: EmbeddingModel
) -> Iterator[tuple[CandidatesLine, Person | None]]:
    """Each line with the person it names, or None where nobody has that name and a profile."""
    names = dict(User.objects.filter(username__in=[line.username for line in block]).values_list("username", "pk"))
    with_profile = Profile.objects.filter(pk__in=names.values()).order_by("pk").values_list("pk", flat=True)
    people = block_of_people(loaded, model, np.array(list(with_profile), dtype=np.int64))
    by_id = {person.id: person for person in people}
    for line in block:
        yield line, by_id.get(names.get(line.username, 0))


def known(candidates: list[str], where: Mapping[str, int], counts: Counter[str]) -> Positions:
    """The positions of the candidates that are in the catalogue, each once."""
    found = dict.fromkeys(where.get(name.lower(), -1) for name in candidates)
    counts["unknown_candidates"] += sum(name.lower() not in where for name in candidates)
    return np.array([position for position in found if position >= 0], dtype=np.int64)


def ranking(loaded: Loaded, at: Positions, person: Person | None, formula: Formula) -> list[dict[str, Any]]:
    """Scores and parts of those projects; the popular first, without a score, for a person nothing is known of."""
    if person is None or not person.known:
        order = np.lexsort((loaded.catalogue.ids[at], -scoring.popularity(loaded.catalogue.stars[at], formula)))
        return [{"full_name": loaded.names[at[i]], "score": None, "parts": None} for i in order]
    found = scoring.scored(loaded.catalogue, at, person, formula)
    return [
        {
            "full_name": loaded.names[at],
            "score": float(score),
            "parts": dict(zip(COMPONENTS, parts, strict=True)),
        }
        for at, score, parts in zip(found.positions, found.score, found.parts.tolist(), strict=True)
    ]

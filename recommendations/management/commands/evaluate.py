from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.core.management.base import CommandParser
from rich.table import Table

from engine.commands import Command as BaseCommand
from engine.commands import Refused
from engine.lines import BadLine, LineFile, Record
from engine.models import EmbeddingModel
from recommendations import evaluation
from recommendations.catalogue import Loaded, load
from recommendations.evaluation import Case, Ranker
from recommendations.models import Interaction, Profile, Project, Weights
from recommendations.people import block_of_people, liked_positions
from recommendations.schemas import CandidatesLine, InteractionLine
from recommendations.scoring import Person

MEASURES = ("ndcg@10", "recall@10", "auc")
OURS = "ours"


class Command(BaseCommand):
    help = "Measure the live weights on held-out interactions, beside random, popularity, TF-IDF and the reference."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--candidates", required=True, metavar="FILE", help="a user, candidates and which are relevant"
        )
        parser.add_argument(
            "--interactions", required=True, metavar="FILE", help="only rows with split=train are learnt from"
        )
        parser.add_argument("--json", action="store_true", help="print every person's figures as JSON")

    def handle(self, *, candidates: str, interactions: str, json: bool, **_: Any) -> None:
        model = EmbeddingModel.objects.live()
        plain = load(model)
        loaded = plain.centred()
        cases = cases_of(
            list(read(candidates, CandidatesLine)), trained(read(interactions, InteractionLine)), loaded, model
        )
        if not cases:
            raise Refused("evaluate: no user of --candidates is known here with a candidate that is relevant")
        ties = evaluation.tie_breaks(loaded.names)
        found = {
            name: [evaluation.figures(case, rank(case), ties) for case in cases]
            for name, rank in rankers(loaded, plain, model, cases).items()
        }
        if json:
            self.write_json(report(found, cases))
        else:
            self.console().print(table(found))


def read(file: str, schema: type[Record]) -> Iterator[Record]:
    """All lines. A measure taken on a part of a file would mislead, so a bad line ends it."""
    with LineFile(file) as lines:
        for line in lines.records(schema):
            if isinstance(line, BadLine):
                raise Refused(f"{file}:{line.number}: {line.reason}", 1)
            yield line.record


def trained(rows: Iterable[InteractionLine]) -> dict[str, dict[str, float]]:
    """username -> project -> seconds, of what may be learnt from."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.split == "train" and row.kind in Interaction.TASTE:
            found.setdefault(row.username, {})[row.full_name.lower()] = row.at.timestamp()
    if not found:
        raise Refused("evaluate: --interactions holds no row with split=train", 1)
    return found


def cases_of(
    lines: list[CandidatesLine],
    train: Mapping[str, Mapping[str, float]],
    loaded: Loaded,
    model: EmbeddingModel,
) -> list[Case]:
    """A case a line that has a relevant candidate here; its person is the profile with the train rows alone."""
    where = {name.lower(): position for position, name in enumerate(loaded.names)}
    names = dict(User.objects.filter(username__in=[line.username for line in lines]).values_list("username", "pk"))
    profiles = people(names.values(), loaded, model)
    cases = []
    for line in lines:
        person = profiles.get(names.get(line.username, 0)) or nobody(loaded)
        mine = train.get(line.username, {})
        liked = {int(loaded.catalogue.ids[where[name]]): at for name, at in mine.items() if name in where}
        relevant = set(line.relevant or [])
        rows = [(where[name.lower()], i in relevant) for i, name in enumerate(line.candidates) if name.lower() in where]
        if any(right for _, right in rows):
            case = Case(
                person=replace(person, liked=liked_positions(loaded.catalogue, liked)),
                at=np.array([position for position, _ in rows], dtype=np.int64),
                relevant=np.array([right for _, right in rows], dtype=bool),
                train=loaded.catalogue.positions(sorted(liked)),
            )
            cases.append(case)
    return cases


def people(users: Iterable[int], loaded: Loaded, model: EmbeddingModel) -> dict[int, Person]:
    """Those of the users who have a profile, by id."""
    ids = Profile.objects.filter(pk__in=list(users)).order_by("pk").values_list("pk", flat=True)
    return {person.id: person for person in block_of_people(loaded, model, np.array(list(ids), dtype=np.int64))}


def nobody(loaded: Loaded) -> Person:
    """A person who says nothing."""
    none = np.empty(0, dtype=np.int64)
    categories, stacks = (np.zeros(len(terms.ids), np.float32) for terms in (loaded.categories, loaded.stacks))
    return Person(0, None, none, categories, stacks, none)


def rankers(loaded: Loaded, plain: Loaded, model: EmbeddingModel, cases: list[Case]) -> dict[str, Ranker]:
    """By name. plain: the catalogue with its vectors as they are, for the reference."""
    as_they_are = people([case.person.id for case in cases], plain, model)
    facts = Project.objects.order_by("pk").values_list("full_name", "description", "topics")
    texts = [f"{name.replace('/', ' ')} {description} {' '.join(topics)}" for name, description, topics in facts]
    return {
        "random": evaluation.at_random(),
        "popularity": evaluation.by_popularity(loaded.catalogue),
        "tf-idf": evaluation.by_tfidf(texts),
        "reference": evaluation.by_reference(plain.catalogue, as_they_are),
        OURS: evaluation.by_formula(loaded.catalogue, Weights.objects.current().formula),
    }


def report(found: Mapping[str, list[dict[str, float]]], cases: list[Case]) -> dict[str, Any]:
    others = [name for name in found if name != OURS]
    return {
        "users": len(cases),
        "rankers": {name: {m: figure(mean(rows, m)) for m in MEASURES} for name, rows in found.items()},
        "ours_minus": {name: {m: figure(difference(found, name, m)) for m in MEASURES} for name in others},
        "per_user": {name: [{m: known(row[m]) for m in MEASURES} for row in rows] for name, rows in found.items()},
    }


def figure(value: tuple[float, float]) -> dict[str, float | None]:
    return {"mean": known(value[0]), "error": known(value[1])}


def known(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value


def mean(rows: list[dict[str, float]], measure: str) -> tuple[float, float]:
    return evaluation.mean_and_error([row[measure] for row in rows])


def difference(found: Mapping[str, list[dict[str, float]]], other: str, measure: str) -> tuple[float, float]:
    """Ours less the other's, person by person."""
    return evaluation.mean_and_error(
        [mine[measure] - theirs[measure] for mine, theirs in zip(found[OURS], found[other], strict=True)]
    )


def table(found: Mapping[str, list[dict[str, float]]]) -> Table:
    """A row a ranker: each measure with its error, and what ours has more."""
    made = Table("ranker", *MEASURES, *(f"ours − it, {measure}" for measure in MEASURES), box=None, pad_edge=False)
    for name, rows in found.items():
        means = [f"{value:.3f} ± {error:.3f}" for value, error in (mean(rows, measure) for measure in MEASURES)]
        more = [f"{value:+.3f} ± {error:.3f}" for value, error in (difference(found, name, m) for m in MEASURES)]
        made.add_row(name, *means, *(more if name != OURS else [""] * len(MEASURES)))
    made.caption = f"{len(found[OURS])} people; ± is the standard error; differences are taken person by person."
    return made

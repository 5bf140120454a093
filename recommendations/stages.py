"""The stages of the recommendations pipeline: what waits, what is done, what is published."""

from collections import Counter
from datetime import UTC, date, datetime

import structlog
from django.conf import settings

from engine.embeddings import filling
from engine.models import EmbeddingModel, Step
from engine.pipeline import Scope, Stage, StageError, Work
from recommendations import campaigning, collecting, detailing, enriching, first_issues, generations, placing, readiness
from recommendations.catalogue import load
from recommendations.models import (
    CategoryEmbedding,
    Generation,
    Interaction,
    Profile,
    ProfileEmbedding,
    Project,
    ProjectEmbedding,
)
from recommendations.neighbours import with_company

logger = structlog.get_logger(__name__)

PIPELINE = collecting.PIPELINE
EMBEDDED = (CategoryEmbedding, ProjectEmbedding, ProfileEmbedding)


def collect(scope: Scope) -> Work:
    """Repositories that the questions of a day find; with force all of them are asked again."""
    yield from collecting.collect(day_of(scope), again=scope.force)
    return None


def collect_waiting(scope: Scope) -> int:
    return collecting.collect_waiting(day_of(scope))


def day_of(scope: Scope) -> date:
    return scope.day or datetime.now(UTC).date()


def commits(scope: Scope) -> Work:
    """The last commits of the named repositories that were pushed to."""
    yield from detailing.commits()
    return None


def commits_waiting(scope: Scope) -> int:
    return detailing.to_follow().count()


def details(scope: Scope) -> Work:
    """READMEs, languages, topics and figures of the projects that are new or were pushed to."""
    yield from detailing.details()
    return None


def details_waiting(scope: Scope) -> int:
    return detailing.to_detail().count()


def enrich(scope: Scope) -> Work:
    """Categories, stacks and text of the projects whose facts or whose taxonomy changed."""
    for count in enriching.enrich(everything=scope.force):
        yield Counter(enriched=count)
    return None


def ready(scope: Scope) -> Work:
    """The catalogue's figures, when they are fit to go on with; with force as they are.

    A failed check yields nothing: a yield is progress, and a run that makes none waits for a person in the end.
    """
    figures = {
        **Project.objects.figures(),
        "people": Profile.objects.count(),
        "interactions": Interaction.objects.count(),
    }
    found = readiness.problems(figures, passed_before())
    if found and not scope.force:
        raise StageError("; ".join(found))
    for problem in found:
        logger.warning("taken_as_it_is", problem=problem)
    yield Counter(figures)
    return None


def passed_before() -> readiness.Figures | None:
    """The figures that passed last, in an earlier claim of this run too."""
    passed = Step.objects.filter(run__pipeline=PIPELINE, name="ready", state=Step.State.DONE)
    return passed.order_by("-pk").values_list("counts", flat=True).first()


def embed(scope: Scope) -> Work:
    """Vectors for the texts that wait; then the nearest category for projects that no word placed."""
    model = EmbeddingModel.objects.live()
    yield from filling.fill_all(EMBEDDED, model, settings.BATCH_SIZE)
    for compared, placed in placing.place(model):
        yield Counter(compared=compared, placed=placed)
    return None


def embed_waiting(scope: Scope) -> int:
    """Nothing while there are no projects: a category's text alone is no reason for a run that `ready` stops."""
    if not Project.objects.exists():
        return 0
    model = EmbeddingModel.objects.live()
    return filling.waiting(EMBEDDED, model) + placing.unplaced(model).count()


def engage(scope: Scope) -> Work:
    """The edges between people, intents and campaigns, as what people did and wrote makes them."""
    if engage_waiting(scope):
        yield Counter(edges=campaigning.recount())
    return None


def engage_waiting(scope: Scope) -> int:
    return campaigning.waiting()


def score(scope: Scope) -> Work:
    """A new generation for everyone, in a draft; nothing when the live one is made from the same."""
    fresh = generations.wanted()
    live = Generation.objects.live()
    if live and live.inputs == fresh.inputs and not scope.force:
        return None
    loaded = load(fresh.model)
    for count in generations.refresh_hybrid(loaded, fresh.model):
        yield Counter(hybrid=count)
    loaded = with_company(loaded.centred(), fresh.model)
    draft = generations.open_draft(fresh, scope.fence)
    for count in generations.fill(draft, loaded, scope.fence):
        yield Counter(scored=count)
    return generations.publication(draft, scope.fence)


def score_waiting(scope: Scope) -> int:
    if not Project.objects.exists():
        return 0
    return Profile.objects.count() if scope.force else generations.waiting()


def enrich_waiting(scope: Scope) -> int:
    return enriching.waiting()


def ready_waiting(scope: Scope) -> int:
    """Nothing: a check makes no run necessary."""
    return 0


STAGES = (
    Stage("enrich", enrich, enrich_waiting),
    Stage("ready", ready, ready_waiting, figures=True),
    Stage("embed", embed, embed_waiting, units=("embedded", "elsewhere", "failed", "superseded", "compared")),
    Stage("engage", engage, engage_waiting, units=("edges",)),
    Stage("score", score, score_waiting, units=("scored",)),
)
CAME = ("inserted", "updated", "unchanged")
COLLECTING = (
    Stage("collect", collect, collect_waiting, units=("pages",), came=CAME, things="repositories"),
    Stage("commits", commits, commits_waiting, units=("commits", "followed")),
    Stage("details", details, details_waiting, units=("detailed", "gone")),
    Stage("first_issues", first_issues.collect, first_issues.waiting, units=("asked",)),
)

"""The stages of the recommendations pipeline: what waits, what is done, what is published."""

from collections import Counter

from django.conf import settings

from engine.embeddings import filling
from engine.models import EmbeddingModel
from engine.pipeline import Scope, Stage, Work
from recommendations import enriching, generations, placing
from recommendations.catalogue import load
from recommendations.models import CategoryEmbedding, Generation, Profile, ProfileEmbedding, ProjectEmbedding

EMBEDDED = (CategoryEmbedding, ProjectEmbedding, ProfileEmbedding)


def enrich(scope: Scope) -> Work:
    """Categories, stacks and text of the projects whose facts or whose taxonomy changed."""
    for count in enriching.enrich(everything=scope.force):
        yield Counter(enriched=count)
    return None


def embed(scope: Scope) -> Work:
    """Vectors for the texts that wait; then the nearest category for projects that no word placed."""
    model = EmbeddingModel.objects.live()
    yield from filling.fill(EMBEDDED, model, settings.BATCH_SIZE)
    for compared, placed in placing.place(model):
        yield Counter(compared=compared, placed=placed)
    return None


def embed_waiting(scope: Scope) -> int:
    model = EmbeddingModel.objects.live()
    return filling.waiting(EMBEDDED, model) + placing.unplaced(model).count()


def score(scope: Scope) -> Work:
    """A new generation for everyone, in a draft; nothing when the live one is made from the same."""
    fresh = generations.wanted()
    live = Generation.objects.live()
    if live and live.inputs == fresh.inputs and not scope.force:
        return None
    loaded = load(fresh.model)
    for count in generations.refresh_hybrid(loaded, fresh.model):
        yield Counter(hybrid=count)
    loaded = loaded.centred()
    draft = generations.open_draft(fresh, scope.fence)
    for count in generations.fill(draft, loaded, scope.fence):
        yield Counter(scored=count)
    return generations.publication(draft, scope.fence)


def score_waiting(scope: Scope) -> int:
    return Profile.objects.count() if scope.force else generations.waiting()


def enrich_waiting(scope: Scope) -> int:
    return enriching.waiting()


STAGES = (
    Stage("enrich", enrich, enrich_waiting),
    Stage("embed", embed, embed_waiting, units=("embedded", "failed", "superseded", "compared")),
    Stage("score", score, score_waiting, units=("scored",)),
)

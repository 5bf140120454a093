"""Posts with vectors that a person can read, and runs over them. A vector given here is data: no model made it."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from engine import runs
from engine.cleaning import CLEANER
from engine.models import EmbeddingModel, Run
from engine.pipeline import Scope
from engine.text import text_hash
from issues.importing import text_of
from issues.models import Clustering, Issue, IssueEmbedding, RawItem
from issues.pipeline import ISSUES

DAY, NEXT, THIRD = date(2026, 9, 1), date(2026, 9, 2), date(2026, 9, 3)
DIMENSIONS = 16
TOPICS = (
    "The nightly export stops halfway", "Invoices are sent twice", "Search forgets my filters",
    "Builds hang on the shared runner", "Labels print upside down",
)  # fmt: skip
WORDS = (
    "again", "since friday", "for everybody", "on staging", "with large files", "after lunch", "twice a week",
    "without a warning", "in the night", "on monday", "for guests", "at noon", "in safari", "on a train", "over vpn",
)  # fmt: skip


def make_model() -> EmbeddingModel:
    return EmbeddingModel.objects.filter(state="live").first() or EmbeddingModel.objects.create(
        name=settings.MODEL_NAME,
        provider=settings.EMBEDDING_PROVIDER,
        dimensions=DIMENSIONS,
        state="live",
        used_at=timezone.now(),
    )


def vector_of(topic: int, number: int, spread: float = 0.15) -> list[float]:
    """Near the direction of its topic, each number in its own way; a topic below 0 is a direction of its own."""
    random = np.random.default_rng(1000 * abs(topic) + number + (500_000 if topic < 0 else 0))
    noise = random.normal(size=DIMENSIONS)
    vector = noise if topic < 0 else np.eye(DIMENSIONS)[topic] + spread * noise / np.linalg.norm(noise)
    return [float(value) for value in vector / np.linalg.norm(vector)]


def make_item(
    topic: int = 0, number: int = 0, day: date = DAY, vector: Sequence[float] | None = None, **facts: Any
) -> RawItem:
    """One post about a topic; its url says which, on which day, and its number."""
    words = " ".join(WORDS[(number + at) % len(WORDS)] for at in range(3))
    title = f"{TOPICS[topic]} {words}" if topic >= 0 else f"Something else, number {number} of {day}"
    path = f"{topic}-{day}-{number}".replace("--", "-minus-")
    plain = {
        "source": ("github", "reddit")[number % 2],
        "url": f"https://example.org/{path}",
        "url_hash": text_hash(path),
        "title": title,
        "said": "I get an error and nothing is saved.",
        "collected_on": day,
        "author_hash": f"author-{number}",
        "cleaned_by": CLEANER,
    }
    item = RawItem.objects.create(**{**plain, **facts})
    give_vector(item, vector_of(topic, number) if vector is None else vector)
    return item


def give_vector(item: RawItem, values: Sequence[float]) -> None:
    words = text_of(item.title, item.said)
    known = {"text": words, "text_hash": text_hash(words), "vector_hash": text_hash(words)}
    item.embeddings.update_or_create(model=make_model(), defaults={**known, "vector": list(values)})


def make_topic(topic: int, count: int = 8, day: date = DAY, first: int = 0, **facts: Any) -> list[RawItem]:
    return [make_item(topic, number, day, **facts) for number in range(first, first + count)]


def give_issues_vectors() -> None:
    """Each issue that wants a vector has the direction of its topic."""
    for row in IssueEmbedding.objects.exclude(vector_hash=F("text_hash")):
        topic = next((at for at, name in enumerate(TOPICS) if name in row.text), -1 - row.subject_id)
        IssueEmbedding.objects.filter(pk=row.pk).update(vector=vector_of(topic, 0), vector_hash=row.text_hash)


def run(*stages: str, day: date = DAY, force: bool = False) -> Run:
    """The pipeline, or those stages of it, through the real runner."""
    return runs.run(ISSUES, Scope(day=day, force=force), only=stages)


def publish(day: date = DAY, force: bool = False) -> Clustering:
    """The day's clusters, labelled and published."""
    done = run("cluster", "label", day=day, force=force)
    assert done.state in (Run.State.DONE, Run.State.PARTLY), done.error
    live = Clustering.objects.live(day)
    assert live is not None
    return live


def issue_of(topic: int, day: date = DAY) -> Issue:
    """The issue that the posts of a topic are evidence of on a day."""
    live = Clustering.objects.live(day)
    found = Issue.objects.filter(assignments__clustering=live, assignments__item__url__contains=f"/{topic}-").distinct()
    return found.get()

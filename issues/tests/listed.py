"""Problems made by hand, with their posts, for what lists them: no run is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import count
from time import monotonic, sleep
from typing import Any

import numpy as np
from django.utils import timezone

from engine.embeddings.reading import READER, State
from engine.text import text_hash
from engine.vectors import Matrix
from issues.models import Assignment, Cluster, Clustering, Issue, IssueDay, IssueEmbedding, RawItem
from issues.tests.factories import DAY, DIMENSIONS, give_vector, make_model

NUMBERS = count(1)


def make_day(day: date = DAY, **facts: Any) -> Clustering:
    """The clusters of a day that readers see; its posts are counted as they come."""
    plain = {"model": make_model(), "method": "graph", "inputs": "x", "finished": True, "published_at": timezone.now()}
    return Clustering.objects.get_or_create(day=day, state="live", defaults={**plain, **facts})[0]


def make_issue(
    title: str = "Exports stop halfway",
    days: Mapping[date, int] | None = None,
    sources: Sequence[str] = ("github",),
    vector: Sequence[float] | None = None,
    **facts: Any,
) -> Issue:
    """A labelled problem, with so many posts on each day, each by somebody else, from the sources in turn."""
    seen = days or {DAY: 2}
    plain = {"label_state": "labelled", "state": "steady", "first_seen": min(seen), "last_seen": max(seen)}
    issue = Issue.objects.create(title=title, **{**plain, **facts})
    for day, posts in seen.items():
        make_evidence(issue, day, posts, sources)
    if vector is not None:
        make_meaning(issue, vector)
    return issue


def make_evidence(issue: Issue, day: date, posts: int, sources: Sequence[str]) -> list[RawItem]:
    live = make_day(day)
    numbers = {"number": next(NUMBERS), "size": max(posts, 1), "mean_distance": 0.1, "membership": 0.9}
    cluster = Cluster.objects.create(clustering=live, issue=issue, centroid=[1.0], **numbers)
    items = [make_post(source=sources[at % len(sources)], collected_on=day) for at in range(posts)]
    Assignment.objects.bulk_create(
        Assignment(
            clustering=live, item=item, cluster=cluster, issue=issue,
            membership=1 - at / 100, exemplar=at + 1 if at < 5 else None,
        )
        for at, item in enumerate(items)
    )  # fmt: skip
    there = sorted(set(sources[:posts]))
    IssueDay.objects.create(issue=issue, day=day, items=posts, authors=posts, sources=there)
    Clustering.objects.filter(pk=live.pk).update(items=live.items + posts)
    return items


def make_post(**facts: Any) -> RawItem:
    number = next(NUMBERS)
    plain = {
        "source": "github", "url": f"https://example.org/{number}", "url_hash": text_hash(str(number)),
        "title": f"Post {number}", "said": f"The words of post {number}. And some more.", "collected_on": DAY,
        "author_hash": f"author-{number}",
    }  # fmt: skip
    return RawItem.objects.create(**{**plain, **facts})


def make_meaning(issue: Issue, vector: Sequence[float]) -> None:
    words = {"text": issue.title, "text_hash": text_hash(issue.title), "vector_hash": text_hash(issue.title)}
    unit = np.array(vector) / np.linalg.norm(vector)
    IssueEmbedding.objects.create(subject=issue, model=make_model(), vector=list(map(float, unit)), **words)


def make_meant(item: RawItem, vector: Sequence[float]) -> RawItem:
    give_vector(item, vector)
    return item


class Meanings:
    """An embedder that a person can follow: a direction a word, and one for all other texts."""

    WORDS = ("export", "invoice", "print")

    def __init__(self, name: str, dimensions: int) -> None:
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> Matrix:
        return np.array([direction(text, self.dimensions) for text in texts], dtype=np.float32)


def direction(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The unit vector of a text: its words of WORDS weigh alike."""
    heard = [float(word in text.lower()) for word in Meanings.WORDS]
    values = [*heard, float(not any(heard)), *[0.0] * (dimensions - len(heard) - 1)]
    return [value / float(np.linalg.norm(values)) for value in values]


def read_texts(settings: Any) -> None:
    """From here on, what is typed has a meaning."""
    settings.READ_TEXTS = True
    settings.EMBEDDING_PROVIDERS = {settings.EMBEDDING_PROVIDER: f"{__name__}.Meanings"}
    model = make_model()
    READER.warm(model)
    deadline = monotonic() + 10
    while READER.state(model) is not State.READY and monotonic() < deadline:
        sleep(0.01)

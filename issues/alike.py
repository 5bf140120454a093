"""Who said the same already: what somebody is about to post, beside the problems and the posts that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef
from django.db.models.functions import Left

from engine.cleaning import clean
from engine.embeddings.reading import by_the_live
from engine.models import EmbeddingModel
from engine.vectors import Matrix
from issues import searching
from issues.importing import text_of
from issues.models import Assignment, Issue, IssueEmbedding, ItemEmbedding, RawItem
from issues.models.clustering import LIVE

SHOWN = 5
# Cosine distances. Of the sample's posts 87 % are as near to their own problem, 3 % to another, 3 % of those in none;
# 96 % are as near to a post of the same problem, 17 % to one of another.
NEAR, NEAR_POSTS = 0.55, 0.5
FAR = 0.7  # from which on one text is no answer to the other


@dataclass(frozen=True)
class Alike:
    """Problems and posts with their cosine distance, nearest first. read: whether the text had a meaning to compare.

    posts: RawItem, with the `beginning` of what it says.
    """

    issues: Sequence[tuple[Issue, float]] = ()
    posts: Sequence[tuple[Any, float]] = ()
    read: bool = True

    @property
    def looks_new(self) -> bool:
        """Nothing that is known is near."""
        near = any(distance < NEAR for _, distance in self.issues)
        return self.read and not near and not any(distance < NEAR_POSTS for _, distance in self.posts)


def alike(title: str, text: str) -> Alike:
    """What is nearest to a text; nothing of it is kept but its vector, in this process, by its digest."""
    read = by_the_live(text_of(title, clean("", text)))
    if read is None:
        return Alike(read=False)
    model, vector = read
    return Alike(issues_near(model, vector), posts_near(model, vector))


def issues_near(model: EmbeddingModel, vector: Matrix) -> list[tuple[Issue, float]]:
    among = IssueEmbedding.objects.filter(subject__in=Issue.objects.visible().values("pk"))
    near = dict(among.nearest(model, vector, SHOWN))
    return [(issue, near[issue.pk]) for issue in searching.in_order(list(near)) if near[issue.pk] < FAR]


def posts_near(model: EmbeddingModel, vector: Matrix) -> list[tuple[Any, float]]:
    """Copies of earlier posts left out, and the posts of problems that a curator has hidden."""
    live = Assignment.objects.filter(LIVE, item=OuterRef("subject"))
    shown = ItemEmbedding.objects.filter(~Exists(live.filter(issue__hidden=True)), subject__twin_of=None)
    near = dict(shown.nearest(model, vector, SHOWN))
    found = RawItem.objects.defer("body", "said").annotate(beginning=Left("said", 1_000)).in_bulk(list(near))
    return [(found[pk], distance) for pk, distance in near.items() if pk in found and distance < FAR]

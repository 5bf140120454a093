"""Clusters become issues: who is who, and what happened to them. All in the transaction that publishes the day."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date

import numpy as np
from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from engine.ledger import LeaseLost
from engine.models import EmbeddingModel
from engine.vectors import Matrix
from issues import folding, identity
from issues.folding import Where
from issues.identity import Found, Known, Match, Matches
from issues.law import Law
from issues.models import Assignment, Cluster, Clustering, Issue, IssueDay, Lineage, Suggestion
from issues.models.clustering import LIVE


def publication(draft: Clustering, fence: int) -> Callable[[], None]:
    """What makes the draft the day that readers see; for the runner's transaction."""

    def go_live() -> None:
        folding.lock()
        law = folding.law()
        matches = identity.match(found_of(draft), known_of(draft, law, same_day=True), known_of(draft, law))
        Clustering.objects.filter(day=draft.day, state=Clustering.State.LIVE).update(state=Clustering.State.RETIRED)
        if not Clustering.objects.held(draft, fence).update(state=Clustering.State.LIVE, published_at=Now()):
            raise LeaseLost(f"{draft} was taken over")
        settle(draft, matches, law)

    return go_live


def amendment(live: Clustering) -> Callable[[], None]:
    """What brings new labels of a live day to its issues."""

    def amend() -> None:
        folding.lock()
        folding.fold(Where(clustering=live))

    return amend


# Who is who


def found_of(draft: Clustering) -> list[Found]:
    members = members_of(draft.clusters.all())
    rows = draft.clusters.order_by("number").values_list("pk", "number", "fingerprint", "centroid")
    return [
        Found(number, members.get(pk, frozenset()), fingerprint, np.array(centroid, dtype=np.float32))
        for pk, number, fingerprint, centroid in rows
    ]


def known_of(draft: Clustering, law: Law, *, same_day: bool = False) -> list[Known]:
    """The issues by their cluster in the day's present clustering, or by their newest of any other day.

    A cluster that curators gave to another issue is known as that one; a merged issue stays known as itself, so that
    its merge can be undone.
    """
    live = Cluster.objects.filter(LIVE, found__isnull=False)
    others = live.exclude(clustering__day=draft.day)
    chosen = live.filter(clustering__day=draft.day) if same_day else others
    homes = folding.claimed(chosen, law)
    if not same_day:
        lost = Q(found__state=Issue.State.GONE) & ~Q(found__in=law.into.keys())
        newest = others.exclude(pk__in=homes).exclude(lost).order_by("found", "-clustering__day", "number")
        chosen = others.filter(Q(pk__in=homes) | Q(pk__in=newest.distinct("found").values("pk")))
    members = members_of(chosen) if same_day else {}
    rows = chosen.order_by("-clustering__day", "number").values_list("pk", "found", "fingerprint")
    centroids = centroids_of(chosen, draft.model)
    nothing = np.zeros(draft.model.dimensions, dtype=np.float32)
    known: dict[int, Known] = {}
    for pk, found, fingerprint in rows:
        issue = homes.get(pk, found)
        name = pk if same_day else issue  # of other days the newest cluster speaks
        known.setdefault(name, Known(issue, members.get(pk, frozenset()), fingerprint, centroids.get(pk, nothing)))
    return list(known.values())


def centroids_of(clusters: QuerySet[Cluster], model: EmbeddingModel) -> dict[int, Matrix]:
    """By cluster, in the space of that model: of one made by another model the mean of its items' vectors by this one.

    Vectors of two models are never compared.
    """
    kept = clusters.filter(clustering__model=model).values_list("pk", "centroid")
    found = {pk: np.array(centroid, dtype=np.float32) for pk, centroid in kept}
    others = list(clusters.exclude(clustering__model=model).values_list("pk", flat=True))
    if others:
        with connection.cursor() as cursor:
            cursor.execute(MEANS, [model.pk, others])
            found |= {pk: np.array(mean, dtype=np.float32) for pk, mean in cursor.fetchall()}
    return found


MEANS = """
SELECT a.cluster_id, avg(l2_normalize(e.vector))::real[]
FROM issues_assignment a JOIN issues_itemembedding e ON e.subject_id = a.item_id AND e.model_id = %s
WHERE a.cluster_id = ANY(%s) AND e.vector IS NOT NULL GROUP BY a.cluster_id
"""


def members_of(clusters: Iterable[Cluster]) -> dict[int, frozenset[int]]:
    rows = Assignment.objects.filter(cluster__in=clusters).values_list("cluster", "item")
    found: dict[int, set[int]] = {}
    for cluster, item in rows.iterator():
        found.setdefault(cluster, set()).add(item)
    return {cluster: frozenset(items) for cluster, items in found.items()}


# What becomes of them


def settle(draft: Clustering, matches: Matches, law: Law) -> None:
    """Give each cluster its issue, tell what happened, and do as the law says."""
    before = set(IssueDay.objects.filter(day=draft.day).values_list("issue", flat=True))
    clusters = list(draft.clusters.order_by("number"))
    give_issues(clusters, matches, draft.day)
    tell(draft.day, clusters, matches)
    suggest(draft.day, clusters, matches, law)
    found = {cluster.found_id for cluster in clusters if cluster.found_id}
    folding.fold(Where(clustering=draft), before | found, law)


def give_issues(clusters: list[Cluster], matches: Matches, day: date) -> None:
    """A known issue where one was recognised, a new one otherwise."""
    fresh = [cluster for cluster in clusters if cluster.number not in matches.certain]
    born = Issue.objects.bulk_create([Issue(first_seen=day, last_seen=day) for _ in fresh])
    for cluster, issue in zip(fresh, born, strict=True):
        cluster.found = issue
    for cluster in clusters:
        if cluster.number in matches.certain:
            cluster.found_id = matches.certain[cluster.number].issue
    Cluster.objects.bulk_update(clusters, ["found"], batch_size=1000)


def tell(day: date, clusters: list[Cluster], matches: Matches) -> None:
    """The day's lineage: who was born, known again, split off, or merged. What an earlier run of the day said of those
    that are still what they were stays."""
    issue_of = {cluster.number: cluster.found_id or 0 for cluster in clusters}
    merged = Q(kind=Lineage.Kind.MERGED)
    kept = (~merged & Q(issue__in=still(matches))) | (merged & ~Q(issue__in=issue_of.values()))
    Lineage.objects.filter(day=day).exclude(kept).delete()
    rows = [
        Lineage(issue_id=issue_of[pair.cluster], day=day, kind=Lineage.Kind.KNOWN, why=why(pair))
        for pair in matches.certain.values()
        if pair.how != "members"
    ]
    for number, issue in issue_of.items():
        if number not in matches.certain:
            parent = matches.split.get(number)
            kind = Lineage.Kind.SPLIT if parent else Lineage.Kind.BORN
            other = parent.issue if parent else None
            rows.append(Lineage(issue_id=issue, day=day, kind=kind, other_id=other, why=why(parent)))
    for issue, pair in matches.merged.items():
        into = issue_of[pair.cluster]
        rows.append(Lineage(issue_id=issue, day=day, kind=Lineage.Kind.MERGED, other_id=into, why=why(pair)))
    Lineage.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)


def still(matches: Matches) -> set[int]:
    """The issues that an earlier run of the day had found too."""
    return {pair.issue for pair in matches.certain.values() if pair.how == "members"}


def suggest(day: date, clusters: list[Cluster], matches: Matches, law: Law) -> None:
    """What is near and not near enough to be sure, for curators; not what they have answered already."""
    issue_of = {cluster.number: cluster.found_id or 0 for cluster in clusters}
    Suggestion.objects.filter(day=day).exclude(issue__in=still(matches)).delete()
    rows = [
        Suggestion(issue_id=issue_of[near.cluster], other_id=near.issue, day=day, alike=near.alike)
        for near in matches.near
        if not law.differ(issue_of[near.cluster], near.issue)
    ]
    Suggestion.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)


def why(pair: Match | None) -> str:
    if pair is None:
        return ""
    return f"{pair.alike:.0%} of the posts in common" if pair.how == "members" else f"{pair.alike:.2f} alike in meaning"


def figures(day: date) -> Counter[str]:
    """What a reader of that day finds."""
    found = IssueDay.objects.filter(day=day).values_list("issue__label_state").annotate(count=Count("pk"))
    return Counter({f"issues_{state}": number for state, number in found})

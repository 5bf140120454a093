"""The stages of the issues pipeline: what waits, what is done, what is published."""

from collections import Counter
from datetime import date

from django.conf import settings
from django.db.models import QuerySet

from engine.embeddings import filling
from engine.models import EmbeddingModel, Fetch
from engine.pipeline import Publish, Scope, Stage, StageError, Work
from issues import clusterings, collecting, importing, issuing
from issues.models import Clustering, IssueEmbedding, ItemEmbedding, Label


def collect(scope: Scope) -> Work:
    """The posts of the day from one source; with force also those that were collected before."""
    yield from collecting.collect(scope.source, day_of(scope), again=scope.force)
    return caught_up(scope)


def caught_up(scope: Scope) -> Publish | None:
    """What tells the day that this source is no longer missing, where it gave everything."""
    day = day_of(scope)
    fetches = Fetch.objects.of(collecting.PIPELINE, scope.source, day)
    if fetches.filter(state=Fetch.State.LEFT).exists():
        return None
    return lambda: clusterings.caught_up(day, scope.source)


def collect_waiting(scope: Scope) -> int:
    return collecting.waiting(scope.source, day_of(scope))


def embed(scope: Scope) -> Work:
    """The items of the day cleaned by the present cleaner, and vectors for all items that wait."""
    if cleaned := importing.clean_again(day_of(scope), settings.CLUSTER_WINDOW_DAYS):
        yield Counter(cleaned=cleaned)
    yield from filling.fill_all((ItemEmbedding,), EmbeddingModel.objects.live(), settings.BATCH_SIZE)
    return None


def embed_waiting(scope: Scope) -> int:
    stale = importing.stale(day_of(scope), settings.CLUSTER_WINDOW_DAYS).count()
    return stale + filling.waiting((ItemEmbedding,), EmbeddingModel.objects.live())


def cluster(scope: Scope) -> Work:
    """A finished draft of the day's clusters, its copies linked; nothing when what is there is made from the same."""
    fresh = clusterings.wanted(day_of(scope), anew=scope.force)
    if not scope.force and not clusterings.waiting(fresh):
        return None
    from issues import finding, linking  # bring scikit-learn and datasketch; who asks what waits needs neither

    twins = linking.link(fresh.day)
    draft = clusterings.open_draft(fresh, scope.fence, anew=scope.force)
    clusterings.name_missing(draft)
    if not draft.finished:
        yield finding.fill(draft, scope.fence) + Counter(twins=twins)
    return None


def cluster_waiting(scope: Scope) -> int:
    fresh = clusterings.wanted(day_of(scope), anew=scope.force)
    return fresh.items or 1 if scope.force or clusterings.waiting(fresh) else 0


def label(scope: Scope) -> Work:
    """A label for each cluster of the draft, then the day is published; or new labels for the live day."""
    chosen = to_label(scope)
    if chosen is None:
        return None
    from issues import labelling  # brings scikit-learn

    for made in labelling.label(chosen):
        yield Counter({"failed" if made.state == Label.State.FAILED else made.state: 1})
    if chosen.state == Clustering.State.DRAFT:
        mine = Clustering.objects.take_over(chosen, scope.fence)
        return issuing.publication(chosen, scope.fence) if mine else None
    return issuing.amendment(chosen)


def to_label(scope: Scope) -> Clustering | None:
    """The finished draft of the day; without one the live day, where labels may be tried again."""
    days = Clustering.objects.filter(day=day_of(scope))
    draft = days.filter(state=Clustering.State.DRAFT, finished=True).first()
    if draft:
        return draft
    live = days.filter(state=Clustering.State.LIVE).first()
    return live if live and live.unlabelled().exists() else None


def label_waiting(scope: Scope) -> int:
    chosen = to_label(scope)
    if chosen is None:
        return 0
    return chosen.unlabelled().count() or int(chosen.state == Clustering.State.DRAFT)


def chart(scope: Scope) -> Work:
    """The map of the live day, drawn once."""
    for clustering in charted(scope):
        from issues import charting  # brings scikit-learn

        yield charting.draw(clustering)
    return None


def charted(scope: Scope) -> QuerySet[Clustering]:
    """The live clustering of the day, where it has no map."""
    live = Clustering.objects.filter(day=day_of(scope), state=Clustering.State.LIVE)
    return live if scope.force else live.filter(chart=None)


def chart_waiting(scope: Scope) -> int:
    return sum(max(items, 1) for items in charted(scope).values_list("items", flat=True))


def index(scope: Scope) -> Work:
    """Vectors for what issues say, so that they are found by their meaning."""
    yield from filling.fill_all((IssueEmbedding,), EmbeddingModel.objects.live(), settings.BATCH_SIZE)
    return None


def index_waiting(scope: Scope) -> int:
    return filling.waiting((IssueEmbedding,), EmbeddingModel.objects.live())


def day_of(scope: Scope) -> date:
    if scope.day is None:
        raise StageError("the issues pipeline works on a day; none was named")
    return scope.day


CAME = ("inserted", "updated", "unchanged")
COLLECTING = (Stage("collect", collect, collect_waiting, units=("pages",), came=CAME, things="posts"),)
EMBEDDED = ("embedded", "elsewhere", "failed", "superseded")
STAGES = (
    Stage("embed", embed, embed_waiting, units=(*EMBEDDED, "cleaned")),
    Stage("cluster", cluster, cluster_waiting, units=("clustered",), came=("clustered",), things="clustered posts"),
    Stage("label", label, label_waiting),
    Stage("chart", chart, chart_waiting, units=("drawn",)),
    Stage("index", index, index_waiting, units=EMBEDDED),
)

"""A label for each cluster: one that is there already, a model's, or an extract; kept as soon as it is made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Now
from django.utils import timezone

from engine import llm
from engine.exemplars import key_phrases, snippet
from engine.llm import LLMError, Route, Spent, Stop
from engine.tallies import Figure
from engine.vectors import digest, unit
from issues.extracting import EXTRACTOR, extract
from issues.labels import Exemplar, IssueLabel, checked, prompt, prompt_hash
from issues.models import Assignment, Cluster, Clustering, Label

logger = structlog.get_logger(__name__)

SUMMED = ("calls", "prompt_tokens", "answer_tokens", "cost")  # over all attempts
ANSWER_SECONDS = 60.0
SILENT = 3  # questions in a row that nobody answers: the provider is away, and the rest waits
LARGE = 50  # items: a cluster with more goes to the fallback model at once
SIBLINGS = 3  # the nearest clusters of the day, to contrast with
AGAIN = (timedelta(hours=1), timedelta(hours=4), timedelta(hours=24))  # after a failure
AT_ONCE = 100  # clusters whose posts are read together, and told apart by their phrases
TEXTS = 200  # posts of a cluster that the extract looks at, the surest first


CALLS = Figure("ost_llm_calls_total", "Calls to language models, by outcome", ("outcome",))
QUESTIONS = Figure("ost_llm_questions_total", "Clusters whose label a model was asked for, by outcome", ("outcome",))
REUSED = Figure("ost_label_reuse_total", "Clusters that took a label which was there")
TALLIES = (CALLS, QUESTIONS, REUSED)


@dataclass(frozen=True)
class Asked:
    """What a label is to be made from. routes: the models to ask, in that order; none: an extract is made."""

    cluster: Cluster
    exemplars: list[Exemplar]
    texts: list[str]
    siblings: list[str]
    phrases: list[str]
    routes: Sequence[Route]

    @property
    def sources(self) -> list[str]:
        return sorted({post.source for post in self.exemplars})

    @cached_property
    def prompt(self) -> list[dict[str, str]]:
        return prompt(self.exemplars, self.siblings)

    @cached_property
    def key(self) -> str:
        """By which an answer is kept: all that it depends on."""
        if self.routes:
            return prompt_hash(self.prompt, [route.model for route in self.routes])
        spoken = [post.title for post in self.exemplars]
        return digest("extract", EXTRACTOR, *self.texts, "exemplars", *spoken, "siblings", *self.siblings)


def label(clustering: Clustering) -> Iterator[Label]:
    """Label what is to be labelled, the largest clusters first; yields each label that was given."""
    routes, provider = routes_of_settings(), Provider()
    given = list(clustering.clusters.exclude(label=None).values_list("label__title", flat=True))
    ids = list(clustering.unlabelled().order_by("number").values_list("pk", flat=True))
    for start in range(0, len(ids), AT_ONCE):
        for asked in questions(clustering, ids[start : start + AT_ONCE], routes):
            found = known(asked) or (answered(asked, provider) if routes else extracted(asked, given))
            Cluster.objects.filter(pk=asked.cluster.pk).update(label=found)
            given.append(found.title)
            yield found


# What is asked


def questions(clustering: Clustering, ids: Sequence[int], routes: Sequence[Route]) -> Iterator[Asked]:
    """Everything to be known of those clusters, by a few queries."""
    clusters = list(clustering.clusters.filter(pk__in=ids).order_by("number"))
    nearest = siblings(clustering)
    said = texts_of(clusters)
    speaking = exemplars_of(clusters)
    phrases = dict(zip(said, key_phrases(list(said.values())), strict=True))
    for cluster in clusters:
        posts = speaking.get(cluster.pk, [])
        yield Asked(cluster, posts, said[cluster.pk], nearest.get(cluster.pk, []), phrases[cluster.pk], routes)


def exemplars_of(clusters: Sequence[Cluster]) -> dict[int, list[Exemplar]]:
    rows = Assignment.objects.filter(cluster__in=clusters, exemplar__isnull=False).order_by("cluster", "exemplar")
    found: dict[int, list[Exemplar]] = {}
    for row in rows.select_related("item"):
        post = Exemplar(row.exemplar or 0, row.item.source, row.item.title, snippet(row.item.said))
        found.setdefault(row.cluster_id or 0, []).append(post)
    return found


def texts_of(clusters: Sequence[Cluster]) -> dict[int, list[str]]:
    """The surest posts of each, whole."""
    rows = Assignment.objects.filter(cluster__in=clusters).order_by("cluster", "-membership", "item")
    found: dict[int, list[str]] = {cluster.pk: [] for cluster in clusters}
    for cluster, title, said in rows.values_list("cluster", "item__title", "item__said").iterator():
        if len(found[cluster]) < TEXTS:
            found[cluster].append(f"{title}\n{said}")
    return found


def siblings(clustering: Clustering) -> dict[int, list[str]]:
    """For each cluster the first titles of those nearest to it."""
    rows = list(clustering.clusters.order_by("pk").values_list("pk", "centroid"))
    first = Assignment.objects.filter(clustering=clustering, exemplar=1)
    titles = dict(first.values_list("cluster", "item__title"))
    if len(rows) < 2:
        return {}
    centroids = unit(np.array([centroid for _, centroid in rows], dtype=np.float32))
    cosines = centroids @ centroids.T
    np.fill_diagonal(cosines, -1)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :SIBLINGS]
    return {
        pk: [titles[rows[at][0]] for at in order if rows[at][0] in titles]
        for (pk, _), order in zip(rows, nearest.tolist(), strict=True)
    }


# Where an answer comes from


def routes_of_settings() -> list[Route]:
    """The local model and the one behind it; none when no model is named."""
    named = (
        (settings.LLM_MODEL, settings.LLM_API_BASE),
        (settings.LLM_FALLBACK_MODEL, settings.LLM_FALLBACK_API_BASE),
    )
    return [Route(model, base, llm_key(model)) for model, base in named if model]


def llm_key(model: str) -> str:
    """The key of the provider that a model's name begins with, or the one for all."""
    keys = {"groq": settings.GROQ_API_KEY, "anthropic": settings.ANTHROPIC_API_KEY, "openai": settings.OPENAI_API_KEY}
    return keys.get(model.partition("/")[0], "") or settings.LLM_API_KEY


def known(asked: Asked) -> Label | None:
    """A label of the same question, or of a cluster with the same exemplars from the same sources; no failed one."""
    source = Label.Source.LLM if asked.routes else Label.Source.EXTRACT
    labels = Label.objects.reusable().filter(source=source)
    found = labels.filter(prompt_hash=asked.key).first()
    if found is None and asked.routes and asked.cluster.fingerprint:
        found = labels.filter(fingerprint=asked.cluster.fingerprint, sources=asked.sources).order_by("pk").first()
    REUSED.add(by=found is not None)
    return found


def extracted(asked: Asked, given: Sequence[str]) -> Label:
    """From the posts themselves, with no model. given: titles of the day, none of which comes twice."""
    made = extract(asked.exemplars, asked.texts, asked.phrases, [*asked.siblings, *filter(None, given)])
    return keep(asked, {"source": Label.Source.EXTRACT, "model": f"extract {EXTRACTOR}", **fields_of(made)})


@dataclass
class Provider:
    """What is known of it in this run. stopped: why it is asked no more; silent: questions in a row not answered."""

    stopped: str = ""
    silent: int = 0

    def failed(self, error: LLMError) -> None:
        """A bad answer is one; only where there was none at all is it silent."""
        self.silent = 0 if error.spent.prompt_tokens else self.silent + 1
        if self.silent >= SILENT:
            self.stopped = f"the provider does not answer: {error.reason}"


def answered(asked: Asked, provider: Provider) -> Label:
    """A model's, or why there is none."""
    if provider.stopped:
        return failed(asked, LLMError(provider.stopped, Spent()))
    left = settings.LLM_DAILY_CALLS - calls_today()
    if left <= 0:
        count("deferred", 0)
        return deferred(asked)
    chosen = asked.routes[-1:] if asked.cluster.size > LARGE else asked.routes
    try:
        answer = llm.ask(asked.prompt, IssueLabel, chosen, ANSWER_SECONDS, min(left, llm.CALLS))
    except Stop as stop:
        count("refused", stop.calls)
        logger.warning("llm_stopped", reason=stop.reason)
        provider.stopped = f"the provider refuses all calls: {stop.reason}"
        return failed(asked, LLMError(provider.stopped, stop.spent))
    except LLMError as error:
        count("failed", error.calls)
        provider.failed(error)
        return failed(asked, error)
    count("answered", answer.calls)
    provider.silent = 0
    made = fields_of(checked(answer.value, asked.exemplars))
    return keep(asked, {"source": Label.Source.LLM, "model": answer.model, **figures(answer), **made})


def count(outcome: str, calls: int) -> None:
    """A question; its last call had that outcome, those before it failed."""
    QUESTIONS.add(outcome)
    CALLS.add(outcome, by=min(calls, 1))
    CALLS.add("failed", by=max(calls - 1, 0))


def calls_today() -> int:
    return Label.objects.filter(made_at__gte=midnight()).aggregate(total=Sum("calls"))["total"] or 0


def midnight() -> datetime:
    """When the present day began, in UTC."""
    return datetime.combine(timezone.now().astimezone(UTC).date(), time(), UTC)


def figures(spent: Spent) -> dict[str, float]:
    return {name: getattr(spent, name) for name in SUMMED}


def fields_of(made: IssueLabel) -> dict[str, object]:
    facts = made.model_dump(mode="json")
    return {"state": Label.State.LABELLED, "reason": "", "next_attempt_at": None, **facts}


def failed(asked: Asked, error: LLMError) -> Label:
    """To be tried again later, each time after a longer while, or when the provider says so: within a day anyhow."""
    earlier = Label.objects.filter(prompt_hash=asked.key).values_list("attempts", flat=True).first() or 0
    named = min(error.retry_after or 0, AGAIN[-1].total_seconds())
    wait = timedelta(seconds=named) if named else AGAIN[min(earlier, len(AGAIN) - 1)]
    return unlabelled_yet(asked, Label.State.FAILED, error.reason, timezone.now() + wait, error.spent)


def deferred(asked: Asked) -> Label:
    """To the next day, for the calls of this one are used up."""
    reason = f"the {settings.LLM_DAILY_CALLS} calls of the day are used up"
    return unlabelled_yet(asked, Label.State.DEFERRED, reason, midnight() + timedelta(days=1), Spent())


def unlabelled_yet(asked: Asked, state: str, reason: str, at: datetime, spent: Spent) -> Label:
    told = {"state": state, "source": Label.Source.LLM, "reason": reason[:300], "next_attempt_at": at}
    return keep(asked, {**told, "model": asked.routes[-1].model, **figures(spent)})


def keep(asked: Asked, facts: dict[str, Any]) -> Label:
    """Written at once, so that a killed run asks nothing twice. Calls, tokens and cost of earlier attempts stay in."""
    fixed = {"fingerprint": asked.cluster.fingerprint, "sources": asked.sources}
    with transaction.atomic():
        label, fresh = Label.objects.select_for_update().get_or_create(
            prompt_hash=asked.key, defaults={**fixed, **facts, "attempts": 1}
        )
        if not fresh:
            adding = {name: F(name) + facts.pop(name) for name in SUMMED if name in facts}
            Label.objects.filter(pk=label.pk).update(
                **fixed, **facts, **adding, attempts=F("attempts") + 1, made_at=Now()
            )
            label.refresh_from_db()
    return label

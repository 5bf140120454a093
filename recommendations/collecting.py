"""Repositories from GitHub become projects, found by query and by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

import structlog
from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower, Now
from pydantic import ValidationError

from engine import collecting
from engine.collectors import github, github_api, github_details
from engine.collectors.github import Found, Gone, Named
from engine.gates import PROBE
from engine.gates import later as later_by_gate
from engine.http import Client, HttpError, Limited, Quiet
from engine.lines import first_fault
from engine.pipeline import Later, StageError
from engine.records import Page, Repository
from recommendations import importing, settling
from recommendations.models import NamedRepository, Project, RepositoryQuery
from recommendations.schemas import CollectedLine

logger = structlog.get_logger(__name__)

PIPELINE, SOURCE = "recommendations", "github"
LOOKED_UP = "known:"  # a question of ours: whether projects that no query finds any more are still there
DAYS = 28  # in which each project is looked up once


# Whom we ask


@dataclass(frozen=True)
class GitHub:
    """rest; graph: None without a token; heavy: the same, but a fault is a reason to ask for less and not again."""

    rest: Client
    graph: Client | None
    heavy: Client | None


def rest() -> Client:
    return client(settings.GITHUB_API_URL)


def graphql(**how: Any) -> Client:
    return client(github_api.graphql_base(settings.GITHUB_GRAPHQL_URL), **how)


def client(base: str, **how: Any) -> Client:
    """A client of GitHub with the token of the settings, by the gate of all processes."""
    token, headers = settings.GITHUB_ACCESS_TOKEN, dict(github_api.HEADERS)
    made = collecting.client(base, limits=github_api.limits, pace=github_api.pace(token), headers=headers, **how)
    made.credentials = github_api.credentials(token)
    return made


@contextmanager
def connected() -> Iterator[GitHub]:
    """GitHub as the settings name it. Turns what went wrong with it into what a stage says."""
    with ExitStack() as opened:
        graphs = (graphql(), graphql(tries=1)) if settings.GITHUB_ACCESS_TOKEN else ()
        graph, heavy = map(opened.enter_context, graphs) if graphs else (None, None)
        try:
            yield GitHub(opened.enter_context(rest()), graph, heavy)
        except Quiet as quiet:
            raise Later(quiet.until, str(quiet)) from None
        except Limited as limited:  # more often than was tried; the gate says for how long when it is asked again
            raise Later(later_by_gate(PROBE * settings.TIMING.upstream), str(limited)) from None
        except HttpError as error:
            raise StageError(str(error)) from None


# Repositories


def queries(day: date) -> list[str]:
    """What to ask for a day."""
    wanted = RepositoryQuery.objects.filter(on=True).order_by("pk")
    named = NamedRepository.objects.filter(on=True).order_by("pk").values_list("full_name", flat=True)
    rows = wanted.values_list("language", "stars_from", "stars_to", "pushed_within_days", "at_most")
    return [*github.queries(day, list(rows), list(named)), f"{LOOKED_UP}{day.toordinal() % DAYS}"]


class Asking:
    """A collector of GitHub that also looks up what is known already: a part of it a day."""

    def __init__(self, asked: GitHub, day: date) -> None:
        self.graph = asked.graph
        self.repositories = github.Repositories(asked.rest, asked.graph, etags(), max(day, datetime.now(UTC).date()))

    def page(self, query: str, cursor: str) -> Page[Found]:
        if query.startswith(LOOKED_UP):
            return self.known(int(query.removeprefix(LOOKED_UP)), int(cursor or 0))
        return self.repositories.page(query, cursor)

    def known(self, part: int, after: int) -> Page[Found]:
        """Without a token nothing is looked up: its 60 requests an hour are needed elsewhere."""
        here = Project.objects.alias(part=F("github_id") % DAYS).filter(part=part, github_id__gt=after, gone_at=None)
        rows = here.exclude(node_id="").order_by("github_id").values_list("node_id", "github_id")
        ids = dict(rows[: github.AT_ONCE])
        if self.graph is None or not ids:
            return Page()
        found, skipped = github_details.looked_up(self.graph, list(ids))
        following = str(list(ids.values())[-1]) if len(ids) == github.AT_ONCE else ""
        return Page(found, following, skipped, left=f"{sum(skipped.values())} not told of" if skipped else "")


def collect(day: date, again: bool = False) -> Iterator[Counter[str]]:
    """A page at a time. again: also what was answered already."""
    collecting.begin(PIPELINE, SOURCE, day, queries(day), again)
    with connected() as asked:
        yield from collecting.collect(PIPELINE, SOURCE, day, Asking(asked, day), store)


def collect_waiting(day: date) -> int:
    """Questions that are open, or were never asked."""
    return collecting.waiting(PIPELINE, SOURCE, day, queries(day))


def etags() -> dict[str, str]:
    """Of the named repositories that are here as they were told of."""
    kept = NamedRepository.objects.filter(on=True, project__gone_at=None).exclude(etag="").exclude(project=None)
    return {name.lower(): etag for name, etag in kept.values_list("full_name", "etag")}


def store(records: Sequence[Found]) -> Counter[str]:
    """Projects of those repositories; to be called in a transaction."""
    repositories = [record for record in records if isinstance(record, Repository)]
    counts = keep(repositories)
    for record in records:
        if isinstance(record, Gone) and record.node_id:
            counts["gone"] += mark_gone(Project.objects.filter(node_id=record.node_id), record.reason)
        elif isinstance(record, Gone):
            counts["gone"] += mark_gone(named_project(record.asked_as), record.reason)
            NamedRepository.objects.filter(full_name__iexact=record.asked_as).update(etag="", reason=record.reason)
        elif isinstance(record, Named):
            say_found(record)
    return counts


def keep(repositories: Sequence[Repository]) -> Counter[str]:
    """Insert or update by number, else by name; a repository that is told of is not gone."""
    lines, refused = lines_of(repositories)
    counts = settling.settle(lines) + importing.import_projects(lines)
    back = Project.objects.alias(lower=Lower("full_name")).filter(lower__in=[line.full_name.lower() for line in lines])
    back.exclude(gone_at=None).update(gone_at=None, gone_reason="")
    for name, reason in refused.items():
        logger.warning("repository_refused", repository=name[:200], reason=reason)
    return counts + Counter(refused=len(refused))


def lines_of(repositories: Sequence[Repository]) -> tuple[list[CollectedLine], dict[str, str]]:
    """Each number and each name once, the last word of it; and why others were refused."""
    refused: dict[str, str] = {}
    by_number: dict[int | str, CollectedLine] = {}
    for repository in repositories:
        try:
            line = CollectedLine.model_validate(asdict(repository))
        except ValidationError as error:
            refused[repository.full_name] = first_fault(error)
        else:
            by_number[line.github_id or line.full_name.lower()] = line
    return list({line.full_name.lower(): line for line in by_number.values()}.values()), refused


def named_project(name: str) -> QuerySet[Project]:
    """The project that a name which somebody asked for leads to."""
    return Project.objects.alias(lower=Lower("full_name")).filter(
        Q(named__full_name__iexact=name) | Q(lower=name.lower())
    )


def mark_gone(projects: QuerySet[Project], reason: str) -> int:
    """It is offered no more; what people did with it stays."""
    ids = list(projects.filter(gone_at=None).values_list("pk", flat=True))
    return Project.objects.filter(pk__in=ids).update(gone_at=Now(), gone_reason=reason[:200])


def say_found(record: Named) -> None:
    """Which project the name leads to; where it was renamed, the name is the new one from now on."""
    project = Project.objects.filter(github_id=record.github_id).first()
    if project is None:  # it was refused
        return
    asked = NamedRepository.objects.filter(full_name__iexact=record.asked_as)
    others = NamedRepository.objects.exclude(full_name__iexact=record.asked_as)
    if others.filter(full_name__iexact=project.full_name).exists():
        asked.update(on=False, reason=f"it is {project.full_name} now, which is named too"[:200])
        return
    others.filter(project=project).update(project=None)
    asked.update(full_name=project.full_name, project=project, etag=record.etag, reason="")

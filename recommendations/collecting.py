"""Repositories from GitHub become projects: by query and by name, then their details and last commits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Lower, Now
from pydantic import ValidationError

from engine import collecting
from engine.authors import author_hash
from engine.collectors import github, github_api, github_details
from engine.collectors.github import Found, Gone, Named
from engine.collectors.github_details import Commit, Details, Failed
from engine.gates import PROBE
from engine.gates import later as later_by_gate
from engine.http import Client, HttpError, Limited, Quiet, Refused
from engine.pipeline import Later, StageError
from engine.records import Page, Repository
from recommendations import importing, settling
from recommendations.models import NamedRepository, Project, ProjectActivity, ProjectCommit, RepositoryQuery
from recommendations.schemas import CollectedLine

logger = structlog.get_logger(__name__)

PIPELINE, SOURCE = "recommendations", "github"
AGAIN = timedelta(hours=1)  # after which details or commits are asked for that could not be had
LONGEST_PATH = 400  # characters
LOOKED_UP = "known:"  # a question of ours: whether projects that no query finds any more are still there
DAYS = 28  # in which each project is looked up once


# Whom we ask


@dataclass(frozen=True)
class GitHub:
    """rest; graph: None without a token; heavy: the same, but a fault is a reason to ask for less and not again."""

    rest: Client
    graph: Client | None
    heavy: Client | None


@contextmanager
def connected() -> Iterator[GitHub]:
    """GitHub as the settings name it. Turns what went wrong with it into what a stage says."""
    token = settings.GITHUB_ACCESS_TOKEN
    with ExitStack() as open_clients:

        def client(base: str, **facts: int) -> Client:
            made = collecting.client(
                base, limits=github_api.limits, pace=github_api.pace(token), headers=dict(github_api.HEADERS), **facts
            )
            made.credentials = github_api.credentials(token)
            return open_clients.enter_context(made)

        graphs = github_api.graphql_base(settings.GITHUB_GRAPHQL_URL)
        graph, heavy = (client(graphs), client(graphs, tries=1)) if token else (None, None)
        try:
            yield GitHub(client(settings.GITHUB_API_URL), graph, heavy)
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
            refused[repository.full_name] = reason_of(error)
        else:
            by_number[line.github_id or line.full_name.lower()] = line
    return list({line.full_name.lower(): line for line in by_number.values()}.values()), refused


def reason_of(error: ValidationError) -> str:
    """Which field is wrong and how, without what stands in it."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc']))[:60]}: {fault['msg']}"[:200]


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


# Details


def to_detail() -> QuerySet[Project]:
    """Projects that are new or were pushed to since their details were asked for, the best known first."""
    told = Project.objects.alias(moved=Coalesce("pushed_at", "created_at")).filter(moved__isnull=False, gone_at=None)
    fresh = Q(detailed_for=None) | Q(detailed_for__lt=F("moved")) | Q(detailed_for__gt=F("moved"))
    ripe = Q(details_after=None) | Q(details_after__lte=Now())
    return (
        told.filter(fresh, ripe)
        .exclude(github_id=None)
        .exclude(node_id="")
        .order_by(F("stars").desc(nulls_last=True), "pk")
    )


def details() -> Iterator[Counter[str]]:
    """As many as one answer holds at a time; each answer is kept at once."""
    with connected() as asked:
        yield from details_by_graph(asked.heavy) if asked.heavy else details_by_rest(asked.rest)
    if left := Project.objects.filter(details_after__gt=Now(), gone_at=None).count():
        yield Counter(failed=left)


def details_by_graph(graph: Client) -> Iterator[Counter[str]]:
    while ids := list(to_detail().values_list("node_id", flat=True)[: github_details.DETAILED]):
        for outcomes in github_details.details(graph, list(dict.fromkeys(ids)), datetime.now(UTC)):
            yield keep_details(outcomes)


@transaction.atomic
def keep_details(outcomes: Sequence[Details | Gone | Failed]) -> Counter[str]:
    """What failed is asked for later, and leaves what was known as it is."""
    told = [outcome for outcome in outcomes if isinstance(outcome, Details)]
    whole = [each for each in told if each.whole]
    gone = {outcome.node_id: outcome.reason for outcome in outcomes if isinstance(outcome, Gone)}
    failed = {outcome.node_id: outcome.reason for outcome in outcomes if isinstance(outcome, Failed)}
    for node_id, reason in failed.items():
        logger.warning("details_not_told", node=node_id, reason=reason)
    missed = list(failed)
    missed += [each.node_id for each in told if not each.whole]
    # GitHub may name a node otherwise than it was asked for; the row keeps the name that it is found by.
    counts = keep([replace(each.repository, node_id=each.node_id) for each in told])
    measure(whole)
    done(Project.objects.filter(node_id__in=[each.node_id for each in whole]))
    later(Project.objects.filter(node_id__in=missed))
    mark_gone(Project.objects.filter(node_id__in=list(gone)), " and ".join(sorted(set(gone.values()))))
    return Counter(detailed=len(whole), faults=len(missed), gone=len(gone), refused=counts["refused"])


def done(projects: QuerySet[Project]) -> None:
    """Their details are of their last push."""
    projects.update(detailed_for=Coalesce("pushed_at", "created_at"), details_after=None)


def later(projects: QuerySet[Project]) -> None:
    projects.update(details_after=Now() + AGAIN)


def measure(told: Sequence[Details]) -> None:
    """How alive they are, in place of what was measured before."""
    by_node = {each.node_id: each for each in told}
    projects = Project.objects.filter(node_id__in=by_node).values_list("pk", "node_id")
    rows = [
        ProjectActivity(
            project_id=pk,
            commits_month=by_node[node_id].commits_month,
            commits_year=by_node[node_id].commits_year,
            response_hours=by_node[node_id].response_hours,
            measured_at=datetime.now(UTC),
        )
        for pk, node_id in projects
    ]
    fields = ["commits_month", "commits_year", "response_hours", "measured_at"]
    ProjectActivity.objects.bulk_create(rows, update_conflicts=True, unique_fields=["project"], update_fields=fields)


def details_by_rest(rest: Client) -> Iterator[Counter[str]]:
    """Without a token: languages and README of one project after the other."""
    while project := to_detail().select_related("activity").first():
        activity = getattr(project, "activity", None)
        told: github_details.Rest | Gone | HttpError
        try:
            told = github_details.rest_details(rest, project.full_name, activity.validators if activity else {})
        except HttpError as error:
            told = passing(error)
        yield keep_rest(project, told)


@transaction.atomic
def keep_rest(project: Project, told: github_details.Rest | Gone | HttpError) -> Counter[str]:
    this = Project.objects.filter(pk=project.pk)
    if isinstance(told, HttpError):
        later(this)
        return Counter(faults=1)
    if isinstance(told, Gone):
        return Counter(gone=mark_gone(this, told.reason))
    keep(
        [
            Repository(
                project.full_name, project.github_id, project.node_id, languages=told.languages, readme=told.readme
            )
        ]
    )
    done(this)
    ProjectActivity.objects.update_or_create(project=project, defaults={"validators": told.validators})
    return Counter(detailed=1)


def passing(error: HttpError) -> HttpError:
    """A fault of one question. Raises it where it is one of all: a limit, or credentials that are refused."""
    if isinstance(error, Quiet | Limited) or (isinstance(error, Refused) and error.everything):
        raise error
    return error


# Commits


def to_follow() -> QuerySet[NamedRepository]:
    """Named repositories that were pushed to since their commits were asked for."""
    moved = Q(commits_for=None) | ~Q(commits_for=F("project__pushed_at"))
    ripe = Q(commits_after=None) | Q(commits_after__lte=Now())
    here = NamedRepository.objects.filter(
        on=True, commits__gt=0, project__gone_at=None, project__pushed_at__isnull=False
    )
    return here.filter(moved, ripe).select_related("project").defer("project__readme", "project__search").order_by("pk")


def commits() -> Iterator[Counter[str]]:
    """One at a time; what is here already is not asked for again."""
    with connected() as asked:
        while named := to_follow().first():
            try:
                yield from commits_of(asked.rest, named)
            except HttpError as error:
                reason = str(passing(error))[:200]
                NamedRepository.objects.filter(pk=named.pk).update(reason=reason, commits_after=Now() + AGAIN)
                yield Counter(faults=1)
    if left := NamedRepository.objects.filter(commits_after__gt=Now(), on=True).count():
        yield Counter(failed=left)


def commits_of(rest: Client, named: NamedRepository) -> Iterator[Counter[str]]:
    """Its last commits and its weeks; the row says that they are here when all of them are. Raises HttpError."""
    project = named.project
    assert project is not None
    name = project.full_name
    listed = listed_before(named) or github_details.last_commits(rest, name, named.commits, named.commits_etag)
    if isinstance(listed, Gone):
        yield Counter(gone=mark_gone(Project.objects.filter(pk=project.pk), listed.reason))
        return
    if listed.shas is not None:
        begun = {"push": str(project.pushed_at), "shas": listed.shas, "etag": listed.etag}
        NamedRepository.objects.filter(pk=named.pk).update(commits_listed=begun)
        known = set(project.commits.values_list("sha", flat=True))
        for sha in listed.shas:
            if sha not in known and (found := github_details.commit(rest, name, sha)):
                project.commits.bulk_create([row_of(project, found)], ignore_conflicts=True)
                yield Counter(commits=1)
        project.commits.exclude(sha__in=listed.shas).delete()
    if weeks := github_details.weekly(rest, name):
        ProjectActivity.objects.update_or_create(project=project, defaults={"weekly": weeks})
    asked = {"commits_for": project.pushed_at, "commits_etag": listed.etag, "commits_after": None, "reason": ""}
    NamedRepository.objects.filter(pk=named.pk).update(**asked, commits_listed=None)
    yield Counter(followed=1)


def listed_before(named: NamedRepository) -> github_details.Commits | None:
    """The list of this push that an interrupted claim was in the middle of."""
    kept = named.commits_listed
    if not kept or not named.project or kept["push"] != str(named.project.pushed_at):
        return None
    return github_details.Commits(kept["shas"][: named.commits], kept["etag"])


def row_of(project: Project, commit: Commit) -> ProjectCommit:
    return ProjectCommit(
        project=project,
        sha=commit.sha,
        committed_at=commit.committed_at,
        author_hash=author_hash(SOURCE, commit.author),
        files=[[path[:LONGEST_PATH], added, deleted] for path, added, deleted in commit.files],
        cut=commit.cut,
    )

"""What GitHub tells of one repository after the other: the details of each project, the commits of the named ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from engine.authors import author_hash
from engine.collectors import github_details
from engine.collectors.github import Gone
from engine.collectors.github_details import Commit, Details, Failed
from engine.http import Client, HttpError, Limited, Quiet, Refused
from engine.records import Repository
from recommendations.collecting import SOURCE, connected, keep, mark_gone
from recommendations.models import NamedRepository, Project, ProjectActivity, ProjectCommit

logger = structlog.get_logger(__name__)

AGAIN = timedelta(hours=1)  # after which is asked again for what could not be had
LONGEST_PATH = 400  # characters


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

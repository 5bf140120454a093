"""First issues: which projects to ask, what is kept of the answers, and a last look before somebody sees them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from engine import collecting
from engine.collectors.github_first_issues import AT_ONCE, Failed, FirstIssues, Found, Gone, Listed, Stands
from engine.gates import DatabaseGate
from engine.http import HttpError, Limited, Quiet
from engine.models import Allowance
from engine.pipeline import Later, Scope, StageError, Work
from recommendations.claims import Comment, claimed_at
from recommendations.collecting import SOURCE, graphql
from recommendations.first_labels import ASKED, invites, normalised
from recommendations.models import FirstIssue, FirstIssueCheck, Project
from recommendations.taking import readiness

logger = structlog.get_logger(__name__)

AGAIN = timedelta(hours=20)  # a project is asked once a day, and a bit more, so that what it offers stays shown
A_PASS = 2_000  # projects of one run of the stage; the others are due in the next
LIMITS = 3  # in a row, after which the run fails and is tried again later
DEADLINE = 3.0  # seconds for the look before a page is shown
PATIENCE = 1.0  # seconds that it waits for its turn at GitHub
A_MINUTE = 30  # such looks for all who look, so that nobody makes us hammer GitHub
KEPT = timedelta(days=30)
LOOKING = threading.Lock()  # one look a process at a time: the other threads go on serving


# Whom to ask


def due(before: datetime | None = None) -> QuerySet[Project]:
    """Projects that may have first issues and were not asked for a day, or since then, the longest unasked first."""
    asked = Q(first_issue_check=None) | Q(first_issue_check__asked_at__lte=before or Now() - AGAIN)
    may = Q(open_issues=None) | Q(open_issues__gt=0)
    found = Project.objects.offered().filter(asked, may).exclude(node_id="")
    return found.order_by(F("first_issue_check__asked_at").asc(nulls_first=True), "pk")


def waiting(scope: Scope) -> int:
    """How many projects the stage would ask now; none without a token, which GraphQL wants."""
    return due()[:A_PASS].count() if settings.GITHUB_ACCESS_TOKEN else 0


# The stage


def collect(scope: Scope) -> Work:
    """Ask the projects that are due, AT_ONCE in a question, and keep what they offer."""
    if not settings.GITHUB_ACCESS_TOKEN:
        return None
    with graphql(tries=2) as client:  # a fault may be that it is too much
        yield from ask_all(FirstIssues(client, ASKED), timezone.now() if scope.force else None)
    return None


def ask_all(github: FirstIssues, before: datetime | None) -> Iterator[Counter[str]]:
    """Raises Later when GitHub wants to be left alone, StageError when it does not answer."""
    for _ in range(0, A_PASS, AT_ONCE):
        projects = list(due(before).select_related("activity").defer("readme", "search")[:AT_ONCE])
        if not projects:
            return
        yield keep(projects, answers_of(github, [project.node_id for project in projects]))


def answers_of(github: FirstIssues, ids: Sequence[str]) -> Sequence[Listed | Gone | Failed]:
    for _ in range(LIMITS):
        try:
            return github.of(ids)
        except Limited:
            continue  # the gate knows for how long, and says so when it is asked again
        except Quiet as quiet:
            raise Later(quiet.until, str(quiet)) from None
        except HttpError as error:
            raise StageError(str(error)) from None
    raise StageError("GitHub limits us again and again")


@transaction.atomic
def keep(projects: Sequence[Project], answers: Sequence[Listed | Gone | Failed]) -> Counter[str]:
    """What was answered of those projects; what one no longer offers is closed."""
    now, checks, rows, whole = timezone.now(), [], [], []
    for project, answer in zip(projects, answers, strict=True):
        reason = answer.reason[:200] if isinstance(answer, Failed) else ""
        found = [issue for issue in answer.issues if invites(issue.labels)] if isinstance(answer, Listed) else []
        checks.append(FirstIssueCheck(project=project, asked_at=now, found=len(found), reason=reason))
        rows += [row_of(project, issue, now) for issue in found]
        if isinstance(answer, Gone) or (isinstance(answer, Listed) and answer.whole):
            whole.append(project)
    FirstIssueCheck.objects.bulk_create(
        checks, update_conflicts=True, unique_fields=["project"], update_fields=["asked_at", "found", "reason"]
    )
    upsert(rows)
    gone = FirstIssue.objects.filter(project__in=whole, state=FirstIssue.State.OPEN, checked_at__lt=now)
    closed = gone.update(state=FirstIssue.State.CLOSED, closed_at=now, checked_at=now, score=0)
    failed = sum(bool(check.reason) for check in checks)
    return Counter(asked=len(projects), failed=failed, found=len(rows), closed=closed)


def row_of(project: Project, issue: Found, now: datetime) -> FirstIssue:
    """An issue as it is kept."""
    row = FirstIssue(project=project, number=issue.number, **facts_of(issue), checked_at=now, asked_at=now)
    row.score = readiness(row.known, now).score
    return row


def facts_of(issue: Found) -> dict[str, object]:
    talk = [Comment(said.at, said.author, said.text, said.bot) for said in issue.talk]
    names = dict.fromkeys(normalised(label) for label in issue.labels)
    offered = issue.open and bool(invites(issue.labels))  # one that lost its label is offered no more
    return {
        "node_id": issue.node_id[:100],
        "title": issue.title[:300],
        "labels": [label[:100] for label in issue.labels],
        "names": [name for name in names if name],
        "state": FirstIssue.State.OPEN if offered else FirstIssue.State.CLOSED,
        "locked": issue.locked,
        "assignees": min(issue.assignees, 1000),
        "pulls": min(issue.pulls, 1000),
        "comments": min(issue.comments, 10**9),
        "claimed_at": claimed_at(talk),
        "author_association": issue.association[:30],
        "body": issue.body,
        "created_at": issue.created_at,
        "updated_at": issue.updated_at,
        "closed_at": issue.closed_at,
    }


WRITTEN = (
    "node_id", "title", "labels", "names", "state", "locked", "assignees", "pulls", "comments", "claimed_at",
    "author_association", "body", "created_at", "updated_at", "closed_at", "checked_at", "asked_at", "score",
)  # fmt: skip


def upsert(rows: Sequence[FirstIssue]) -> None:
    once = {(row.project_id, row.number): row for row in rows}
    FirstIssue.objects.bulk_create(
        [once[key] for key in sorted(once)],
        update_conflicts=True,
        unique_fields=["project", "number"],
        update_fields=list(WRITTEN),
    )


# The look before somebody sees them


def can_look() -> bool:
    """Whether GitHub may be asked for how they stand now: there is a token, and somebody switched the source on."""
    return bool(settings.GITHUB_ACCESS_TOKEN) and SOURCE in collecting.sources_on("recommendations")


def look(pks: Sequence[int]) -> list[FirstIssue]:
    """Those issues as they stand now, in their order: what is stale is asked for in one question, if there is time.

    Whatever goes wrong, they come as they are stored.
    """
    if can_look() and LOOKING.acquire(blocking=False):
        try:
            refresh(taken(pks))
        finally:
            LOOKING.release()
    by_id = FirstIssue.objects.with_project().in_bulk(list(pks))
    return [by_id[pk] for pk in pks if pk in by_id]


def taken(pks: Sequence[int]) -> list[FirstIssue]:
    """The stale ones among them, which are this process's to ask for: the next fifteen minutes nobody else does."""
    stale = FirstIssue.objects.offered().stale().filter(pk__in=pks)
    if not stale.exists() or Allowance.objects.take("first issues", 60)[0] > A_MINUTE:
        return []
    with transaction.atomic():
        mine = list(stale.order_by("pk").select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True))
        FirstIssue.objects.filter(pk__in=mine).update(asked_at=Now())
    return list(FirstIssue.objects.with_project().filter(pk__in=mine))


def refresh(rows: Sequence[FirstIssue]) -> None:
    """Ask how they stand, and keep it."""
    if not rows:
        return
    try:
        with graphql(deadline=DEADLINE, tries=1, gate=DatabaseGate(PATIENCE)) as client:
            answers = FirstIssues(client, ()).again([row.node_id for row in rows])
    except HttpError as error:
        logger.info("first_issues_not_looked_at", reason=str(error))
        return
    now = timezone.now()
    with transaction.atomic():
        for row, answer in zip(rows, answers, strict=True):
            stand(row, answer, now)
        FirstIssue.objects.bulk_update(rows, list(WRITTEN))


def stand(row: FirstIssue, answer: Stands | Gone | Failed, now: datetime) -> None:
    """Put an answer into its row; one that is gone is closed."""
    if isinstance(answer, Failed):
        return
    gone = {"state": FirstIssue.State.CLOSED, "closed_at": now}
    said = facts_of(answer.issue) if isinstance(answer, Stands) else gone
    for name, value in said.items():
        setattr(row, name, value)
    row.checked_at = now
    row.score = readiness(row.known, now).score


def prune(keep: int) -> int:
    """Delete those that nobody looked at for a month: closed ones, and those of projects that are asked no more."""
    return FirstIssue.objects.filter(checked_at__lt=Now() - KEPT).delete()[0]

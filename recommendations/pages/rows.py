"""What the lists of recommendations share: their rows, who may see them, and how long to wait for the model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import wraps

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from recommendations import acts
from recommendations.models import ProfileTechStack, Project, ProjectTechStack, Recommendation

LONGEST_PATH = 2_000
STACKS_SHOWN = 5  # of a project, for "not my stack"


class Request(HttpRequest):
    """A request of somebody signed in."""

    user: User
    htmx: HtmxDetails


Page = Callable[..., HttpResponse]


def signed_in(page: Page) -> Page:
    """Whoever is not signed in goes to sign in first; a fragment is never replaced by that page."""

    @wraps(page)
    def guarded(request: Request, **named: str) -> HttpResponse:
        if request.user.is_authenticated:
            return page(request, **named)
        return to_sign_in(request, request.get_full_path())

    return guarded


def to_sign_in(request: Request, back: str) -> HttpResponse:
    answer = redirect_to_login(back, resolve_url("account_login"))
    return HttpResponseClientRedirect(answer.url) if request.htmx else answer


def own_path(given: str) -> str:
    """The path to go back to, if it is one of ours; otherwise the list for them."""
    path = given.startswith("/") and len(given) <= LONGEST_PATH  # `redirect` takes a bare word for a page's name
    ours = path and url_has_allowed_host_and_scheme(given, allowed_hosts=None)
    return given if ours else resolve_url("for_you")


@dataclass(frozen=True)
class Line:
    """A row of a list as it is drawn.

    done: what they did with the project; stacks: (id, name), which they may say are not theirs.
    """

    row: Recommendation
    done: Collection[str]
    stacks: Sequence[tuple[int, str]]

    @property
    def project(self) -> Project:
        return self.row.project


def lines_of(user: User, rows: Sequence[Recommendation]) -> list[Line]:
    """The rows with what their buttons need, by one query for the acts and one for the stacks."""
    ids = [row.project_id for row in rows]
    done, stacks = acts.done(user, ids), foreign_stacks(user, ids)
    return [Line(row, done.get(row.project_id, ()), stacks.get(row.project_id, ())) for row in rows]


def foreign_stacks(user: User, projects: Collection[int]) -> dict[int, list[tuple[int, str]]]:
    """The few stacks that each project is most surely made with and that they did not name, as (id, name).

    What they named they take back on their profile: refused here by mistake, no undo could tell that it was theirs.
    """
    named = ProfileTechStack.objects.filter(profile=user.pk, applies=True)
    links = ProjectTechStack.objects.filter(project__in=projects, applies=True).exclude(stack__in=named.values("stack"))
    found: dict[int, list[tuple[int, str]]] = {}
    sure = links.order_by("-confidence", "stack__name").values_list("project_id", "stack_id", "stack__name")
    for project, stack, name in sure:
        found.setdefault(project, []).append((stack, name))
    return {project: stacks[:STACKS_SHOWN] for project, stacks in found.items()}

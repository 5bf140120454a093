"""What was understood of a person's messages, on their profile: what each fact counts for, and theirs to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST

from engine.pages import number
from recommendations import facts, spoken
from recommendations.models import Fact, Profile
from recommendations.pages.rows import Request, own_path, to_sign_in

A_PAGE = 10
State = Fact.State
KINDS = {"stack": "Tech stack", "category": "Category", "project": "Project", "interest": "Interest"}
# what a button says -> the state that it leads to
VERBS = {"mute": State.MUTED, "unmute": State.HEARD, "pin": State.PINNED, "unpin": State.HEARD, "delete": State.DELETED}
UNDO = {State.HEARD: "unmute", State.MUTED: "mute", State.PINNED: "pin"}


@dataclass(frozen=True)
class Line:
    """A fact as the page shows it. counts: what for, in words. undo: what brings it back, once it is deleted."""

    fact: Fact
    counts: str
    undo: str = ""

    @property
    def kind(self) -> str:
        return KINDS[facts.subject(self.fact)[0]]

    @property
    def name(self) -> str:
        return facts.subject(self.fact)[1]

    @property
    def sentence(self) -> str:
        return spoken.quoted(self.fact.sentence, len(self.fact.sentence))


@dataclass(frozen=True)
class Known:
    """What else decides what a fact counts for. own, refused: terms; speaking: messages that count by meaning."""

    own: set[tuple[str, int]]
    refused: set[tuple[str, int]]
    speaking: set[int]

    def counts(self, fact: Fact) -> str:
        """What a fact counts for, in words."""
        kind, term = facts.subject(fact)[0], (facts.subject(fact)[0], fact.stack_id or fact.category_id or 0)
        if fact.state == State.MUTED:
            return "Muted: counts for nothing"
        if term in self.refused:
            return "You said that it is not yours: counts for nothing"
        if fact.state == State.PINNED:
            return "Pinned: counts like a like" if kind == "project" else "Pinned: counts as if you had said it here"
        if term in self.own:
            return "You say it here too: counts in full"
        return ", and ".join(filter(None, [self.by_name(fact, kind), self.by_meaning(fact)])) or NOTHING[kind]

    def by_name(self, fact: Fact, kind: str) -> str:
        return f"Counts {fact.confidence:.0%} of what you say here" if kind in ("stack", "category") else ""

    def by_meaning(self, fact: Fact) -> str:
        words = "the meaning of these words counts"
        return "" if fact.message_id not in self.speaking else words if fact.stack_id or fact.category_id else MEANING


MEANING = "The meaning of these words counts"
NOTHING = {
    "project": "Counts for nothing: that you named it does not say that you like it",
    "interest": "Counts for nothing yet",
}


Link = tuple[str, int, bool]  # stack or category, its id, whether it applies


def links_of(user: User) -> list[Link]:
    profile = Profile(user=user)
    return [
        *(("stack", pk, applies) for pk, applies in profile.stack_links.values_list("stack", "applies")),
        *(("category", pk, applies) for pk, applies in profile.category_links.values_list("category", "applies")),
    ]


def known_of(user: User, links: Sequence[Link]) -> Known:
    heard = spoken.heard_by(np.array([user.pk], dtype=np.int64)).get(user.pk, spoken.Heard())
    own, refused = ({(kind, pk) for kind, pk, applies in links if applies is wanted} for wanted in (True, False))
    return Known(own, refused, set(heard.messages))


@dataclass(frozen=True)
class Told:
    """A page of the facts; gone: the one just deleted."""

    page: Page[Fact]
    lines: Sequence[Line]
    gone: Line | None


def told_by(user: User, links: Sequence[Link], page: str | None, gone: str | None) -> Told:
    """gone: "<fact>-<what brings it back>", of the fact deleted just now."""
    pages = Paginator(list(facts.shown(user)), A_PAGE)
    shown = pages.get_page(page)
    known = known_of(user, links) if pages.count else Known(set(), set(), set())
    return Told(shown, [Line(fact, known.counts(fact)) for fact in shown], line_gone(user, gone or ""))


def line_gone(user: User, gone: str) -> Line | None:
    pk, _, undo = gone.partition("-")
    if not pk or undo not in UNDO.values():
        return None
    deleted = Fact.objects.filter(user=user, state=State.DELETED).select_related("stack", "category", "project")
    fact = deleted.filter(pk=number(pk)).first()
    return Line(fact, "", undo) if fact else None


@require_POST
def act(request: Request) -> HttpResponse:
    """Mute, pin or delete a fact of one's own; committed before the answer."""
    back = own_path(request.POST.get("next", ""))
    if not request.user.is_authenticated:
        return to_sign_in(request, back)
    verb = request.POST.get("do", "")
    if verb not in VERBS:
        raise BadRequest(f"Allowed: {', '.join(VERBS)}.")
    before = Fact.objects.filter(user=request.user, pk=number(request.POST.get("fact"))).first()
    fact = facts.decide(request.user, before.pk, VERBS[verb]) if before else None
    if before is None or fact is None:
        raise Http404
    undo = UNDO.get(State(before.state), "unmute") if verb == "delete" else ""
    if not request.htmx:
        return redirect(f"{back.partition('?')[0]}?gone={fact.pk}-{undo}#heard" if undo else f"{back}#heard")
    line = Line(fact, "" if undo else known_of(request.user, links_of(request.user)).counts(fact), undo)
    answer = render(request, "recommendations/_heard_row.html", {"line": line, "next": back})
    patch_vary_headers(answer, ["HX-Request"])
    return answer

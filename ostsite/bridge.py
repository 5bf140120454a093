"""Problems beside projects: what needs both apps, composed here. Each finds it by the settings' SLOTS.

A problem is compared with the catalogue that the process serves, by ostsite/matching.py; nothing is stored.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import CharField, F, Func, Max, QuerySet, TextField, Value, Window
from django.db.models.functions import Left, RowNumber
from django.urls import reverse

from engine.recent import Recent
from engine.text import joined
from engine.vectors import Matrix
from issues.models import Assignment, Issue, IssueEmbedding
from issues.models.clustering import LIVE
from issues.pages.rows import READ, shown
from ostsite import matching
from ostsite.matching import Index, Match, Post, Problem
from recommendations import holding, scoring
from recommendations.catalogue import Terms
from recommendations.holding import Served
from recommendations.models import Project
from recommendations.models.taxonomy import load_taxonomy
from recommendations.people import block_of_people
from recommendations.taxonomy import Placement, Taxonomy

SHOWN = 5
ABOUT = 2  # projects that a problem is about
SPEAK = 10  # posts that speak for a problem, of the newest days
TITLE = Left("item__title", 300)
BEGINNING = 300  # characters of a post in which a project may be named
COMPARED = 2_000  # problems, those seen last, of which a project's are chosen
NEAREST = 40  # of them, whose words are read
RISING = 100  # problems of which a person's are chosen
THEIRS = 0.3  # cosine of a problem with what somebody cares for
SHARED = 0.1  # what a term in common adds


@dataclass(frozen=True)
class Solver:
    """A project beside a problem. about: the posts are about it; otherwise it could solve the problem."""

    project: Project
    alike: float
    why: str
    about: bool = False

    @property
    def name(self) -> str:
        return self.project.full_name

    @property
    def href(self) -> str:
        return self.project.get_absolute_url()


@dataclass(frozen=True)
class Hurt:
    """A problem beside a project or a person. posts: of its last day; why: what leads to it, or ""."""

    issue: Issue
    posts: int
    why: str = ""

    @property
    def title(self) -> str:
        return shown(self.issue.title, READ)

    @property
    def href(self) -> str:
        return reverse("issue", args=[self.issue.pk])


@dataclass(frozen=True)
class Growing:
    """What grows today. theirs: in the areas of whoever looks, and not only anywhere."""

    problems: Sequence[Hurt]
    theirs: bool


# The words of the projects, beside the catalogue that is served


@dataclass(frozen=True)
class Shelf:
    """The served catalogue with its words. known: whom a name in lower case means."""

    served: Served
    index: Index
    known: Mapping[str, int]
    taxonomy: Taxonomy

    def matches(self, problems: Sequence[Problem]) -> list[Match]:
        catalogue = self.served.loaded.catalogue
        return matching.matches(problems, catalogue.vectors, self.index, catalogue.stars)

    def terms(self, text: str) -> Placement:
        """The categories and stacks that a text names."""
        return self.taxonomy.place(full_name="/", description=text, language="", topics=(), languages={}, readme="")


class Keeper:
    """The one shelf of this process. Nobody waits for it: meanwhile an older one goes on serving, or none."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self.held: Shelf | None = None

    def get(self) -> Shelf | None:
        served = holding.catalogue()
        held = self.held
        if served is None or (held and held.served is served):
            return held if served else None
        if settings.SERVES_PAGES:
            if self._making.acquire(blocking=False):
                threading.Thread(target=self._make_aside, args=[served], name="words", daemon=True).start()
            return held
        with self._making:
            if self.held is None or self.held.served is not served:  # nobody was faster
                self.held = shelf_of(served)
            return self.held

    def _make_aside(self, served: Served) -> None:
        try:
            self.held = shelf_of(served)
        finally:
            connection.close()  # it was this thread's own
            self._making.release()


KEEPER = Keeper()


def shelf_of(served: Served) -> Shelf:
    loaded = served.loaded
    rows = Project.objects.order_by("pk").values_list("pk", words_in(own_words()))
    said = dict(rows.iterator(chunk_size=5_000))
    index = Index.of([said.get(pk) or () for pk in loaded.catalogue.ids.tolist()])
    return Shelf(served, index, matching.names_of(loaded.names, loaded.catalogue.stars), load_taxonomy())


def own_words() -> Func:
    """What the keyword search looks in, the README left out."""
    return Func(F("search"), Value("{a,b}"), function="ts_filter", template='%(function)s(%(expressions)s::"char"[])')


def words_in(vector: Any) -> Func:
    """The different stems of a search vector."""
    return Func(vector, function="tsvector_to_array", output_field=ArrayField(TextField()))


def words_of(text: Any) -> Func:
    english = Value("english", output_field=CharField())
    vector = Func(english, text, function="to_tsvector", template="%(function)s(%(expressions)s)")
    return words_in(vector)


# Problems, as projects are compared with them


def problems_of(ids: Sequence[int], served: Served) -> list[Problem]:
    """Those of the issues that have a vector, in the order of the ids, by two queries."""
    rows = IssueEmbedding.objects.filter(subject__in=ids, model=served.model, vector__isnull=False).values_list(
        "subject", "subject__title", "subject__description", "vector",
        words_of(F("subject__title")), words_of(Left("subject__description", READ)),
    )  # fmt: skip
    found = {row[0]: row for row in rows}
    posts = posts_of(list(found))
    return [problem_of(found[pk], posts.get(pk, ()), served) for pk in ids if pk in found]


def problem_of(row: Sequence[Any], posts: Sequence[Post], served: Served) -> Problem:
    pk, title, description, vector, *words = row
    plain = np.asarray(vector, dtype=np.float32)[None, :]
    (centred,) = scoring.centred(scoring.unit(plain), served.loaded.catalogue.centre)
    text = "\n".join([title, description, *(post.title for post in posts)])
    return Problem(pk, centred, text, words, posts)


def posts_of(ids: Sequence[int]) -> dict[int, list[Post]]:
    """The posts that speak for each, the newest days first."""
    newest = Window(
        RowNumber(), partition_by=F("issue"), order_by=[F("clustering__day").desc(), F("exemplar"), F("pk")]
    )
    live = Assignment.objects.filter(LIVE, issue__in=ids, exemplar__isnull=False).annotate(place=newest)
    rows = live.filter(place__lte=SPEAK).values_list(
        "issue", "item__url", TITLE, Left("item__said", BEGINNING), words_of(TITLE)
    )
    found: dict[int, list[Post]] = {}
    for pk, *post in rows:
        found.setdefault(pk, []).append(Post(*post))
    return found


# What could solve a problem


@dataclass(frozen=True)
class Pick:
    """A project chosen for a problem, and what both have in common.

    share: of their words, a cosine; words: stems, what tells most first. named: how many of the posts that speak for
    the problem name the project, 0 unless it is about it.
    """

    project: int
    alike: float
    share: float
    words: Sequence[str]
    categories: Sequence[str]
    stacks: Sequence[str]
    named: int
    posts: int

    @property
    def telling(self) -> bool:
        """Whether more than one thing is in common, or a word that says enough."""
        return len([*self.words, *self.categories, *self.stacks]) > 1 or self.share >= matching.ALONE

    def why(self, project: Project) -> str:
        """In words; those in common as the project writes them."""
        if self.named:
            return f"{self.named} of the {self.posts} posts that speak for it name this project."
        written = "\n".join([shown(project.description, READ), " ".join(project.topics), project.name])
        words = [f"“{word}”" for word in matching.as_written(self.words, written, 3)]
        told = [
            f"Speaks of {joined(words)}, as the posts do." if words else "",
            f"Serves {joined(list(self.categories))}." if self.categories else "",
            f"Made with {joined(list(self.stacks))}, which the posts name." if self.stacks else "",
        ]
        return " ".join(filter(None, told)) or "Close in meaning to what the posts say."


PICKED: Recent[tuple[Any, ...], list[Pick]] = Recent(5_000)


def solvers(ids: Sequence[int]) -> dict[int, list[Solver]]:
    """Of each issue the few projects that it is about or that could solve it; five queries at most in all."""
    shelf = KEEPER.get() if ids else None
    if shelf is None:
        return {}
    chosen = picked(ids, shelf)
    projects = Project.objects.offered().lean().in_bulk({pick.project for picks in chosen.values() for pick in picks})
    return {pk: [solver(pick, projects) for pick in picks if pick.project in projects] for pk, picks in chosen.items()}


def solver(pick: Pick, projects: Mapping[int, Project]) -> Solver:
    project = projects[pick.project]
    return Solver(project, pick.alike, pick.why(project), about=bool(pick.named))


def picked(ids: Sequence[int], shelf: Shelf) -> dict[int, list[Pick]]:
    """Chosen once for what an issue says and the day it was seen last, and for a catalogue."""
    keys = keys_of(ids, shelf.served)
    held = {pk: PICKED.get(key) for pk, key in keys.items()}
    missing = problems_of([pk for pk, picks in held.items() if picks is None], shelf.served)
    for problem, match in zip(missing, shelf.matches(missing), strict=True):
        held[problem.id] = picks = choice(problem, match, shelf)
        PICKED.put(keys[problem.id], picks)
    return {pk: picks for pk, picks in held.items() if picks}


def keys_of(ids: Sequence[int], served: Served) -> dict[int, tuple[Any, ...]]:
    rows = IssueEmbedding.objects.filter(subject__in=ids, model=served.model, vector__isnull=False)
    found = rows.values_list("subject", "text_hash", "vector_hash", "subject__last_seen")
    return {row[0]: (*row, served.generation.pk, served.held_since) for row in found}


def choice(problem: Problem, match: Match, shelf: Shelf) -> list[Pick]:
    """First what the problem is about, the most named first; then what could solve it, of copies the best."""
    loaded = shelf.served.loaded
    said = shelf.terms(problem.text)
    named = matching.named(problem, shelf.known, match.meaning)
    about = sorted((at for at in named if loaded.catalogue.served[at]), key=lambda at: (-named[at], at))[:ABOUT]
    solve: dict[str, Pick] = {}
    for at in match.best(loaded.catalogue.served, loaded.catalogue.ids, 3 * SHOWN):
        name = loaded.names[at].rpartition("/")[2].lower()  # copies of a project share it
        if at not in named and name not in solve and len(solve) < SHOWN:
            found = pick(at, problem, match, said, shelf)
            if found.telling:
                solve[name] = found
    return [*(pick(at, problem, match, said, shelf, named[at]) for at in about), *solve.values()]


def pick(at: int, problem: Problem, match: Match, said: Placement, shelf: Shelf, named: int = 0) -> Pick:
    """The project at that position. said: what the problem names."""
    loaded = shelf.served.loaded
    return Pick(
        project=int(loaded.catalogue.ids[at]),
        alike=float(match.total[at]),
        share=float(match.words[at]),
        words=shelf.index.common(problem.weights, at),
        categories=names_in(loaded.categories, loaded.catalogue.categories[at], said.categories),
        stacks=names_in(loaded.stacks, loaded.catalogue.stacks[at], said.stacks),
        named=named,
        posts=len(problem.posts),
    )


def names_in(terms: Terms, row: Matrix, said: Mapping[int, float]) -> list[str]:
    """The names of the terms of a row that are said. (t,)."""
    (names,) = terms.common(np.isin(terms.ids, list(said)).astype(np.float32), row[None, :])
    return names


# The problems of a project's area


def problems(project: Project) -> list[Hurt]:
    """The present problems that this project could solve, best first."""
    shelf = KEEPER.get()
    places = shelf.served.loaded.catalogue.positions([project.pk]).tolist() if shelf else []
    if shelf is None or not places:
        return []
    (at,) = places
    near = problems_of(nearest(at, shelf.served), shelf.served)
    found = {
        problem.id: pick(at, problem, match, shelf.terms(problem.text), shelf)
        for problem, match in zip(near, shelf.matches(near), strict=True)
        if match.fit[at]
    }
    best = sorted((pk for pk in found if found[pk].telling), key=lambda pk: (-found[pk].alike, pk))[:SHOWN]
    issues = counted(Issue.objects.visible()).in_bulk(best)
    return [hurt(issues[pk], found[pk].why(project)) for pk in best if pk in issues]


def hurt(issue: Issue, why: str = "") -> Hurt:
    return Hurt(issue, issue.posts, why)  # type: ignore[attr-defined]  # counted() gives it


def nearest(at: int, served: Served) -> list[int]:
    """The issues nearest in meaning to a project, among those seen last."""
    seen = Issue.objects.visible().order_by("-last_seen", "-pk").values_list("pk", flat=True)
    ids = np.sort(np.array(seen[:COMPARED], dtype=np.int64))
    if not len(ids):
        return []
    vectors = IssueEmbedding.objects.vectors_of(served.model, ids)
    catalogue = served.loaded.catalogue
    cosines = scoring.centred(vectors, catalogue.centre) @ catalogue.vectors[at]
    return [int(pk) for pk in ids[np.lexsort((-ids, -cosines))][:NEAREST]]


def counted(issues: QuerySet[Issue]) -> QuerySet[Issue]:
    """Each with `posts`, how many its last day brought."""
    return issues.defer("search").filter(days__day=F("last_seen")).annotate(posts=Max("days__items"))


# What grows


def growing(user: User | None) -> Growing:
    """Today's growing problems: in the areas of somebody signed in, where there are any there."""
    states = (Issue.State.GROWING, Issue.State.NEW)
    order = ("state", "-posts", "pk")  # "growing" stands before "new"
    rising = list(counted(Issue.objects.visible().filter(state__in=states)).order_by(*order)[:RISING])
    theirs = [] if user is None else in_areas_of(user, rising)
    if theirs:
        return Growing(theirs[:SHOWN], theirs=True)
    return Growing([hurt(issue) for issue in rising[:SHOWN]], theirs=False)


def in_areas_of(user: User, issues: Sequence[Issue]) -> list[Hurt]:
    """Those of the issues that have to do with what somebody said or did, the nearest first."""
    shelf = KEEPER.get() if issues else None
    if shelf is None:
        return []
    served, loaded = shelf.served, shelf.served.loaded
    (person,) = block_of_people(loaded, served.model, np.array([user.pk], dtype=np.int64), {user.pk: user.username})
    ids = np.array([issue.pk for issue in issues], dtype=np.int64)
    vectors = IssueEmbedding.objects.vectors_of(served.model, np.sort(ids))
    plain = vectors[np.searchsorted(np.sort(ids), ids)]
    meaning = scoring.semantic(scoring.centred(plain, loaded.catalogue.centre), person.taste(loaded.catalogue))
    found = []
    for issue, near in zip(issues, meaning.tolist(), strict=True):
        said = shelf.terms(f"{issue.title}\n{issue.description}")
        stacks = names_in(loaded.stacks, person.stacks, said.stacks)
        categories = names_in(loaded.categories, person.categories, said.categories)
        if near >= THEIRS or stacks or categories:
            fit = near + SHARED * (len(stacks) + len(categories))
            found.append((fit, hurt(issue, why_theirs(stacks, categories))))
    return [each for _, each in sorted(found, key=lambda pair: (-pair[0], pair[1].issue.pk))]


def why_theirs(stacks: list[str], categories: list[str]) -> str:
    if stacks or categories:
        return f"About {joined([*stacks, *categories])}."
    return "Close to what you like."


# What an operator promotes


def subjects(kind: str, ids: Sequence[int]) -> dict[int, tuple[int, str, str]]:
    """By id: the id, title and address of what only this site knows by that kind, a problem."""
    rows = Issue.objects.visible().filter(pk__in=ids) if kind == "issue" else ()
    return {issue.pk: (issue.pk, shown(issue.title, READ), reverse("issue", args=[issue.pk])) for issue in rows}


def subjects_named(kind: str, words: str) -> list[tuple[int, str, str]]:
    """The newest problems whose title holds those words, five at most."""
    if kind != "issue":
        return []
    ids = Issue.objects.visible().filter(title__icontains=words).order_by("-pk").values_list("pk", flat=True)[:5]
    return list(subjects(kind, list(ids)).values())

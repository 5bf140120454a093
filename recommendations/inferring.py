"""What may be read off a person's words and acts. It counts for nothing until they say that it is right."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, QuerySet, Value

from recommendations.models import Category, Interaction, Profile, ProjectCategory, ProjectTechStack, TechStack
from recommendations.models.taxonomy import entries
from recommendations.taxonomy import NAME, TOPIC, Placement, Taxonomy, tokens

SHOWN = 8  # suggestions of each kind
LEAST_PROJECTS = 2  # one project made with something is a chance
LEAST_SHARE = 0.1  # of the projects that somebody cares for
IMPLIED = 0.8  # how far "Django" is believed to mean Python, of how far "Django" itself is
SENTENCES = 200  # of a bio: more are not read

# Whoever names one of these works in that language.
LANGUAGE_OF = {
    "Python": ("Django", "Flask", "FastAPI", "TensorFlow", "PyTorch"),
    "JavaScript": ("React", "Vue.js", "Angular", "Node.js", "Express", "Next.js", "Nest.js"),
    "Dart": ("Flutter",),
}
LINKS = ((ProjectTechStack, "stack"), (ProjectCategory, "category"))
LANGUAGES = {tool: language for language, tools in LANGUAGE_OF.items() for tool in tools}

Term = Category | TechStack
Liked = QuerySet[Any, int]


@dataclass
class Suggestion:
    """A category or stack that may be theirs. confidence: in (0, 1], of the surest reason."""

    term: Term
    confidence: float = 0.0
    reasons: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return kind_of(self.term)

    def add(self, confidence: float, reason: str) -> None:
        self.confidence = max(self.confidence, confidence)
        if reason not in self.reasons:
            self.reasons.append(reason)


@dataclass(frozen=True)
class Statement:
    """A few words of a person, and where they stand."""

    text: str
    where: str


def kind_of(term: Term) -> str:
    return "category" if isinstance(term, Category) else "stack"


def suggestions(
    profile: Profile, categories: QuerySet[Category], stacks: QuerySet[TechStack], settled: Collection[Term]
) -> list[Suggestion]:
    """What may be theirs and is not settled yet, stacks first, the surest of each kind first.

    categories, stacks: all of them; they are read once. settled: what they said, or refused.
    """
    found = Found(categories, stacks)
    read_words(found, profile)
    read_taste(found, profile.user_id)
    return surest(found.stacks.values(), settled) + surest(found.categories.values(), settled)


def surest(found: Iterable[Suggestion], settled: Collection[Term]) -> list[Suggestion]:
    unsettled = [each for each in found if each.reasons and each.term not in settled]
    return sorted(unsettled, key=lambda each: (-each.confidence, each.term.name))[:SHOWN]


class Found:
    """The suggestions so far, one a term, with the taxonomy that terms are found by."""

    def __init__(self, categories: QuerySet[Category], stacks: QuerySet[TechStack]) -> None:
        self.taxonomy = Taxonomy(entries(categories), entries(stacks))
        self.categories = {term.pk: Suggestion(term) for term in categories}
        self.stacks = {term.pk: Suggestion(term) for term in stacks}
        names = sorted((re.escape(term.name) for term in stacks if len(term.name) > 2), key=len, reverse=True)
        self._written = re.compile(rf"(?<!\w)({'|'.join(names) or '(?!)'})(?!\w)")

    def placed(self, said: Statement) -> Placement:
        """What one statement names.

        An interest counts like a topic, and may be another name of a stack or category. A stack's name written as
        its own, Rust and not rust, is believed of a person, though of a project it might be the game.
        """
        label = said.where == "your interests"
        topics = ["-".join(said.text.lower().split())] if label else []
        sure = self.taxonomy.place(
            full_name="", description=said.text, language="", topics=topics, languages={}, readme=""
        )
        stack, category = (self.taxonomy.stack(said.text), self.taxonomy.category(said.text)) if label else (None, None)
        written = {self.taxonomy.stack(name): NAME for name in self._written.findall(said.text)}
        return Placement(
            categories=sure.categories | ({category: TOPIC} if category else {}),
            stacks={pk: each for pk, each in written.items() if pk} | sure.stacks | ({stack: TOPIC} if stack else {}),
        )


# Words


def read_words(found: Found, profile: Profile) -> None:
    """Add what the words of a person name."""
    languages = {each.term.name: each for each in found.stacks.values()}
    for said in statements(profile):
        placed = found.placed(said)
        for known, sure in ((found.stacks, placed.stacks), (found.categories, placed.categories)):
            for pk, confidence in sure.items():
                known[pk].add(confidence, f"“{word_of(known[pk].term, said.text)}” in {said.where}")
        for pk, confidence in placed.stacks.items():
            tool = found.stacks[pk].term
            language = languages.get(LANGUAGES.get(tool.name, ""))
            if language:
                reason = f"“{word_of(tool, said.text)}” in {said.where}: with {tool.name} goes {language.term.name}"
                language.add(IMPLIED * confidence, reason)


def statements(profile: Profile) -> list[Statement]:
    """What a person says of themselves in pieces short enough that no word of it stands late."""
    sentences = (part.strip() for part in re.split(r"(?<=[.!?;])\s+|[\r\n]+", profile.bio))
    return [
        *[Statement(profile.job_title, "your job title")][: bool(profile.job_title)],
        *[Statement(part, "your bio") for part in sentences if part][:SENTENCES],
        *[Statement(interest, "your interests") for interest in profile.interests],
    ]


def word_of(term: Term, text: str) -> str:
    """The longest word or phrase of a text that speaks for a term."""
    said = f" {' '.join(tokens(text))} "
    phrases = (" ".join(tokens(phrase)) for phrase in (term.name, *term.aliases, *term.words, *term.topics))
    return max((phrase for phrase in phrases if phrase and f" {phrase} " in said), key=len, default=term.name)


# Taste


def read_taste(found: Found, user: int) -> None:
    """Add what the projects have in common that somebody starred, liked or saved and did not hide."""
    liked = liked_by(user)
    total = liked.count()
    made, about = (frequent(links, name, liked, total) for links, name in LINKS)
    for name, pk, count in made.union(about, all=True):
        known, verb = (found.stacks, "made with") if name == "stack" else (found.categories, "about")
        if pk in known:  # not so, when the term was made since
            known[pk].add(count / total, f"{count} of the {total} projects you care for are {verb} {known[pk].term}")


def liked_by(user: int) -> Liked:
    """The ids of those projects, each once."""
    acts = Interaction.objects.filter(user=user)
    hidden = acts.filter(kind=Interaction.Kind.DISMISS).values("project")
    liked = acts.filter(kind__in=Interaction.TASTE).exclude(project__in=hidden)
    return liked.order_by().values_list("project", flat=True).distinct()


def frequent(
    links: type[ProjectTechStack | ProjectCategory], name: str, liked: Liked, total: int
) -> QuerySet[Any, Any]:
    """The terms of enough of those projects: the name of their kind, their id, of how many."""
    rows = links._default_manager.filter(project__in=liked, applies=True).values_list(Value(name), name)
    return rows.annotate(count=Count("project")).filter(count__gte=max(LEAST_PROJECTS, math.ceil(LEAST_SHARE * total)))

"""The text of a project or of a profile that its vector is made of. It holds meaning only: no counts, no dates."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.text import clip, joined, squeeze

VERSION = "1"  # raise it when the text of a project changes: every project is then described anew
README = 1_000  # characters of a README that are read


def project_text(facts: Mapping[str, Any]) -> str:
    """Name in words, description, topics, language, the README's beginning. Never empty: a project has a name.

    Categories and stacks are left out: they are drawn from the same facts, and a changed rule would embed anew.
    """
    _, name = facts["full_name"].split("/", 1)
    parts = [
        words_of(name),
        squeeze(facts["description"]),
        ", ".join(topic.replace("-", " ") for topic in facts["topics"]),
        facts["language"],
        clip(squeeze(facts["readme"]), README),
    ]
    return ". ".join(part.rstrip(".") or part for part in parts if part)


def words_of(name: str) -> str:
    """A repository's name as words: "build-your-own-x" -> "build your own x"."""
    return squeeze(re.sub(r"[-_.]+", " ", name)) or name


def profile_text(
    *, job_title: str, bio: str, interests: Sequence[str], stacks: Sequence[str], categories: Sequence[str]
) -> str:
    """What a person says of themselves; "" when they say nothing.

    Stacks and categories have components of their own; they are the text only where there is no other.
    """
    own = [squeeze(job_title), squeeze(bio), ", ".join(squeeze(interest) for interest in interests)]
    parts = own if any(own) else [joined(sorted(stacks)), joined(sorted(categories))]
    return ". ".join(part.rstrip(".") for part in parts if part)


def starred_text(facts: Mapping[str, Any]) -> str:
    """The text of embed_star: full name, description, language, stars, owner.

    Stars are no fact of meaning: the text is made anew when another fact changes, not with every star.
    """
    owner, _ = facts["full_name"].split("/", 1)
    lines = [
        f"Repository: {facts['full_name']}",
        f"Description: {squeeze(facts['description'])}" if facts["description"] else "",
        f"Language: {facts['language']}" if facts["language"] else "",
        f"Stars: {facts['stars'] or 0}",
        f"Owner: {owner}",
    ]
    return "\n".join(filter(None, lines))


BUILDERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "meaning": project_text,
    "embed_star": starred_text,
}

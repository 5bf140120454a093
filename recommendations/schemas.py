"""What a line of an import file must look like. Unknown keys are ignored; an absent value is None."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from engine.schemas import Count, Line, Moment, text

FULL_NAME = r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}$"
USERNAME = r"^[\w.@+-]{1,150}$"
TERMS_AT_MOST = 100


def first_few(values: list[str]) -> list[str]:
    """Each once, in order, no more than are kept."""
    return list(dict.fromkeys(value.strip() for value in values if value.strip()))[:TERMS_AT_MOST]


def largest_few(sizes: dict[str, int]) -> dict[str, int]:
    """No more than are kept, the largest."""
    return (
        dict(sorted(sizes.items(), key=lambda item: -item[1])[:TERMS_AT_MOST]) if len(sizes) > TERMS_AT_MOST else sizes
    )


Bytes = Annotated[int, Field(ge=0, le=2**53)]
Term = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=100)]
Terms = Annotated[list[Term], AfterValidator(first_few)]


def no_path(value: str) -> str:
    """GitHub has no repository . or ..: an address with one would lead elsewhere."""
    if value.partition("/")[2] in (".", ".."):
        raise ValueError("a repository is not named . or ..")
    return value


FullName = Annotated[str, StringConstraints(pattern=FULL_NAME), AfterValidator(no_path)]


# `text` makes a type when it is called: pydantic reads it, and mypy does not, hence the ignores.
class ProjectLine(Line):
    full_name: FullName
    description: text(4_000) | None = None  # type: ignore[valid-type]
    language: text(60) | None = None  # type: ignore[valid-type]
    languages: Annotated[dict[Term, Bytes], AfterValidator(largest_few)] | None = None
    topics: Terms | None = None
    readme: text(10_000) | None = None  # type: ignore[valid-type]
    stars: Count | None = None
    forks: Count | None = None
    watchers: Count | None = None
    open_issues: Count | None = None
    license: text(100) | None = None  # type: ignore[valid-type]
    homepage: text(2_048) | None = None  # type: ignore[valid-type]
    fork: bool | None = None
    archived: bool | None = None
    disabled: bool | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
    pushed_at: Moment | None = None


class CollectedLine(ProjectLine):
    """What a source that knows repositories by numbers tells of one."""

    github_id: Annotated[int, Field(gt=0, lt=2**63)] | None = None
    node_id: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]*$", max_length=100)] | None = None


class UserLine(Line):
    username: Annotated[str, StringConstraints(pattern=USERNAME)]
    bio: text(4_000) | None = None  # type: ignore[valid-type]
    location: text(200) | None = None  # type: ignore[valid-type]
    company: text(200) | None = None  # type: ignore[valid-type]
    job_title: text(200) | None = None  # type: ignore[valid-type]
    categories: Terms | None = None
    tech_stacks: Terms | None = None
    interests: Terms | None = None


class InteractionLine(Line):
    username: Annotated[str, StringConstraints(pattern=USERNAME)]
    full_name: FullName
    kind: Literal["star", "like", "save", "click", "view", "dismiss"]
    at: Moment
    split: text(20) | None = None  # type: ignore[valid-type]


LONGEST_MESSAGE = 10_000
NO_WORDS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]*")


def says_something(value: str) -> str:
    if NO_WORDS.fullmatch(value):
        raise ValueError("it holds nothing that can be read")
    return value


class MessageLine(Line):
    """One message of a conversation. Without a message_id it gets one made from the rest."""

    user_id: Annotated[str, StringConstraints(pattern=USERNAME)]
    message: Annotated[
        str, StringConstraints(pattern=r"^[^\x00]*$", max_length=LONGEST_MESSAGE), AfterValidator(says_something)
    ]
    timestamp: Moment
    message_id: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=100)] | None = None


class CandidatesLine(Line):
    """A person and whom to rank for them. relevant: positions in `candidates`, for evaluate."""

    username: Annotated[str, StringConstraints(pattern=USERNAME)]
    candidates: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100_000)]
    relevant: list[Annotated[int, Field(ge=0)]] | None = None

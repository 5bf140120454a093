"""What a line of `import_items` must look like."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from engine.schemas import INTEGER, Count, Line, Moment, text
from issues.labels import UNSEEN

SOURCE = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"
LONGEST_URL = 2_048
LONGEST_TITLE = 500
LONGEST_BODY = 200_000


def says_something(title: str) -> str:
    """A title has a letter or a digit in it: emoji and what nobody sees are none."""
    if not any(unicodedata.category(each)[0] in "LN" for each in UNSEEN.sub("", title)):
        raise ValueError("a title holds a letter or a digit")
    return title[:LONGEST_TITLE].strip()


def absent(value: object) -> object:
    """Nothing and an empty text are the same."""
    return None if value == "" else value


Title = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$"), AfterValidator(says_something)]
Url = Annotated[str, StringConstraints(max_length=LONGEST_URL)]
Votes = Annotated[int, Field(ge=-INTEGER, le=INTEGER)]


# `text` makes a type when it is called: pydantic reads it, and mypy does not, hence the ignores.
class ItemLine(Line):
    """One post. Counts that a source does not tell are absent."""

    source: Annotated[str, StringConstraints(pattern=SOURCE)]
    url: Url
    title: Title
    body: text(LONGEST_BODY) | None = None  # type: ignore[valid-type]
    created_at: Annotated[Moment | None, BeforeValidator(absent)] = None
    comment_count: Annotated[Count | None, BeforeValidator(absent)] = None
    vote_count: Annotated[Votes | None, BeforeValidator(absent)] = None
    author: text(200) | None = None  # type: ignore[valid-type]
    licence: text(100) | None = None  # type: ignore[valid-type]

    @property
    def day(self) -> datetime | None:
        """When it was written, in UTC."""
        return self.created_at.astimezone(UTC) if self.created_at else None


class CollectedLine(ItemLine):
    """One post as a source gave it. upstream_id: what the source knows it by."""

    upstream_id: Annotated[str, StringConstraints(pattern=r"^[\w./#-]*$", max_length=250)] = ""

"""What is served has versions; a table of them, as apps give it to the page of the models."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Cell:
    """One fact: a text, or a moment; a digest is shown by its beginning. href: where more is said."""

    text: str = ""
    at: datetime | None = None
    href: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Versions:
    """title, note: in words. columns: the head. rows: a version each, the newest first; the first cell names it."""

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

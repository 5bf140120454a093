"""Text as it goes into tables and models."""

import hashlib
import re
import unicodedata

LONGEST = 8_000  # characters that reach a tokenizer; beyond it time grows and meaning does not


def clip(text: str, longest: int = LONGEST) -> str:
    """The text's beginning, cut at a blank where one is near."""
    if len(text) <= longest:
        return text
    head = text[:longest]
    space = head.rfind(" ", longest - 40)
    return head[:space] if space > 0 else head


def squeeze(text: str) -> str:
    """Runs of blanks and line ends become one blank each."""
    return re.sub(r"\s+", " ", text).strip()


def normal_title(title: str) -> str:
    """NFKC, lower case, single spaces: how titles are compared."""
    lower = unicodedata.normalize("NFKC", title).lower()
    return squeeze(unicodedata.normalize("NFKC", lower))


def printable(text: str) -> str:
    """Without control characters: what was scraped does not steer a terminal."""
    return "".join(character for character in text if character.isprintable())


def visible(text: str) -> str:
    r"""With \n, \x1b and the like in place of each control character: none is lost, none is obeyed."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def text_hash(text: str) -> str:
    """SHA-256 of the text, hex: what says that a vector is still of this text."""
    return hashlib.sha256(text.encode()).hexdigest()


def joined(names: list[str]) -> str:
    """The names as a person lists them: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1] if names else ""]))

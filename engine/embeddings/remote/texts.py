"""How long a text is to a model, and what of it is sent."""

from engine.text import clip


def tokens(text: str) -> int:
    """About so many: four ASCII characters each, other characters one each."""
    ascii_only = len(text.encode("ascii", "ignore"))
    return ascii_only // 4 + len(text) - ascii_only + 1


def clipped(text: str, most: int) -> str:
    """At most about that many tokens of it, and no more characters than any model reads. Never empty."""
    text = clip(text) or " "
    while tokens(text) > most and len(text) > 1:
        text = text[: max(1, len(text) * most // (tokens(text) + 1))]
    return text

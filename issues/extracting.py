"""A label made of the items' own words: no model, no network, the same answer every time.

Its title is of titles.py. Every word list stands in words.toml; the weights stand here and there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Literal, get_args

from engine.exemplars import jaccard, title_words
from engine.text import clip
from issues.labels import SENTENCES, WORDS, Category, Claim, Exemplar, Impact, IssueLabel, plain
from issues.lexicon import LEXICON, Hit
from issues.titles import CANDIDATES, LINK, STOP, best_title, has_words, inert, plain_title, states

EXTRACTOR = "1"  # raise it when the same items would get another label
READ = 1_000  # characters of a text: a post states its problem early
READ_TEXTS = 200  # of a cluster


def extract(
    exemplars: Sequence[Exemplar], texts: Sequence[str], phrases: Sequence[str] = (), siblings: Sequence[str] = ()
) -> IssueLabel:
    """What a cluster is about, in words its items hold.

    exemplars: most central first. texts: of the items, the surest first; the title on the first line, then the cleaned
    body. phrases: what tells the cluster from the others, best first. siblings: titles it must not repeat.
    A claim rests on an exemplar, as only those have a number. Raises ValueError without exemplars.
    """
    if not exemplars:
        raise ValueError("a cluster without exemplars has nothing to say")
    step = -(-len(texts) // READ_TEXTS) or 1
    read = [clip(text, READ) for text in texts[::step]] or [f"{e.title}\n{e.snippet}" for e in exemplars]
    heard = [list(LEXICON.hits(text)) for text in read]
    title = best_title(exemplars, read, phrases, siblings)
    whole = {text.split("\n", 1)[0]: text for text in read}
    said = [(each.number, whole.get(each.title, f"{each.title}\n{each.snippet}")) for each in exemplars]
    impact, claims = impact_of(heard, said)
    paid = _claims("would_pay", ("would_pay", "words"), said)
    return IssueLabel(
        title=title,
        category=category_of(heard, read, [e.source for e in exemplars]),
        description=description_of(title, read, phrases),
        would_pay=bool(paid),
        impact=impact,
        claims=[*paid, *claims],
    )


# Category


SURE, LIKELY = 2, 1  # one sure word, two likely ones or a likely one in the title give a text a field
BROAD = ("devtools", "other")  # every post holds some of their words
SPECIFIC = 2  # times the weight: the words of any other field
DEVELOPERS = ("github", "stackoverflow")  # a post from there is devtools as one sure word would make it
COUNTED = 3  # words of a field, the gravest; a long text holds many
SHARE, VOICES = 0.2, 2  # of all texts, but so many: less is "other"
MARGIN = 1.3  # times the votes of the second field


def category_of(heard: Sequence[Sequence[Hit]], texts: Sequence[str], sources: Sequence[str]) -> Category:
    """The field most texts speak of; each has one vote, so a long one or one of many words weighs no more."""
    developers = SURE * sum(source in DEVELOPERS for source in sources) / max(len(sources), 1)
    votes: dict[Category, float] = dict.fromkeys(get_args(Category), 0.0)
    for hits, text in zip(heard, texts, strict=True):
        fields = _fields_of(hits, len(text.split("\n", 1)[0]), developers)
        for field in fields:
            votes[field] += 1 / len(fields)
    first, second = sorted(votes, key=lambda field: -votes[field])[:2]
    beside_tools = "devtools" in (first, second)  # posts on the tools of a field hold words of both: the larger wins
    enough = max(SHARE * len(texts), min(VOICES, len(texts)))
    return first if votes[first] >= max(enough, 0 if beside_tools else MARGIN * votes[second]) else "other"


def _fields_of(hits: Sequence[Hit], title_end: int, developers: float) -> list[Category]:
    """The field or fields a text speaks most of: its COUNTED gravest words, those of the title twice."""
    found: defaultdict[str, dict[str, tuple[int, bool]]] = defaultdict(dict)
    for hit in reversed(hits):
        if hit.meaning[0] == "category":
            _, field, kind = hit.meaning
            found[field][hit.phrase] = (SURE if kind == "sure" else LIKELY, hit.start < title_end)
    totals: defaultdict[str, float] = defaultdict(float, {"devtools": developers})
    for field, words in found.items():
        counted = sum(sorted(weight * (1 + in_title) for weight, in_title in words.values())[-COUNTED:])
        if counted >= SURE:
            totals[field] += counted * (1 if field in BROAD else SPECIFIC)
    most = max(totals.values())
    return [field for field in get_args(Category) if totals[field] == most >= SURE]


# Impact and would-pay, with the words they rest on


LOUD: dict[Impact, float] = {"high": 0.25, "medium": 0.3}  # share of the texts that must say it
EARLY = 500  # characters: what a long post says later is seldom what it is about
SPOKEN, HEARD = 2, 0.1  # exemplars and share of the texts that are enough for "high" together
CLAIMS = 3  # of one field; more prove nothing more


def impact_of(heard: Sequence[Sequence[Hit]], said: Sequence[tuple[int, str]]) -> tuple[Impact, list[Claim]]:
    """The gravest level that enough of the cluster speaks of and that an exemplar can be quoted for."""
    high = _claims("impact", ("impact", "high"), said)
    share = _share(heard, {"high"})
    if high and (share >= LOUD["high"] or (len(high) >= SPOKEN and share >= HEARD)):
        return "high", high
    quoted = {claim.item for claim in high}
    claims = [*high, *_claims("impact", ("impact", "medium"), [each for each in said if each[0] not in quoted])]
    if claims and _share(heard, {"high", "medium"}) >= LOUD["medium"]:
        return "medium", claims[:CLAIMS]
    return "low", []


def _share(heard: Sequence[Sequence[Hit]], levels: Collection[str]) -> float:
    """Of the texts that speak of one of these levels."""
    grave = {("impact", level) for level in levels}
    return sum(any(hit.meaning in grave and hit.start < EARLY for hit in hits) for hits in heard) / len(heard)


Field = Literal["would_pay", "impact"]


def _claims(field: Field, meaning: tuple[str, ...], said: Sequence[tuple[int, str]]) -> list[Claim]:
    """At most CLAIMS quotes, one an item: the sentence around the first words of that meaning, verbatim."""
    claims: dict[int, Claim] = {}
    for number, text in said:
        hit = next((hit for hit in LEXICON.hits(text) if hit.meaning == meaning), None)
        if hit and number not in claims and len(claims) < CLAIMS:
            claims[number] = Claim(field=field, item=number, words=_quote(text, hit))
    return list(claims.values())


def _quote(text: str, hit: Hit) -> str:
    start = max((end.end() for end in STOP.finditer(text, 0, hit.start)), default=0)
    end = STOP.search(text, hit.end)
    quote = text[start : end.start() if end else None]
    return quote.strip() if len(quote) <= WORDS else clip(text[hit.start :], WORDS).strip()


# Description


LENGTHS = range(30, 196)  # characters of a sentence that says something; two fit in a description
NEW = 0.5  # word-Jaccard below which a sentence adds something
LATER = 0.05  # off for each sentence before it: a post states its problem early


def description_of(title: str, texts: Sequence[str], phrases: Sequence[str]) -> str:
    """The one or two sentences of different items that say most of what the cluster is about."""
    chosen: dict[int, str] = {}
    for _, item, sentence in sorted(_sentences(texts, phrases), key=lambda found: -found[0]):
        words = title_words(sentence)
        new = all(jaccard(words, title_words(each)) < NEW for each in (title, *chosen.values()))
        if new and item not in chosen and len(chosen) < SENTENCES:
            chosen[item] = sentence
    return " ".join(map(_closed, chosen.values())) or _closed(title)


def _sentences(texts: Sequence[str], phrases: Sequence[str]) -> Iterator[tuple[float, int, str]]:
    """(weight, item, sentence) of every sentence that may stand in a description."""
    for item, text in enumerate(texts[:CANDIDATES]):
        for place, sentence in enumerate(STOP.split(text)):
            said = plain_title(sentence) if not place else inert(LINK.sub(" ", plain(sentence)))
            if len(said) in LENGTHS and has_words(said):
                yield states(said, phrases) - LATER * min(place, 10), item, said


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", "…")) else f"{sentence}."

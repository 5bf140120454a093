"""A label made of the items' own words: no model, no network, the same answer every time.

Every word list stands in words.toml; the weights stand here.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import Literal, get_args

from engine.exemplars import jaccard, title_words
from engine.text import clip, squeeze
from issues.labels import MARKUP, SENTENCES, TITLE, WORDS, Category, Claim, Exemplar, Impact, IssueLabel, plain

EXTRACTOR = "1"  # raise it when the same items would get another label
READ = 1_000  # characters of a text: a post states its problem early
READ_TEXTS = 200  # of a cluster
ALIKE = 0.8  # word-Jaccard from which two titles name the same problem


# Words: what is said, and where


@dataclass(frozen=True)
class Hit:
    """A phrase of the lists found in a text, text[start:end]; meaning: where in words.toml it stands."""

    meaning: tuple[str, ...]
    phrase: str
    start: int
    end: int


WORD = re.compile(r"\.?\w[\w'’+#]*(?:\.\w+)*")
PATTERN = re.compile(WORD.pattern + r"\.?\*?")
NEGATIONS = frozenset(("not", "never", "avoid", "isn't", "don't", "didn't", "doesn't", "wouldn't", "won't"))
ABSENT = frozenset(("no", "without"))  # also with a word between: "without any crash"


class Lexicon:
    """Phrases by their first word, so that a text is read once however many phrases there are."""

    def __init__(self, lists: Mapping[tuple[str, ...], str]) -> None:
        self._by_head: dict[str, list[tuple[list[str], tuple[str, ...], str]]] = {}
        for meaning, phrases in lists.items():
            for phrase in filter(None, map(squeeze, phrases.split(","))):
                head, *rest = PATTERN.findall(phrase)
                self._by_head.setdefault(head, []).append((rest, meaning, phrase))
        self._stems = sorted({len(head) - 1 for head in self._by_head if head.endswith("*")})
        self._starting = lru_cache(maxsize=20_000)(self._found)  # a day's posts share most of their words

    def hits(self, text: str) -> Iterator[Hit]:
        """Every phrase the text holds, in its order; not what it denies ("never crashes")."""
        spans = list(WORD.finditer(text))
        words = [span[0].lower().replace("’", "'") for span in spans]
        for place, word in enumerate(words):
            if NEGATIONS.intersection(words[place - 1 : place]) or ABSENT.intersection(
                words[max(place - 2, 0) : place]
            ):
                continue
            for rest, meaning, phrase in self._starting(word):
                last = place + len(rest)
                if last < len(words) and all(map(_matches, rest, words[place + 1 : last + 1])):
                    yield Hit(meaning, phrase, spans[place].start(), spans[last].end())

    def _found(self, word: str) -> list[tuple[list[str], tuple[str, ...], str]]:
        """The rest of each phrase that begins with this word, what it means, and the phrase."""
        stems = [word[:length] + "*" for length in self._stems if length <= len(word)]
        return [phrase for head in (word, *stems) for phrase in self._by_head.get(head, ())]


def _matches(pattern: str, word: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern


def _lists(table: Mapping, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, value in table.items():
        yield from [((*path, name), value)] if isinstance(value, str) else _lists(value, (*path, name))


LISTS = tomllib.loads(Path(__file__).with_name("words.toml").read_text())
LEXICON = Lexicon(dict(_lists(LISTS)))


# The label


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


# Title


STOP = re.compile(r"(?<=[.!?])\s+|\n+")
LINK = re.compile(r"\b(?:\w{2,12}://|www\.)\S+", re.IGNORECASE)
ELEMENT = re.compile(r"</?([a-z][^<>]{0,60}?)/?>", re.IGNORECASE)
PERSON = re.compile(r"(?<![\w./])/?[ur]/[\w-]+|(?<![\w.])@\w[\w-]*", re.IGNORECASE)
VERSION = re.compile(r"\b(?:version )?v?\d+(?:\.\d+){2,}[\w.+-]*|\b(?:version |v)\d+(?:\.\d+)?\b", re.IGNORECASE)
BRACKET = re.compile(r"[\[(]([^\[\]()]{0,40})[\])][\s:.,|-]*")
LAST_BRACKET = re.compile(r"\s*[\[(*]([^\[\]()*]{0,40})[\])*]\W*$")
TOPIC = re.compile(r"([\w .+#-]{1,25})\s?[:!–]+\s+")
DANGLING = re.compile(r"(?:\s(?:at|in|with|for|to|of|on|and|or|the|a|an|by|from|via|but))+$", re.IGNORECASE)
BORDER = re.compile(r"(?<=\W)|(?=\W)")
FOR_ME = re.compile(r"^(?:give|tell|show|send|read|provide|get) me (?:with )?")
EDGES = " .,;:!|~*_–—=>/\\-"
QUESTION = re.compile(r"(?:why|what|when|where|which|who|how (?!to)|is|are|does|do|did|can|should|will|has)\b", re.I)
NOISE = frozenset(LISTS["title"]["noise"].replace(",", " ").split())
ROUNDS = 6  # layers of padding a title may wear


def plain_title(title: str) -> str:
    """A title without what its source and its manners added; "How to …" for every way to ask for one."""
    text = plain(clip(title, READ))
    for noise in (LINK, PERSON, VERSION):
        text = noise.sub(" ", text)
    text = _without_idle_sentences(inert(text).strip(EDGES))
    for _ in range(ROUNDS):
        text, before = _without_padding(_without_tag(text)).strip(EDGES), text
        if text == before:
            break
    bracket = LAST_BRACKET.search(text)
    if bracket and bracket.start() and _telling(bracket[1]) == []:
        text = text[: bracket.start()]
    return _sentence_case(DANGLING.sub("", clip(text, TITLE).strip(EDGES)))


def _telling(tag: str) -> list[str]:
    """The words of a tag that say something: no noise, nothing with a digit."""
    return [word for word in re.findall(r"[\w.+#'-]+", tag) if word.lower() not in NOISE and not re.search(r"\d", word)]


def _without_tag(text: str) -> str:
    """Without a tag that says nothing ("[Bug]", "Help!"); one that says something becomes "Excel: …"."""
    bracket = BRACKET.match(text)
    if bracket:
        topic, rest = " ".join(_telling(bracket[1])), text[bracket.end() :]
        return f"{topic}: {rest}" if topic and topic.count(" ") < 3 and rest else rest or bracket[1]
    named = TOPIC.match(text)
    if not named:
        return text
    rest = text[named.end() :]
    return f"{named[1]}: {_without_padding(rest)}" if _telling(named[1]) else rest


def _without_padding(text: str) -> str:
    heads = [hit for hit in LEXICON.hits(text[:100]) if hit.start == 0 and hit.meaning[1] in ("padding", "how_to")]
    if not heads:
        return text
    head = max(heads, key=lambda hit: hit.end)
    rest = text[head.end :].lstrip(" ,.:!?-")
    if len(rest.split()) < 2:
        return text
    if head.meaning[1] == "padding":
        return rest
    return text if rest.startswith("be ") else "How to " + FOR_ME.sub("get ", rest[0].lower() + rest[1:])


def _without_idle_sentences(text: str) -> str:
    """Without the sentences that only greet, thank or ask for help; the text itself where nothing else is left."""
    return " ".join(part for part in STOP.split(text) if not _is_idle(part)) or text


def _is_idle(text: str) -> bool:
    spans = [text[hit.start : hit.end] for hit in LEXICON.hits(text) if hit.meaning[1] in ("vague", "padding")]
    idle = set(WORD.findall(" ".join(spans)))
    return all(word in idle or word.lower() in NOISE for word in WORD.findall(text))


def inert(text: str) -> str:
    """Without markup, which a label may not hold: "a <div> tag" is "a div tag"."""
    text = ELEMENT.sub(r" \1 ", text)
    return squeeze(MARKUP.sub(lambda found: BORDER.sub(" ", found[0]), text))


def _sentence_case(text: str) -> str:
    if not QUESTION.match(text):
        text = text.rstrip("? ")
    text = re.sub(r"\?[?!]+$", "?", text)
    if text.isupper() and " " in text:
        text = text.lower()
    first = text.split(" ", 1)[0]
    return text if re.search(r"[A-Z_.(]", first[1:]) else text[:1].upper() + text[1:]


# Against 1 for a title that holds every key phrase:
CENTRAL = 0.06  # off for each place behind the most central exemplar
ELSEWHERE = 0.35  # off where only another post says it
PART = 0.1  # off for one sentence of several
PROBLEM, ASKS = 0.3, 0.1  # on for words of trouble, on for a question
NEWS, VAGUE = 0.6, 0.8  # off for what was made or is celebrated, off where every word is vague
SHORT, LONG = 0.4, 0.03  # off below WORDS_OF_A_TITLE, off for each word above
WORDS_OF_A_TITLE = range(3, 13)
CANDIDATES = 40  # texts whose titles and sentences are considered
TOPIC_SHARE, NAMED = 0.5, 0.2  # of the texts, of their titles: what they name goes before a title that lacks it


def best_title(
    exemplars: Sequence[Exemplar], texts: Sequence[str], phrases: Sequence[str], siblings: Sequence[str]
) -> str:
    """The title that best states what the cluster is about, and that no sibling has."""
    weights: dict[str, float] = {}
    for title, off in _titles(exemplars, texts):
        weights.setdefault(title, _states(title, phrases) - off)
    topic = _topic(texts, phrases)
    named = [_with_topic(title, topic) for title in sorted(weights, key=lambda each: -weights[each])]
    named = named or [clip(", ".join(phrases[:3]).capitalize(), TITLE) or "Posts without a title"]
    more = (clip(title, TITLE - len(phrase) - 3) + f" ({phrase})" for title in named for phrase in phrases)
    for title in chain(named, more):
        if not any(jaccard(title_words(title), title_words(sibling)) >= ALIKE for sibling in siblings):
            return title
    numbered = (f"{clip(named[0], TITLE - 9)} ({number})" for number in count(2))
    return next(title for title in numbered if title not in siblings)


def _titles(exemplars: Sequence[Exemplar], texts: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Cleaned titles, and single sentences of them, with what is taken off their weight."""
    said = [(each.title, CENTRAL * place) for place, each in enumerate(exemplars)]
    said += [(each.snippet, 1.0) for each in exemplars]  # for want of anything better
    for title, off in [*said, *((text.split("\n", 1)[0], ELSEWHERE) for text in texts[:CANDIDATES])]:
        for part in dict.fromkeys([title, *STOP.split(title)]):
            cleaned = plain_title(part)
            if _has_words(cleaned) and part.count("(") == part.count(")"):  # a sentence may end within brackets
                yield cleaned, off + PART * (part != title)


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _states(title: str, phrases: Sequence[str]) -> float:
    """How well a title states the problem: the key phrases it holds, the words of trouble, and nothing idle."""
    words = title_words(title)
    hits = list(LEXICON.hits(title))
    meanings = Counter(hit.meaning[1] for hit in hits if hit.meaning[0] == "title")
    idle = VAGUE * meanings["vague"] / max(len(words), 1) + NEWS * (meanings["news"] > 0)
    misfit = SHORT * (len(words) < WORDS_OF_A_TITLE.start) + LONG * max(0, len(words) - WORDS_OF_A_TITLE.stop + 1)
    trouble = any(hit.meaning == ("title", "problem") or hit.meaning[0] == "impact" for hit in hits)
    asks = PROBLEM * trouble + ASKS * bool(QUESTION.match(title))
    return coverage(title, phrases) + asks - idle - misfit


def coverage(text: str, phrases: Sequence[str]) -> float:
    """Share of the key phrases that a text holds, the first weighing most; in [0, 1]."""
    words = title_words(text)
    weights = [1 / (place + 2) for place in range(len(phrases))]
    held = (weight for weight, phrase in zip(weights, phrases, strict=True) if _holds(words, phrase))
    return sum(held) / sum(weights) if weights else 0.0


def _holds(words: Collection[str], phrase: str) -> bool:
    """Every word of the phrase, in any ending: "transfers" for "transfer"."""
    stems = [part[: max(4, len(part) - 2)] for part in phrase.split()]
    return all(any(word.startswith(stem) for word in words) for stem in stems)


def _topic(texts: Sequence[str], phrases: Sequence[str]) -> str:
    """What most of the texts name, as most of them write it; "" where they name nothing."""
    for phrase in phrases[:3]:
        written = Counter(found for text in texts if (found := _as_written(text, phrase)))
        titles = sum(bool(_as_written(text.split("\n", 1)[0], phrase)) for text in texts)
        if written.total() >= TOPIC_SHARE * len(texts) and titles >= NAMED * len(texts):
            return written.most_common(1)[0][0]
    return ""


def _as_written(text: str, phrase: str) -> str:
    found = re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.IGNORECASE)
    return found[0] if found else ""


def _with_topic(title: str, topic: str) -> str:
    if not topic or _holds(title_words(title), topic.lower()):
        return title
    return clip(f"{topic[0].upper()}{topic[1:]}: {title}", TITLE)


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
            if len(said) in LENGTHS and _has_words(said):
                yield _states(said, phrases) - LATER * min(place, 10), item, said


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", "…")) else f"{sentence}."

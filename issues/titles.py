"""The title of a cluster: the words of one of its posts that best state what all of them are about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, count

from engine.exemplars import jaccard, title_words
from engine.text import clip, squeeze
from issues.labels import MARKUP, TITLE, Exemplar, plain
from issues.lexicon import LEXICON, LISTS, WORD

READ = 1_000  # characters of a title that are looked at
ALIKE = 0.8  # word-Jaccard from which two titles name the same problem

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
        weights.setdefault(title, states(title, phrases) - off)
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
            if has_words(cleaned) and part.count("(") == part.count(")"):  # a sentence may end within brackets
                yield cleaned, off + PART * (part != title)


def has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def states(title: str, phrases: Sequence[str]) -> float:
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

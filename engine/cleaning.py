"""The complaint of a post, in plain text: without code, logs, quotes, signatures, templates and edit trails.

A post is read as its source writes it (Markdown, HTML, Jira), becomes HTML, is parsed, and is then judged by lines:
a line that begins as a log line is one, and a word within a sentence never is.
"""

import html as entities
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

import pyromark
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from pyromark import Options
from selectolax.lexbor import LexborHTMLParser, LexborNode

from engine.text import clip, squeeze

CLEANER = "1"  # raised when the result changes: what an older one cleaned is cleaned again

LONGEST_POST = 200_000  # characters; three times what any source allows
MOST_TAGS = 5_000  # four times the most that was seen; a parser's time grows with the square of their depth


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- from what a source writes to HTML ---

STEERING = re.compile(
    r"\x1b\[[0-9;:?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
STRUCTURE = _words(
    "p div br hr ul ol li dl dt dd h1 h2 h3 h4 h5 h6 pre code blockquote table tr td th strong b input summary"
)
SILENT = _words(
    "a abbr article aside big body center cite col colgroup del details em figure font footer g-emoji head header html"
    " i img ins kbd link main mark meta picture q s samp section small span strike sub sup tbody tfoot thead tt u var"
    " video"
)
TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)[^<>]*>")

GITHUB = Options.ENABLE_TABLES | Options.ENABLE_STRIKETHROUGH | Options.ENABLE_TASKLISTS
JIRA = [
    (re.compile(r"(?m)^[ \t]+"), ""),
    (re.compile(r"\{(?:code|noformat)(?::[^{}\n]{0,99})?\}"), "\n```\n"),
    (re.compile(r"\{quote\}"), "\n~~~\n"),  # what stands between is left out, as a fence's content is
    (re.compile(r"\{(?:color|panel)(?::[^{}\n]{0,99})?\}"), ""),
    (re.compile(r"\{\{([^{}\n]{1,99})\}\}"), r"`\1`"),
    (re.compile(r"(?m)^# "), "1. "),
    (re.compile(r"(?m)^h[1-6]\. "), "\n## "),
    (re.compile(r"(?m)^bq\. "), "> "),
    (re.compile(r"\[([^\[\]|\n]{1,200})\|[^\[\]|\n]{1,999}\]"), r"\1"),
]


def _markdown(body: str) -> str:
    """Markdown as GitHub renders it; HTML within stays HTML."""
    return pyromark.html(_without_signature(body), options=GITHUB)


def _reddit(body: str) -> str:
    """Reddit's Markdown; its API escapes `>`, and `>!` is a spoiler, no quote."""
    return _markdown(entities.unescape(body).replace(">!", "").replace("!<", ""))


def _jira(body: str) -> str:
    """Jira's own markup, turned into Markdown; it has no code by indentation."""
    for pattern, replacement in JIRA:
        body = pattern.sub(replacement, body)
    return _markdown(body)


def _html(body: str) -> str:
    """HTML as it is; a body without any is Markdown."""
    return body if re.search(r"</|<p>|<br|&#?\w+;", body) else _markdown(body)


FORMATS: Mapping[str, Callable[[str], str]] = {
    "stackoverflow": _html,
    "stackexchange": _html,
    "hackernews": _html,
    "reddit": _reddit,
    "bugtracker": _jira,
    "jira": _jira,
}


def _tag(found: re.Match[str]) -> str:
    """A tag of structure without its attributes; a tag that is no formatting is a word somebody wrote."""
    slash, name = found[1], found[2].lower()
    if name in STRUCTURE:
        return f"<{slash}{name}>"
    return "" if slash or name in SILENT else f"&lt;{found[2]}&gt;"


def _tamed(source: str) -> str:
    """HTML that a parser reads in bounded time, of which nothing unclosed swallows the rest."""
    source = TAG.sub(_tag, source)
    start = source.rfind("<!--")
    if start > source.rfind("-->"):
        source = source[:start] + "&lt;" + source[start + 1 :]
    return "<".join(source.split("<", MOST_TAGS)[:MOST_TAGS])


# --- from HTML to lines; an empty line parts blocks ---

BOLD, PLAIN = "\x02", "\x03"  # around headings and what is bold; the text itself holds no such characters
BLOCK = ("\n\n", "\n\n")
HEADINGS = _words("h1 h2 h3 h4 h5 h6")
AROUND = {
    **dict.fromkeys(_words("p div hr ul ol li dl dt dd table tr"), BLOCK),
    **dict.fromkeys(HEADINGS, (f"\n\n{BOLD}", f"{PLAIN}\n\n")),
    **dict.fromkeys(["strong", "b"], (BOLD, PLAIN)),
    **dict.fromkeys(["td", "th"], (" ", " ")),
    "br": ("\n", ""),
}
LEFT_OUT = _words("blockquote summary")
NAMES = re.compile(r"[\w$@.:/+-]{1,60}(?: [\w.-]{1,20}){0,2}")


def _word(code: LexborNode) -> str:
    """Inline code as its words where they belong to a sentence; a call as the name of what is called."""
    name = (code.text() or "").partition("(")[0].strip(" <>/[]{}\"'")
    alone = code.prev is None and code.next is None
    return name if NAMES.fullmatch(name) and not alone else " "


def _told(code: LexborNode) -> str:
    """The sentences in a block of code below a form's question for what happened: some forms put all answers there."""
    before = code.prev
    while before is not None and before.tag == "-text" and not (before.text_content or "").strip():
        before = before.prev
    asked = _label_words(before.text() or "") if before is not None and before.tag in HEADINGS else []
    if COMPLAINT.isdisjoint(asked) or not CODE.isdisjoint(asked):
        return ""
    lines = (code.text() or "").split("\n")
    return "\n\n" + "\n".join(line for line in lines if _is_prose(line)) + "\n\n"


def _is_check(node: LexborNode) -> bool:
    first = node.child
    return node.tag in ("li", "p") and first is not None and first.tag == "input"


def _lines(source: str, tables: bool) -> list[str]:
    """What a reader of the page would see, line by line, without code, quotes and check lists."""
    parts: list[str] = []
    body = LexborHTMLParser(f"<body>{source}").body
    waiting: list[LexborNode | str] = [body] if body else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
        elif node.tag == "-text":
            parts.append(node.text_content or "")
        elif node.tag == "code":
            parts.append(_word(node))
        elif node.tag == "pre":
            parts.append(_told(node))
        elif not (node.tag in LEFT_OUT or _is_check(node) or (node.tag == "table" and not tables)):
            before, after = AROUND.get(node.tag or "", ("", ""))
            waiting += [after, *reversed(list(node.iter(include_text=True))), before]
    return [line.strip() for line in "".join(parts).split("\n")]


# --- signatures, logs ---

SIGNATURE_LINES, SIGNATURE_WIDTH = 4, 80  # RFC 1855: a signature is no longer
SENT_FROM = re.compile(r"Sent (?:from|via|with) (?:my|Mail|Outlook|Gmail|Yahoo|Proton)\b.{0,60}$")


def _signs(mark: str, rest: list[str]) -> bool:
    """Whether `--` begins a signature here; `---` is a rule where a sentence follows."""
    short = len(rest) <= SIGNATURE_LINES and all(len(line) <= SIGNATURE_WIDTH for line in rest)
    return short and (mark == "--" or (mark == "---" and not any(map(_is_prose, rest))))


def _without_signature(text: str) -> str:
    """Without the few short lines that sign a text."""
    lines = [line for line in text.rstrip().split("\n") if not SENT_FROM.match(line)]
    for at in range(len(lines) - 1, max(0, len(lines) - 2 * SIGNATURE_LINES), -1):
        rest = [line.strip() for line in lines[at + 1 :] if line.strip()]
        if _signs(lines[at].strip(), rest) and any(line.strip() for line in lines[:at]):
            return "\n".join(lines[:at])
    return "\n".join(lines)


LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|FATAL|CRITICAL)"
LOG = re.compile(
    r"""\W{0,3}(?:\d{4}[-/.]\d\d[-/.]\d\d[T ,]|\d\d[-/]\d\d[-/]\d\d(?:\d\d)?[ ,]+|\w{3}\ +\d{1,2}\ )?\d\d:\d\d:\d\d\b
    | \[\ *""" + LEVEL + r"""\ *\]
    | """ + LEVEL + r"""\ +(?:\[[^\]]*\]\ *)?[\w$-]+(?:[.:/][\w$-]+)+
    | [EWIDVF]/[\w.-]+\ *\(?\ *\d*\)?:
    | npm\ (?:ERR!|WARN)
    | Traceback\ \(most\ recent\ call
    | File\ ".*",\ line\ \d
    | (?:Caused\ by|Suppressed):\ [\w.$]+
    | Exception\ in\ thread\ "
    | (?:\w+\.)+\w*(?:Exception|Error)(?:$|:)
    | at\ [\w.$/@<>\[\] ]+\(.*\)$
    | at\ \S+:\d+(?::\d+)?\)?$
    | \.\.\.\ \d+\ (?:more|common\ frames)
    | \#\d+\ +(?:0x[0-9a-fA-F]+|.*\b(?:at|in)\ \S+:\d+$)
    | (?:==\d+==|goroutine\ \d+\ \[|panic:\ |thread\ '.*'\ (?:\(\d+\)\ )?panicked\ at)
    | make(?:\[\d+\])?:\ (?:\*\*\*|Entering|Leaving)
    """,
    re.VERBOSE,
)  # fmt: skip
# These are log lines only right after one: alone, an error's message is part of what somebody says.
GOES_ON = re.compile(r"at \S+( \(.*)?$|[\w.]*(?:Error|Exception|Warning|Exit|Interrupt)\b|[~^\s]+$|\S+:\d+:|" + LEVEL)
FRAME = re.compile(r'File ".*", line \d')


def _without_logs(lines: Iterable[str]) -> Iterator[str]:
    """Without log lines and stack traces."""
    logging = framed = False
    for line in lines:
        goes_on = logging and (GOES_ON.match(line) or (framed and not _is_prose(line)))
        logging, framed = bool(line and (LOG.match(line) or goes_on)), bool(FRAME.match(line))
        if not logging:
            yield line


# --- templates ---

# What forms ask for. Where they ask for versions and the like, the answers are facts and no complaint.
FACT = _words(
    "architecture browser browsers build checklist commit compiler configuration cpu custom device devices distribution"
    " environment gpu hardware installation installed machine memory mobile model modes operating os package packages"
    " platform platforms processor reproducible setup specifications system systems version versions"
)
COMPLAINT = _words(
    "actual behavior behaviour describe descripe description encountered expect expected feature happened happens"
    " message motivation problem propose proposal proposed reproduce reproduction request solution steps suggestion"
    " summary"
)
CODE = _words("call code log logs output repro reproduce reproduction script stack stacktrace steps trace")
OTHER = _words(
    "additional alternative alternatives background bug case cases comments context detail details error fix info"
    " information issue note notes outcome overview pictures question questions reason related result results"
    " screenshot screenshots severity tasks type workaround workarounds"
)
# The words that forms ask with; nobody complains with these and the above alone.
GRAMMAR = _words(
    "a about above affected all also an and any anything are as at be been below brief briefly by clear concise"
    " considered could current currently desired detailed did do does else exact example existing explain following"
    " for from further general give happen has have how if in instead intended is it kind leave like link list minimal"
    " more obtain occur of often on optional or other please possible previous provide relevant report reproduced"
    " required see should standalone state submission that the there these this to tried try use used using want what"
    " when where which who why will with would you your"
)
FORM = FACT | COMPLAINT | CODE | OTHER
NAMED_THINGS = _words("version versions package")
# Questions of widespread forms in other words.
ALSO_ASKED = frozenset(
    {
        "does this issue occur when all extensions are disabled",
        "github query string",
        "pull request readiness checklist",
        "website or app",
        "who will benefit with this feature",
        "will this change the current api how",
    }
)
ALSO_FACTS = frozenset({"commit", "issue type", "log output", "logs", "relevant log output", "source", "type"})
ANSWERS = _words("n/a na none nope yes no yes/no bug feature always often sometimes removed deleted") | {
    "",
    "no response",
    "feature request",
    "every time",
    "only once",
}
LABEL_WORD = re.compile(r"[^\W\d_]+(?:['’]\w+)?")


def _is_prose(line: str, shortest: int = 4) -> bool:
    """Whether it reads as a sentence: some words, most of them in small letters; facts are names and numbers."""
    words = [word.strip(".,;:!?()\"'*") for word in line.split()]
    small = sum(word.replace("'", "").replace("’", "").isalpha() and not word[0].isupper() for word in words)
    return len(words) >= shortest and small >= 0.6 * len(words)


def _label_words(label: str) -> list[str]:
    """Its words in small letters, "you'd" as "you"; "can't" stays, for no form asks with it."""
    words = (re.sub(r"['’](?:d|ve|re|s)$", "", each) for each in LABEL_WORD.findall(label[:250].lower()))
    return [word for word in words if word != "automated"]


def _is_asked(label: str, of_its_own: bool) -> bool:
    """Whether a form asks by these words. A heading of its own may name a product, too, where it speaks to "you"."""
    words = _label_words(label)
    if " ".join(words) in ALSO_ASKED | ALSO_FACTS or (words[-1:] and words[-1] in NAMED_THINGS and len(words) <= 4):
        return True
    unknown = sum(word not in FORM and word not in GRAMMAR for word in words)
    to_you = not {"you", "your"}.isdisjoint(words) or (label.rstrip(" *").endswith("?") and not FACT.isdisjoint(words))
    return not FORM.isdisjoint(words) and (not unknown or (of_its_own and to_you and unknown <= 0.3 * len(words)))


def _is_fact(label: str) -> bool:
    words = _label_words(label)
    return " ".join(words) in ALSO_FACTS or (COMPLAINT.isdisjoint(words) and not FACT.isdisjoint(words))


def _split(line: str) -> tuple[str, str]:
    """What a form asked in this line, "" where nothing, and what somebody answered."""
    of_its_own = line.startswith(BOLD)
    label, mark, rest = line.lstrip(BOLD).partition(PLAIN if of_its_own else ":")
    asked = _is_asked(label, of_its_own) if of_its_own else bool(mark) and len(label) <= 120 and _is_asked(label, False)
    answer = (rest if asked else line).replace(BOLD, "").replace(PLAIN, "")
    return (label, answer.lstrip(" :?*-")) if asked else ("", answer)


def _without_template(lines: Iterable[str]) -> Iterator[str]:
    """Without the questions of a form, its versions, platforms and the like.

    The first sentence after a question about facts is the person's again.
    """
    listing = False
    for line in lines:
        label, answer = _split(line)
        of_facts = bool(label) and _is_fact(label)
        if label or line.startswith(BOLD):
            listing = of_facts and not answer
        listing = listing and not _is_prose(answer)
        if not listing and not (of_facts and not _is_prose(answer, shortest=2)):
            yield "" if answer.lower().strip(" .[]()_*-") in ANSWERS else answer


# --- edit trails, words ---

EDIT = re.compile(
    r"\W{0,4}(?:edit(?:ed)?|updated?)(?:\s?\#?\d{1,2})?(?: to add)?(?:\s?[:\])]|\s[-–—]\s|\W{0,4}$)", re.IGNORECASE
)
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
ADDRESS = re.compile(r"<?\b(?:https?://|www\.)\S+", re.IGNORECASE)


def _without_edits(lines: list[str]) -> list[str]:
    """Without edit trails: to the end where at least half stands before, else to the end of that block."""
    total = sum(len(line.split()) for line in lines)
    kept: list[str] = []
    before, trailing = 0, False
    for line in lines:
        if EDIT.match(line):
            if 2 * before >= total:
                break
            trailing = True
        trailing = trailing and bool(line)
        if not trailing:
            kept.append(line)
            before += len(line.split())
    return kept


def _joined(lines: Iterable[str]) -> str:
    """One line a block, without addresses."""
    text = "\n".join(lines)
    text = ADDRESS.sub(" ", EMAIL.sub(" ", text)) if "@" in text or "://" in text or "www." in text.lower() else text
    blocks = (squeeze(block) for block in text.split("\n\n"))
    return "\n".join(block for block in blocks if any(each.isalnum() for each in block))


def _said(source: str, everything: bool) -> str:
    """The complaint in the HTML; with everything, also tables and edits."""
    lines = _without_signature("\n".join(_lines(source, tables=everything))).split("\n")
    unquoted = (line for line in lines if not line.startswith(">"))
    answers = list(_without_template(_without_logs(unquoted)))
    return _joined(answers if everything else _without_edits(answers))


def clean(source: str, body: str) -> str:
    """What a post complains of, in plain text, one line a block, clipped; "" where nothing is left.

    source says how the body is written; an unknown one is read as Markdown, which plain text is too.
    """
    body = STEERING.sub("", body[:LONGEST_POST].replace("\r\n", "\n").replace("\r", "\n"))
    page = _tamed(FORMATS.get(source, _markdown)(body))
    return clip(_said(page, everything=False) or _said(page, everything=True))


# --- language ---

SHORTEST, LONGEST, SURE = 20, 1_000, 0.6  # bytes and characters of a text that tells its language; how sure to be


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_of(text: str) -> str:
    """The text's language by ISO 639-1, "" where it is too short or unsure."""
    text = text[:LONGEST].strip()
    if len(text.encode(errors="replace")) < SHORTEST:
        return ""
    language, probability = _identifier().classify(text)
    return language if probability >= SURE and len(language) == 2 else ""

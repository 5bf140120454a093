"""Whether somebody says in a comment that they take an issue, or that they give it back.

Word patterns over short clauses, so that no text takes long; what they find is told, never obeyed.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from engine.text import squeeze

LONGEST = 2_000  # characters of a comment that are read
LONGEST_CLAUSE = 300

OBJECT = (
    r"(?:this|it|that|these|them|on this|#\d{1,9}"
    r"|(?:the |this |that )?(?:issue|ticket|task|bug|problem|feature|one|fix))\b"
)
# What may stand between "I" and the verb: words that say that somebody means to. Each is a word of its own, so a
# clause is read once from left to right.
MEANING = (
    r"(?:would|will|can|could|may|might|shall|am|be|been|have(?! to)|want|wanted|wanna|gonna|like|love|wish|hope|hoping"
    r"|plan|planning|intend|going|trying|try|start|started|starting|begin|begun|currently|already|now|just|also|still"
    r"|maybe|perhaps|please|really|very|happy|glad|keen|eager|willing|interested|able|ready|available|free|excited|in|to"
    r"|about|then|so|both|definitely|gladly) "
)
DOES = (
    r"(?:work(?:ing)? on|tak(?:e|ing)(?: up| on| over| care of)?|pick(?:ing)?(?: up)?|handl(?:e|ing)|tackl(?:e|ing)"
    r"|fix(?:ing)?|solv(?:e|ing)|resolv(?:e|ing)|implement(?:ing)?|contribut(?:e|ing) to|claim(?:ing)?|grab(?:bing)?"
    r"|attempt(?:ing)?|address(?:ing)?|look(?:ing)? into|be assigned(?: to)?|give|giving|try(?:ing)?|have) "
)
HOW = r"(?! by\b| with\b| via\b| using\b| work\b)"  # "I can fix it by …" tells of a way round
MAY = r"(?:can|could|may|might|shall|(?:mind|ok|okay|alright|fine|possible|nice) if)"
WHO = rf"(?:(?:i|we) {MEANING}|(?:let me|{MAY} (?:i|we)) )"
TAKES = re.compile(rf"\b{WHO}(?:{MEANING}){{0,8}}{DOES}{OBJECT}{HOW}")
# A clause may leave the "I" out: "Working on it", "Happy to take this", "On it".
LEAVES_OUT = re.compile(
    r"^(?:(?:hi|hello|hey|ok|okay|sure|yes|yep|great|thanks|cool|please|currently|already|now|there|all|maintainers|team"
    r"|@[\w-]{1,39}) ){0,5}"
    rf"(?:(?:working on|taking(?: up| on| over)?|claiming|grabbing|picking up) {OBJECT}"
    r"|picking (?:this|it|that) up\b|(?:on it|mine|dibs|claimed|take)$"
    r"|(?:would (?:like|love) to|want to|happy to|glad to|interested in|keen to|willing to|planning to|will) "
    rf"{DOES}{OBJECT}{HOW})"
)
ASKS = re.compile(
    r"\bassign(?: (?:this|it|that|the issue|this issue|the task|this task))?(?: to)? (?:me|myself)\b|\bassigned to me\b"
    r"|\bi (?:am on it|will do (?:it|this)$|call dibs|claim (?:this|it)|would like to be assigned|am the one working)\b"
    r"|\bi (?:have )?(?:opened|raised|created|submitted|made) (?:a|the) (?:pr|pull request|draft)\b"
    r"|\bi (?:am|will be) (?:preparing|sending|opening|raising|submitting|making) (?:a|the) (?:pr|pull request|draft)\b"
    r"|\bi will (?:open|send|raise|submit|make|prepare|put up|create) (?:a|the) (?:pr|pull request|draft|fix|patch)\b"
    r"|\b(?:je|j'ai) (?:le prends|la prends|m'en occupe|commence)\b|\bich (?:nehme|übernehme) (?:das|dies|es)\b"
    r"|\b(?:me )?(?:lo tomo|me encargo|puedo trabajar en est[eo])\b|\bposso (?:trabalhar|pegar)\b"
)
COMMANDS = re.compile(
    r"^(?:[./!#](?:take|claim|assign|self-assign|assign-me|work|working)(?: (?:me|this|it|self|myself))?"
    r"|@[\w-]{1,39}(?:\[bot\])? (?:claim|take|assign(?: me)?))$"
)
DENIES = re.compile(
    r"\b(?:not|never|no longer|no more|any ?more|without|unable|neither|nor|stop|stopped|stopping|was|were|had)\b"
)
GIVES_BACK = re.compile(
    r"\bunassign(?:ing|ed)? (?:me|myself)\b|\bunassign$|^[./!#](?:unassign|release|unclaim|drop)\b"
    r"|^@[\w-]{1,39}(?:\[bot\])? (?:release-assignment|unclaim|release|abandon)\b"
    r"|\bi (?:am |will |have to |must |need to )?(?:give up|giving up|drop(?:ping)? (?:this|it)"
    r"|step(?:ping)? (?:back|down|away)|releas(?:e|ing) (?:this|it)|withdraw(?:ing)?|let(?:ting)? (?:this|it) go)\b"
    rf"|\b(?:i|we) (?:\w+ ){{0,4}}?(?:not|never|no longer|unable to|stopped) (?:\w+ ){{0,5}}?{DOES}"
    r"|\b(?:feel free|(?:you|anyone|anybody|someone else|somebody else) (?:can|may)) "
    r"(?:to )?(?:\w+ ){0,2}?(?:take|pick|grab|work on)\b"
)
SHORT = {
    "i'm": "i am", "i'd": "i would", "i'll": "i will", "i've": "i have", "im": "i am", "ive": "i have", "i'am": "i am",
    "we're": "we are", "we'd": "we would", "we'll": "we will", "we've": "we have", "can't": "can not",
    "cannot": "can not", "won't": "will not", "don't": "do not", "didn't": "did not", "isn't": "is not",
    "haven't": "have not", "couldn't": "could not", "wouldn't": "would not", "cant": "can not", "wont": "will not",
    "dont": "do not", "lemme": "let me", "assigne": "assign", "u": "you",
}  # fmt: skip
QUOTED = re.compile(r"^\s{0,9}>.*$", re.M)
FENCED = re.compile(r"```[^`]*(?:```|$)|`[^`\n]*`")
MARKS = re.compile(r"[*_~\[\]()\"“”<]|https?://\S*|<!--")
ENDS = re.compile(r"[.!?;:,\n…]+(?=\s|$)|\s[-–—]+\s|\b(?:but|however|because|since|although|though)\b")


@dataclass(frozen=True)
class Comment:
    """What somebody wrote under an issue. bot: a program did."""

    at: datetime
    author: str
    text: str
    bot: bool = False


def claimed_at(comments: Iterable[Comment]) -> datetime | None:
    """When somebody last said that they take it, who has not given it back since; None where nobody does."""
    held: dict[str, datetime] = {}
    for comment in sorted(comments, key=lambda comment: comment.at):
        if comment.bot:
            continue
        if claims(comment.text):
            held[comment.author] = comment.at
        elif gives_back(comment.text):
            held.pop(comment.author, None)
    return max(held.values(), default=None)


def claims(text: str) -> bool:
    """Whether it says that whoever wrote it takes the issue, or asks to."""
    return any(takes(clause) for clause in clauses(text))


def gives_back(text: str) -> bool:
    """Whether it says that whoever wrote it no longer works on the issue."""
    return any(GIVES_BACK.search(clause) for clause in clauses(text))


def takes(clause: str) -> bool:
    if COMMANDS.match(clause):
        return True
    said = TAKES.search(clause) or LEAVES_OUT.search(clause) or ASKS.search(clause)
    return bool(said) and not DENIES.search(clause)


def clauses(text: str) -> Iterator[str]:
    """A comment cut where a thought ends, in lower case, short forms written out; quotes and code are not its words."""
    text = text[:LONGEST].lower().replace("’", "'").replace("\r", "")
    text = MARKS.sub(" ", FENCED.sub(" ", QUOTED.sub(" ", text)))
    for clause in ENDS.split(text):
        words = squeeze(clause).split()
        if words:
            yield " ".join(SHORT.get(word, word) for word in words)[:LONGEST_CLAUSE]

"""Labels by which projects mark what a newcomer may take: their many spellings, brought to one."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

# As people write them, and as GitHub is asked for them; what is written otherwise and means the same is brought to one
# of these. Those that say "for a first time" stand before those that only ask for help.
FIRST = (
    "good first issue", "good-first-issue", "good first issues", "good first bug", "good-first-bug", "good first pr",
    "good first contribution", "good-first-contribution", "good first task", "good first patch", "good first step",
    "good first timer", "good for first time contributors", "good for new contributors", "good for newcomers",
    "good for beginners", "good for beginner", "good beginner issue", "good starter issue", "good starter task",
    "good intro issue", "great first issue", "nice first issue", "nice to start", "perfect first issue",
    "first issue", "first bug", "first contribution", "first pr", "first timers", "first timers only",
    "first-timers-only", "first time contributor", "first time contributors", "your first pr", "my first pr",
    "newcomer", "newcomers", "newbie", "newbies", "newbie friendly", "new contributor", "new contributors",
    "new contributor friendly", "noob friendly", "beginner", "beginners", "beginner friendly", "beginner-friendly",
    "beginner issue", "beginner task", "beginners only", "starter", "starter issue", "starter bug", "starter task",
    "starter project", "entry level", "entry point", "introductory", "intro issue", "intro", "onboarding",
    "easy", "easy fix", "easyfix", "easy pick", "easy picks", "easy win", "easy first bug", "easy issue", "easy task",
    "easy to fix", "easy hack", "super easy", "very easy", "trivial", "simple", "low hanging fruit",
    "low-hanging-fruit", "quick win", "quick fix", "quickfix", "junior job", "junior jobs", "junior task", "jr task",
    "bite size", "bite sized", "bitesize", "small task", "minor task", "babystep", "baby step", "gateway drug",
    "hello world", "mentored", "mentor available", "mentoring available", "low effort",
    "E-easy", "E-mentor", "D - easy", "D-easy", "Difficulty: Easy", "difficulty/easy", "difficulty: beginner",
    "difficulty: low", "difficulty/low", "level: beginner", "level:easy", "exp: beginner", "experience: beginner",
    "effort: low", "effort/low", "complexity: low", "type: good first issue", "Type: Easy", "kind/good-first-issue",
    "status: good first issue", "contrib/good-first-issue", "meta: good first issue",
)  # fmt: skip
HELP = (
    "help wanted", "help-wanted", "help needed", "needs help", "need help", "contributions welcome",
    "contribution welcome", "contributors wanted", "contributor wanted", "community contribution", "community help",
    "community help wanted", "open for contribution", "open for contributions", "open to contributions",
    "pr welcome", "prs welcome", "pull request welcome", "pull requests welcome", "patches welcome", "patch welcome",
    "up for grabs", "up-for-grabs", "for grabs", "free to take", "unclaimed", "looking for contributors",
    "accepting pr", "accepting prs", "accepting contributions", "hacktoberfest", "E-help-wanted", "status: help wanted",
    "S-help-wanted", "Status: Up for grabs", "Type: Help wanted", "flag: help wanted",
)  # fmt: skip
ASKED = tuple(dict.fromkeys((*FIRST, *HELP)))

# Words before a label that only say which kind of label it is: "E-easy", "difficulty/easy", "Status: help wanted".
KIND = re.compile(
    r"\W{0,9}(?:area|category|community|complexity|contrib|diff|difficulty|effort|exp|experience|flag|issue|kind|level"
    r"|meta|pr|priority|resolution|skill|state|status|tag|task|team|topic|triage|type|[a-z])\s{0,9}[:/|>\-–—]{1,3}\s{0,9}"
)
LONGEST = 100  # characters of a label that are looked at
CODE = re.compile(r":[a-z0-9_+-]{1,40}:")  # an emoji by its name, as in ":rocket: easy"


def normalised(label: str) -> str:
    """Its words, in lower case with single blanks: no emoji, no punctuation, no kind of label before them."""
    text = plain(label)
    kind = KIND.match(text)
    return words(text[kind.end() :] if kind else text) or words(text)


def plain(label: str) -> str:
    return CODE.sub(" ", unicodedata.normalize("NFKC", label[:LONGEST]).casefold())


def words(text: str) -> str:
    """Letters and digits, and the signs of C++ and C#."""
    kept = (each if each in "+#" or unicodedata.category(each)[0] in "LN" else " " for each in text)
    return " ".join("".join(kept).split())


def known(labels: Iterable[str]) -> frozenset[str]:
    """Whole, and without blanks: "goodfirstissue" is one of them too."""
    found = {words(plain(label)) for label in labels}
    return frozenset(found | {label.replace(" ", "") for label in found})


FOR_A_FIRST_TIME, FOR_HELP = known(FIRST), known(HELP)


def invites(labels: Sequence[str]) -> str:
    """ "first" where one of them is for a newcomer, "help" where one asks for help, otherwise ""."""
    found = {said for label in labels for said in (normalised(label), words(plain(label)))}
    if found & FOR_A_FIRST_TIME:
        return "first"
    return "help" if found & FOR_HELP else ""

"""What the words of a message say of whoever wrote it: pure rules, no model, English.

A message is read a sentence at a time. What somebody denies, leaves or dislikes is cut out before anything else looks.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from engine.text import squeeze

RULES_VERSION = 3  # raise it when the code below reads differently: stored messages are then read again

SENTENCES = 50  # of a message: more are not read
LONGEST_SENTENCE = 400  # characters of one: what comes after is not read, and not kept
INTEREST_WORDS = 4

# How far a sentence is believed, by whom it speaks of.
OF_THEMSELVES = 1.0
OF_NOBODY = 0.8
OF_OTHERS = 0.5  # what somebody advises says less of them
INTEREST = 0.8

_SENTENCE = re.compile(r"(?<=[.!?;])\s+|[\r\n]+")
_QUOTED = re.compile(r"^[ \t]*>[^\n]*$|```.*?(?:```|\Z)", re.MULTILINE | re.DOTALL)
_SPOKEN = re.compile(r"[\"“”„«][^\"“”„«»\n]+[\"“”»]")  # of a sentence; what others say is told in the first person
_ADDRESSED = re.compile(r"^\s*@?[\w\[\]^`{}|\\-]{2,40}[:,]\s+")  # "c02580: …", as people do in a channel
_FIRST_PERSON = re.compile(r"\b(?:i|i['’]?(?:m|d|ll|ve)|my|mine|we|we['’]?(?:re|ve|ll)|our)\b", re.IGNORECASE)
_ADVICE = re.compile(
    r"\byou(?:['’]?(?:d|ll|re|ve))?\b|\byour\b|^\s*(?:try|use|check|install|look|read|see)\b", re.IGNORECASE
)

# What somebody does, wants or looks for; a field is named in passing far more often than a tool is.
_ENGAGED = re.compile(
    r"\b(?:i|we)(?:['’]?(?:m|ve|re|d|ll)\b)?(?:\s+(?:am|are|have|had|been|do|also|really|mostly|mainly|usually|currently"
    r"|always|often|would|will|just|started|began|still|now|want|wanted|need|needed|plan|hope|try|tried|to))*\s+(?:(?:use"
    r"|using|love|like|enjoy|prefer|build|building|built|write|writing|wrote|develop|developing|learn|learning|study"
    r"|studying|work|working|maintain|maintaining|into|interested|curious|passionate|fascinated|keen|looking for|make"
    r"|making|made|create|creating|created|contribute|contributing|hack|hacking|teach|teaching|research|researching"
    r"|program|programming|code|coding|play|playing|run|running|follow|following|care)\b)"
    r"|\b(?:looking for|recommend(?:ed|ation|ations)?|suggestions? for|any good|know (?:of )?(?:a|an|any) good)\b",
    re.IGNORECASE,
)
_BARE = r"(?:do|does|did|is|are|was|were|has|have|had|wo|would|ca|could|should|must|need|ai)nt"  # and not "want"
_NOT = rf"(?:not|never|no longer|[a-z]+n['’]t|{_BARE}|cannot|hardly|barely)"
_VERBS = (
    r"(?:use|used|using|like|want|need|know|care|do|have|had|trust|recommend|love|enjoy|write|wrote|written|touch"
    r"|touched|try|tried|learn|learned|learnt|speak|work with"
    r"|worked with|get|plan|bother|own|think|understand|see the point|program|code|a fan|fans?|into|interested|keen"
    r"|good at|familiar|fond|comfortable|looking for|talking about)"
)
_FILL = r"(?:\s+(?:really|even|actually|at all|ever|much|particularly|very|that|so|be|been|to|going to|all that))*"
# Each speaks against what follows it in its clause.
_DENIALS = (
    rf"\b{_NOT}{_FILL}\s+{_VERBS}\b",
    r"\bnot\s+(?:\w+\s+){0,2}(?=[A-Za-z0-9+#.]+\s*(?:$|[,.;!?]|developer|person|guy|user|programmer|expert))",
    r"\b(?:hate[sd]?|hating|dislikes?|disliked|despise|loathe|detest|avoid(?:ed|ing|s)?|distrust)\b",
    r"\b(?:can['’]?t|cannot|could\s?n['’]?t)\s+(?:stand|bear)\b",
    r"\b(?:sick|tired|weary)\s+of\b|\bfed up with\b|\bhad enough of\b",
    r"\b(?:stopped|stop|quit|quitting|gave up|given up|giving up|give up|done|dropped|dropping|ditched|ditching|left"
    r"|leaving|abandon(?:ed|ing)?|get rid of|getting rid of|got rid of|rid of)\s+(?:on\s+|with\s+|using\s+)?",
    r"\b(?:moved|moving|move|switched|switching|switch|migrated|migrating|migrate|coming|came|converted|ported|porting)"
    r"\s+(?:\w+\s+){0,2}(?:away\s+)?from\b|\baway from\b",
    r"\b(?:instead of|rather than|other than|apart from|except(?: for)?|unlike|anything but|without|as opposed to)\b",
    r"\b(?:better|faster|worse|slower|rather)\s+(?:\w+\s+){0,3}than\b",
    r"\b(?:neither|nor|no)\s+(?=\w)",
    r"\b(?:nobody|no one|who)\s+(?:needs?|wants?|uses?|likes?)\b|\bnothing about\b|\b(?:against|allergic to)\b",
    r"\b(?:refuse[sd]?|refusing)\s+to\b",
    r"\b(?:hiring|recruiting|vacancy|vacancies)\b",  # what an employer looks for
)
_DENIAL = re.compile("|".join(_DENIALS), re.IGNORECASE)
# Where what is denied ends: at a mark, at a turn, or where somebody speaks again.
_END = re.compile(
    r"[.:](?=\s|$)|[;!?()]|\s[-–—]+\s"
    r"|\b(?:but|however|although|though|yet|so|because|since|therefore|whereas|while)\b"
    r"|\band then\b|(?:,|\band)\s+(?=(?:i|i['’]?(?:m|d|ll|ve)|we|my|now|mostly|mainly|just|only|love|prefer|use|want"
    r"|need|it|that)\b)"
    r"|\bto\s+(?-i:(?=[A-Z]))|\bhow\s+to\b|\band\s+(?=to\b)",
    re.IGNORECASE,
)
_PREFERRED = re.compile(r"\b(prefer\s+(?:[^\s,;]+\s+){1,3})(?:over|to)\b", re.IGNORECASE)
_LEAVING = re.compile(r"\bfrom\b$", re.IGNORECASE)
_TARGET = re.compile(r"\bto\s+", re.IGNORECASE)
# Each speaks against what stands before it in its clause.
_BLAME = re.compile(
    r"[^.;:!?,]*?\b(?:sucks?|stinks?|(?:is|are|was)(?:\s+(?:just|so|really|pretty|such|a|an))*\s+"
    r"(?:awful|terrible|horrible|crap|crappy|garbage|trash|rubbish|dead|overrated|a mess|a pain|not for me)"
    r"|(?:is|are)n['’]?t\s+(?:for me|my thing))\b",
    re.IGNORECASE,
)

# Paths, files, options, variables and what is said to a channel's bot name no tool that anybody speaks of.
_MACHINE = re.compile(
    r"https?://\S+|(?<!\S)[\"'(]*(?:[~.$]?/\S*|\S+/\S+/\S*|--?[\w-]+(?:=\S*)?|!\w+|\.\w+)|\b\w*_\w+"
    r"|(?<![\w.])[\w-]+\.(?:php|html?|py|pl|rb|sh|jar|java|css|c|h|cpp|cs|so|conf|log|txt|xml|json|ya?ml|gz|deb|rpm|exe"
    r"|local)\b(?!\.)|\b\w+(?:-\w+){2,}|\b\w+-(?:dev|devel|common|bin|full|doc|plugin)\b",
    re.IGNORECASE,
)

_CHATTER = frozenset(
    re.findall(
        r"\w+",
        """
    hi hello hey heya hiya yo howdy greetings morning good evening afternoon night day bye goodbye cya ciao later
    thanks thank thx ty tnx cheers np welcome please pls sorry ok okay k kk yes yeah yep yup ya no nope nah sure right
    cool nice great awesome perfect lol lmao rofl haha hahaha hehe heh hmm hm mm mmm oh ah aha ahh ohh wow omg wtf
    wb brb afk bbl gtg well fine true exactly agreed indeed maybe same done gotcha got it i see all everyone everybody
    guys folks there you u so much very a lot is that am im how are doing what s up whats sup to the for your help
    again and ping pong test x d p too me my friend man dude sir mate anyway never mind nevermind nvm have one
    will do of course not bad yw
    """,
    )
)
_WORD = re.compile(r"[^\W_]+")

_INTEREST = re.compile(
    r"\b(?:i\s+am|i['’]?m|we\s+are|we['’]?re|been|get(?:ting)?|got)\s+(?:(?:very|really|also|so|quite|mostly|always"
    r"|still|particularly|especially)\s+)*(?:interested in|curious about|passionate about|fascinated by|keen on)\s+",
    re.IGNORECASE,
)
_INTEREST_END = re.compile(
    r"[^\w\s+#./'’-]|\.(?=\s|$)|['’](?=\s|$)|\s-|\b(?:and|but|because|so|for|with|that|which|who|as|if|when|or|from|at|to"
    r"|this|is|are|too|now|lately|these|about|what|how|whether|it|them|you|your|there|here)\b",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"^(?:a|an|the|some|all|any|more|learning|doing|using|making|trying|getting|finding|knowing)\b\s*", re.IGNORECASE
)

_FULL_NAME = re.compile(
    r"(?<![\w./@-])(?:https?://github\.com/)?([A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100})(?![\w/])"
)
_NAMED = re.compile(r"(?<![\w./@\\:~$-])[A-Za-z][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*(?![\w/@\\:=(-])")
SHORTEST_NAME = 5


@dataclass(frozen=True)
class Sentence:
    """One sentence as written, and what of it is not denied. belief: in (0, 1], how much it says of its author.

    engaged: it says what they do, want or look for.
    """

    text: str
    affirmed: str
    belief: float
    engaged: bool

    @property
    def words(self) -> str:
        """What is affirmed in words: a path is no mention of what it goes through."""
        return _MACHINE.sub(" ; ", self.affirmed)


def sentences(text: str) -> list[Sentence]:
    """Those of a message that affirm anything; what is quoted is somebody else's."""
    parts = (squeeze(part) for part in _SENTENCE.split(_QUOTED.sub("\n", text)))
    found = [read(part[:LONGEST_SENTENCE]) for part in islice(filter(None, parts), SENTENCES)]
    return [each for each in found if _WORD.search(each.affirmed)]


def read(sentence: str) -> Sentence:
    said = affirmed(sentence)
    return Sentence(sentence, said, belief(sentence), bool(_ENGAGED.search(said)))


def belief(sentence: str) -> float:
    """How far a sentence speaks of whoever says it."""
    said = _ADDRESSED.sub("", sentence)
    if _FIRST_PERSON.search(said):
        return OF_THEMSELVES
    return OF_OTHERS if _ADVICE.search(said) else OF_NOBODY


def affirmed(sentence: str) -> str:
    """The sentence without what it denies, leaves, blames or tells of others; a mark stands where something was."""
    own = _SPOKEN.sub(lambda found: " ; " if _FIRST_PERSON.search(found[0]) else found[0], sentence)
    said, kept = _BLAME.sub(" ; ", _PREFERRED.sub(r"\1instead of", own)), []
    while found := _DENIAL.search(said):
        kept.append(said[: found.start()])
        rest = said[found.end() :]
        end = (_TARGET if _LEAVING.search(found[0]) else _END).search(rest) or _END.search(rest)
        said = rest[end.end() if _LEAVING.search(found[0]) else end.start() :] if end else ""
    return " ; ".join([*kept, said])


def addressee(text: str) -> str:
    """Whom a message seems to address, "" where nobody: its first word, with a colon or a comma."""
    found = _ADDRESSED.match(text)
    return found[0].strip().lstrip("@").rstrip(":,") if found else ""


def unaddressed(text: str) -> str:
    """A message without the name that it begins with."""
    return _ADDRESSED.sub("", text, count=1)


def is_small_talk(text: str) -> bool:
    """Greetings, thanks and the like: nothing in it but words of courtesy and signs."""
    words = _WORD.findall(text.lower())
    return all(word in _CHATTER or word.isdigit() or len(set(word)) == 1 for word in words)


def interests(sentence: Sentence) -> Iterator[str]:
    """What somebody says outright that they are interested in, in their words and lower case."""
    for found in _INTEREST.finditer(sentence.affirmed):
        words = _INTEREST_END.split(sentence.affirmed[found.end() :], maxsplit=1)[0].split()
        phrase = _LEADING.sub("", " ".join(words[:INTEREST_WORDS]).lower()).strip(" .'’-")
        if len(phrase) > 2 and len(words) <= INTEREST_WORDS:
            yield phrase[:80]


def full_names(text: str) -> set[str]:
    """What is written like owner/name, in lower case: it may also be a path."""
    return {found.lower().removesuffix(".git").rstrip(".") for found in _FULL_NAME.findall(text)}


def names(text: str) -> set[str]:
    """Words that nobody takes for ordinary ones: with a digit, a dot, an underscore or a capital within."""
    return {found for found in _NAMED.findall(text) if unmistakable(found)}


def unmistakable(name: str) -> bool:
    return len(name) >= SHORTEST_NAME and bool(re.search(r"[a-z][A-Z]|[A-Za-z][._]?\d|[A-Za-z][._][A-Za-z]", name))


def spelled(name: str, said: Iterable[str]) -> bool:
    """Whether that is said: with a capital within letter for letter, else in any case."""
    if re.search("[a-z][A-Z]", name):
        return name in said
    return unmistakable(name) and name.lower() in {each.lower() for each in said}

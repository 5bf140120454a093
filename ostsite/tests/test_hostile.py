"""Whatever somebody wrote is shown as text: each page has the elements of its twin in which everything is harmless.

The same rows are drawn twice, with hostile words and with plain ones: ids, scores and links are equal, so any element,
attribute or foreign host more can only have come from what was written.
"""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import cycle
from urllib.parse import quote, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, override_settings
from django.utils import timezone

from ostsite.tests.payloads import LINKED, TEXTS, UNLINKED
from ostsite.tests.people import confirmed, person, staff
from ostsite.tests.world import UNHURRIED, undone
from recommendations import profiles, serving
from recommendations.models import (
    Campaign,
    Category,
    Fact,
    Generation,
    Intent,
    Message,
    Profile,
    Project,
    ProjectCategory,
    ProjectTechStack,
    TechStack,
)
from recommendations.tests import factories as make

pytestmark = pytest.mark.django_db
ADDRESSES = ("href", "src", "action", "formaction", "xlink:href", "srcset", "poster", "data", "hx-get", "hx-post")
REL = {"nofollow", "ugc", "noopener", "noreferrer"}
OURS = "testserver"
STACKS = 40

Attributes = list[tuple[str, str | None]]


class Outline(HTMLParser):
    """The elements of a page in their order, each with the names of its attributes and where it leads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.faults: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: Attributes) -> None:
        led = [f"{name}={place_of(value or '')}" if name in ADDRESSES else name for name, value in attributes]
        self.elements.append((tag, *led))
        self.faults += faults_of(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment",))

    def handle_decl(self, decl: str) -> None:
        self.elements.append(("declaration",))

    def unknown_decl(self, data: str) -> None:
        self.elements.append(("declaration",))

    def handle_pi(self, data: str) -> None:
        self.elements.append(("instruction",))


def place_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}//{parts.netloc}"


def faults_of(tag: str, attributes: Attributes) -> list[str]:
    """What no page of ours has, whatever is written on it."""
    given = {name: value or "" for name, value in attributes}
    found = [
        name
        for name in given
        if name.startswith(("on", "hx-on", "data-hx-on")) or name in ("style", "srcdoc", "srcset")
    ]
    found += ["inline"] if tag == "style" or (tag == "script" and "src" not in given) else []
    found += ["foreign element"] if tag in ("iframe", "object", "embed", "base", "math", "frame") else []
    for name in ADDRESSES:
        found += [f"{name}={given[name][:60]}"] if name in given and not fit(tag, given[name], given) else []
    return [f"<{tag}> {fault}" for fault in found]


def fit(tag: str, address: str, given: dict[str, str]) -> bool:
    """A path of ours; or, of a link alone, http(s) with the words that say it is somebody else's."""
    parts = urlsplit(address)
    if not parts.scheme and not parts.netloc:
        return not address.startswith(("//", "/\\", "\\"))
    foreign = tag == "a" and parts.scheme in ("http", "https")
    return foreign and (parts.netloc == OURS or set(given.get("rel", "").split()) >= REL)


# The rows, and their words


def homepages(hostile: bool) -> Iterator[str]:
    """For ever; the harmless twin of one that gets no link gets none either, and has as many lines."""
    plain = {
        **dict.fromkeys(LINKED, "https://evil.example/"),
        **{text: text.count("\n") * "no\n" + "no" for text in UNLINKED},
    }
    return cycle([text if hostile else plain[text] for text in (*UNLINKED, *LINKED)])


def filled() -> User:
    """A project, a category and a stack for each word, and somebody who has said all of them; not a word as yet."""
    make.make_model()
    make.make_weights(top_n=50, reason="because")
    now = timezone.now()
    projects = Project.objects.bulk_create(
        Project(full_name=f"octo{number:03}/tool", stars=9 * number, created_at=now, pushed_at=now, languages={"C": 9})
        for number in range(len(TEXTS))
    )
    for number, project in enumerate(projects):
        make.give_vector(project, [1, number / len(projects), 0])
    categories = Category.objects.bulk_create(Category(name=f"c{number}") for number in range(len(TEXTS)))
    stacks = TechStack.objects.bulk_create(TechStack(name=f"s{number}", kind="TECH") for number in range(STACKS))
    placed = zip(projects, categories, strict=True)
    ProjectCategory.objects.bulk_create(ProjectCategory(project=row, category=term) for row, term in placed)
    made = zip(projects, cycle(stacks), strict=False)
    ProjectTechStack.objects.bulk_create(ProjectTechStack(project=row, stack=term) for row, term in made)
    alice = person("alice_ml")
    profiles.of(alice)
    make.knows(alice, *categories, *stacks[::2])
    make.give_vector(alice, [1, 0.5, 0])
    for kind, project in zip(("star", "like", "save", "dismiss"), projects, strict=False):
        make.act(alice, project, kind)
    message = Message.objects.create(user=alice, message_id="m1", text="x", said_at=now)
    said = {"message": message, "sentence": "x", "confidence": 0.9, "said_at": now}
    Fact.objects.bulk_create(Fact(user=alice, interest=f"i{number}", **said) for number in range(len(TEXTS)))
    bob = make.make_user("bob")  # of whom nothing is known but what was written
    Fact.objects.bulk_create(Fact(user=bob, category=category, **said) for category in categories)
    Intent.objects.create(name="x", prototype="x")
    Campaign.objects.create(name="x", kind="project", subject=projects[0].pk)
    return alice


def worded(alice: User, hostile: bool) -> None:
    """Write every field that somebody else may write: each with its own word, or each with a plain one."""
    projects, categories, stacks = (list(table.objects.order_by("pk")) for table in (Project, Category, TechStack))
    words = TEXTS if hostile else [f"word{number}" for number in range(len(TEXTS))]
    rows = zip(words, homepages(hostile), projects, strict=False)
    for said, homepage, project in rows:
        project.description, project.topics, project.homepage = said, [said], homepage
        project.language, project.license, project.readme = said[:60], said[:100], f"It is {said} and more."
        project.languages = {said: 9}
    for terms in (categories, stacks):
        for number, (said, term) in enumerate(zip(words, terms, strict=False)):
            term.name, term.aliases, term.words, term.topics = f"k{number:03} {said[:70]}", [said], [said], [said]
    for said, category in zip(words, categories, strict=True):
        category.description = said
    columns = ["description", "topics", "homepage", "language", "license", "readme", "languages"]
    Project.objects.bulk_update(projects, columns)
    Category.objects.bulk_update(categories, ["name", "aliases", "words", "topics", "description"])
    TechStack.objects.bulk_update(stacks, ["name", "aliases", "words", "topics"])
    line = "".join(words)
    Profile.objects.filter(pk=alice.pk).update(
        bio=line,
        interests=words,
        job_title=line[:200],
        company=line[200:400],
        location=line[400:600],
    )
    Message.objects.update(text=line)
    facts = {user: list(Fact.objects.filter(user__username=user).order_by("pk")) for user in ("alice_ml", "bob")}
    for number, (said, interest, category) in enumerate(zip(words, *facts.values(), strict=True)):
        interest.interest, interest.sentence = f"i{number:03} {said[:70]}", said[:400]
        category.sentence = said[:400]
    Fact.objects.bulk_update([*facts["alice_ml"], *facts["bob"]], ["interest", "sentence"])
    Intent.objects.update(name=words[0][:60], prototype=line[:2000])
    Campaign.objects.update(name=words[0][:80])
    Generation.objects.all().delete()  # or there were one more to choose from
    serving.forget()
    cache.clear()
    make.score()


# What is drawn

LISTED = [f"/projects/?page={page}" for page in range(1, 1 + -(-len(TEXTS) // 20))]
PUBLIC = ["/", *LISTED, "/trending/", "/new/?page=2", "/projects/?order=name", "/try/"]
HERS = [
    "/",
    "/for-you/?show=50",
    "/profile/",
    "/profile/?kind=dismiss",
    *[f"/profile/?heard={page}" for page in range(2, 1 + -(-len(TEXTS) // 10))],
    "/welcome/",
    "/profile/delete/",
    "/projects/?page=2",
]
ONES = [f"/projects/octo{number:03}/tool/" for number in range(len(TEXTS))]
TABLES = (
    "recommendations/project",
    "recommendations/category",
    "recommendations/techstack",
    "recommendations/profile",
    "recommendations/interaction",
    "recommendations/message",
    "recommendations/intent",
    "recommendations/fact",
    "recommendations/campaign",
)
Pages = dict[str, str]


def read(client: Client, addresses: list[str], **given: object) -> Pages:
    found = {}
    for address in addresses:
        answer = client.get(address, **given)
        assert (answer.status_code, answer["X-Content-Type-Options"]) == (200, "nosniff"), address
        found[address] = answer.content.decode()
    return found


def drawn(alice: User, root: Client) -> dict[str, Pages]:
    """Every page on which a word may stand, by who reads it."""
    hers, stranger = confirmed(alice), Client()
    rows = {f"/admin/{table}/": table for table in TABLES}
    changes = [
        f"/admin/recommendations/project/{pk}/change/"
        for pk in Project.objects.order_by("pk").values_list("pk", flat=True)[::20]
    ]
    changes += [
        f"/admin/recommendations/category/{pk}/change/"
        for pk in Category.objects.order_by("pk").values_list("pk", flat=True)[::12]
    ]
    changes += [
        f"/admin/recommendations/profile/{alice.pk}/change/",
        f"/admin/recommendations/message/{Message.objects.get().pk}/change/",
        f"/admin/recommendations/intent/{Intent.objects.get().pk}/change/",
        f"/admin/recommendations/campaign/{Campaign.objects.get().pk}/change/",
        f"/admin/recommendations/fact/{Fact.objects.filter(user=alice).earliest('pk').pk}/change/",
    ]
    stacks = list(TechStack.objects.order_by("pk").values_list("pk", flat=True))
    sent = {"HX-Request": "true"}
    tried = {
        f"try {at}": stranger.post("/try/", {"stacks": stacks[at : at + 10]}, headers=headers).content.decode()
        for at in range(0, len(stacks), 10)
        for headers in ([sent, {}] if at < 20 else [sent])
    }
    return {
        "stranger": read(stranger, PUBLIC),
        "try": tried,
        "hers": read(hers, HERS),
        "theirs who wrote": read(confirmed(User.objects.get(username="bob")), ["/for-you/?show=50", "/profile/"]),
        "project": read(stranger, ONES),
        "project for her": read(hers, ONES[::16]),
        "why": read(hers, [f"{address}why/" for address in ONES[::16]]),
        "htmx": read(stranger, LISTED[:3], headers=sent),
        "admin": read(root, [*rows, *changes, f"/admin/recommendations/recommendation/?person={alice.pk}"]),
    }


@pytest.fixture(scope="module")
def twins(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[dict[bool, dict[str, Pages]]]:
    """Every page with hostile words (True) and with plain ones, the hostile ones still stored."""
    with django_db_blocker.unblock(), override_settings(**UNHURRIED), undone():  # type: ignore[attr-defined]
        alice, found = filled(), {}
        root = confirmed(staff("root", is_superuser=True))
        for hostile in (False, True):
            worded(alice, hostile)
            found[hostile] = drawn(alice, root)
        yield found
        serving.forget()
        cache.clear()


SORTS = ("stranger", "try", "hers", "theirs who wrote", "project", "project for her", "why", "htmx", "admin")


def test_there_are_words_enough():
    assert len(set(TEXTS)) >= 120


def test_a_word_that_was_not_escaped_would_be_seen():
    seen = [word for word in TEXTS if len(Outline(f'<p title="{word}">{word}</p>').elements) != 2]
    assert len(seen) >= 100


@pytest.mark.parametrize("sort", SORTS)
def test_hostile_words_make_no_element(twins, sort):
    plain, hostile = (
        {address: Outline(page).elements for address, page in twins[which][sort].items()} for which in (False, True)
    )
    assert len(plain) == len(hostile) > 0
    assert {
        address: difference(plain[address], hostile[address]) for address in plain if plain[address] != hostile[address]
    } == {}


def difference(plain: list[tuple[str, ...]], hostile: list[tuple[str, ...]]) -> object:
    """Where two outlines part."""
    pairs = zip([*plain, ("end",)], [*hostile, ("end",)], strict=False)
    return next((pair for pair in pairs if pair[0] != pair[1]), None)


@pytest.mark.parametrize("sort", SORTS)
def test_no_page_has_a_handler_a_script_of_its_own_or_a_link_that_is_not_marked(twins, sort):
    assert {address: found for address, page in twins[True][sort].items() if (found := Outline(page).faults)} == {}


@pytest.mark.parametrize("sort", ["stranger", "project", "hers", "theirs who wrote", "admin"])
def test_the_words_are_on_the_pages(twins, sort):
    """Or the comparison would say nothing."""
    pages = " ".join(twins[True][sort].values())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages
    assert "{{7*7}}" in pages


def test_a_homepage_is_linked_only_where_a_browser_may_be_sent(twins):
    for homepage, page in zip(homepages(hostile=True), twins[True]["project"].values(), strict=False):
        linked = "evil.example" in {urlsplit(address).hostname for address in addresses_in(page)}
        assert linked == (homepage in LINKED), homepage


def addresses_in(page: str) -> list[str]:
    found: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attributes: Attributes) -> None:
            found.extend(value or "" for name, value in attributes if tag == "a" and name == "href")

    Links().feed(page)
    return found


# What is typed into an address

KNOWN = ("q", "language")


@pytest.mark.parametrize("name", [*KNOWN, "category", "stack", "order", "page", "unknown"])
def test_a_hostile_parameter_makes_no_element(twins, client, name):
    """No pair of an element and its attributes that no page with plain words has."""
    plain = {
        element for pages in twins[False].values() for page in pages.values() for element in Outline(page).elements
    }
    plain |= {
        element
        for address in (f"/projects/?{name}=x", "/projects/?q=x&language=y")
        for element in outline(client, address).elements
    }
    for word in TEXTS[::8]:
        found = outline(
            client,
            f"/projects/?{name}={quote(word[:60])}&{quote(word[:20])}=1"
            if name == "unknown"
            else f"/projects/?{name}={quote(word[:60])}",
        )
        assert (found.faults, set(found.elements) - plain) == ([], set()), word


def outline(client: Client, address: str) -> Outline:
    return Outline(client.get(address, follow=True).content.decode())


# What programs get


@pytest.mark.parametrize("number", range(0, len(TEXTS), 10))
def test_a_program_gets_the_words_as_they_were_written(twins, client, number):
    answer = client.get(f"/api/v1/projects/octo{number:03}/tool/")
    assert (answer["Content-Type"].partition(";")[0], answer["X-Content-Type-Options"]) == (
        "application/json",
        "nosniff",
    )
    assert json.loads(answer.content)["description"] == TEXTS[number]

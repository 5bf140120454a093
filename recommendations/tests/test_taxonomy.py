import json
from dataclasses import replace
from pathlib import Path

import pytest

from recommendations import taxonomy
from recommendations.taxonomy import Entry, Taxonomy, tokens

FIXTURE = json.loads((Path(__file__).parents[1] / "fixtures" / "taxonomy.json").read_text())
NOTHING = {"full_name": "", "description": "", "language": "", "topics": (), "languages": {}, "readme": ""}
RULES = ("aliases", "languages", "topics", "words")


def entries(axis: str) -> list[Entry]:
    return [
        Entry(id, row["name"], **{rule: tuple(row.get(rule, ())) for rule in RULES})
        for id, row in enumerate(FIXTURE[axis], start=1)
    ]


CATEGORIES, STACKS = entries("categories"), entries("stacks")
SHIPPED = Taxonomy(CATEGORIES, STACKS)


def place(rules: Taxonomy = SHIPPED, **facts) -> taxonomy.Placement:
    return rules.place(**{**NOTHING, **facts})


def category_names(**facts) -> set[str]:
    return {entry.name for entry in CATEGORIES if entry.id in place(**facts).categories}


def stack_names(**facts) -> set[str]:
    return {entry.name for entry in STACKS if entry.id in place(**facts).stacks}


def named(entry: Entry):
    return pytest.param(entry, id=entry.name)


@pytest.mark.parametrize("entry", [*map(named, CATEGORIES)])
def test_every_category_is_reached_by_a_topic_and_by_a_word_of_its_own(entry):
    assert all(entry.id in place(topics=[topic]).categories for topic in entry.topics)
    assert all(entry.id in place(description=word).categories for word in entry.words)


@pytest.mark.parametrize("entry", [*map(named, STACKS)])
def test_every_stack_is_reached_by_each_of_its_own_rules(entry):
    assert all(entry.id in place(language=language).stacks for language in entry.languages)
    assert all(entry.id in place(topics=[topic]).stacks for topic in entry.topics)
    assert all(entry.id in place(description=word).stacks for word in entry.words)


def test_fixture_has_the_eighteen_categories_and_the_seventy_six_stacks_once_each():
    assert len({entry.name for entry in CATEGORIES}) == len(CATEGORIES) == 18
    assert len({entry.name for entry in STACKS}) == len(STACKS) == 76


@pytest.mark.parametrize("axis", ["categories", "stacks"])
def test_no_name_or_alias_means_two_entries(axis):
    names = [{taxonomy.fold(name) for name in (entry.name, *entry.aliases)} for entry in entries(axis)]
    assert sum(map(len, names)) == len(set().union(*names))


@pytest.mark.parametrize(
    ("description", "wrong"),
    [
        ("Previously at Google", "Go"),
        ("A web site in Django", "Go"),
        ("Ready to go in less than a minute", "Go"),
        ("An album player that reacts to touch", "React"),
        ("Express yourself", "Express"),
        ("Parses text in less than a second", "Less"),
        ("Remove rust stains", "Rust"),
        ("A swift answer", "Swift"),
        ("A parser without JavaScript", "JavaScript"),
        ("An open source alternative to Figma", "Figma"),
        ("Written in C++ and C#", "C"),
        ("Written in Objective-C", "C"),
        ("Follow us on https://discord.gg/example", "Discord API"),
    ],
)
def test_a_word_that_only_looks_like_a_stack_is_not_one(description, wrong):
    assert wrong not in stack_names(description=description)


@pytest.mark.parametrize(
    ("description", "wrong"),
    [
        ("Turns html and yaml into pages", "AI & Machine Learning"),
        ("Send email from a container", "AI & Machine Learning"),
        ("A walk in the forest, and some rest", "API & Microservices"),
        ("Reads metadata of a photo", "Data Science & Analytics"),
        ("Rain drops", "DevOps & Cloud"),
        ("Faster, of course", "Education"),
        ("Conway's game of life", "Games"),
        ("Parses robots.txt", "IoT & Hardware"),
        ("See twitter.com/example", "Social Networks"),
        ("Health checks for a service", "Health & Medicine"),
    ],
)
def test_a_word_that_only_looks_like_a_category_is_not_one(description, wrong):
    assert wrong not in category_names(description=description)


@pytest.mark.parametrize(
    ("facts", "right"),
    [
        ({"description": "A router written in Go"}, "Go"),
        ({"description": "A golang router"}, "Go"),
        ({"description": "Operators for k8s"}, "Kubernetes"),
        ({"description": "A driver for postgres"}, "PostgreSQL"),
        ({"description": "Middleware for express.js"}, "Express"),
        ({"description": "A Slack bot"}, "Slack"),
        ({"language": "Jupyter Notebook"}, "Python"),
        ({"language": "Dockerfile"}, "Docker"),
        ({"language": "SCSS"}, "Sass"),
        ({"language": "Vue"}, "Vue.js"),
        ({"full_name": "alice/react-router"}, "React"),
        ({"topics": ["TypeScript"]}, "TypeScript"),
    ],
)
def test_a_stack_is_found_by_language_topic_phrase_or_name(facts, right):
    assert right in stack_names(**facts)


def test_the_owner_of_a_project_does_not_place_it():
    assert stack_names(full_name="react/colours") == set()


def test_c_and_its_cousins_are_kept_apart():
    assert stack_names(language="C++") == {"C++"}
    assert stack_names(language="C#") == {"C#"}
    assert stack_names(language="C") == {"C"}
    assert stack_names(description="A parser for C/C++") == {"C", "C++"}


def test_a_phrase_does_not_run_across_a_mark():
    assert category_names(description="The machine. Learning nothing") == set()


@pytest.mark.parametrize("term", ["c++", "c#", ".net", "asp.net", "node.js", "next.js", "ci/cd"])
def test_a_term_with_marks_stays_one_token(term):
    assert tokens(f"Some {term.upper()}, some more") == ["some", term, ",", "some", "more"]


def test_evidence_weighs_topic_over_language_over_description_over_name_over_readme():
    assert taxonomy.TOPIC > taxonomy.LANGUAGE > taxonomy.DESCRIPTION > taxonomy.NAME > taxonomy.README


def test_a_topic_outweighs_a_readme_word():
    found = place(topics=["blockchain"], readme="kubernetes terraform ansible gitops")
    assert list(found.categories) == [SHIPPED.category("Blockchain"), SHIPPED.category("DevOps")]


def test_one_word_of_a_readme_places_nothing():
    assert place(readme="Runs on Kubernetes") == place()


def test_a_readme_is_read_to_its_two_thousandth_character():
    assert place(readme="x " * 1_000 + "kubernetes k8s kubectl k3s minikube").stacks == {}


def test_a_term_said_twice_counts_once():
    assert place(description="kubernetes kubernetes") == place(description="kubernetes")


def test_terms_that_agree_make_an_entry_surer():
    both, one = place(topics=["docker"], language="Dockerfile"), place(topics=["docker"])
    docker = SHIPPED.stack("Docker")
    assert docker
    assert both.stacks[docker] > one.stacks[docker]


@pytest.mark.parametrize(("size", "counts"), [(5, True), (4, False)])
def test_a_second_language_counts_from_five_percent_of_the_bytes(size, counts):
    sizes = {"Python": 100 - size, "Shell": size}
    assert ("Shell" in stack_names(language="Python", languages=sizes)) == counts


def test_a_second_language_of_unknown_size_does_not_place_alone():
    assert stack_names(language="Python", languages={"Python": 0, "Shell": 0}) == {"Python"}


def test_a_stray_topic_is_dropped_beside_many_that_agree():
    topics = ["bitcoin", "ethereum", "solidity", "web3", "ecommerce"]
    assert category_names(topics=topics) == {"Blockchain & Crypto"}


def test_a_project_has_at_most_four_categories_and_ten_stacks():
    assert len(place(topics=["chess", "solidity", "anki", "mastodon", "honeypot"]).categories) == 4
    assert len(place(topics=[entry.topics[0] for entry in STACKS]).stacks) == 10


def test_empty_facts_give_an_empty_placement():
    assert place() == taxonomy.Placement(categories={}, stacks={})


def test_confidences_lie_between_the_floor_and_one():
    found = place(topics=["ai", "llm", "mcp"], description="An AI agent in Python", readme="docker")
    assert all(taxonomy.FLOOR <= sure <= 1 for sure in (found.categories | found.stacks).values())


@pytest.mark.parametrize("name", ["Jeux Vidéo", "jeux video", "GAMING", " games "])
def test_a_category_goes_by_its_french_name_and_aliases_in_any_case(name):
    assert SHIPPED.category(name) == SHIPPED.category("Games")


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("golang", "Go"),
        ("K8s", "Kubernetes"),
        ("postgres", "PostgreSQL"),
        ("nodejs", "Node.js"),
        ("reactjs", "React"),
        ("Vue", "Vue.js"),
        ("springboot", "Spring Boot"),
        ("Jupyter Notebook", "Python"),
        ("SCSS", "Sass"),
        ("Dockerfile", "Docker"),
        ("csharp", "C#"),
        ("cpp", "C++"),
        ("js", "JavaScript"),
        ("ts", "TypeScript"),
    ],
)
def test_a_stack_goes_by_its_aliases(alias, name):
    assert SHIPPED.stack(alias) == SHIPPED.stack(name) is not None


@pytest.mark.parametrize("name", ["", "Gardening", "Goo"])
def test_an_unknown_name_is_none(name):
    assert SHIPPED.category(name) is None
    assert SHIPPED.stack(name) is None


def test_version_changes_with_a_rule():
    changed = replace(CATEGORIES[0], words=(*CATEGORIES[0].words, "perceptron"))
    assert Taxonomy([changed, *CATEGORIES[1:]], STACKS).version != SHIPPED.version


def test_version_changes_with_the_rule_engine(monkeypatch):
    monkeypatch.setattr(taxonomy, "RULES_VERSION", taxonomy.RULES_VERSION + 1)
    assert Taxonomy(CATEGORIES, STACKS).version != SHIPPED.version


def test_version_and_placement_do_not_depend_on_the_order_of_rows():
    turned = Taxonomy(CATEGORIES[::-1], STACKS[::-1])
    assert turned.version == SHIPPED.version
    assert place(turned, description="AI agents in Go") == place(description="AI agents in Go")


@pytest.mark.parametrize("word", ["🎮", "—", "\u200b", " ", "°"])
def test_a_word_of_signs_alone_stops_nothing_and_places_nothing(word):
    rules = Taxonomy([replace(CATEGORIES[0], words=(word, *CATEGORIES[0].words)), *CATEGORIES[1:]], STACKS)
    assert place(rules, description=f"{word} AI agents in Go") == place(description=f"{word} AI agents in Go")

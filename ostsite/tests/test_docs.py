"""What the docs have to tell of all of: commands, checks, decisions, dependencies; and that no link in them is dead.

Settings: test_settings.py beside this. The API: recommendations/tests/test_docs.py. Figures: engine's test_metrics.py.
"""

import argparse
import ast
import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from django.conf import settings
from django.core import management
from django.core.management import find_commands, get_commands, load_command_class
from django.core.management.base import BaseCommand

BASE = Path(settings.BASE_DIR)
DOCS = BASE / "docs"
APPS = ("engine", "issues", "recommendations", "ostsite")
PAGES = sorted(
    page
    for top in BASE.iterdir()
    if not top.name.startswith(".")
    for page in ([top] if top.suffix == ".md" else top.rglob("*.md"))
)


# Commands

OPERATIONS = (DOCS / "operations.md").read_text()
OURS = sorted(name for name, app in get_commands().items() if app in APPS)
DJANGOS = find_commands(management.__path__[0])


def rows_of(prefix):
    """The first cells of the table that tells of `./ost …` or of `./ost manage …`, each with what it does."""
    table = OPERATIONS.partition(f"| `{prefix} …` | does |\n")[2].partition("\n\n")[0]
    return table.splitlines()[1:]


def own_options(name):
    """The options that a command has beside those of all, and of Django's command of that name."""
    command = load_command_class(get_commands()[name], name)
    shared = set(BaseCommand().create_parser("", name)._option_string_actions)
    if name in DJANGOS:
        shared |= load_command_class("django.core", name).create_parser("", name)._option_string_actions.keys()
    actions = command.create_parser("", name)._actions
    return [set(each.option_strings) for each in actions if each.help != argparse.SUPPRESS and each.option_strings
            and not shared & set(each.option_strings)]  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_every_command_stands_in_the_manual_with_each_of_its_options(name):
    told = "\n".join(row for row in rows_of("./ost manage") if re.search(rf"`{name}[` ]", row))
    assert told
    assert [names for names in own_options(name) if not names & set(re.findall(r"--?[\w-]+", told))] == []


@pytest.mark.parametrize("name", OURS)
def test_every_command_says_what_it_does(name):
    assert load_command_class(get_commands()[name], name).help


def test_the_manual_tells_of_no_command_that_is_gone():
    cells = [row.split(" | ")[0] for row in rows_of("./ost manage")]
    named = {name for cell in cells for name in re.findall(r"`([a-z]\w+)", cell)}
    assert named - get_commands().keys() == set()


def test_every_command_of_ost_stands_in_the_manual():
    help_text = (BASE / "ost").read_text().partition('COMMANDS = """')[2].partition('"""')[0]
    said = set(re.findall(r"^  \./ost (\w+)", help_text, re.M))
    assert said == {row.removeprefix("| `").split()[0].strip("`") for row in rows_of("./ost")}


# Checks


def test_every_check_stands_among_the_settings():
    ids = re.findall(r"\"(ost\.[EW]\d+)\"", (BASE / "ostsite" / "checks.py").read_text())
    told = re.findall(r"^\| (ost\.[EW]\d+) \|", (DOCS / "configuration.md").read_text(), re.M)
    assert told == sorted(set(ids))


# Dependencies

DEPENDENCIES, _, BROUGHT = (DOCS / "dependencies.md").read_text().partition("## What others bring")


def asked_for():
    """The names in requirements.in and requirements-dev.in, without versions and extras."""
    lines = [
        line for file in ("requirements.in", "requirements-dev.in") for line in (BASE / file).read_text().splitlines()
    ]
    return {name[0].lower() for line in lines if (name := re.match(r"[\w-]+", line)) and not line.startswith("-")}


def told_of(text):
    return [name.lower() for name in re.findall(r"^\| `([\w-]+)` \|", text, re.M)]


def imported_unasked():
    """The packages of others that our code imports, tests included, and that come with those asked for."""
    files = [BASE / "conftest.py", *(file for app in (*APPS, "benchmarks") for file in (BASE / app).rglob("*.py"))]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    names = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    owners, asked = packages_distributions(), asked_for()
    found = [{owner.lower().replace("_", "-") for owner in owners.get(name.partition(".")[0], [])} for name in names]
    return set().union(*(each for each in found if not each & asked))


def test_every_dependency_has_one_row():
    assert sorted(told_of(DEPENDENCIES)) == sorted(asked_for())


def test_what_is_imported_and_not_asked_for_is_told_of():
    assert set(told_of(BROUGHT.partition("\n## ")[0])) == imported_unasked()


# Decisions and links


def test_every_decision_stands_in_the_index():
    listed = re.findall(r"^- \[(.+)\]\(\1\): .", (DOCS / "decisions" / "README.md").read_text(), re.M)
    assert sorted(listed) == sorted(page.name for page in (DOCS / "decisions").glob("*.md") if page.name != "README.md")


def slugs(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|srcset)=\"([^\"]+)\"", text)
    return [link for link in found if not re.match(r"\w+:", link)]


def is_dead(page, link):
    path, _, anchor = link.partition("#")
    to = page.parent / path if path else page
    return not to.exists() or (bool(anchor) and anchor not in slugs(to))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BASE)))
def test_no_link_is_dead(page):
    assert [link for link in links(page) if is_dead(page, link)] == []

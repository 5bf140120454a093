"""docs/where.md names nothing that is not there: commands and their options, addresses, settings, files."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.urls import resolve

from ostsite.health import Probes

BASE = Path(settings.BASE_DIR)
TEXT = (BASE / "docs" / "where.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("| ")]
ANSWERS = [answer for was, answer in ROWS if was not in ("---", "what it was")]
SPANS = sorted({span for answer in ANSWERS for span in re.findall(r"`([^`]+)`", answer)})

GIVEN = {
    "{username}": "ada",
    "{owner}": "ada",
    "{name}": "tools",
    "{number}": "1",
    "{kind}": "save",
    "{day}": "2026-09-01",
}
# Lower-case words in code that are fields, parameters and words of answers, and no commands.
OTHERS = {
    *("top", "score", "parts", "raw_score", "degraded", "ms", "author_id", "source", "local", "vector", "model"),
    *("generated_at", "halfvec", "from", "ost_…", "ost_label_reuse_total", "ost_upstream_breaker_state"),
}  # fmt: skip


def addresses():
    """Each as it might be asked, without what answers before any address is looked up."""
    asked = {span.split()[-1].partition("?")[0] for span in SPANS if re.match(r"(?:[A-Z]+ )?/", span)}
    return sorted(asked - Probes(lambda request: None).views.keys())  # type: ignore[arg-type, return-value]


def commands():
    """Each span that begins with a lower-case word, but for other words."""
    return [span for span in SPANS if re.fullmatch(r"[a-z_…]+", span.split()[0]) and span.split()[0] not in OTHERS]


@pytest.mark.parametrize("address", addresses())
def test_every_address_leads_somewhere(address):
    for name, value in GIVEN.items():
        address = address.replace(name, value)
    assert resolve(address).func.__name__ != "catch_all_view"  # of the admin: its 404


@pytest.mark.parametrize("span", commands())
def test_every_command_is_there_with_its_options(span):
    name, *words = span.split()
    assert name in get_commands()
    app = get_commands()[name]
    known = load_command_class(app, name).create_parser("manage.py", name)._option_string_actions
    assert {word for word in words if word.startswith("--")} <= known.keys()


def test_every_setting_is_one():
    known = set(re.findall(r"^#? ?([A-Z_]+)=", (BASE / ".env.example").read_text(), re.M)) | {"OMP_NUM_THREADS"}
    named = {span.partition("=")[0] for span in SPANS if re.fullmatch(r"[A-Z]+(_[A-Z]+)+(=\S+)?", span)}
    assert named - known == set()


def test_every_file_is_there():
    named = [span for span in SPANS if re.fullmatch(r"\.?\w+(/[\w.-]+)*/(\w+\.\w+)?|\w+\.yaml", span)]
    assert [name for name in named if not (BASE / name).exists()] == []

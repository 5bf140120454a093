"""What a process loads when it starts, and what holds for the whole repository."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch",
    "litellm",
    "sklearn",
    "scipy",
    "transformers",
    "sentence_transformers",
    "hdbscan",
    "openvino",
    "tokenizers",
)
# fmt: off
STACK = [
    "django", "djangorestframework", "django-environ", "django-q2", "psycopg", "pgvector",
    "sentence-transformers", "torch", "hdbscan", "litellm", "httpx", "pydantic",
]
# fmt: on
FOLDERS = ("ostsite", "engine", "recommendations", "issues", "benchmarks")


def loaded(program: str) -> set[str]:
    """The modules of a process that ran this."""
    program += "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stdout.split())


def pins() -> dict[str, str]:
    """The requirements, name -> version."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return dict(line.split(" ")[0].split("==") for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import django; django.setup()", id="django.setup"),
        pytest.param("import ostsite.wsgi", id="the web process"),
        pytest.param(
            "import django; django.setup()\n"
            "from django.core.management import get_commands, load_command_class\n"
            "for name, app in get_commands().items(): load_command_class(app, name)",
            id="every command",
        ),
        pytest.param(
            "import django; django.setup()\n"
            "from engine.runs import get_pipeline\n"
            "from django.conf import settings\n"
            "for name in settings.PIPELINES: get_pipeline(name)",
            id="every pipeline",
        ),
    ],
)
def test_starting_loads_no_heavy_package(program):
    assert loaded(program) & set(HEAVY) == set()


@pytest.mark.django_db
def test_the_migrations_make_what_the_models_say(capsys):
    call_command("makemigrations", check=True, dry_run=True)
    assert capsys.readouterr().out == "No changes detected\n"


def sources() -> list[Path]:
    return [*(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")), *ROOT.glob("*.py"), ROOT / "ost"]


def bare_excepts(path: Path) -> list[int]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node.lineno for node in nodes if isinstance(node, ast.ExceptHandler) and node.type is None]


def test_no_module_catches_what_it_does_not_name():
    assert {str(path): lines for path in sources() if (lines := bare_excepts(path))} == {}


def test_the_requirements_ask_for_no_graphics_card():
    assert not [name for name in pins() if re.search("nvidia|cuda|triton", name)]


@pytest.mark.parametrize("name", STACK)
def test_the_requirements_name_each_package_of_the_stack(name):
    assert name in pins()


@pytest.mark.parametrize("name", STACK)
def test_what_asks_for_a_package_says_what_it_is_for(name):
    wanted = (ROOT / "requirements.in").read_text()
    assert re.search(rf"^{name}\b[^#\n]*#\s*\w", wanted, re.MULTILINE | re.IGNORECASE)


def test_every_requirement_is_pinned():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not re.match(r"#|[a-z0-9-]+==[\w.]+( ;|$)", line)] == []

"""Which way imports point: ostsite → recommendations, issues → engine → nothing of ours.

Inside an app: edges → database, outside world, pure code; database → pure; outside world → pure.
"""

import ast
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APPS = {
    "ostsite": {"ostsite", "recommendations", "issues", "engine"},
    "recommendations": {"recommendations", "engine"},
    "issues": {"issues", "engine"},
    "engine": {"engine"},
}
BELOW = {"edge": "edge database outside pure", "database": "database pure", "outside": "outside pure", "pure": "pure"}
FRAMEWORK = {"django", "psycopg", "pgvector"}
LAYERS = {
    "engine": {
        "pure": "cleaning clustering density exemplars layout logs owner pipeline pockets precision ranking recent"
        " records schemas scrubbing timing text tracing twins urls vectors versions words embeddings.known drawing"
        " trends unusual",
        "outside": "brokers collectors collectors.* dialling documents groups http lines llm embeddings.base"
        " embeddings.fast.* embeddings.local embeddings.remote.* embeddings.weights testing testing.*",
        "database": "authors postgresql postgresql.* models models.* bulk embeddings.pausing heartbeat ledger pruning"
        " runs sources standing tallies assets history days",
        "edge": "admin admin.* api api.* apps collecting commands embeddings.asking embeddings.changing"
        " embeddings.comparing embeddings.counting embeddings.filling embeddings.indexes embeddings.providers"
        " embeddings.reading embeddings.registering embeddings.watching following gates importing jobs management.*"
        " metrics output slots pages probe reconciling templatetags.* worker snapshots noticing",
    },
    "recommendations": {
        "pure": "claims comparing first_labels listening taking taxonomy scoring ordering reasons texts evaluation"
        " readiness schemas company rates",
        "outside": "",
        "database": "models models.* catalogue enriching placing generations importing profiles seeding answers acts"
        " hearing inferring intents messages my_data settling versions campaigning spoken neighbours facts outcomes"
        " people inputs showing",
        "edge": "admin admin.* api api.* apps collecting conversations detailing filters first_issues forms"
        " holding issue_filters management.* pages pages.* pipeline profile_forms search serving stages stars"
        " templatetags templatetags.* urls weighing moving",
    },
    "issues": {
        "pure": "extracting filters identity keywords labels law lexicon live_fields schemas titles",
        "outside": "pocketbase",
        "database": "models models.* importing clusterings charting edits finding folding issuing exporting linking"
        " publishing reading relabelling seeding spending",
        "edge": "admin admin.* alike api api.* apps collecting labelling management.* pages pages.* pipeline purging"
        " relaying searching stages urls waits",
    },
}

Imports = Mapping[str, Iterable[str]]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules() -> dict[str, Path]:
    """Every module of an app that holds anything, tests and migrations left out."""
    found = (path for app in APPS for path in (ROOT / app).rglob("*.py") if path.stat().st_size)
    return {module_of(path): path for path in found if not {"tests", "migrations"} & set(path.parts)}


def imported(name: str, source: str, known: Iterable[str], package: bool = False) -> set[str]:
    """The modules that a source imports, wherever in it; `from a import b` is a.b where that is a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".")[: len(name.split(".")) + package - node.level] if node.level else []
            origin = ".".join([*parts, *filter(None, [node.module])])
            names = {f"{origin}.{alias.name}" for alias in node.names}
            found |= {each if each in known else origin for each in names}
    return found


def all_imports() -> dict[str, set[str]]:
    found = modules()
    return {
        name: imported(name, path.read_text(), found.keys(), path.name == "__init__.py") for name, path in found.items()
    }


def app_of(module: str) -> str:
    return module.partition(".")[0]


def layers_of(module: str) -> list[str]:
    """The layers that claim a module."""
    app, _, rest = module.partition(".")
    return [layer for layer, names in LAYERS.get(app, {}).items() if any(fnmatch(rest, name) for name in names.split())]


def breaches(imports: Imports) -> list[str]:
    """Each import that points the wrong way, with the reason."""
    found = []
    for module, targets in imports.items():
        for target in targets:
            ours, theirs = layers_of(module), layers_of(target)
            if app_of(target) in APPS and app_of(target) not in APPS[app_of(module)]:
                found.append(f"{module} imports {target}: another app")
            elif ours and theirs and theirs[0] not in BELOW[ours[0]].split():
                found.append(f"{module} ({ours[0]}) imports {target} ({theirs[0]})")
            elif ours == ["pure"] and app_of(target) in FRAMEWORK:
                found.append(f"{module} (pure) imports {target}")
    return found


def test_imports_point_one_way():
    assert breaches(all_imports()) == []


@pytest.mark.parametrize("module", sorted(name for name in modules() if app_of(name) in LAYERS))
def test_every_module_belongs_to_one_layer(module):
    assert len(layers_of(module)) == 1


@pytest.mark.parametrize("layer", [(app, names) for app, layers in LAYERS.items() for names in layers.values()])
def test_the_table_names_no_module_that_is_gone(layer):
    app, names = layer
    exact = {f"{app}.{name}" for name in names.split() if "*" not in name}
    assert exact - {"issues.models"} <= set(modules())


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("engine.bulk", "recommendations.models"),
        ("engine.commands", "ostsite.settings"),
        ("recommendations.stages", "issues.models"),
        ("issues.apps", "recommendations.models"),
        ("recommendations.models.project", "ostsite.settings"),
        ("recommendations.scoring", "recommendations.catalogue"),
        ("recommendations.scoring", "engine.models"),
        ("recommendations.scoring", "django.db"),
        ("engine.vectors", "psycopg"),
        ("engine.text", "engine.lines"),
        ("engine.lines", "engine.models"),
        ("engine.models", "engine.embeddings.local"),
        ("engine.models", "engine.embeddings.filling"),
        ("recommendations.models.project", "recommendations.stages"),
        ("recommendations.catalogue", "engine.commands"),
        ("engine.embeddings.local", "engine.bulk"),
    ],
)
def test_a_planted_breach_is_found(module, target):
    assert len(breaches({module: [target]})) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import recommendations.models",
        "import numpy, recommendations.models as tables",
        "from recommendations import models",
        "from recommendations.models import Project",
        "def late():\n    from recommendations.models import Project",
        "if TYPE_CHECKING:\n    from recommendations.models import Project",
        "try:\n    import recommendations.models\nexcept ImportError:\n    pass",
        "from ..recommendations.models import Project",
    ],
)
def test_a_planted_breach_is_found_however_it_is_written(source):
    found = imported("engine.text", source, modules().keys())
    assert breaches({"engine.text": found}) == ["engine.text imports recommendations.models: another app"]


def test_an_import_of_a_neighbour_is_resolved():
    source = "from . import bulk\nfrom .embeddings import base\nfrom .embeddings.local import PACKAGED"
    expected = {"engine.bulk", "engine.embeddings.base", "engine.embeddings.local"}
    assert imported("engine.models", source, modules().keys()) == expected


def test_a_module_of_no_layer_is_noticed():
    assert layers_of("engine.helpers") == []

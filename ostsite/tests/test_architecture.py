"""docs/architecture.md names files, classes and functions that are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from ostsite.tests.test_layers import LAYERS

BASE = Path(settings.BASE_DIR)
TEXT = (BASE / "docs" / "architecture.md").read_text()
APPS = ("engine", "issues", "recommendations", "ostsite")
FOLDER = re.compile(r"Paths without a folder are in `(\w+)/`")
NAMED = re.compile(r"`([\w/]+\.py)(?::([\w.]+))?`")


def places():
    """(folder, path, name) of each file that is named; folder: where its part of the page says that it is, else ""."""
    parts = re.split(r"^##+ ", TEXT, flags=re.M)
    folders = [found[1] if (found := FOLDER.search(part)) else "" for part in parts]
    return sorted(
        {(folder, *named) for folder, part in zip(folders, parts, strict=True) for named in NAMED.findall(part)}
    )


def files(folder, path):
    """Where that may be: below the root, in the folder; without one, at the end of any path of ours."""
    near = [BASE / path, BASE / folder / path]
    far = [] if folder else [found for app in APPS for found in (BASE / app).rglob(path)]
    return [found for found in (*near, *far) if found.is_file()]


@cache
def names(file):
    """The functions and classes of a module, and the methods as `Class.method`."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("folder", "path", "name"), places())
def test_each_file_and_function_that_it_names_is_there(folder, path, name):
    found = files(folder, path)
    assert found
    assert not name or any(name in names(file) for file in found)


def test_each_of_the_five_walks_has_its_steps():
    walks = re.findall(r"^### (A .+)\n((?:(?!^##).*\n)+)", TEXT, re.M)
    assert [title.partition(",")[0] for title, _ in walks] == [
        "A project", "A post", "A message", "A changed weight", "A killed worker",
    ]  # fmt: skip
    assert min(len(re.findall(r"^\d+\. .*`", steps, re.M)) for _, steps in walks) >= 5


@pytest.mark.parametrize("app", LAYERS)
def test_the_table_of_the_house_names_each_module_in_its_layer(app):
    row = re.search(rf"^\| `{app}` \|(.*)\|$", TEXT, re.M)
    assert row
    for layer, told in zip(("edge", "database", "outside", "pure"), row[1].split("|"), strict=True):
        modules = {name.replace(".", "/").removesuffix("*") for name in LAYERS[app][layer].split()} - {"apps"}
        packages = {name.removesuffix("/") for name in modules if name.endswith("/")}
        assert set(re.findall(r"[\w/]+", told)) == modules - packages

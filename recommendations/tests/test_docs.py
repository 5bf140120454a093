"""docs/api.md tells of every operation that the schema has, and of none besides."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from recommendations.api import documents

pytestmark = pytest.mark.django_db
TEXT = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()
ROW = re.compile(r"^\| `([A-Z]+ /\S+)` \|", re.M)


def operations():
    """Each operation as its row names it, with its parameters."""
    paths = documents.schema()["paths"]
    return {
        f"{method.upper()} {path}": {each["name"] for each in operation.get("parameters", [])}
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def test_every_operation_has_its_row():
    assert operations().keys() - set(ROW.findall(TEXT)) == set()


def test_no_row_tells_of_an_operation_that_is_gone():
    assert set(ROW.findall(TEXT)) - operations().keys() == set()


def test_every_parameter_is_named():
    names = set().union(*operations().values())
    assert {name for name in names if f"`{name}`" not in TEXT and f"{{{name}}}" not in TEXT} == set()

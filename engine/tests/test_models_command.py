"""`manage.py models`."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from engine.commands import Refused
from engine.ledger import NotAllowed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("live")]


def models(*arguments: str) -> str:
    out = StringIO()
    call_command("models", *arguments, stdout=out)
    return out.getvalue()


def test_it_lists_the_models(live):
    assert "all-MiniLM-L6-v2" in models()
    assert json.loads(models("--json"))[0]["state"] == "live"


def test_the_packaged_model_has_its_checksum():
    assert len(json.loads(models("--json"))[0]["checksum"]) == 64


def test_a_model_known_by_name_is_registered():
    assert "dimensions=1024" in models("--register", "all-roberta-large-v1")


def test_one_of_unknown_width_needs_to_be_told():
    with pytest.raises(Refused, match="say how many") as refused:
        models("--register", "nobody-knows-it")
    assert refused.value.code == 2
    assert "dimensions=48" in models("--register", "nobody-knows-it", "--dimensions", "48")


def test_the_way_there_and_back(live):
    models("--register", "mine", "--dimensions", "12")
    assert "live=mine" in models("--live", "mine")
    assert f"live={live.name}" in models("--back")
    assert "compared=mine" in models("--compare", "mine")
    assert "retired=mine" in models("--retire", "mine")


def test_a_model_that_is_not_there_is_refused_with_those_that_are(live):
    with pytest.raises(Refused, match=rf"allowed: {live.pk} \("):
        models("--live", "another")


def test_the_live_model_is_compared_with_no_other(live):
    with pytest.raises(NotAllowed, match="live model itself"):
        models("--compare", str(live.pk))


@pytest.mark.parametrize("stray", [["--force"], ["--provider", "local"], ["--dimensions", "8"]])
def test_an_option_without_what_it_belongs_to_is_refused(stray):
    with pytest.raises(Refused, match="only with"):
        models(*stray)


@pytest.mark.django_db(transaction=True)
def test_indexes_are_made_where_a_table_is_large():
    assert "made=0 dropped=0" in models("--index")

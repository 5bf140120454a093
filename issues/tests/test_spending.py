"""What the operator's page of calls says of labels."""

import pytest

from issues import spending
from issues.models import Label

pytestmark = pytest.mark.django_db


def make_label(number: int, **facts) -> Label:
    told = {"state": "labelled", "source": "llm", "model": "a-model", "title": "Exports stop", **facts}
    return Label.objects.create(prompt_hash=str(number), **told)


def test_calls_tokens_and_dollars_are_added_up_by_model():
    for number in range(3):
        make_label(number, calls=2, prompt_tokens=700, answer_tokens=50, cost=0.01)
    make_label(9, state="label_failed", title="", reason="it was refused", calls=1)
    (row,) = spending.language_models(7, {}).rows
    assert [cell.text for cell in row] == ["a-model", "3", "1", "0", "7", "2,100", "150", "0.0300"]


def test_what_the_posts_themselves_gave_is_a_row_of_its_own():
    make_label(1, source="extract", model="")
    assert "posts themselves" in spending.language_models(7, {}).rows[0][0].text


def test_the_share_that_was_there_already_is_told():
    told = spending.language_models(7, {"ost_llm_questions_total": 25.0, "ost_label_reuse_total": 75.0})
    assert "75% of 100 clusters" in told.note

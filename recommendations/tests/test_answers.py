import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommendations import answers
from recommendations.models import Generation, Project, Recommendation
from recommendations.tests.factories import give_vector, make_projects, make_user, make_weights, score, star, stored_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    make_weights()
    make_projects(4)
    for name in ("charlie", "alice", "bob"):
        give_vector(make_user(name), [1, 0, 0])


def everyone(top: int = 50) -> dict[str, list[dict]]:
    generation = Generation.objects.live()
    assert generation is not None
    return dict(answers.everyone(generation, top))


@pytest.mark.usefixtures("world")
def test_a_person_gets_their_best_in_order():
    score()
    alice = Recommendation.objects.filter(user__username="alice")[0].user
    rows = stored_for(alice, 3)
    assert [(row.user, row.rank) for row in rows] == [(alice, 1), (alice, 2), (alice, 3)]


@pytest.mark.usefixtures("world")
def test_the_projects_that_rows_name_come_with_them(django_assert_num_queries):
    star(User.objects.get(username="alice"), Project.objects.earliest("pk"))
    score()
    live = Generation.objects.live()
    with django_assert_num_queries(1):
        rows = list(answers.recommendations(live))
        assert [row.project.full_name for row in rows]
        assert [row.nearest.full_name for row in rows if row.nearest]


@pytest.mark.usefixtures("world")
def test_everyone_comes_in_the_order_of_their_names_with_no_more_than_asked_for():
    score()
    found = everyone(top=2)
    assert list(found) == ["alice", "bob", "charlie"]
    assert {len(rows) for rows in found.values()} == {2}


@pytest.mark.usefixtures("world")
def test_who_came_after_the_generation_has_an_empty_list():
    score()
    make_user("dora")
    assert everyone()["dora"] == []


@pytest.mark.usefixtures("world")
def test_everyone_comes_in_blocks(monkeypatch):
    score()
    at_once = everyone()
    monkeypatch.setattr(answers, "PEOPLE_AT_ONCE", 2)
    assert everyone() == at_once


@pytest.mark.usefixtures("world")
def test_a_moved_row_says_so_in_its_reasons():
    score()
    row = Recommendation.objects.all()[0]
    row.moved_because = "at most 1 of one owner are shown"
    assert answers.sentences(row)[-1] == "Moved: at most 1 of one owner are shown."


@pytest.mark.usefixtures("world")
def test_an_answer_costs_the_same_however_long_it_is():
    score()
    alice = Recommendation.objects.filter(user__username="alice")[0].user

    def cost(top: int) -> int:
        with CaptureQueriesContext(connection) as caught:
            rows = stored_for(alice, top)
            assert len([answers.answer(row) for row in rows]) == top
        return len(caught)

    assert cost(1) == cost(4)

"""Figures beside those of before: which change is an alarm, and in what words."""

import pytest

from recommendations.readiness import COUNTED, LACKING, problems

PLAIN = {"projects": 1_000, "people": 100, "interactions": 5_000, **dict.fromkeys(LACKING, 40)}


def said(before=None, **now) -> list[str]:
    """The problems of a plain catalogue with those figures changed; before: what was different in it then."""
    return problems(PLAIN | now, PLAIN | (before or {}))


def test_the_same_figures_are_no_problem():
    assert said() == []


def test_no_projects_at_all_is_a_problem():
    assert said(projects=0) == ["there are no projects; import some"]


def test_no_projects_is_a_problem_the_first_time_too():
    assert problems({**dict.fromkeys(PLAIN, 0)}, None) == ["there are no projects; import some"]


def test_the_first_time_nothing_is_compared():
    assert problems(PLAIN | dict.fromkeys(LACKING, 1_000), None) == []


def test_a_catalogue_without_people_is_no_problem():
    assert said(before={"people": 0, "interactions": 0}, people=0, interactions=0) == []


def test_a_fall_says_what_it_was_what_it_is_and_what_is_expected():
    assert said(before={"projects": 31_951}, projects=12_000) == [
        "projects fell from 31951 to 12000 (-62%); at most 20% is expected"
    ]


@pytest.mark.parametrize("name", COUNTED)
def test_any_count_that_falls_is_a_problem(name):
    [problem] = said(before={name: 50_000}, **{name: 10_000})
    assert problem.startswith(f"{name} fell from 50000 to 10000 (-80%)")


@pytest.mark.parametrize(("has", "alarms"), [(800, 0), (790, 1)])
def test_a_fifth_may_go(has, alarms):
    assert len(said(projects=has)) == alarms


@pytest.mark.parametrize(("had", "has", "alarms"), [(20, 1, 0), (21, 1, 1)])
def test_a_few_rows_fewer_are_never_an_alarm(had, has, alarms):
    assert len(said(before={"people": had}, people=has)) == alarms


def test_counts_may_rise_as_they_like():
    assert said(projects=100_000, people=10_000, interactions=10_000_000) == []


def test_a_loss_says_which_share_it_was_and_is():
    assert said(without_description=610) == [
        "projects without a description rose from 4% to 61%; at most 10 points are expected"
    ]


@pytest.mark.parametrize("field", LACKING)
def test_any_field_that_is_lost_is_a_problem(field):
    [problem] = said(**{field: 900})
    assert problem.startswith(f"projects without {LACKING[field]} rose from 4% to 90%")


@pytest.mark.parametrize(("lack", "alarms"), [(140, 0), (150, 1)])
def test_ten_points_may_be_lost(lack, alarms):
    assert len(said(without_topics=lack)) == alarms


@pytest.mark.parametrize(("lack", "alarms"), [(19, 0), (20, 1)])
def test_a_few_projects_that_lost_a_field_are_never_an_alarm(lack, alarms):
    small = {"projects": 30, **dict.fromkeys(LACKING, 0)}
    assert len(said(before=small, **small | {"without_stars": lack})) == alarms


def test_fields_may_be_filled():
    assert said(without_readme=0) == []


def test_a_new_project_may_lack_anything():
    assert said(projects=31_000, without_stars=30_040) == []


def test_new_projects_hide_no_loss():
    assert said(projects=1_100, without_stars=1_000) == [
        "projects without a star count rose from 4% to 91%; at most 10 points are expected"
    ]


def test_a_catalogue_that_was_empty_has_lost_nothing():
    assert said(before=dict.fromkeys(PLAIN, 0), without_stack=1_000) == []


def test_a_figure_that_was_not_kept_then_is_not_compared():
    before = {name: value for name, value in PLAIN.items() if name not in ("interactions", "without_stack")}
    assert problems(PLAIN | {"interactions": 0, "without_stack": 1_000}, before) == []


def test_every_problem_is_said():
    assert len(said(people=0, without_language=500, without_category=500)) == 3

from collections import Counter

import pytest

from engine.pipeline import Pipeline, Scope, Stage, UnknownStage, Work
from engine.timing import Timing


def nothing(scope: Scope) -> Work:
    yield Counter()
    return None


def stage(name: str) -> Stage:
    return Stage(name, nothing, lambda scope: 0)


MEAL = Pipeline("meal", (stage("cook"), stage("eat"), stage("wash")), aliases={"dishes": "wash", "boil": "cook"})


def chosen(*names: str) -> list[str]:
    return [stage.name for stage in MEAL.chosen(names)]


def test_all_stages_are_chosen_when_none_is_named():
    assert chosen() == ["cook", "eat", "wash"]


def test_named_stages_come_in_the_order_of_the_pipeline():
    assert chosen("wash", "cook") == ["cook", "wash"]


def test_a_stage_named_twice_comes_once():
    assert chosen("eat", "eat") == ["eat"]


def test_an_alias_chooses_the_stage_it_stands_for():
    assert chosen("dishes") == ["wash"]


def test_a_stage_named_by_its_name_and_by_its_alias_comes_once():
    assert chosen("boil", "cook") == ["cook"]


def test_an_unknown_stage_is_refused_with_the_names_that_are_allowed():
    with pytest.raises(UnknownStage) as refused:
        chosen("eat", "sleep")
    assert str(refused.value) == "unknown stage 'sleep'; allowed: cook, eat, wash, or boil, dishes"


def test_an_unknown_stage_of_a_pipeline_without_aliases_lists_the_stages_alone():
    with pytest.raises(UnknownStage, match=r"allowed: cook$"):
        Pipeline("short", (stage("cook"),)).chosen(["sleep"])


def test_an_unknown_stage_cannot_break_the_line_it_is_reported_in():
    with pytest.raises(UnknownStage) as refused:
        chosen("sleep\nost: all is well")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 30), (1, 30), (2, 60), (3, 120), (7, 1920), (8, 3600), (900, 3600)]
)
def test_the_wait_doubles_with_each_attempt_up_to_an_hour(attempts, seconds):
    assert Timing().wait_after(attempts) == seconds

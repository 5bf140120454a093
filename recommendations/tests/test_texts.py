import pytest

from recommendations import texts

FACTS = {
    "full_name": "octo/build-your-own-x",
    "description": "Parses C++ and C#.",
    "language": "C++",
    "topics": ["game-engine"],
    "readme": "",
    "stars": 5,
}
SILENT: dict = {"job_title": "", "bio": "", "interests": [], "stacks": [], "categories": []}


def test_a_changed_star_count_gives_the_same_text():
    assert texts.project_text({**FACTS, "stars": 6}) == texts.project_text(FACTS)


@pytest.mark.parametrize("change", [{"description": "Other"}, {"topics": []}, {"language": "Go"}, {"readme": "Hi"}])
def test_a_changed_fact_gives_another_text(change):
    assert texts.project_text({**FACTS, **change}) != texts.project_text(FACTS)


def test_marks_of_languages_survive():
    text = texts.project_text(FACTS)
    assert "C++" in text
    assert "C#" in text


@pytest.mark.parametrize("words", ["一个快速的解析器", "Быстрый парсер", "Analyseur très rapide", "🚀 rocket"])
def test_other_languages_survive(words):
    assert words in texts.project_text({**FACTS, "description": words})


def test_a_name_and_topics_are_read_as_words():
    text = texts.project_text(FACTS)
    assert "build your own x" in text
    assert "game engine" in text


def test_the_owner_is_no_part_of_the_meaning():
    assert "octo" not in texts.project_text(FACTS)


@pytest.mark.parametrize("name", ["x", "-", "..."])
def test_a_bare_name_is_text_enough(name):
    bare = {**FACTS, "full_name": f"octo/{name}", "description": "", "language": "", "topics": []}
    assert texts.project_text(bare) == name


def test_a_readme_is_read_to_its_limit():
    text = texts.project_text({**FACTS, "readme": "word " * texts.README})
    assert len(text) < texts.README + 100


@pytest.mark.parametrize(
    "fact",
    [{"job_title": "Cook"}, {"bio": "Cooks"}, {"interests": ["soup"]}, {"stacks": ["Go"]}, {"categories": ["Games"]}],
)
def test_any_one_fact_gives_a_profile_a_text(fact):
    (value,) = fact.values()
    assert texts.profile_text(**{**SILENT, **fact}) == (value if isinstance(value, str) else value[0])


def test_a_profile_without_facts_has_no_text():
    assert texts.profile_text(**SILENT) == ""


def test_a_profile_text_does_not_depend_on_the_order_of_its_terms():
    one = texts.profile_text(**{**SILENT, "stacks": ["Go", "Rust"]})
    assert texts.profile_text(**{**SILENT, "stacks": ["Rust", "Go"]}) == one


def test_the_text_of_document_003_holds_the_stars():
    assert "Stars: 5" in texts.starred_text(FACTS).splitlines()


def test_the_text_of_document_003_leaves_out_what_is_unknown():
    bare = {**FACTS, "description": "", "language": "", "stars": None}
    assert texts.starred_text(bare) == "Repository: octo/build-your-own-x\nStars: 0\nOwner: octo"

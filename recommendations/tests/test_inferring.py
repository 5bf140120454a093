import json

import pytest

from recommendations.inferring import LANGUAGE_OF, suggestions
from recommendations.models import Category, TechStack
from recommendations.seeding import FIXTURE
from recommendations.tests.factories import act, belongs, make_category, make_project, make_stack, make_user, star

pytestmark = pytest.mark.django_db
SHIPPED = json.loads(FIXTURE.read_text())


@pytest.fixture
def shipped():
    Category.objects.bulk_create(Category(**fields) for fields in SHIPPED["categories"])
    TechStack.objects.bulk_create(TechStack(**fields) for fields in SHIPPED["stacks"])


def inferred(user, settled=()):
    found = suggestions(user.profile, Category.objects.all(), TechStack.objects.all(), settled)
    return {each.term.name: each for each in found}


def care_for(user, count, *terms, kind="star"):
    for number in range(count):
        project = make_project(f"octo{number}/{kind}{count}")
        belongs(project, *terms)
        act(user, project, kind)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("pandas", "Python"), ("numpy", "Python"), ("Jupyter", "Python"), ("django", "Python"), ("Flask", "Python"),
        ("tensorflow", "Python"), ("pytorch", "Python"), ("react", "JavaScript"), ("Vue.js", "JavaScript"),
        ("angular", "JavaScript"), ("node.js", "JavaScript"), ("expressjs", "JavaScript"), ("flutter", "Dart"),
    ],
)  # fmt: skip
def test_a_word_of_the_bio_leads_to_its_language(shipped, word, name):
    assert name in inferred(make_user(bio=f"I write things with {word} at night."))


def test_the_languages_of_tools_are_all_shipped(shipped):
    named = {name for language, tools in LANGUAGE_OF.items() for name in (language, *tools)}
    assert named <= set(TechStack.objects.values_list("name", flat=True))


@pytest.mark.parametrize("name", ["Rust", "Swift", "C++", "Kotlin", "Haskell", "Next.js", "ASP.NET", "GitHub Actions"])
def test_a_name_written_as_its_own_is_found(shipped, name):
    assert name in inferred(make_user(bio=f"By day I write {name}, mostly."))


def test_a_name_inside_another_word_is_not_found(shipped):
    assert inferred(make_user(bio="A Rusty old Swiftly moving person")) == {}


def test_a_suggestion_says_which_word_and_where(shipped):
    found = inferred(make_user(bio="Data person. I live in pandas and Jupyter notebooks."))
    assert found["Python"].reasons == ["“jupyter notebooks” in your bio"]


def test_a_language_that_a_tool_implies_is_less_sure_than_the_tool(shipped):
    found = inferred(make_user(job_title="Django developer"))
    assert found["Python"].confidence < found["Django"].confidence
    assert found["Python"].reasons == ["“django” in your job title: with Django goes Python"]


def test_a_word_late_in_a_long_bio_counts_as_well(shipped):
    assert "Rust" in inferred(make_user(bio="I like long walks in the hills. " * 40 + "Lately I write Rust."))


@pytest.mark.parametrize(("interest", "name"), [("golang", "Go"), ("k8s", "Kubernetes"), ("PostgreSQL", "PostgreSQL")])
def test_an_interest_may_be_another_name(shipped, interest, name):
    assert inferred(make_user(interests=[interest]))[name].confidence >= 0.9


def test_an_interest_leads_to_a_category(shipped):
    assert "category" in {each.kind for each in inferred(make_user(interests=["machine learning"])).values()}


@pytest.mark.parametrize("bio", ["", "I react to mail within a day.", "No rust on my bike."])
def test_words_that_name_nothing_lead_to_nothing(shipped, bio):
    assert inferred(make_user(bio=bio)) == {}


@pytest.mark.parametrize("bio", ["💥" * 2_000, "\u0301" * 2_000, "react(" * 300, ". " * 1_000, "\u202erust"])
def test_odd_words_do_no_harm(shipped, bio):
    assert len(inferred(make_user(bio=bio))) <= 16


def test_what_liked_projects_have_in_common_is_proposed_with_its_counts():
    user, rust = make_user(), make_stack("Rust")
    care_for(user, 3, rust)
    care_for(user, 1)
    found = inferred(user)["Rust"]
    assert found.reasons == ["3 of the 4 projects you care for are made with Rust"]
    assert found.confidence == 0.75


def test_a_category_of_liked_projects_is_proposed():
    user = make_user()
    care_for(user, 2, make_category("Games"), kind="save")
    assert inferred(user)["Games"].reasons == ["2 of the 2 projects you care for are about Games"]


def test_a_project_starred_and_liked_counts_once():
    user, rust = make_user(), make_stack("Rust")
    care_for(user, 2, rust)
    for each in user.interactions.all():
        act(user, each.project, "like")
    assert inferred(user)["Rust"].reasons == ["2 of the 2 projects you care for are made with Rust"]


def test_one_project_proposes_nothing():
    user = make_user()
    care_for(user, 1, make_stack("Rust"))
    assert inferred(user) == {}


def test_a_rare_stack_among_many_stars_proposes_nothing():
    user = make_user()
    care_for(user, 2, make_stack("Rust"))
    care_for(user, 30)
    assert inferred(user) == {}


@pytest.mark.parametrize("kind", ["click", "view", "dismiss"])
def test_other_acts_propose_nothing(kind):
    user = make_user()
    care_for(user, 3, make_stack("Rust"), kind=kind)
    assert inferred(user) == {}


def test_a_starred_project_that_was_hidden_proposes_nothing():
    user, rust = make_user(), make_stack("Rust")
    care_for(user, 2, rust)
    for each in user.interactions.all():
        act(user, each.project, "dismiss")
    assert inferred(user) == {}


def test_a_link_that_a_curator_denied_proposes_nothing():
    user, rust = make_user(), make_stack("Rust")
    for number in range(3):
        project = make_project(f"octo{number}/tool")
        belongs(project, rust, applies=False)
        star(user, project)
    assert inferred(user) == {}


def test_stars_of_others_propose_nothing():
    care_for(make_user("bob_webdev"), 3, make_stack("Rust"))
    assert inferred(make_user()) == {}


def test_what_is_settled_is_not_proposed():
    user, rust = make_user(), make_stack("Rust")
    care_for(user, 3, rust)
    assert inferred(user, settled=[rust]) == {}


def test_a_category_and_a_stack_of_one_id_are_told_apart():
    user, rust = make_user(), make_stack("Rust", pk=77)
    care_for(user, 3, rust)
    assert "Rust" in inferred(user, settled=[make_category("Games", pk=77)])


def test_words_and_stars_are_reasons_of_one_suggestion():
    user, rust = make_user(bio="Writing Rust."), make_stack("Rust", words=["rust"])
    care_for(user, 2, rust)
    assert len(inferred(user)["Rust"].reasons) == 2


def test_no_more_than_eight_of_a_kind_are_proposed():
    user = make_user()
    care_for(user, 2, *(make_stack(f"stack {number}") for number in range(12)))
    assert len(inferred(user)) == 8


def test_the_surest_comes_first():
    user, rust, zig = make_user(), make_stack("Rust"), make_stack("Zig")
    care_for(user, 3, zig)
    care_for(user, 2, rust)
    assert list(inferred(user)) == ["Zig", "Rust"]


def test_four_queries_whatever_there_is(shipped, django_assert_num_queries):
    user = make_user(bio="Python and Rust.", interests=["games"])
    care_for(user, 12, *TechStack.objects.all()[:5])
    with django_assert_num_queries(4):
        inferred(user)

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from engine.ranking import fused
from recommendations import serving
from recommendations.models import Project
from recommendations.search import search, trending, with_stars_a_day, within
from recommendations.tests.factories import make_project


@pytest.fixture(autouse=True)
def nothing_held():
    """The catalogue that a test before this one held is not ours."""
    serving.forget()
    yield
    serving.forget()


def names(q, projects=None):
    found = search(q, Project.objects.offered() if projects is None else projects)
    by_id = Project.objects.in_bulk(found.ids)
    return [by_id[pk].full_name for pk in found.ids]


def days_ago(days):
    return timezone.now() - timedelta(days=days)


def test_what_two_rankings_name_comes_before_what_one_names_first():
    assert fused([1, 2], [3, 2]) == [2, 1, 3]


def test_equal_shares_are_ordered_by_id():
    assert fused([9, 4], [4, 9]) == [4, 9]


def test_a_share_is_one_by_k_and_the_rank():
    """With k = 0 a first place (1) beats two third places (2/3); with k = 60 it does not."""
    first, second = [1, 8, 5], [2, 9, 5]
    assert fused(first, second, [], k=0)[0] == 1
    assert fused(first, second, [])[0] == 5


def test_no_ranking_names_nothing():
    assert fused() == fused([], []) == []


@pytest.mark.django_db
def test_every_word_must_be_there():
    make_project("octo/one", description="A search engine with typo tolerance")
    make_project("octo/two", description="A search box")
    assert names("search engine") == ["octo/one"]


@pytest.mark.django_db
def test_other_forms_of_a_word_are_found():
    make_project("octo/one", description="Searches documents")
    assert names("searching document") == ["octo/one"]


@pytest.mark.django_db
def test_a_word_can_be_ruled_out():
    make_project("octo/one", description="search in Java")
    make_project("octo/two", description="search in Rust")
    assert names("search -java") == ["octo/two"]


@pytest.mark.django_db
@pytest.mark.parametrize("q", ["machine-learning", "machine learning", "node.js", "snake_case"])
def test_a_word_with_a_sign_in_it_is_found_in_topics_and_in_sentences(q):
    make_project("octo/one", topics=[q.replace(" ", "-")])
    make_project("octo/two", description=f"About {q} and more")
    assert set(names(q)) == {"octo/one", "octo/two"}


@pytest.mark.django_db
def test_the_project_of_that_very_name_comes_first():
    make_project("octo/django-tools", description="django django django", stars=9_000)
    make_project("django/django", description="A framework", stars=10)
    assert names("django")[0] == "django/django"


@pytest.mark.django_db
def test_the_beginning_of_a_name_is_enough():
    make_project("octo/meilisearch")
    assert names("meilis") == ["octo/meilisearch"]


@pytest.mark.django_db
def test_owner_and_name_find_the_project():
    make_project("octo/tool")
    make_project("other/tool")
    assert names("OCTO/to") == ["octo/tool"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "q", ["%", "_", "\\", "%_\\", "a & ", '" ( !', "'", "((((", "!!", ":*", "<->", "-", "/", "𝔘", "ﷺ" * 200]
)
def test_any_text_is_safe_and_no_sign_matches_everything(q):
    make_project("octo/tool")
    assert "octo/tool" not in names(q) or q in "octo/tool"


@pytest.mark.django_db
@pytest.mark.parametrize("q", ["", "  \n "])
def test_blanks_find_nothing(q):
    make_project("octo/tool")
    assert search(q, Project.objects.all()) == ([], False)


@pytest.mark.parametrize("q", ["a" * 201, "a\0b", "a\ud800b"])
def test_what_no_search_takes_is_refused(q):
    with pytest.raises(ValidationError):
        search(q, Project.objects.all())


@pytest.mark.django_db
def test_only_the_given_projects_are_searched():
    make_project("octo/one", description="search", language="Rust")
    make_project("octo/two", description="search", language="Go")
    assert names("search", Project.objects.filter(language="Go")) == ["octo/two"]


@pytest.mark.django_db
def test_without_a_model_that_reads_words_alone_are_compared():
    make_project("octo/one", description="search")
    assert search("search", Project.objects.all()).by_meaning is False


@pytest.mark.django_db
def test_what_is_near_keeps_its_order_among_the_given_projects():
    one, two, three = (make_project(f"octo/{name}") for name in ("one", "two", "three"))
    assert within(Project.objects.exclude(pk=two.pk), [three.pk, two.pk, one.pk]) == [three.pk, one.pk]


@pytest.mark.django_db
def test_a_search_takes_few_queries(django_assert_max_num_queries):
    for number in range(12):
        make_project(f"octo{number}/search", description="search")
    with django_assert_max_num_queries(6):
        assert len(search("search", Project.objects.offered()).ids) == 12


@pytest.mark.django_db
def test_trending_is_the_order_of_stars_a_day():
    make_project("octo/slow", stars=1_000, created_at=days_ago(1_000))
    make_project("octo/fast", stars=500, created_at=days_ago(10))
    assert [each.full_name for each in trending(Project.objects.all())] == ["octo/fast", "octo/slow"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "facts",
    [
        {"stars": None},
        {"created_at": None},
        {"created_at": days_ago(1_200)},
        {"created_at": days_ago(-2)},
        {"is_archived": True},
    ],
)
def test_what_is_old_unknown_or_not_kept_is_not_trending(facts):
    make_project("octo/one", **{"stars": 9, "created_at": days_ago(10), **facts})
    assert not trending(Project.objects.all())


@pytest.mark.django_db
def test_a_project_of_today_counts_as_a_day_old():
    make_project("octo/one", stars=50, created_at=timezone.now())
    assert with_stars_a_day(Project.objects.all()).get().stars_a_day == 50  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_a_project_of_unknown_date_has_no_stars_a_day():
    make_project("octo/one", stars=50)
    assert with_stars_a_day(Project.objects.all()).get().stars_a_day is None  # type: ignore[attr-defined]

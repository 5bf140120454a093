"""What people say in the admin about what is asked of GitHub."""

from datetime import UTC, datetime

import pytest

from engine.tests.staff import sign_in, staff
from recommendations.models import NamedRepository, RepositoryQuery
from recommendations.tests.factories import make_project

pytestmark = pytest.mark.django_db
NAMED, QUERY = "/admin/recommendations/namedrepository", "/admin/recommendations/repositoryquery"


@pytest.fixture
def operator():
    verbs = ("add", "view", "change")
    may = [f"recommendations.{verb}_{model}" for verb in verbs for model in ("namedrepository", "repositoryquery")]
    return sign_in(staff("opal", *may))


def fields(client, address):
    """What a form that was just opened would send."""
    form = client.get(address).context["adminform"].form
    found = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return {name: "" if value is None else value for name, value in found.items()}


@pytest.mark.parametrize(
    "given",
    [
        "octo/tool",
        " https://github.com/octo/tool ",
        "github.com/octo/tool.git",
        "https://github.com/octo/tool/issues/3",
    ],
)
def test_a_repository_is_named_by_its_name_or_its_address(operator, given):
    operator.post(f"{NAMED}/add/", {"full_name": given, "commits": 30, "on": "on"})
    assert NamedRepository.objects.get().full_name == "octo/tool"


@pytest.mark.parametrize("given", ["octo", "https://evil.example/octo/tool", "octo/..%2f", "octo/a b", "a" * 400])
def test_what_is_no_repository_is_refused(operator, given):
    response = operator.post(f"{NAMED}/add/", {"full_name": given, "commits": 30})
    assert response.status_code == 200
    assert not NamedRepository.objects.exists()


def test_one_is_named_once(operator):
    NamedRepository.objects.create(full_name="octo/tool")
    operator.post(f"{NAMED}/add/", {"full_name": "Octo/Tool", "commits": 30})
    assert NamedRepository.objects.count() == 1


def test_more_commits_are_a_reason_to_ask_again(operator):
    facts = {"etag": "e", "commits_etag": "c", "commits_for": datetime(2026, 9, 1, tzinfo=UTC)}
    row = NamedRepository.objects.create(full_name="octo/tool", project=make_project(), **facts)
    address = f"{NAMED}/{row.pk}/change/"
    operator.post(address, {**fields(operator, address), "commits": 60})
    row.refresh_from_db()
    assert (row.commits, row.commits_etag, row.commits_for) == (60, "", None)
    assert row.project is not None


def test_fewer_stars_than_the_least_are_refused(operator):
    given = {"language": "go", "stars_from": 10, "stars_to": 5, "pushed_within_days": 30, "at_most": 10}
    assert operator.post(f"{QUERY}/add/", given).status_code == 200
    assert not RepositoryQuery.objects.exists()


@pytest.mark.parametrize("language", ['x" stars:0', "x\x07"])
def test_a_language_that_is_none_is_refused(operator, language):
    given = {"language": language, "stars_from": 10, "pushed_within_days": 30, "at_most": 10}
    assert operator.post(f"{QUERY}/add/", given).status_code == 200
    assert not RepositoryQuery.objects.exists()

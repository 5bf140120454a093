"""Which row is which repository, when names change hands."""

import pytest
from django.contrib.auth.models import User

from engine.records import Repository
from recommendations import collecting
from recommendations.models import Interaction, Project, ProjectActivity
from recommendations.settling import MOVED
from recommendations.tests.factories import act, belongs, make_category, make_project, make_user

pytestmark = pytest.mark.django_db


def told(full_name, github_id, **facts):
    return Repository(full_name=full_name, github_id=github_id, node_id=f"R_{github_id}", **facts)


def standing():
    return {project.pk: (project.full_name, project.github_id) for project in Project.objects.all()}


def test_a_number_is_given_to_the_row_of_that_name():
    row = make_project("Octo/Tool", stars=3)
    collecting.keep([told("octo/tool", 7, stars=4)])
    assert standing() == {row.pk: ("octo/tool", 7)}


def test_the_same_number_with_another_name_is_a_rename():
    row = make_project("octo/old", github_id=7, stars=3)
    counts = collecting.keep([told("octo/new", 7)])
    assert (standing(), counts["renamed"]) == ({row.pk: ("octo/new", 7)}, 1)


def test_two_may_exchange_their_names():
    one, two = make_project("octo/a", github_id=1), make_project("octo/b", github_id=2)
    collecting.keep([told("octo/b", 1), told("octo/a", 2)])
    assert standing() == {one.pk: ("octo/b", 1), two.pk: ("octo/a", 2)}


def test_a_new_repository_takes_a_name_that_another_left():
    old = make_project("octo/a", github_id=1)
    collecting.keep([told("octo/a", 2), told("octo/z", 1)])
    assert standing()[old.pk] == ("octo/z", 1)
    assert Project.objects.get(github_id=2).full_name == "octo/a"


def test_a_row_without_a_number_is_absorbed_by_the_renamed_one():
    known, nameless = make_project("octo/old", github_id=7), make_project("octo/new")
    counts = collecting.keep([told("octo/new", 7)])
    assert (standing(), counts["absorbed"]) == ({known.pk: ("octo/new", 7)}, 1)
    assert not Project.objects.filter(pk=nameless.pk).exists()


def test_what_people_did_with_an_absorbed_row_is_kept():
    known, nameless = make_project("octo/old", github_id=7), make_project("octo/new")
    alice, bob = make_user("alice"), make_user("bob")
    act(alice, known, "star"), act(alice, nameless, "star"), act(bob, nameless, "like")
    collecting.keep([told("octo/new", 7)])
    done = {(row.user.username, row.kind, row.project_id): row.count for row in Interaction.objects.all()}
    assert done == {("alice", "star", known.pk): 2, ("bob", "like", known.pk): 1}


def test_a_curators_word_about_an_absorbed_row_is_kept():
    known, nameless = make_project("octo/old", github_id=7), make_project("octo/new")
    games, music = make_category("Games"), make_category("Music")
    belongs(known, games)
    belongs(nameless, games, source="curated", applies=False)
    belongs(nameless, music)
    collecting.keep([told("octo/new", 7)])
    assert list(known.category_links.values_list("category__name", "source", "applies")) == [
        ("Games", "curated", False)
    ]


def test_people_whose_acts_moved_get_a_new_list():
    make_project("octo/old", github_id=7)
    alice = make_user()
    act(alice, make_project("octo/new"), "star")
    before = alice.profile.changed_at
    collecting.keep([told("octo/new", 7)])
    assert User.objects.get().profile.changed_at > before


def test_an_address_given_to_another_repository_keeps_its_row():
    row = make_project("octo/tool", github_id=1, node_id="R_1", stars=5)
    ProjectActivity.objects.create(project=row, commits_month=3)
    counts = collecting.keep([told("octo/tool", 2, stars=9)])
    assert (standing(), counts["taken"]) == ({row.pk: ("octo/tool", 2)}, 1)
    row.refresh_from_db()
    assert (row.node_id, row.stars, ProjectActivity.objects.count()) == ("R_2", 9, 0)


def test_a_known_repository_that_takes_an_address_absorbs_its_row():
    make_project("octo/tool", github_id=1)
    mover = make_project("octo/other", github_id=2)
    collecting.keep([told("octo/tool", 2)])
    assert standing() == {mover.pk: ("octo/tool", 2)}


def test_told_twice_changes_nothing():
    lines = [told("octo/tool", 7, stars=4, description="x"), told("octo/other", 8)]
    collecting.keep(lines)
    assert collecting.keep(lines)["unchanged"] == 2


def test_one_page_may_name_a_repository_twice():
    counts = collecting.keep([told("octo/tool", 7, stars=4), told("octo/tool", 7, stars=5)])
    assert (counts["inserted"], Project.objects.get().stars) == (1, 5)


def test_a_bad_record_is_refused_and_the_others_stay():
    counts = collecting.keep([told("octo/tool", 7), told("../..", 8), told("octo/x", 9, stars=-1)])
    assert (counts["inserted"], counts["refused"]) == (1, 2)


def test_what_was_gone_and_is_told_of_is_back():
    row = make_project("octo/tool", github_id=7)
    collecting.mark_gone(Project.objects.all(), "not found")
    assert not Project.objects.offered().exists()
    collecting.keep([told("octo/tool", 7)])
    assert Project.objects.offered().get() == row


# Made from facts or told of by GitHub: the row that stays has its own.
DROPPED = {
    "recommendations_projectembedding", "recommendations_hybridvector", "recommendations_projectactivity",
    "recommendations_projectcommit", "recommendations_namedrepository", "recommendations_firstissuecheck",
}  # fmt: skip


def test_every_table_of_projects_is_thought_of():
    tables = {relation.related_model._meta.db_table for relation in Project._meta.related_objects}
    assert tables == DROPPED | set(MOVED)

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from recommendations import importing
from recommendations.importing import Skipped
from recommendations.models import Interaction, Profile, Project, ProjectEmbedding
from recommendations.models.taxonomy import load_taxonomy
from recommendations.schemas import InteractionLine, ProjectLine, UserLine
from recommendations.tests.factories import (
    knows,
    make_category,
    make_project,
    make_stack,
    make_user,
    snapshot,
)

pytestmark = pytest.mark.django_db


def import_projects(*facts: dict) -> dict[str, int]:
    lines = [ProjectLine.model_validate({"full_name": "octo/tool", **row}) for row in facts]
    return {name: count for name, count in importing.import_projects(lines).items() if count}


def import_users(*facts: dict) -> dict[str, int]:
    lines = [UserLine.model_validate({"username": "alice", **row}) for row in facts]
    return {name: count for name, count in importing.import_users(lines, load_taxonomy()).items() if count}


def import_acts(*facts: dict, skipped: Skipped | None = None) -> dict[str, int]:
    plain = {"username": "alice", "full_name": "octo/tool", "kind": "star", "at": "2024"}
    lines = [InteractionLine.model_validate({**plain, **row}) for row in facts or [{}]]
    counts = importing.import_interactions(lines, skipped or Skipped())
    return {name: count for name, count in counts.items() if count}


def the_project() -> Project:
    return Project.objects.get()


def alice() -> Profile:
    return Profile.objects.get(user__username="alice")


def long_ago(*users: User) -> datetime:
    """Say that these profiles last changed then."""
    then = datetime(2001, 1, 1, tzinfo=UTC)
    Profile.objects.filter(user__in=users).update(changed_at=then)
    return then


def queries_of(work) -> int:
    with CaptureQueriesContext(
        connection,
    ) as caught:
        work()
    return len(caught)


# Projects


def test_a_new_project_is_inserted_with_all_its_facts():
    assert import_projects({"description": "A tool", "topics": ["go"], "stars": 5, "archived": True}) == {"inserted": 1}
    project = the_project()
    assert (project.description, project.topics, project.stars, project.is_archived) == ("A tool", ["go"], 5, True)


def test_what_a_new_project_lacks_is_unknown_and_not_0():
    import_projects({})
    project = the_project()
    assert (project.stars, project.created_at, project.description, project.topics) == (None, None, "", [])


def test_a_known_project_is_updated_or_left_unchanged():
    import_projects({"stars": 5})
    assert import_projects({"stars": 6}) == {"updated": 1}
    assert import_projects({"stars": 6}) == {"unchanged": 1}


def test_a_project_is_known_by_its_name_in_any_case():
    import_projects({"full_name": "octo/tool"})
    assert import_projects({"full_name": "Octo/TOOL", "stars": 1}) == {"updated": 1}
    assert the_project().full_name == "Octo/TOOL"


def test_what_a_line_leaves_out_stays():
    import_projects({"description": "A tool", "topics": ["go"], "stars": 5, "archived": True, "languages": {"Go": 1}})
    before = snapshot()
    assert import_projects({}) == {"unchanged": 1}
    assert snapshot() == before


def test_an_explicit_empty_list_clears():
    import_projects({"topics": ["go"], "languages": {"Go": 1}})
    import_projects({"topics": [], "languages": {}})
    assert (the_project().topics, the_project().languages) == ([], {})


def test_a_project_twice_in_a_file_is_merged_and_the_later_line_wins():
    assert import_projects({"stars": 1, "language": "Go"}, {"full_name": "OCTO/tool", "stars": 2}) == {
        "inserted": 1,
        "repeated": 1,
    }
    assert (the_project().stars, the_project().language) == (2, "Go")


def test_a_second_import_writes_no_row():
    import_projects({"stars": 1, "languages": {"Go": 5, "C": 1}, "topics": ["a", "b"], "created_at": "2024"})
    before = snapshot()
    import_projects({"stars": 1, "languages": {"C": 1, "Go": 5}, "topics": ["a", "b"], "created_at": "2024"})
    assert snapshot() == before


@pytest.mark.parametrize("change", [{"stars": 2}, {"forks": 1}, {"pushed_at": "2024"}, {"archived": True}])
def test_a_changed_count_or_date_leaves_the_facts_hash(change):
    import_projects({"stars": 1})
    before = the_project().facts_hash
    import_projects(change)
    assert the_project().facts_hash == before


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Other"},
        {"language": "Go"},
        {"topics": ["a", "b"]},
        {"topics": ["b"]},
        {"languages": {"Go": 1}},
        {"readme": "Hi"},
    ],
)
def test_a_changed_fact_alters_the_facts_hash(change):
    import_projects({"topics": ["a"]})
    before = the_project().facts_hash
    import_projects(change)
    assert the_project().facts_hash != before


def test_a_text_that_moves_to_another_field_alters_the_facts_hash():
    one, other = make_project("o/a", description="x"), make_project("o/b", readme="x")
    Project.objects.filter(pk=other.pk).update(full_name="o/c")
    one.full_name = "o/d"
    one.save()
    hashes = set(Project.objects.values_list("facts_hash", flat=True))
    assert len(hashes) == 2


def test_a_block_of_projects_is_written_whole_or_not_at_all():
    lines = [ProjectLine(full_name="octo/tool"), ProjectLine(full_name="octo/other")]
    lines[1].stars = -1  # past the schema, as a fault of ours would be
    with pytest.raises(IntegrityError):
        importing.import_projects(lines)
    assert not Project.objects.exists()


def test_a_block_of_users_is_written_whole_or_not_at_all(monkeypatch):
    def fails(*_):
        raise RuntimeError("planted")

    monkeypatch.setattr(importing.profiles, "touch", fails)
    with pytest.raises(RuntimeError, match="planted"):
        import_users({"bio": "Cooks"})
    assert not User.objects.exists()


def test_importing_projects_costs_the_same_however_many_they_are():
    def rows(count):
        return [{"full_name": f"octo/tool{number}", "stars": count} for number in range(count)]

    assert queries_of(lambda: import_projects(*rows(10))) == queries_of(lambda: import_projects(*rows(20)))


# Users


def test_a_new_user_has_a_profile_and_no_usable_password():
    assert import_users({"bio": "Cooks", "job_title": "Cook", "location": "Oslo", "company": "X"}) == {"inserted": 1}
    assert not User.objects.get().has_usable_password()
    assert (alice().bio, alice().job_title, alice().location, alice().company) == ("Cooks", "Cook", "Oslo", "X")


def test_a_user_is_linked_to_the_terms_they_name():
    games, python = make_category("Games"), make_stack("Python", aliases=["py"])
    import_users({"categories": ["games"], "tech_stacks": ["PY"]})
    assert [link.category for link in alice().category_links.all()] == [games]
    assert [link.stack for link in alice().stack_links.all()] == [python]


def test_an_unknown_term_becomes_an_interest_and_is_counted():
    counts = import_users({"tech_stacks": ["Brainfuck"], "categories": ["Gardening"], "interests": ["soup"]})
    assert counts == {"inserted": 1, "unknown_terms": 2}
    assert alice().interests == ["soup", "Gardening", "Brainfuck"]


def test_the_text_of_a_new_profile_waits_for_its_vector():
    import_users({"bio": "Cooks"})
    row = alice().embeddings.get()
    assert (row.text, row.vector) == ("Cooks", None)


def test_a_second_import_of_users_writes_no_row():
    make_category("Games"), make_stack("Python")
    row = {"bio": "Cooks", "tech_stacks": ["Python", "Brainfuck"], "categories": ["Games"], "interests": ["b", "a"]}
    import_users(row, {"username": "bob"})
    before = snapshot()
    assert import_users(row, {"username": "bob"}) == {"unchanged": 2, "unknown_terms": 1}
    assert snapshot() == before


def test_what_a_user_line_leaves_out_stays():
    make_stack("Python")
    import_users({"bio": "Cooks", "tech_stacks": ["Python"], "interests": ["soup"]})
    before = snapshot()
    import_users({})
    assert snapshot() == before


def test_a_shorter_list_drops_links():
    make_stack("Python"), make_stack("Go"), make_category("Games")
    import_users({"tech_stacks": ["Python", "Go"], "categories": ["Games"]})
    assert import_users({"tech_stacks": ["Go"], "categories": []}) == {"updated": 1}
    assert [link.stack.name for link in alice().stack_links.all()] == ["Go"]
    assert not alice().category_links.exists()


def test_a_changed_profile_is_told_from_an_unchanged_one():
    import_users({"bio": "Cooks"}, {"username": "bob", "bio": "Eats"})
    then = long_ago(*User.objects.all())
    import_users({"bio": "Bakes"}, {"username": "bob", "bio": "Eats"})
    assert alice().changed_at > then
    assert Profile.objects.get(user__username="bob").changed_at == then


def test_a_profile_that_loses_its_last_fact_loses_its_text():
    make_stack("Python")
    import_users({"tech_stacks": ["Python"]})
    import_users({"tech_stacks": []})
    assert not alice().embeddings.exists()


def test_a_known_password_stays():
    user = make_user("alice")
    user.set_password("secret")
    user.save()
    import_users({"bio": "Cooks"})
    user.refresh_from_db()
    assert user.check_password("secret")


def test_an_update_is_counted_beside_a_new_user_without_facts():
    import_users({"bio": "Cooks"})
    assert import_users({"bio": "Bakes"}, {"username": "bob"}) == {"inserted": 1, "updated": 1}


def test_a_user_twice_in_a_file_is_merged_as_over_two_files():
    import_users({"bio": "Cooks"}, {"company": "X"})
    assert (alice().bio, alice().company) == ("Cooks", "X")


def test_importing_users_costs_the_same_however_many_they_are():
    make_stack("Python")

    def rows(count):
        return [
            {"username": f"user{count}-{number}", "bio": "Cooks", "tech_stacks": ["Python"]} for number in range(count)
        ]

    import_users({"bio": "Eats"})  # so that the model is registered
    assert queries_of(lambda: import_users(*rows(10))) == queries_of(lambda: import_users(*rows(20)))


# Interactions


def test_an_interaction_keeps_the_latest_date_and_counts():
    make_user(), make_project()
    assert import_acts({"at": "2024"}, {"at": "2023"})["inserted"] == 1
    found = Interaction.objects.get()
    assert (found.at, found.count) == (datetime(2024, 1, 1, tzinfo=UTC), 2)


def test_names_of_projects_match_in_any_case():
    make_user(), make_project("octo/tool")
    assert import_acts({"full_name": "OCTO/Tool"}) == {"inserted": 1}


def test_a_second_import_of_interactions_writes_no_row():
    make_user(), make_project()
    import_acts({"at": "2024"}, {"at": "2023"})
    before = snapshot()
    assert import_acts({"at": "2024"}, {"at": "2023"}) == {"unchanged": 2}
    assert snapshot() == before


def test_a_later_act_counts_again():
    make_user(), make_project()
    import_acts({"at": "2023"})
    assert import_acts({"at": "2023"}, {"at": "2024"})["updated"] == 1
    found = Interaction.objects.get()
    assert (found.at, found.count) == (datetime(2024, 1, 1, tzinfo=UTC), 2)


def test_kinds_are_kept_apart():
    make_user(), make_project()
    assert import_acts({"kind": "star"}, {"kind": "save"}) == {"inserted": 2}


def test_unknown_names_are_skipped_summed_and_ten_of_them_named():
    make_user(), make_project()
    skipped = Skipped()
    rows = [{"full_name": f"octo/gone{number}"} for number in range(9)] + [{"username": "bob"}] * 3
    counts = import_acts({}, *rows, {"username": "carl"}, skipped=skipped)
    assert counts == {"inserted": 1, "skipped": 13}
    assert skipped.count == 13
    assert len(set(skipped.names)) == len(skipped.names) == 10


def test_skipped_names_add_up_over_blocks():
    skipped = Skipped()
    import_acts({"username": "bob"}, skipped=skipped)
    import_acts({"username": "carl"}, skipped=skipped)
    assert (skipped.count, skipped.names) == (2, ["bob", "carl"])


def test_an_act_moves_changed_at_of_those_touched_only():
    users = make_user("alice"), make_user("bob")
    make_project()
    import_acts({"username": "bob"})
    then = long_ago(*users)
    import_acts({"username": "alice"}, {"username": "bob"})
    changed = dict(Profile.objects.values_list("user__username", "changed_at"))
    assert changed["alice"] > then
    assert changed["bob"] == then


def test_a_click_leaves_changed_at_since_no_recommendation_depends_on_it():
    then = long_ago(make_user())
    make_project()
    import_acts({"kind": "click"})
    assert alice().changed_at == then


def test_an_act_does_not_change_the_text_of_a_profile():
    user = make_user(bio="Cooks")
    knows(user, make_stack())
    make_project()
    import_acts({})
    assert not alice().embeddings.exists()
    assert not ProjectEmbedding.objects.exists()


def test_who_acts_gets_a_profile():
    User.objects.create(username="alice")
    make_project()
    import_acts({})
    assert alice().bio == ""


def test_importing_interactions_costs_the_same_however_many_they_are():
    make_user()
    for number in range(20):
        make_project(f"octo/tool{number}")

    def rows(count):
        return [{"full_name": f"octo/tool{number}", "at": f"20{count}"} for number in range(count)]

    assert queries_of(lambda: import_acts(*rows(10))) == queries_of(lambda: import_acts(*rows(20)))

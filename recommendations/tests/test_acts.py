"""What people do on a page, and what follows from it."""

from datetime import UTC, datetime

import pytest

from recommendations import acts, profiles
from recommendations.models import Interaction, Profile, ProfileTechStack
from recommendations.tests.factories import knows, make_category, make_project, make_stack, make_user, star

pytestmark = pytest.mark.django_db
BEFORE = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def alice():
    user = make_user()
    Profile.objects.update(changed_at=BEFORE)
    return user


def changed(user) -> bool:
    return Profile.objects.get(user=user).changed_at > BEFORE


def kinds(user) -> set[str]:
    return set(Interaction.objects.filter(user=user).values_list("kind", flat=True))


def test_an_act_is_kept_and_makes_the_list_out_of_date(alice):
    assert acts.act(user=alice, project=make_project(), kind="like")
    assert kinds(alice) == {"like"}
    assert changed(alice)


def test_the_same_act_again_changes_nothing(alice):
    project = make_project()
    acts.act(user=alice, project=project, kind="like")
    Profile.objects.update(changed_at=BEFORE)
    assert not acts.act(user=alice, project=project, kind="like")
    assert not changed(alice)


def test_to_hide_takes_a_like_back(alice):
    project = make_project()
    acts.act(user=alice, project=project, kind="like")
    acts.act(user=alice, project=project, kind="dismiss")
    assert kinds(alice) == {"dismiss"}


def test_to_like_shows_a_hidden_project_again(alice):
    project = make_project()
    acts.act(user=alice, project=project, kind="dismiss")
    acts.act(user=alice, project=project, kind="like")
    assert kinds(alice) == {"like"}


def test_to_hide_keeps_a_star(alice):
    project = make_project()
    star(alice, project)
    acts.act(user=alice, project=project, kind="dismiss")
    assert kinds(alice) == {"star", "dismiss"}


def test_an_unknown_kind_is_refused(alice):
    with pytest.raises(ValueError, match="bow"):
        acts.act(user=alice, project=make_project(), kind="bow")


def test_undo_takes_the_act_back(alice):
    project = make_project()
    acts.act(user=alice, project=project, kind="dismiss")
    assert acts.undo(user=alice, project=project, kind="dismiss")
    assert kinds(alice) == set()


def test_undo_of_nothing_changes_nothing(alice):
    assert not acts.undo(user=alice, project=make_project(), kind="dismiss")
    assert not changed(alice)


def test_a_user_without_a_profile_gets_one(django_user_model):
    user = django_user_model.objects.create(username="new")
    acts.act(user=user, project=make_project(), kind="save")
    assert Profile.objects.filter(user=user).exists()


def test_a_refused_stack_hides_the_project_and_is_no_longer_known(alice):
    rust = make_stack("Rust")
    knows(alice, rust)
    acts.refuse(user=alice, project=make_project(), stack=rust)
    assert kinds(alice) == {"dismiss"}
    assert not ProfileTechStack.objects.get(profile=alice.pk, stack=rust).applies


def test_a_refusal_taken_back_leaves_nothing_said(alice):
    rust = make_stack("Rust")
    acts.refuse(user=alice, project=make_project(), stack=rust)
    acts.accept(user=alice, stack=rust)
    assert not ProfileTechStack.objects.filter(profile=alice.pk).exists()


def test_done_names_the_acts_of_this_user_alone(alice):
    project, other = make_project(), make_project("octo/other")
    acts.act(user=alice, project=project, kind="like")
    acts.act(user=make_user("bob"), project=project, kind="save")
    assert acts.done(alice, [project.pk, other.pk]) == {project.pk: {"like"}}


# What people say


def test_what_is_said_replaces_what_was_there(alice):
    rust, go = make_stack("Rust"), make_stack("Go")
    profiles.say(alice, stacks=[rust.pk], bio="I like compilers.")
    profiles.say(alice, stacks=[go.pk])
    assert list(alice.profile.stack_links.values_list("stack__name", flat=True)) == ["Go"]
    assert Profile.objects.get(user=alice).bio == "I like compilers."


def test_what_is_said_again_changes_nothing(alice):
    games = make_category()
    profiles.say(alice, categories=[games.pk], interests=["chess"])
    Profile.objects.update(changed_at=BEFORE)
    profiles.say(alice, categories=[games.pk], interests=["chess"])
    assert not changed(alice)


def test_a_refused_stack_said_again_is_theirs(alice):
    rust = make_stack("Rust")
    acts.refuse(user=alice, project=make_project(), stack=rust)
    profiles.say(alice, stacks=[rust.pk])
    assert ProfileTechStack.objects.get(profile=alice.pk).applies


def test_what_is_refused_stays_refused_when_other_stacks_are_said(alice):
    rust, go = make_stack("Rust"), make_stack("Go")
    acts.refuse(user=alice, project=make_project(), stack=rust)
    profiles.say(alice, stacks=[go.pk])
    assert not ProfileTechStack.objects.get(profile=alice.pk, stack=rust).applies


def test_a_changed_bio_is_a_changed_text(alice):
    profiles.say(alice, bio="I like compilers.")
    assert "compilers" in alice.profile.embeddings.get().text

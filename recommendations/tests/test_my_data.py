import json
from datetime import timedelta
from importlib import import_module

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.utils import timezone

from engine.models import Allowance, ApiKey, Audit, IdempotentReply
from recommendations import my_data
from recommendations.models import Fact, Generation, Impression, Message, Profile, Recommendation, StarImport
from recommendations.tests.factories import (
    give_vector,
    knows,
    make_category,
    make_model,
    make_project,
    make_stack,
    make_user,
    make_weights,
    star,
)

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def owned_columns():
    """Every column of the database that names a user, a profile or a message."""
    return [
        (model, each)
        for model in apps.get_models(include_auto_created=True)
        for each in model._meta.fields
        if each.related_model in (User, Profile, Message)
    ]


def make_generation(state="live"):
    weights = make_weights()
    return Generation.objects.create(
        state=state, weights=weights, model=make_model(), taxonomy="t", inputs=state, inputs_at=NOW
    )


def recommend(user, project, generation):
    Recommendation.objects.create(
        generation=generation, user=user, project=project, rank=1, rank_by_score=1, score=0.5, parts={"semantic": 0.5}
    )


@pytest.fixture
def alice():
    """Somebody with a row in every table that can have one."""
    user = make_user("alice_ml", bio="Rust at night.", interests=["search"])
    User.objects.filter(pk=user.pk).update(email="alice@example.org")
    user.refresh_from_db()
    knows(user, make_stack("Rust"), make_category("Games"))
    give_vector(user, [1, 0, 0])
    user.groups.add(Group.objects.create(name="curators"))
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    EmailAddress.objects.create(user=user, email="alice@example.org", primary=True)
    Authenticator.objects.create(user=user, type="totp", data={"secret": "the-seed"})
    SocialAccount.objects.create(user=user, provider="github", uid="42", extra_data={"login": "alice_ml"})
    LogEntry.objects.create(user=user, action_flag=2, object_repr="weights 1", change_message="")
    ApiKey.objects.issue(user, "laptop", ["read"], 30)
    IdempotentReply.objects.create(user=user, key="k-1", request_hash="h")
    message = Message.objects.create(user=user, message_id="m-1", text="How do I shard it?", said_at=NOW)
    give_vector(message, [0, 1, 0])
    fact = Fact.objects.create(
        user=user, interest="sharding", message=message, sentence="How do I shard it?", confidence=1, said_at=NOW
    )
    fact.sayings.create(message=message, sentence=fact.sentence, confidence=1)
    campaign = apps.get_model("recommendations.Campaign").objects.create(name="Spring", kind="project", subject=1)
    campaign.engagements.create(user=user, last_at=NOW)
    project, generation = make_project("octo/tool"), make_generation()
    star(user, project)
    StarImport.objects.create(user=user, login="alice_ml", state="done", found=412, stored=412)
    recommend(user, project, generation)
    Impression.objects.create(user=user, project=project, request="0" * 32, rank=1)
    issue = apps.get_model("issues.Issue").objects.create(first_seen=NOW.date(), last_seen=NOW.date())
    issue.edits.create(kind="hide", actor=user, undone_by=user)
    generation.weights.__class__.objects.update(author=user)
    return user


def test_every_table_that_names_a_person_is_given_or_left_out_with_a_reason():
    tables = {model._meta.label for model, _ in owned_columns()}
    assert tables == my_data.GIVEN.keys() | my_data.LEFT_OUT.keys()


def test_the_person_of_these_tests_has_a_row_in_each_of_them(alice):
    assert [model._meta.label for model, each in owned_columns() if not model._default_manager.exists()] == []


def test_each_given_table_is_in_the_export(alice):
    given = my_data.everything(alice)
    assert [label for label in my_data.GIVEN if not given[label.partition(".")[2]]] == []


def test_the_export_names_what_was_said_with_its_source(alice):
    assert my_data.everything(alice)["ProfileTechStack"] == [
        {"stack_name": "Rust", "source": "curated", "confidence": 1.0, "applies": True}
    ]


def test_the_export_holds_the_account(alice):
    account = my_data.everything(alice)["account"]
    assert (account["username"], account["email"], account["groups"]) == ("alice_ml", "alice@example.org", ["curators"])


def test_the_export_names_what_was_shown_and_what_came_of_it(alice):
    Impression.objects.get().responses.create(kind="save")
    given = my_data.everything(alice)
    assert [(row["project_full_name"], row["rank"]) for row in given["Impression"]] == [("octo/tool", 1)]
    assert [(row["project_full_name"], row["kind"]) for row in given["Response"]] == [("octo/tool", "save")]


def test_the_export_holds_acts_on_the_ledger(alice):
    Audit.objects.create(actor="alice_ml", action="run again", subject="run 7")
    assert [row["subject"] for row in my_data.everything(alice)["ledger"]] == ["run 7"]


def test_only_the_live_recommendations_are_given(alice):
    recommend(alice, make_project("octo/old"), make_generation("retired"))
    assert [row["project_full_name"] for row in my_data.everything(alice)["Recommendation"]] == ["octo/tool"]


def test_no_secret_is_given(alice):
    text = json.dumps(my_data.everything(alice), cls=DjangoJSONEncoder)
    assert not [secret for secret in ("the-seed", ApiKey.objects.get().digest, alice.password) if secret in text]


def test_nothing_of_others_is_given(alice):
    bob = make_user("bob_webdev", bio="mine alone")
    star(bob, make_project("octo/secret"))
    text = json.dumps(my_data.everything(alice), cls=DjangoJSONEncoder)
    assert not [other for other in ("mine alone", "octo/secret", "bob_webdev") if other in text]


def test_more_rows_cost_no_more_queries(alice, django_assert_num_queries):
    queries = 1 + 2 + len(my_data.GIVEN) + 1
    for number in range(10):
        star(alice, make_project(f"octo{number}/tool"))
    with django_assert_num_queries(queries):
        my_data.everything(alice)


def test_after_the_deletion_no_row_of_any_table_names_the_person(alice):
    pk = alice.pk
    my_data.forget(alice)
    left = [
        (model._meta.label, each.name)
        for model, each in owned_columns()
        if each.related_model is not Message and model._default_manager.filter(**{each.name: pk}).exists()
    ]
    assert left == []


def test_after_the_deletion_no_text_of_the_person_is_left_in_any_table(alice):
    Audit.objects.create(actor="alice_ml", action="run again", subject="run 7")
    my_data.forget(alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [row[0] for row in cursor.fetchall()]
        found = []
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ~ %s', ["alice|Rust at night|shard it"])
            found += [table] if cursor.fetchone()[0] else []
    assert found == ["engine_audit"]  # what was done as staff stays under its name


def test_weights_outlive_their_author(alice):
    version = alice.pk and Generation.objects.get().weights
    my_data.forget(alice)
    version.refresh_from_db()
    assert version.author is None


def test_others_keep_everything(alice):
    bob = make_user("bob_webdev", bio="mine")
    star(bob, make_project("octo/other"))
    Allowance.objects.create(subject=f"user:{bob.pk}", since=NOW, taken=3)
    my_data.forget(alice)
    assert (bob.interactions.count(), Profile.objects.count(), Allowance.objects.count()) == (1, 1, 1)


def test_how_often_they_asked_is_forgotten(alice):
    Allowance.objects.create(subject=f"user:{alice.pk}", since=NOW, taken=3)
    my_data.forget(alice)
    assert not Allowance.objects.exists()


def test_they_are_signed_out_everywhere_and_nobody_else_is(alice, client):
    sessions = import_module(settings.SESSION_ENGINE).SessionStore
    bob = make_user("bob_webdev")
    for user, age in ((alice, 0), (alice, 30), (bob, 0)):
        session = sessions()
        session["_auth_user_id"] = str(user.pk)
        session.set_expiry(NOW + timedelta(days=1 - age))
        session.create()
    my_data.forget(alice)
    left = [row.get_decoded()["_auth_user_id"] for row in session.model.objects.all()]
    assert left == [str(bob.pk)]


def test_a_deletion_that_fails_takes_nothing(alice, monkeypatch):
    before = {model: model._default_manager.count() for model, _ in owned_columns()}
    with connection.cursor() as cursor:  # a table of somebody's own that holds on to the user
        cursor.execute("CREATE TABLE holds (user_id int REFERENCES auth_user (id))")
        cursor.execute("INSERT INTO holds VALUES (%s)", [alice.pk])
    with pytest.raises(Exception, match="holds"):
        my_data.forget(alice)
    assert {model: model._default_manager.count() for model, _ in owned_columns()} == before


def test_the_summary_counts_what_goes(alice):
    assert dict(my_data.summary(alice))["messages"] == 1


def test_the_summary_leaves_out_what_there_is_none_of():
    assert my_data.summary(make_user()) == []

"""Roles and the admin's door: what curators and operators may do, and who comes in at all."""

import time

import pytest
from allauth.mfa.models import Authenticator
from django.apps.registry import Apps
from django.contrib.admin import site
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from engine.models import ApiKey
from ostsite.admin import ACCESS, LONGEST
from ostsite.roles import ROLES, make_roles, permitted
from ostsite.tests.people import PASSWORD, confirmed, person, staff, visits

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def held(role: str) -> set[tuple[str, str]]:
    return set(Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename"))


# Roles


@pytest.mark.parametrize("role", ROLES)
def test_migrating_makes_each_role_with_just_its_permissions(role):
    assert held(role) == permitted(role)


@pytest.mark.parametrize("role", ROLES)
def test_what_was_added_or_taken_by_hand_is_put_right(role):
    group = Group.objects.get(name=role)
    group.permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    make_roles()
    assert held(role) == permitted(role)


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reads_what_people_wrote_or_how_they_sign_in(role):
    private = ("message", "saying", "fact", "apikey", "authenticator", "emailaddress", "user", "session")
    assert not {codename for _, codename in permitted(role)} & {f"view_{model}" for model in private}


def test_where_there_are_no_groups_yet_no_role_is_made(django_assert_num_queries):
    with django_assert_num_queries(0):
        make_roles(apps=Apps())


def test_making_roles_twice_writes_nothing(django_assert_max_num_queries):
    with django_assert_max_num_queries(6) as seen:
        make_roles()
    assert not [each for each in seen if each["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_no_role_lets_people_in_or_deletes_more_than_an_anomaly_it_saw_and_what_is_asked_for():
    pairs = set().union(*(permitted(role) for role in ROLES))
    deleted = {codename for _, codename in pairs if codename.startswith("delete_")}
    assert deleted == {
        "delete_anomaly",
        *(f"delete_{asked_for}" for asked_for in ("keyword", "feed", "repositoryquery", "namedrepository", "campaign")),
    }
    assert not {app for app, _ in pairs} & {"auth", "mfa", "account"}


def test_a_curator_may_put_right_what_a_project_is_about():
    user = staff()
    user.groups.add(Group.objects.get(name="curator"))
    assert user.has_perms(["recommendations.change_project", "recommendations.add_weights"])
    assert not user.has_perm("engine.change_run")


def test_an_operator_may_run_something_again():
    user = staff()
    user.groups.add(Group.objects.get(name="operator"))
    assert user.has_perms(["engine.change_run", "engine.view_audit"])
    assert not user.has_perm("recommendations.change_project")


# The door of the admin

PAGES = (
    "/admin/",
    "/admin/auth/user/",
    "/admin/engine/run/",
    "/admin/jsi18n/",
    "/admin/nowhere/",
    "/admin/password_change/",
)


def ends_at(client: Client, path: str) -> str:
    """Where one is sent to in the end, without what is behind the path."""
    return client.get(path, follow=True).redirect_chain[-1][0].split("?")[0]


@pytest.mark.parametrize("path", PAGES)
def test_strangers_are_sent_to_sign_in(path):
    assert Client().get(path).status_code == 302
    assert ends_at(Client(), path) == reverse("account_login")


@pytest.mark.parametrize("path", PAGES)
def test_who_is_no_staff_is_sent_home(path):
    client = visits(person())
    assert client.get(path).status_code == 302
    assert client.get("/admin/login/", {"next": path})["Location"] == reverse("home")


def test_staff_without_a_second_factor_are_sent_to_set_one_up():
    client = confirmed(person(is_staff=True, is_superuser=True))
    assert ends_at(client, "/admin/") == reverse("mfa_activate_totp")


def test_staff_with_recovery_codes_alone_have_no_second_factor():
    user = person(is_staff=True)
    Authenticator.objects.create(user=user, type="recovery_codes", data={"seed": "x", "used_mask": 0})
    assert visits(user).get("/admin/").status_code == 302


def test_staff_with_a_second_factor_come_in():
    assert visits(staff()).get("/admin/").status_code == 200


def test_staff_without_permissions_see_the_first_page_only():
    client = confirmed(staff())
    codes = {
        model._meta.label: client.get(f"/admin/{model._meta.label_lower.replace('.', '/')}/").status_code
        for model in site._registry
    }
    assert set(codes.values()) == {403}, codes


def test_staff_who_are_shut_out_are_out():
    user = staff()
    client = visits(user)
    User.objects.update(is_active=False)
    assert client.get("/admin/").status_code == 302


def test_after_eight_hours_staff_sign_in_anew():
    client = visits(staff())
    session = client.session
    session["signed_in_at"] = time.time() - LONGEST - 1
    session.save()
    assert ends_at(client, "/admin/") == reverse("account_login")
    assert "_auth_user_id" not in client.session


def test_using_the_admin_does_not_make_the_eight_hours_longer():
    client = visits(staff())
    before = client.session["signed_in_at"]
    client.get("/admin/")
    assert client.session["signed_in_at"] == before


def test_the_admin_has_no_login_form_of_its_own():
    answer = Client().post("/admin/login/", {"username": staff().username, "password": PASSWORD})
    assert answer["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("away", ["//evil.example/", "https://evil.example/", "javascript:alert(1)"])
def test_the_door_sends_nobody_elsewhere(away):
    assert visits(staff()).get("/admin/login/", {"next": away})["Location"] == "/admin/"


# Once more the password, before letting somebody in


def boss() -> User:
    return staff("root", is_superuser=True)


def guarded(user: User) -> list[str]:
    key, _ = ApiKey.objects.issue(user, "a", ["read"], 1)
    return [
        f"/admin/auth/user/{user.pk}/change/", "/admin/auth/user/add/", f"/admin/auth/user/{user.pk}/password/",
        "/admin/auth/group/add/", f"/admin/engine/apikey/{key.pk}/change/", "/admin/mfa/authenticator/",
        "/admin/account/emailaddress/add/", "/admin/socialaccount/socialaccount/add/",
    ]  # fmt: skip


def test_before_a_change_of_who_gets_in_the_password_is_asked_for_again():
    client = visits(user := boss())
    for path in guarded(user):
        asked = client.post(path, {"username": "mallory"})
        assert (asked.status_code, asked["Location"]) == (302, f"{reverse('account_reauthenticate')}?next={path}")


def test_the_form_of_such_a_change_asks_before_it_is_filled_in():
    client = visits(user := boss())
    assert client.get("/admin/auth/user/add/").status_code == 302
    assert client.get("/admin/auth/user/").status_code == 200
    assert client.get(f"/admin/auth/user/{user.pk}/change/").status_code == 302


def test_after_that_the_change_is_made():
    client = confirmed(user := boss())
    assert client.get(f"/admin/auth/user/{user.pk}/change/").status_code == 200
    client.post("/admin/auth/group/add/", {"name": "friends"})
    assert Group.objects.filter(name="friends").exists()


def test_what_was_confirmed_long_ago_is_asked_for_again():
    assert confirmed(boss(), seconds_ago=301).post("/admin/auth/group/add/").status_code == 302


def test_what_lets_nobody_in_needs_no_password():
    client = visits(boss())
    assert not client.get("/admin/recommendations/category/add/").has_header("Location")


def test_confirming_leads_back():
    client = visits(boss())
    answer = client.post(
        "/accounts/reauthenticate/?next=/admin/auth/user/add/", {"password": PASSWORD, "next": "/admin/auth/user/add/"}
    )
    assert answer["Location"] == "/admin/auth/user/add/"
    assert client.get("/admin/auth/user/add/").status_code == 200


def test_the_secret_of_a_second_factor_is_shown_nowhere():
    client = confirmed(user := boss())
    factor = Authenticator.objects.get(user=user)
    for path in ("", f"{factor.pk}/change/"):
        page = client.get(f"/admin/mfa/authenticator/{path}")
        assert page.status_code == 200
        assert factor.data["secret"] not in page.content.decode()


def test_staff_take_a_lost_second_factor_away():
    client = confirmed(boss())
    lost = Authenticator.objects.get(user=staff())
    client.post(f"/admin/mfa/authenticator/{lost.pk}/delete/", {"post": "yes"})
    assert not Authenticator.objects.filter(pk=lost.pk).exists()


def test_secrets_of_apps_are_not_in_the_admin():
    labels = {model._meta.label for model in site._registry}
    assert not labels & {"socialaccount.SocialApp", "socialaccount.SocialToken"}


def test_every_model_by_which_somebody_gets_in_is_guarded():
    doors = {
        m._meta.label_lower for m in site._registry if m._meta.app_label in ("auth", "account", "mfa", "socialaccount")
    }
    assert all(f"{label.replace('.', '_')}_".startswith(ACCESS) for label in {*doors, "engine.apikey"})

"""What an operator says of an intent shows in the lists of those who wrote with it."""

import pytest

from engine.tests.staff import sign_in, staff
from recommendations.models import Intent, Profile
from recommendations.tests.factories import make_stack, make_user
from recommendations.tests.taste import hear, say, wants

pytestmark = pytest.mark.django_db
LIST = "/admin/recommendations/intent/"


@pytest.fixture
def operator():
    return sign_in(staff("olga", *(f"recommendations.{verb}_intent" for verb in ("view", "change", "delete"))))


@pytest.fixture
def alice():
    user = make_user("alice")
    hear(say(user, "I use Rust", intent=wants()), make_stack("Rust"))
    return user


def seen(client, intent):
    return client.get(f"{LIST}{intent.pk}/change/").context["adminform"].form.initial["seen"]


def change(client, intent, **given):
    form = {"name": intent.name, "state": intent.state, "prototype": intent.prototype, "seen": seen(client, intent)}
    answer = client.post(f"{LIST}{intent.pk}/change/", {**form, **given})
    assert answer.status_code == 302, answer.context["adminform"].form.errors


def changed_at(user):
    return Profile.objects.get(pk=user.pk).changed_at


def test_an_intent_that_tells_nothing_any_more_makes_lists_out_of_date(operator, alice):
    before = changed_at(alice)
    change(operator, Intent.objects.get())
    assert not Intent.objects.get().counts
    assert changed_at(alice) > before


def test_another_name_makes_no_list_out_of_date(operator, alice):
    before = changed_at(alice)
    change(operator, Intent.objects.get(), counts="on", name="another")
    assert changed_at(alice) == before


@pytest.mark.parametrize("way", ["one", "some"])
def test_a_deleted_intent_makes_lists_out_of_date(operator, alice, way):
    before, intent = changed_at(alice), Intent.objects.get()
    if way == "one":
        operator.post(f"{LIST}{intent.pk}/delete/", {"post": "yes"})
    else:
        operator.post(LIST, {"action": "delete_selected", "_selected_action": [intent.pk], "post": "yes"})
    assert not Intent.objects.exists()
    assert changed_at(alice) > before

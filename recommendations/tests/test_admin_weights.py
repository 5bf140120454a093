import re

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from engine.models import Audit, Run
from recommendations import serving, weighing
from recommendations.models import Weights
from recommendations.tests.factories import give_vector, make_projects, make_user, make_weights, score

HISTORY = reverse("admin:recommendations_weights_changelist")
EDITOR = reverse("admin:recommendations_weights_add")
PREVIEW = reverse("admin:recommendations_weights_preview")
REASON = "meaning tells more than stars"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def fresh_process():
    serving.forget()
    yield
    serving.forget()


@pytest.fixture
def world(db):
    make_weights(reason="the first")
    make_projects(12)
    for name in ("alice", "bob"):
        give_vector(make_user(name), [1, 0, 0])


def staff(name, *permissions):
    user = User.objects.create_user(name, password="x", is_staff=True)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


@pytest.fixture
def curator(client, world):
    user = staff("carol", "view_weights", "add_weights")
    client.force_login(user)
    return user


@pytest.fixture
def looker(client, world):
    client.force_login(staff("dave", "view_weights"))


def form(**typed):
    plain = weighing.figures_of(Weights.objects.get(version=1))
    return {**plain, "people": "alice", "reason": REASON, "started_from": 1, **typed}


def back(version):
    return reverse("admin:recommendations_weights_back", args=[version.pk])


def page_of(version):
    return reverse("admin:recommendations_weights_change", args=[version.pk])


def text(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


# History


@pytest.mark.usefixtures("curator")
def test_the_history_says_who_and_why(client):
    client.post(EDITOR, form(semantic=0.9))
    page = text(client.get(HISTORY))
    assert all(words in page for words in ("Version 2", "carol", REASON, "the first", "Meaning 0.9"))


@pytest.mark.usefixtures("curator")
def test_the_history_says_which_is_live_and_which_waits(client):
    score()
    client.post(EDITOR, form(semantic=0.9))
    states = {row["version"].version: row["state"] for row in client.get(HISTORY).context["rows"]}
    assert states == {2: "waiting", 1: "live"}


@pytest.mark.usefixtures("curator")
def test_after_its_run_the_version_is_live(client):
    client.post(EDITOR, form(semantic=0.9))
    score()
    states = {row["version"].version: row["state"] for row in client.get(HISTORY).context["rows"]}
    assert states == {2: "live", 1: "past"}


@pytest.mark.usefixtures("curator")
def test_ten_more_versions_cost_no_more_queries(client):
    client.get(HISTORY)
    with CaptureQueriesContext(connection) as few:
        client.get(HISTORY)
    for number in range(10):
        make_weights(author=User.objects.create(username=f"curator{number}"))
    with CaptureQueriesContext(connection) as many:
        client.get(HISTORY)
    assert len(many) == len(few) <= 12


@pytest.mark.usefixtures("curator")
@pytest.mark.parametrize("page", ["0", "-1", "99", "abc", "9" * 5000])
def test_a_page_that_is_none_is_not_found(client, page):
    assert client.get(f"{HISTORY}?page={page}").status_code == 404


# The editor


@pytest.mark.usefixtures("curator")
def test_the_editor_begins_with_the_newest_version(client):
    make_weights(semantic=0.77)
    page = client.get(EDITOR)
    assert page.context["form"]["semantic"].value() == 0.77
    assert page.context["form"]["started_from"].value() == 2


@pytest.mark.usefixtures("curator")
def test_the_editor_begins_with_the_version_of_the_address(client):
    make_weights(semantic=0.77)
    page = client.get(f"{EDITOR}?from=1")
    assert page.context["form"]["semantic"].value() == 0.25
    assert page.context["form"]["started_from"].value() == 2


@pytest.mark.usefixtures("curator")
@pytest.mark.parametrize("version", ["7", "abc", "-1", "9" * 5000, "1.5"])
def test_the_editor_knows_no_other_version(client, version):
    assert client.get(f"{EDITOR}?from={version}").status_code == 404


@pytest.mark.usefixtures("curator")
def test_the_address_says_for_whom(client):
    page = client.get(f"{EDITOR}?people=bob")
    assert [person.user.username for person in page.context["replay"].people] == ["bob"]


@pytest.mark.usefixtures("curator")
def test_the_editor_shows_no_arrow_before_anything_changed(client):
    page = text(client.get(EDITOR))
    assert "stays" in page
    assert not any(sign in page for sign in ("▲", "▼", "✕", "+ new"))


@pytest.mark.usefixtures("curator")
def test_the_share_of_each_weight_is_shown(client):
    assert "Meaning 19.2%" in text(client.get(EDITOR))


@pytest.mark.usefixtures("curator")
def test_nothing_is_inline(client):
    pages = (client.get(EDITOR), client.get(HISTORY), client.get(page_of(Weights.objects.get())))
    for page in pages:
        found = page.content.decode()
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=|hx-on", found)


# The preview


@pytest.mark.usefixtures("curator")
def test_the_preview_is_the_right_side_alone(client):
    found = client.post(PREVIEW, form(popularity=50), headers=HTMX)
    assert "<html" not in found.content.decode()
    assert "▲ up" in text(found)


@pytest.mark.usefixtures("curator")
def test_the_preview_varies_by_htmx_and_remembers_people(client):
    found = client.post(PREVIEW, form(people="bob, alice"), headers=HTMX)
    assert "HX-Request" in found["Vary"]
    assert found["HX-Replace-Url"] == f"{EDITOR}?people=bob%2Calice"


@pytest.mark.usefixtures("curator")
def test_without_script_the_preview_is_the_whole_editor(client):
    found = client.post(PREVIEW, form(popularity=50, reason=""))
    assert found.status_code == 200
    assert "▲ up" in text(found)
    assert "This field is required" not in text(found)
    assert found.context["form"]["popularity"].value() == "50"


@pytest.mark.usefixtures("curator")
def test_a_preview_publishes_nothing(client):
    client.post(PREVIEW, form(popularity=50))
    assert (Weights.objects.count(), Run.objects.count()) == (1, 0)


@pytest.mark.usefixtures("curator")
def test_the_address_of_the_preview_leads_to_the_editor(client):
    assert client.get(f"{PREVIEW}?people=bob").url == f"{EDITOR}?people=bob"


BAD = [
    {"semantic": "-0.1"},
    {"semantic": "nan"},
    {"category": "inf"},
    {"tech": "1e400"},
    {"popularity": "much"},
    {"semantic": "1001"},
    {"semantic": ""},
    {"semantic": "0", "popularity": "0"},
    {"top_n": "0"},
    {"top_n": "51"},
    {"top_n": "9" * 5000},
    {"top_n": "1.5"},
    {"min_similarity": "1.1"},
    {"min_similarity": "nan"},
    {"popularity_threshold": "0"},
    {"popularity_threshold": "10000000000"},
    {"popularity_scale": "cubic"},
    {"variety": "-1"},
    {"variety": "51"},
    {"semantic": "\0"},
    {"people": "nobody_of_that_name"},
    {"people": "a,b,c,d,e,f"},
    {"people": "alice\0"},
    {"people": "x" * 1000},
]


@pytest.mark.usefixtures("curator")
@pytest.mark.parametrize("typed", BAD, ids=str)
def test_bad_figures_are_said_in_the_preview(client, typed):
    found = client.post(PREVIEW, form(**typed), headers=HTMX)
    assert found.status_code == 200
    assert "No preview" in text(found)


@pytest.mark.usefixtures("curator")
@pytest.mark.parametrize("typed", [*BAD, {"reason": "too short"}, {"reason": " " * 20}, {"started_from": "x"}], ids=str)
def test_bad_figures_are_not_published(client, typed):
    assert client.post(EDITOR, form(**typed)).status_code == 400
    assert Weights.objects.count() == 1


@pytest.mark.usefixtures("curator")
def test_weights_that_are_almost_nothing_do_no_harm(client):
    assert client.post(PREVIEW, form(semantic="5e-324", popularity="5e-324", category=0, tech=0)).status_code == 200


@pytest.mark.usefixtures("curator")
def test_without_people_the_editor_says_so(client):
    User.objects.exclude(username="carol").delete()
    assert "Nobody has a profile yet" in text(client.get(EDITOR))


# Publishing


@pytest.mark.usefixtures("curator")
def test_publishing_leads_to_the_history(client):
    done = client.post(EDITOR, form(semantic=0.9), follow=True)
    assert done.redirect_chain == [(HISTORY, 302)]
    assert "Version 2 is published" in text(done)


def test_a_version_names_its_author(client, curator):
    client.post(EDITOR, form(semantic=0.9))
    assert Weights.objects.get(version=2).author == curator


@pytest.mark.usefixtures("curator")
def test_the_second_of_two_curators_gets_a_conflict(client):
    client.post(EDITOR, form(semantic=0.9))
    late = client.post(EDITOR, form(tech=0.1))
    assert late.status_code == 409
    assert Weights.objects.count() == 2
    assert all(words in text(late) for words in ("Version 2 was published meanwhile", "By carol", "Meaning 0.25 0.9"))


@pytest.mark.usefixtures("curator")
def test_who_was_told_of_the_conflict_may_publish_all_the_same(client):
    client.post(EDITOR, form(semantic=0.9))
    assert client.post(EDITOR, form(tech=0.1, over=2)).status_code == 302
    assert Weights.objects.get(version=3).tech == 0.1


@pytest.mark.usefixtures("curator")
def test_a_confirmation_holds_for_what_was_shown_alone(client):
    client.post(EDITOR, form(semantic=0.9))
    client.post(EDITOR, form(semantic=0.8, started_from=2))
    assert client.post(EDITOR, form(tech=0.1, over=2)).status_code == 409


@pytest.mark.usefixtures("curator")
def test_unchanged_figures_are_not_published(client):
    found = client.post(EDITOR, form())
    assert found.status_code == 400
    assert "nothing to publish" in text(found)


@pytest.mark.usefixtures("curator")
def test_fields_of_the_row_are_not_taken_from_the_form(client):
    client.post(EDITOR, form(semantic=0.9, version=99, author=1, created_at="2001-01-01"))
    assert Weights.objects.order_by("-version").first().version == 2


# Going back


@pytest.mark.usefixtures("curator")
def test_going_back_makes_a_version_with_the_old_figures(client):
    client.post(EDITOR, form(semantic=0.9))
    done = client.post(back(Weights.objects.get(version=1)), {"started_from": 2}, follow=True)
    first, third = Weights.objects.get(version=1), Weights.objects.get(version=3)
    assert weighing.figures_of(first) == weighing.figures_of(third)
    assert third.reason == "Back to version 1: the first"
    assert "Version 3 is published" in text(done)


@pytest.mark.usefixtures("curator")
@pytest.mark.parametrize("seen", [1, "x", "", "9" * 5000])
def test_going_back_from_an_old_page_changes_nothing(client, seen):
    client.post(EDITOR, form(semantic=0.9))
    done = client.post(back(Weights.objects.get(version=1)), {"started_from": seen}, follow=True)
    assert "Nothing was changed" in text(done)
    assert Weights.objects.count() == 2


@pytest.mark.usefixtures("curator")
def test_going_back_to_the_same_figures_changes_nothing(client):
    done = client.post(back(Weights.objects.get(version=1)), {"started_from": 1}, follow=True)
    assert "Nothing was changed" in text(done)


@pytest.mark.usefixtures("curator")
def test_going_back_takes_a_post(client):
    assert client.get(back(Weights.objects.get(version=1))).status_code == 405


@pytest.mark.usefixtures("curator")
def test_what_was_done_is_audited(client):
    client.post(EDITOR, form(semantic=0.9))
    client.post(back(Weights.objects.get(version=1)), {"started_from": 2})
    actions = Audit.objects.filter(actor="carol", subject__startswith="weights").values_list("action", flat=True)
    assert list(actions) == ["publish weights", "roll back weights"]


# A version


@pytest.mark.usefixtures("curator")
def test_a_version_is_compared_with_live(client):
    score()
    version = make_weights(popularity=50)
    page = client.get(f"{page_of(version)}?people=alice")
    assert page.context["replay"].live.version == 1
    assert "Popularity 0.1 50.0" in text(page)


@pytest.mark.usefixtures("curator")
@pytest.mark.parametrize("people", ["nobody", "x" * 5000])
def test_a_version_is_shown_for_whoever_is_named(client, people):
    assert client.get(f"{page_of(Weights.objects.get())}?people={people}").status_code == 200


@pytest.mark.usefixtures("curator")
@pytest.mark.parametrize("pk", ["0", "abc", "9" * 30])
def test_a_version_that_is_none_is_not_found(client, pk):
    address = page_of(Weights.objects.get()).replace(f"/{Weights.objects.get().pk}/", f"/{pk}/")
    assert client.get(address).status_code == 404


@pytest.mark.usefixtures("curator")
def test_a_version_cannot_be_changed(client):
    before = Weights.objects.values().get()
    assert client.post(page_of(Weights.objects.get()), form(semantic=9)).status_code == 405
    assert Weights.objects.values().get() == before


@pytest.mark.django_db
def test_nobody_may_delete_a_version(admin_client, world, admin_user):
    Authenticator.objects.create(user=admin_user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    address = reverse("admin:recommendations_weights_delete", args=[Weights.objects.get().pk])
    assert admin_client.post(address, {"post": "yes"}).status_code == 403
    assert admin_client.post(HISTORY, {"action": "delete_selected", "_selected_action": "1"}).status_code == 405
    assert Weights.objects.count() == 1


# Who may


@pytest.mark.usefixtures("looker")
def test_who_may_only_look_sees_the_history_and_no_button(client):
    make_weights(semantic=0.9)
    page = text(client.get(HISTORY))
    assert "Version 2" in page
    assert "Roll back" not in page
    assert "Change the weights" not in page


@pytest.mark.usefixtures("looker")
@pytest.mark.parametrize("address", [EDITOR, PREVIEW])
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_only_look_can_neither_try_nor_publish(client, address, method):
    assert getattr(client, method)(address, form(semantic=0.9)).status_code == 403
    assert Weights.objects.count() == 1


@pytest.mark.usefixtures("looker")
def test_who_may_only_look_cannot_go_back(client):
    assert client.post(back(Weights.objects.get(version=1)), {"started_from": 1}).status_code == 403


@pytest.mark.usefixtures("world")
def test_staff_without_the_permission_see_nothing(client):
    client.force_login(staff("erin"))
    assert {client.get(address).status_code for address in (HISTORY, EDITOR, page_of(Weights.objects.get()))} == {403}


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("who", [None, "alice"])
def test_others_are_sent_to_sign_in(client, who):
    if who:
        client.force_login(User.objects.get(username=who))
    pages = (HISTORY, EDITOR, PREVIEW, page_of(Weights.objects.get()), back(Weights.objects.get()))
    assert {client.post(address).status_code for address in pages} == {302}


@pytest.mark.usefixtures("world")
def test_publishing_needs_the_token(world):
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff("carol", "view_weights", "add_weights"))
    assert client.post(EDITOR, form(semantic=0.9)).status_code == 403

"""A curator's pages: who may, what an act does, and what is said when it cannot be done."""

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from engine.urls import url_hash
from issues import edits
from issues.models import Issue, IssueEdit, RawItem, Suggestion
from issues.tests.factories import DAY, NEXT, issue_of, make_topic, publish
from issues.tests.outline import HOSTILE, UNSEEN, Outline

pytestmark = pytest.mark.django_db


@pytest.fixture
def curator(client) -> User:
    user = User.objects.create_user("carla", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="curate_issue", content_type__app_label="issues"))
    client.force_login(user)
    return user


@pytest.fixture
def day() -> None:
    for topic in (0, 1, 2):
        make_topic(topic)
    publish()


def act(client, issue: Issue, do: str, seen: str | None = None, **form):
    form |= {"do": do, "seen": edits.seen_of(issue.pk) if seen is None else seen}
    return client.post(reverse("issue_act", args=[issue.pk]), form)


PAGES = ["issues_inbox", "issues_log"]


@pytest.mark.parametrize("name", PAGES)
def test_a_stranger_goes_to_sign_in(client, name):
    assert "login" in client.get(reverse(name)).url


@pytest.mark.parametrize("name", PAGES)
def test_who_is_no_curator_is_refused(client, name):
    client.force_login(User.objects.create_user("bob"))
    assert client.get(reverse(name)).status_code == 403


def test_who_is_no_curator_changes_nothing(client, day):
    client.force_login(User.objects.create_user("bob"))
    assert act(client, issue_of(0), "hide").status_code == 403
    assert not IssueEdit.objects.exists()


def test_a_merge_leads_to_the_other_issue(client, curator, day):
    one, other = issue_of(0), issue_of(1)
    answer = act(client, one, "merge", other=other.pk)
    assert answer.url == reverse("issue_curate", args=[other.pk])
    assert Issue.objects.get(pk=one.pk).into == other


def test_an_act_names_its_actor(client, curator, day):
    act(client, issue_of(0), "lock")
    assert IssueEdit.objects.get().actor == curator


def test_words_are_changed(client, curator, day):
    said = {"title": "As it is called", "description": "What it is.", "category": "finance", "impact": "high"}
    act(client, issue_of(0), "change", **said)
    issue = issue_of(0)
    assert {name: getattr(issue, name) for name in said} == said


def test_ticked_posts_become_an_issue(client, curator, day):
    issue = issue_of(0)
    posts = list(issue.evidence.values_list("item", flat=True)[:3])
    act(client, issue, "split", post=posts, title="Its own matter")
    assert Issue.objects.get(title="Its own matter").evidence.count() == 3


def test_what_a_run_took_for_known_is_undone_by_its_day(client, curator, day):
    make_topic(0, day=NEXT, first=10)
    publish(NEXT)
    issue = issue_of(0)
    page = client.get(reverse("issues_log"), {"by": "runs"}).content.decode()
    assert "known again" in page
    act(client, issue, "split", day=str(NEXT), title="Another matter")
    assert issue_of(0, NEXT) != issue_of(0, DAY)


def test_the_second_of_two_curators_gets_a_notice(client, curator, day):
    issue = issue_of(0)
    seen = edits.seen_of(issue.pk)
    act(client, issue, "lock")
    answer = act(client, issue, "hide", seen=seen)
    assert (answer.status_code, "was faster" in answer.content.decode()) == (409, True)
    assert not issue_of(0).hidden


def test_what_makes_no_sense_is_explained(client, curator, day):
    issue = issue_of(0)
    answer = act(client, issue, "merge", other=issue.pk)
    assert (answer.status_code, "into itself" in answer.content.decode()) == (422, True)


@pytest.mark.parametrize("form", [{"do": "burn"}, {}, {"do": "split", "day": "yesterday"}])
def test_an_act_that_there_is_not_is_a_bad_request(client, curator, day, form):
    assert client.post(reverse("issue_act", args=[issue_of(0).pk]), form).status_code == 400


@pytest.mark.parametrize("other", ["", "abc", "-1", "9" * 30, "999999"])
def test_an_issue_that_there_is_not_is_not_found(client, curator, day, other):
    assert act(client, issue_of(0), "merge", other=other).status_code == 404


def test_an_undo_is_one_click(client, curator, day):
    act(client, issue_of(0), "hide")
    client.post(reverse("edit_undo", args=[IssueEdit.objects.get().pk]))
    assert not issue_of(0).hidden
    assert IssueEdit.objects.get().undone_by == curator


def test_a_pair_waits_until_somebody_answers(client, curator, day):
    one, other = issue_of(0), issue_of(1)
    Suggestion.objects.create(issue=one, other=other, day=DAY, alike=0.7)
    assert one.title in client.get(reverse("issues_inbox")).content.decode()
    act(client, one, "differ", other=other.pk)
    assert "Nothing to decide" in client.get(reverse("issues_inbox")).content.decode()


def test_the_page_of_an_issue_finds_the_other_one(client, curator, day):
    other = issue_of(1)
    page = client.get(reverse("issue_curate", args=[issue_of(0).pk]), {"q": other.title[:12]})
    assert [row.issue for row in page.context["others"]] == [other]


@pytest.mark.parametrize(("name", "count"), [("issues_inbox", 12), ("issues_log", 12), ("issue_curate", 12)])
def test_more_rows_cost_no_more_queries(client, curator, day, django_assert_max_num_queries, name, count):
    made = [
        Issue(title=f"Number {at}", label_state="labelled", state="new", first_seen=DAY, last_seen=DAY)
        for at in range(20)
    ]
    Issue.objects.bulk_create(made)
    for one, other in zip(made[:10], made[10:], strict=True):
        Suggestion.objects.create(issue=one, other=other, day=DAY, alike=0.7)
        IssueEdit.objects.create(kind="differ", issue=issue_of(0), other=other, actor=curator)
    address = reverse(name, args=[issue_of(0).pk] if name == "issue_curate" else [])
    with django_assert_max_num_queries(count):
        assert client.get(address).status_code == 200


def test_a_post_is_added_by_its_address(client, curator, day):
    issue, post = issue_of(0), issue_of(1).evidence[0].item
    url = "https://EXAMPLE.org/added?utm_source=x"
    RawItem.objects.filter(pk=post.pk).update(url_hash=url_hash(url))
    act(client, issue, "pin", url=url)
    assert post.pk in issue_of(0).evidence.values_list("item", flat=True)


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "https://example.org/unknown", "x" * 3000])
def test_an_address_of_no_post_is_explained(client, curator, day, url):
    assert act(client, issue_of(0), "pin", url=url).status_code == 422


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_make_no_element(client, curator, day, words):
    one, other = issue_of(0), issue_of(1)
    Suggestion.objects.create(issue=one, other=other, day=DAY, alike=0.7)
    edit = IssueEdit.objects.create(kind="set", issue=one, actor=curator)

    def pages(said: str) -> list[str]:
        RawItem.objects.update(title=said, said=said)
        Issue.objects.update(title=said[:120], description=said)
        IssueEdit.objects.filter(pk=edit.pk).update(value={"fields": {"title": said}})
        addresses = [*map(reverse, PAGES), reverse("issues_log") + "?by=runs", reverse("issue_curate", args=[one.pk])]
        return [client.get(address).content.decode() for address in addresses]

    for hostile, harmless in zip(pages(words), pages("harmless words"), strict=True):
        assert Outline(hostile).elements == Outline(harmless).elements
        assert not set(hostile) & set(UNSEEN)

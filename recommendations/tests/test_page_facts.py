"""What was understood of somebody's messages, on their profile, and what they do with it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommendations.models import Fact
from recommendations.tests.factories import make_category, make_project, make_stack, make_user
from recommendations.tests.taste import hear, say, wants

pytestmark = pytest.mark.django_db
WORDS = "I look for an embedded database in Rust."


@pytest.fixture
def alice(client):
    user = make_user("alice_ml")
    client.force_login(user)
    return user


@pytest.fixture
def fact(alice):
    return hear(say(alice, WORDS, [1, 0, 0], wants()), make_stack("Rust"))[0]


def page(client, query=""):
    response = client.get(f"/profile/{query}")
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def do(client, fact, verb, **headers):
    return client.post("/profile/facts/", {"fact": fact.pk, "do": verb, "next": "/profile/"}, headers=headers)


def test_a_fact_is_shown_with_its_sentence_and_what_it_counts(client, fact):
    text = page(client)
    assert f"“{WORDS}”" in text
    assert "Counts 90% of what you say here, and the meaning of these words counts." in text


def test_no_readme_is_read_to_name_a_project(client, alice):
    hear(say(alice, "keep/store, perhaps"), make_project("keep/store"))
    with CaptureQueriesContext(connection) as asked:
        assert "keep/store" in page(client)
    assert not [query for query in asked.captured_queries if '"readme"' in query["sql"] and "_fact" in query["sql"]]


@pytest.mark.parametrize(
    ("verb", "state", "said"),
    [
        ("mute", "muted", "Muted: counts for nothing."),
        ("pin", "pinned", "Pinned: counts as if you had said it here."),
    ],
)
def test_a_button_changes_the_state_and_the_page_says_so(client, fact, verb, state, said):
    assert do(client, fact, verb).url == "/profile/#heard"
    fact.refresh_from_db()
    assert fact.state == state
    assert said in page(client)


@pytest.mark.parametrize("verb", ["mute", "pin"])
def test_it_is_taken_back(client, fact, verb):
    do(client, fact, verb)
    do(client, fact, f"un{verb}")
    fact.refresh_from_db()
    assert fact.state == "heard"


@pytest.mark.parametrize(("before", "undo"), [("heard", "unmute"), ("muted", "mute"), ("pinned", "pin")])
def test_a_deleted_fact_is_undone_to_what_it_was(client, fact, before, undo):
    Fact.objects.update(state=before)
    address = do(client, fact, "delete").url
    assert address == f"/profile/?gone={fact.pk}-{undo}#heard"
    text = page(client, address.removeprefix("/profile/").removesuffix("#heard"))
    assert f'value="{undo}">Undo' in text
    do(client, fact, undo)
    fact.refresh_from_db()
    assert fact.state == before


def test_a_deleted_fact_is_not_shown_again(client, fact):
    do(client, fact, "delete")
    assert WORDS not in page(client)


def test_the_row_alone_is_the_answer_where_it_was_asked_for(client, fact):
    answer = do(client, fact, "delete", **{"HX-Request": "true"})
    text = answer.content.decode()
    assert "<html" not in text
    assert "Deleted: <bdi>Rust</bdi>" in text
    assert 'hx-post="/profile/facts/"' in text


def test_another_persons_fact_is_not_there(client, fact):
    client.force_login(make_user("bob"))
    assert do(client, fact, "mute").status_code == 404


def test_nobody_is_sent_to_sign_in(client, fact):
    client.logout()
    assert "/accounts/login/" in do(client, fact, "mute").url


def test_what_a_project_or_an_interest_counts_is_said(client, alice):
    hear(say(alice, "Who knows octo/tool?", intent=wants("a check", counts=False)), make_project("octo/tool"), "caches")
    text = page(client)
    assert "Counts for nothing: that you named it does not say that you like it." in text
    assert "Counts for nothing yet." in text


def test_a_term_that_was_refused_counts_for_nothing(client, alice, fact):
    alice.profile.stack_links.create(stack=fact.stack, applies=False, source="curated")
    assert "You said that it is not yours: counts for nothing." in page(client)


def test_a_sentence_is_shown_as_text(client, alice):
    hear(say(alice, "<script>alert(1)</script>\u202e"), "scripts")
    text = page(client)
    assert "“&lt;script&gt;alert(1)&lt;/script&gt;”" in text


def test_ten_are_on_a_page(client, alice):
    hear(say(alice, "many"), *(f"thing {number}" for number in range(15)))
    assert page(client).count('id="fact-') == 10
    assert page(client, "?heard=2").count('id="fact-') == 5


def test_more_facts_cost_no_more_queries(client, alice):
    counts = []
    for number in range(2):
        for each in range(1 + 9 * number):
            terms = (make_stack(f"s{number}{each}"), make_category(f"c{number}{each}"), f"i{number}{each}")
            hear(say(alice, f"words {number} {each}"), *terms)
        page(client)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            page(client)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_ones_own_facts_are_told_by_the_api(client, fact):
    (told,) = client.get("/api/v1/me/").json()["heard"]
    assert (told["kind"], told["name"], told["sentence"], told["state"]) == ("stack", "Rust", WORDS, "heard")

"""Messages come in once, are read into facts and intents, and change nobody's list for nothing."""

import gzip
import json
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from engine import ledger, runs
from engine.lines import FileRefused
from engine.models import Anomaly, Run
from engine.pipeline import Scope
from recommendations import conversations, hearing, intents, messages
from recommendations.conversations import CONVERSATIONS, run_pipeline
from recommendations.models import Fact, Intent, IntentEmbedding, Message, MessageEmbedding, Profile, Saying
from recommendations.tests.factories import give_vector, make_category, make_model, make_project, make_stack, make_user
from recommendations.tests.test_api import make_key, permit, send

pytestmark = pytest.mark.django_db
NOON = "2026-09-01T12:00:00Z"


def said(message="I use Rust every day", user="sam", at=NOON, **more):
    return {"user_id": user, "message": message, "timestamp": at, **more}


@pytest.fixture(autouse=True)
def live():
    """A model that nobody asks: every text has its vector already, by the fixture below."""
    return make_model()


@pytest.fixture(autouse=True)
def vectors(monkeypatch, live):
    """In place of a model: a text about Rust points one way, any other another."""

    def filled(tables, model, batch):
        for table in tables:
            for row in table.objects.waiting(model):
                row.vector = [1, 0, 0] if "Rust" in row.text else [0, 1, 0]
                row.vector_hash = row.text_hash
                row.save()
        yield from ()

    monkeypatch.setattr(conversations.filling, "fill_all", filled)


@pytest.fixture
def rust():
    return make_stack("Rust", words=["rust lang"])


@pytest.fixture
def take(tmp_path):
    """Records -> the summary of their ingest."""

    def take(*records):
        path = tmp_path / "said.json"
        path.write_text(json.dumps(records))
        return run_pipeline(path)

    return take


def state():
    return (
        list(
            Message.objects.order_by("message_id").values_list("message_id", "user__username", "text", "intent__name")
        ),
        list(Fact.objects.order_by("pk").values_list("user__username", "stack__name", "count", "sentence", "state")),
        User.objects.count(),
    )


# Taking in


def test_the_summary_names_the_run_and_its_stages(take):
    told = take(said())
    assert (told["run_id"], told["status"]) == (Run.objects.get().pk, "done")
    assert list(told["stages"]) == ["ingest", "read", "embed", "store"]
    assert told["stages"]["ingest"]["counts"] == {"records": 1, "inserted": 1, "unchanged": 0, "refused": 0, "users": 1}


def test_a_run_is_keyed_by_the_digest_of_its_input(take):
    take(said())
    run = Run.objects.get()
    assert (len(run.inputs), run.source) == (64, run.inputs[:40])


def test_a_second_time_changes_no_row(take, rust):
    take(said(), said("hello", user="ann"))
    before = state()
    assert take(said(), said("hello", user="ann"))["stages"]["ingest"]["counts"]["unchanged"] == 2
    assert state() == before


def test_the_same_message_in_another_file_comes_once(take):
    take(said())
    take(said(), said("more"))
    assert Message.objects.count() == 2


def test_an_unknown_user_becomes_one_who_cannot_sign_in(take):
    take(said())
    sam = User.objects.get(username="sam")
    assert (sam.has_usable_password(), sam.is_staff, Profile.objects.filter(user=sam).exists()) == (False, False, True)


BAD = [
    ({"message": "x", "timestamp": NOON}, "user_id: Field required"),
    (said(user=7), "user_id: Input should be a valid string"),
    (said(user="a b"), "user_id: String should match pattern"),
    (said(user="a\0"), "user_id: String should match pattern"),
    (said(user="x" * 151), "user_id: String should match pattern"),
    (said(at="yesterday"), "timestamp: "),
    (said(at="2026-02-30T00:00:00Z"), "timestamp: "),
    (said(at="1960-01-01"), "timestamp: "),
    (said(at="2160-01-01"), "timestamp: "),
    (said(at=1_700_000_000), "timestamp: "),
    (said(""), "message: Field required"),
    (said(" \n\u200b"), "message: "),
    (said("x" * 10_001), "message: String should have at most 10000 characters"),
    (said("a\0b"), "message: "),
    (said(["x"]), "message: "),
    (said(message_id=5), "message_id: "),
    (said(message_id="x" * 101), "message_id: "),
    ("hello", "not a JSON object"),
    ([], "not a JSON object"),
    (None, "not a JSON object"),
]


@pytest.mark.parametrize(("record", "reason"), BAD)
def test_a_bad_record_is_named_and_the_others_are_kept(take, record, reason):
    told = take(said(), record, said("more"))
    (fault,) = told["refused"]["first"]
    assert (told["status"], fault["record"], Message.objects.count()) == ("partly", 2, 2)
    assert fault["reason"].startswith(reason)


def test_refused_records_are_noted_for_the_operator(take):
    take(said(), {})
    assert "the first, 2:" in Anomaly.objects.get(kind="conversations").message


def test_nothing_but_bad_records_is_a_failure(take):
    assert take({}, {})["status"] == "failed"


def test_what_somebody_says_twice_are_two_messages(take):
    take(said(at=NOON), said(at="2026-09-01T12:00:01Z"))
    assert Message.objects.count() == 2


def test_what_two_people_say_in_the_same_words_at_once_are_two_messages(take):
    take(said(user="sam"), said(user="eve"))
    assert set(Message.objects.values_list("user__username", flat=True)) == {"sam", "eve"}


def test_an_id_of_somebody_else_is_refused(take):
    take(said(message_id="m-1"))
    told = take(said("mine now", user="eve", message_id="m-1"))
    assert told["refused"]["first"] == [{"record": 1, "reason": messages.ANOTHER}]
    assert Message.objects.get().user.username == "sam"
    assert not User.objects.filter(username="eve").exists()


def test_what_was_said_is_not_changed(take):
    told = take(said("one", message_id="m-1"), said("another", message_id="m-1"))
    assert [fault["reason"] for fault in told["refused"]["first"]] == [messages.OTHERWISE]
    assert Message.objects.get().text == "one"


@pytest.mark.parametrize("form", ["lines", "member", "packed"])
def test_every_form_of_file_is_read(tmp_path, form):
    records = [said("one"), said("two")]
    text = {
        "lines": "\n".join(map(json.dumps, records)),
        "member": json.dumps({"conversations": records}),
        "packed": json.dumps(records),
    }[form]
    path = tmp_path / ("said.gz" if form == "packed" else "said")
    path.write_bytes(gzip.compress(text.encode()) if form == "packed" else text.encode())
    assert run_pipeline(path)["stages"]["ingest"]["counts"]["inserted"] == 2


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileRefused):
            run_pipeline(path)


def test_a_worker_cannot_go_on_with_an_ingest_that_broke_off():
    ledger.open_run(CONVERSATIONS.name, Scope(source="abc"))
    run = runs.run(CONVERSATIONS, Scope(source="abc"))
    assert "hand it in again" in run.error


def test_blocks_are_whole_by_themselves(take, monkeypatch):
    monkeypatch.setattr(conversations, "LINES_AT_ONCE", 2)
    stored = messages.store

    def dies(lines):
        if lines[0][0] > 2:
            raise RuntimeError("killed")
        return stored(lines)

    monkeypatch.setattr(messages, "store", dies)
    records = [said(f"message {number}", user=f"u{number}") for number in range(5)]
    assert (take(*records)["status"], Message.objects.count()) == ("failed", 2)
    monkeypatch.setattr(messages, "store", stored)
    assert (take(*records)["status"], Message.objects.count(), Run.objects.count()) == ("done", 5, 1)


# Reading


def facts_of(user="sam"):
    return {str(each.stack or each.category or each.project or each.interest): each for each in
            Fact.objects.filter(user__username=user)}  # fmt: skip


def test_a_message_becomes_a_fact_with_its_sentence(take, rust):
    take(said("Good morning. I use Rust for my database."))
    fact = facts_of()["Rust"]
    assert (fact.sentence, fact.count, fact.state) == ("I use Rust for my database.", 1, "heard")
    assert 0 < fact.confidence <= 1


def test_the_same_said_again_is_one_fact_with_the_newest_sentence(take, rust):
    take(said("I love Rust", at="2026-09-02"), said("I use Rust", at="2026-09-01"))
    fact = facts_of()["Rust"]
    assert (fact.count, fact.sentence, fact.said_at) == (2, "I love Rust", datetime(2026, 9, 2, tzinfo=UTC))


def test_what_is_denied_is_no_fact(take, rust):
    make_stack("Java")
    take(said("I don't use Java, but I love Rust"))
    assert list(facts_of()) == ["Rust"]


def test_projects_are_known_by_their_full_name_or_an_unmistakable_one(take):
    make_project("octo/tool")
    make_project("octo/PostgREST", stars=500)
    make_project("octo/refit", stars=500)
    take(said("I like octo/Tool and PostgREST, not usr/bin or refit"))
    assert {each.project.full_name for each in Fact.objects.all()} == {"octo/tool", "octo/PostgREST"}


def test_a_name_of_two_projects_names_none(take):
    make_project("octo/aria2", stars=500)
    make_project("other/aria2", stars=900)
    take(said("I use aria2"))
    assert not Fact.objects.exists()


def test_a_field_named_in_passing_is_no_fact(take):
    make_category("Games", words=["game"])
    take(said("the game crashed"), said("I am making a game", user="ann"))
    assert ("Games" in facts_of("sam"), "Games" in facts_of("ann")) == (False, True)


@pytest.mark.parametrize("mark", ["muted", "pinned", "deleted"])
def test_what_a_person_said_of_a_fact_stands_when_it_is_said_again(take, rust, mark):
    take(said("I use Rust", at="2026-09-01"))
    Fact.objects.update(state=mark)
    take(said("I love Rust", at="2026-09-02"))
    assert [(fact.state, fact.count) for fact in Fact.objects.all()] == [(mark, 2)]


def test_a_fact_goes_with_the_only_message_that_says_it(take, rust):
    take(said("I use Rust", message_id="one"), said("I love Rust", message_id="two"))
    hearing.forget(list(Message.objects.filter(message_id="two").values_list("pk", flat=True)))
    assert [(fact.count, fact.sentence) for fact in Fact.objects.all()] == [(1, "I use Rust")]
    hearing.forget(list(Message.objects.values_list("pk", flat=True)))
    assert not Fact.objects.exists()


def test_a_deleted_fact_outlives_its_messages(take, rust):
    take(said("I use Rust"))
    Fact.objects.update(state="deleted")
    hearing.forget(list(Message.objects.values_list("pk", flat=True)))
    assert [(fact.state, fact.count, fact.message) for fact in Fact.objects.all()] == [("deleted", 0, None)]


def test_another_taxonomy_reads_again_and_takes_back(take, rust):
    take(said("I use Rust and Zig"))
    rust.delete()
    make_stack("Zig")
    assert hearing.waiting() == 1
    list(hearing.read())
    assert (list(facts_of()), hearing.waiting(), Saying.objects.count()) == (["Zig"], 0, 1)


def test_a_hundred_greetings_change_nobody(take, rust):
    sam = make_user("sam")
    Profile.objects.update(changed_at=datetime(2001, 1, 1, tzinfo=UTC))
    take(*[said(f"hello {'!' * number}", message_id=f"m{number}") for number in range(100)])
    assert Profile.objects.get(user=sam).changed_at.year == 2001
    assert (Fact.objects.exists(), MessageEmbedding.objects.exists()) == (False, False)


def test_a_fact_makes_the_recommendations_out_of_date(take, rust):
    sam = make_user("sam")
    Profile.objects.update(changed_at=datetime(2001, 1, 1, tzinfo=UTC))
    take(said())
    assert Profile.objects.get(user=sam).changed_at.year > 2001


def test_whom_a_message_is_said_to_is_no_part_of_its_meaning(take):
    take(said("hi", user="ann"), said("ann: how do I mount it?"), said("Python: how do I start?"))
    texts = set(MessageEmbedding.objects.values_list("text", flat=True))
    assert texts == {"how do I mount it?", "Python: how do I start?"}


def test_reading_asks_the_database_no_more_for_more_messages(take, rust, django_assert_max_num_queries):
    messages.store([(number, conversations.MessageLine(**said(f"I use Rust {number}", user=f"u{number}")))
                    for number in range(50)])  # fmt: skip
    with django_assert_max_num_queries(60):
        list(hearing.read())


# Intents


@pytest.fixture
def intent(live):
    """One in use that points to Rust, one that is merely proposed."""
    found = Intent.objects.create(name="learn Rust", prototype="I want to learn Rust")
    proposed = Intent.objects.create(name="mend it", prototype="mend", state="proposed")
    intents.want([found, proposed])
    return found


def test_a_message_has_the_nearest_intent_that_is_used(take, intent):
    take(said("Rust, please"), said("mend it", user="ann"))
    assert set(Message.objects.values_list("text", "intent__name")) == {
        ("Rust, please", "learn Rust"),
        ("mend it", None),
    }


def test_another_set_of_intents_is_compared_again(take, intent):
    take(said("mend it"))
    Intent.objects.filter(name="mend it").update(state="used")
    assert intents.waiting() == 1
    list(intents.compare())
    assert (Message.objects.get().intent.name, intents.waiting()) == ("mend it", 0)


def changed():
    """Whose recommendations are out of date since this was asked last."""
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    found = set(Profile.objects.exclude(changed_at=long_ago).values_list("user__username", flat=True))
    Profile.objects.update(changed_at=long_ago)
    return found


def test_other_intents_make_the_lists_out_of_date_of_those_whose_facts_speak_otherwise(take, rust, intent):
    take(said(), said("mend it", user="ann"), said("Zig I use, not Rust", user="bob"))
    assert Message.objects.filter(intent=intent).count() == 2
    changed()
    intent.state = "off"
    intent.save()
    intents.want([intent])
    list(intents.compare())
    assert (Message.objects.filter(intent=None).count(), changed()) == (3, {"sam"})


def test_intents_that_change_no_message_change_nobody(take, rust, intent):
    take(said(), said("mend it", user="ann"))
    changed()
    list(intents.compare(everything=True))
    assert changed() == set()


def test_an_intent_that_is_off_has_no_text_to_embed(intent):
    intent.state = "off"
    intents.want([intent])
    assert not IntentEmbedding.objects.filter(subject=intent).exists()


def test_the_intents_that_ship_come_once():
    assert (intents.seed() > 5, intents.seed()) == (True, 0)
    assert not Intent.objects.get(name="small talk").counts


def test_messages_that_nothing_stands_for_are_proposed_and_wait_for_a_person(take, intent):
    words = ("solder the board", "solder a wire", "which solder for the board", "the solder will not melt")
    take(*[said(f"{words[number % 4]} {number}", user=f"u{number % 5}") for number in range(40)])
    for number, message in enumerate(Message.objects.order_by("pk")):
        give_vector(message, [0.001 * number, 0.05, 1])
    assert intents.by_clock() == "1 proposed"
    (found,) = Intent.objects.filter(state="proposed")
    assert ("solder" in found.name, "solder" in found.prototype, found.made_from > 30) == (True, True, True)
    assert intents.by_clock() == "1 proposed"
    assert Intent.objects.filter(state="proposed").count() == 1


# Commands and API


def test_the_command_says_what_became_of_it(manage_file, ost):
    ended = ost("ingest_conversations", manage_file(said(), {}))
    assert (ended.code, ended.summary["state"], ended.summary["ingest.inserted"]) == (1, "partly", "1")
    assert "record 2: user_id: Field required" in ended.err


@pytest.fixture
def manage_file(tmp_path):
    def write(*records):
        path = tmp_path / "said.json"
        path.write_text(json.dumps(records))
        return path

    return write


def test_the_command_refuses_an_empty_list(manage_file, ost):
    assert ost("ingest_conversations", manage_file()).code == 2


@pytest.fixture
def key():
    return make_key(permit(make_user("op"), "add_message"), "conversations:write")


def test_a_program_hands_messages_in_and_a_worker_understands_them(client, key):
    answer = send(client, "POST", "conversations/", {"conversations": [said(), {"user_id": 3}]}, **key)
    assert (answer.status_code, answer.json()["status"], Message.objects.count()) == (202, "partly", 1)
    assert answer.json()["refused"]["first"][0]["record"] == 2
    assert Run.objects.get(source="").state == "waiting"


@pytest.mark.parametrize("record", [None, 3, "x", [], {}, True])
def test_a_record_of_no_kind_keeps_out_none_of_the_others(client, key, record):
    answer = send(client, "POST", "conversations/", {"conversations": [record, said()]}, **key)
    assert (answer.status_code, answer.json()["refused"]["first"][0]["record"], Message.objects.count()) == (202, 1, 1)


def test_the_same_handed_in_twice_is_stored_once(client, key):
    for _ in range(2):
        assert send(client, "POST", "conversations/", {"conversations": [said()]}, **key).status_code == 202
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [{}, [], {"conversations": []}, {"conversations": {}}, {"conversations": "x"}, {"messages": [said()]},
     {"conversations": [said()] * 1001}, {"conversations": [said()], "user_id": "root"}],
)  # fmt: skip
def test_a_wrong_body_is_refused(client, key, body):
    answer = send(client, "POST", "conversations/", body, **key)
    assert (answer.status_code, set(answer.json())) == (400, {"code", "message", "field"})


def test_nothing_but_bad_records_is_refused_with_the_first_reason(client, key):
    answer = send(client, "POST", "conversations/", {"conversations": [{"user_id": "a"}]}, **key)
    assert (answer.status_code, answer.json()["field"]) == (422, "conversations.0")


def test_a_key_without_the_scope_hands_nothing_in(client):
    op = permit(make_user("op"), "add_message")
    assert send(client, "POST", "conversations/", {"conversations": [said()]}, **make_key(op)).status_code == 403

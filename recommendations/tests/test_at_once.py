"""Two at once: who leaves while their messages come in or are read leaves, and no change slips past a generation."""

import threading
import time
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from recommendations import generations, hearing, messages, my_data, profiles
from recommendations.models import Fact, Intent, Message, Profile
from recommendations.schemas import MessageLine
from recommendations.tests.factories import make_model, make_stack, make_user, make_weights
from recommendations.tests.taste import say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sam():
    make_model()
    return make_user("sam")


@pytest.fixture
def beside():
    """Begins a call in a thread, and returns once it waits for a lock; what it raised comes out at the end."""
    threads, raised = [], []

    def run(call):
        try:
            call()
        except Exception as error:  # noqa: BLE001  told to the test, whatever it is
            raised.append(error)
        finally:
            connection.close()

    def begin(call):
        threads.append(threading.Thread(target=run, args=[call]))
        threads[-1].start()
        wait_for(len(threads))

    def end():
        for thread in threads:
            thread.join(20)
        assert raised == []

    begin.end = end
    yield begin
    end()


def wait_for(count):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] >= count:
                return
        time.sleep(0.02)
    raise AssertionError(f"less than {count} wait")


def test_who_leaves_while_their_messages_are_read_leaves(sam, beside):
    make_stack("Rust")
    say(sam, "I use Rust")
    with transaction.atomic():
        Profile.objects.select_for_update().get(pk=sam.pk)
        beside(lambda: list(hearing.read()))
        beside(lambda: my_data.forget(sam))
    beside.end()
    assert not User.objects.exists()
    assert not Fact.objects.exists()


def test_no_proposal_quotes_who_left(sam):
    say(sam, "I use Rust")
    for state in ("proposed", "used"):
        Intent.objects.create(name=state, prototype="I use Rust", state=state)
    my_data.forget(sam)
    assert list(Intent.objects.values_list("state", flat=True)) == ["used"]


def test_what_comes_in_while_its_author_leaves_is_of_a_new_one(sam, beside):
    line = MessageLine(user_id="sam", message="I use Rust", timestamp=datetime(2026, 9, 1, tzinfo=UTC))
    with transaction.atomic():
        my_data.forget(User.objects.get())
        beside(lambda: messages.store([(1, line)]))
    beside.end()
    assert Message.objects.get().user_id != sam.pk


def test_a_change_that_is_not_committed_is_later_than_what_is_read_meanwhile(sam):
    make_weights()
    touched, read = threading.Event(), threading.Event()

    def change():
        with transaction.atomic():
            profiles.touch([sam.pk], told=False)
            touched.set()
            read.wait(20)
        connection.close()

    changing = threading.Thread(target=change)
    changing.start()
    touched.wait(20)
    moment = generations.wanted().inputs_at
    read.set()
    changing.join(20)
    assert Profile.objects.get().changed_at > moment

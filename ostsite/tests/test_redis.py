"""A real Redis: as the cache, and as the doorbell, which may lose what it likes."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.core.cache.backends.redis import RedisCache
from django.db import connection
from django.db.models.functions import Now
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import Schedule
from django_q.signing import SignedPackage

from engine import brokers, jobs, metrics
from engine.models import Run
from engine.pipeline import Scope
from engine.reconciling import reconcile

pytestmark = pytest.mark.django_db(transaction=True)  # django-q's scheduler ends a connection that is in a transaction

READ_CACHE = """
import django; django.setup()
from django.conf import settings
from django.core.cache import cache
print(settings.CACHES["default"]["BACKEND"], cache.get("soup"))
cache.set("bread", [1, 2], 60)
"""


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Of a Redis of our own, on a socket, that keeps nothing on disk."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs redis-server: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="ost-redis-") as folder:
        socket = str(Path(folder, "redis.sock"))
        options = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as process:
            wait_for(redis.Redis(unix_socket_path=socket))
            yield f"unix://{socket}"
            process.terminate()


def wait_for(client: redis.Redis) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            client.ping()
            return
        except redis.ConnectionError:
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)


@pytest.fixture
def server(address) -> Iterator[redis.Redis]:
    """The server, empty before and after."""
    with redis.Redis.from_url(address) as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.fixture
def broker(address, server, monkeypatch) -> None:
    """As with Q_BROKER=redis: django-q read its settings when it was imported. No pipeline whose days are opened."""
    monkeypatch.setattr(settings, "PIPELINES", {"recommendations": settings.PIPELINES["recommendations"]})
    monkeypatch.setattr(Conf, "BROKER_CLASS", "engine.brokers.RedisBroker")
    monkeypatch.setattr(Conf, "REDIS", address)


@pytest.fixture
def away(broker, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(Conf, "REDIS", f"unix://{tmp_path}/nowhere.sock")


def rung() -> list[tuple[str, tuple[object, ...]]]:
    """The messages in the queue, taken out as a worker does."""
    broker = get_broker()
    messages = [SignedPackage.loads(broker.dequeue()[0][1]) for _ in range(broker.queue_size())]
    return [(message["func"], message["args"]) for message in messages]


def long_ago(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(rung_at=Now() - timedelta(seconds=61))


# The cache


def test_what_one_process_keeps_another_finds(address, server, manage):
    here = RedisCache(address, {})
    here.set("soup", "hot", 60)
    code, said, _ = manage("shell", "--no-imports", "-c", READ_CACHE, REDIS_URL=address)
    assert (code, said.split()) == (0, ["django.core.cache.backends.redis.RedisCache", "hot"])
    assert here.get("bread") == [1, 2]


# The doorbell


def test_a_ring_of_one_process_arrives_in_another(address, broker, manage):
    found = connection.settings_dict
    where = f"postgresql://{found['USER']}@/{found['NAME']}?host={found['HOST']}&port={found['PORT']}"
    settings = {"Q_BROKER": "redis", "REDIS_URL": address, "DATABASE_URL": where}
    assert manage("run_pipeline", "recommendations", "--queue", "--force", **settings)[0] == 0
    assert rung() == [("engine.jobs.work", (Run.objects.get().pk,))]


def test_a_ring_that_got_lost_is_made_up_for_when_everything_is_rung(broker):
    run = jobs.request("recommendations", Scope())
    get_broker().delete_queue()
    assert (reconcile(everything=True).rung, rung()) == (1, [("engine.jobs.work", (run.pk,))])


def test_a_ring_that_got_lost_is_made_up_for_in_a_minute(broker):
    run = jobs.request("recommendations", Scope())
    get_broker().delete_queue()
    long_ago(run)
    assert (reconcile().rung, rung()) == (1, [("engine.jobs.work", (run.pk,))])


def test_a_ring_that_is_on_its_way_is_not_repeated(broker):
    run = jobs.request("recommendations", Scope())
    assert (reconcile().rung, rung()) == (0, [("engine.jobs.work", (run.pk,))])


def test_the_messages_are_counted(broker):
    jobs.request("recommendations", Scope())
    assert jobs.queued() == 1


def test_what_is_asked_for_while_redis_is_away_is_due_in_the_ledger_and_rung_later(away, address, monkeypatch):
    run = jobs.request("recommendations", Scope())
    monkeypatch.setattr(Conf, "REDIS", address)
    assert (reconcile().rung, rung()) == (1, [("engine.jobs.work", (run.pk,))])


def test_what_a_schedule_should_ring_while_redis_is_away_is_rung_later(away, address, monkeypatch):
    jobs.ring_schedules()  # makes their rows
    Schedule.objects.update(next_run=Now() - timedelta(hours=1))
    jobs.ring_schedules()
    monkeypatch.setattr(Conf, "REDIS", address)
    jobs.ring_schedules()
    assert {job for job, _ in rung()} == {f"engine.jobs.{name}" for name in ("start", "collect", "prune", "chore")}


def test_while_redis_is_away_the_ledger_is_kept_in_order(away):
    run = jobs.request("recommendations", Scope())
    Run.objects.filter(pk=run.pk).update(state="running", lease_until=Now() - timedelta(seconds=1))
    reconciled = reconcile()
    assert (reconciled.freed, reconciled.rung) == (1, 0)


def test_while_redis_is_away_only_the_length_of_the_queue_is_not_known(away):
    names = metrics.exposition().decode()
    assert ("ost_queue_due_runs 0.0" in names, "ost_queue_messages" in names) == (True, False)


def test_who_listens_while_redis_is_away_waits_for_it(away, address, monkeypatch):
    monkeypatch.setattr(brokers, "PAUSE", 0)
    assert get_broker().dequeue() is None
    monkeypatch.setattr(Conf, "REDIS", address)
    jobs.request("recommendations", Scope())
    assert len(get_broker().dequeue()) == 1


def test_the_settings_choose_the_patient_one(address, manage):
    read = "from django_q.brokers import get_broker; print(type(get_broker()).__name__)"
    settings = {"Q_BROKER": "redis", "REDIS_URL": address}
    assert manage("shell", "--no-imports", "-c", read, **settings)[1] == "RedisBroker\n"

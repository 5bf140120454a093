"""Drill: 100 random SIGKILLs while two worker groups embed 20,000 texts; at true times.

Counted in the database by a trigger: how often each vector was written. What a killed group held at that moment
is all that can be embedded again.
"""

import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import connection

from benchmarks.kills import embedded, of_groups, quarantined, report, until, waiting
from benchmarks.world import spread
from engine.models import Run, WorkerGroup
from ostsite.supervisor import Delays, Service, Supervisor
from recommendations.models import ProjectEmbedding

ROOT = Path(__file__).parents[1]
TEXTS, KILLS, SEED = 20_000, 100, 7
COUNT_WRITES = """
    CREATE TABLE writes (id bigint NOT NULL);
    CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO writes VALUES (new.id); RETURN new; END $$;
    CREATE TRIGGER note_write AFTER UPDATE OF vector ON recommendations_projectembedding
        FOR EACH ROW EXECUTE FUNCTION note_write();
"""


def drill() -> int:
    """Returns how many things went wrong."""
    spread(TEXTS)
    chance = random.Random(SEED)
    with connection.cursor() as cursor:
        cursor.execute(COUNT_WRITES)
    found = connection.settings_dict
    os.environ["DATABASE_URL"] = (
        f"postgresql://{found['USER']}@/{found['NAME']}?host={found['HOST']}&port={found['PORT']}"
    )
    command = (sys.executable, str(ROOT / "manage.py"), "worker", "--bind", "127.0.0.1:0")
    groups = Supervisor([Service("one", command), Service("two", command)], str(ROOT), delays=Delays(0.2, 2, 20))
    lost: list[int] = []
    began = time.monotonic()
    try:
        with groups.watching():
            for number in range(KILLS):
                until_progress_or(8)
                time.sleep(chance.uniform(0, 3))
                lost.append(kill_one(chance))
                report(f"kill {number + 1}", f"{lost[-1]} texts were held; {embedded()} of {TEXTS} embedded")
            until(lambda: not waiting(), 1800)
    finally:
        groups.stop()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT id) FROM writes")
        writes, rows = cursor.fetchone()
    faults = WorkerGroup.objects.exclude(fault="").count()
    report("after", f"{time.monotonic() - began:.0f} s, seed {SEED}, {faults} groups ended by a fault")
    report("texts", f"{embedded()} embedded, {waiting()} waiting, {quarantined()} quarantined")
    report("vectors written", f"{writes}, of {rows} texts")
    report("held at a kill", f"at most {max(lost)}, in all {sum(lost)}")
    report("attempts left on rows", str(ProjectEmbedding.objects.exclude(attempts=0).count()))
    report("runs", str(list(Run.objects.values_list("state", "attempts", "fence"))))
    report("left", str(len(of_groups())))
    return (
        waiting() + quarantined() + abs(writes - rows) + (rows != TEXTS) + len(of_groups())
        + (max(lost) > settings.BATCH_SIZE)
    )  # fmt: skip


def all_of(group: dict[str, Any]) -> list[int]:
    """The group's processes and its watchdog."""
    with suppress(psutil.NoSuchProcess):
        return [*map(int, group["members"]), psutil.Process(group["leader"]).ppid()]
    return []


def until_progress_or(seconds: float) -> None:
    """Wait until some text was embedded, or a group has had so long to begin: kills at all stages of its life."""
    before, deadline = embedded(), time.monotonic() + seconds
    while embedded() == before and time.monotonic() < deadline:
        time.sleep(0.3)


def kill_one(chance: random.Random) -> int:
    """Kill any process of any group; returns how many texts its group held."""
    while True:
        records = [json.loads(path.read_text()) for path in sorted(settings.RUN_FOLDER.glob("worker-*.json"))]
        records = [group for group in records if psutil.pid_exists(group["leader"])]
        alive = [(group, pid) for group in records for pid in all_of(group) if psutil.pid_exists(pid)]
        if alive:
            group, pid = chance.choice(alive)
            held = ProjectEmbedding.objects.filter(lease__contains=f":{group['name']}:").count()
            os.kill(pid, signal.SIGKILL)
            return held
        time.sleep(0.2)

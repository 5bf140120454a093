"""What every command promises a script: the exit code, one line for what it cannot do, one summary line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.utils import timezone

from engine import following, groups, jobs, ledger, runs
from engine.bulk import raw_connection
from engine.commands import BUSY, DONE, INCOMPLETE, INTERRUPTED, TERMINATED, WRONG_USAGE, Command
from engine.embeddings import filling, watching
from engine.embeddings.base import EmbedderError
from engine.models import Audit, EmbeddingModel, Run
from engine.owner import GROUP_VARIABLE
from engine.pipeline import Pipeline, Scope, Stage, Work
from engine.tests import test_embeddings
from engine.tests.test_jobs import messages

MANAGE = Path(__file__).parents[2] / "manage.py"


def cook(scope: Scope) -> Work:
    yield Counter(cooked=2)
    yield Counter(cooked=1)
    return None


def burn(scope: Scope) -> Work:
    yield Counter(cooked=1)
    raise ValueError("smoke\nand fire")


def spill(scope: Scope) -> Work:
    yield Counter(cooked=1, failed=2)
    return None


def leave(scope: Scope) -> Work:
    yield Counter(cooked=1)
    raise KeyboardInterrupt


def lose(scope: Scope) -> Work:
    Run.objects.update(lease_until=datetime(2000, 1, 1, tzinfo=UTC))
    ledger.claim("lost", Scope())
    yield Counter(cooked=1)
    return None


MEAL = Pipeline("meal", (Stage("cook", cook, lambda scope: 3),), aliases={"boil": "cook"})
BURNT = Pipeline("burnt", (Stage("burn", burn, lambda scope: 1),))
SPILT = Pipeline("spilt", (Stage("spill", spill, lambda scope: 1),))
LEFT = Pipeline("left", (Stage("leave", leave, lambda scope: 1),))
LOST = Pipeline("lost", (Stage("lose", lose, lambda scope: 1),))
IDLE = Pipeline("idle", (Stage("cook", cook, lambda scope: 0),))
DAILY = Pipeline("daily", (Stage("cook", cook, lambda scope: 1),), by_day=True)
PIPELINES = {
    made.name: f"{__name__}.{variable}" for variable, made in list(globals().items()) if isinstance(made, Pipeline)
}


def dropped(keep: int) -> int:
    return 10 - keep


class Fault(Command):
    """Raises what a test puts there."""

    requires_system_checks: list[str] = []
    error: BaseException

    def handle(self, *args: object, **options: object) -> None:
        raise self.error


@pytest.fixture(autouse=True)
def pipelines(settings) -> None:
    settings.PIPELINES = PIPELINES


def code(*arguments: str) -> int:
    """The exit code of that command, run in this process."""
    name = arguments[0]
    command = load_command_class(get_commands()[name], name)
    assert isinstance(command, Command)
    return command.ended(["manage.py", *arguments])


def code_of(error: BaseException) -> int:
    command = Fault()
    command.error = error
    return command.ended(["manage.py", "fault"])


def complaint(capsys) -> str:
    """Standard error, when it is one line that says who speaks."""
    error = capsys.readouterr().err
    assert re.fullmatch(r"ost: [^\n]+\n", error), error
    return error[5:-1]


def address_of(name: str) -> str:
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@pytest.fixture
def here(transactional_db) -> dict[str, str]:
    """The environment in which a process sees this test's database."""
    info = raw_connection().info
    who, where = f"{quote(info.user)}:{quote(info.password)}", f"host={quote(info.host, safe='')}&port={info.port}"
    return {"DATABASE_URL": f"postgresql://{who}@/{info.dbname}?{where}"}


@pytest.fixture
def empty_database() -> Iterator[str]:
    """The address of a database without a single table."""
    name = f"test_ost_empty_{os.getpid()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield address_of(name)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


# Wrong usage: code 2, one line that names the option and what is allowed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            "embed --batch-size 0",
            "embed: argument --batch-size: '0' is not allowed; allowed: a whole number from 1 to 512",
        ),
        ("embed --batch-size 4097", "argument --batch-size: '4097' is not allowed"),
        (
            "embed --limit x",
            "embed: argument --limit: 'x' is not allowed; allowed: a whole number from 1 to 1000000000",
        ),
        ("embed --limit -1", "argument --limit: '-1' is not allowed"),
        ("embed --limit 1e3", "argument --limit: '1e3' is not allowed"),
        ("embed --limit ٣", "argument --limit: '\\u0663' is not allowed"),
        ("embed --limit", "argument --limit: expected one argument"),
        ("embed --subject dogs", "argument --subject: invalid choice: 'dogs' (choose from 'categories'"),
        ("embed --watch --limit 3", "embed: --limit: not with --watch, which goes on for ever"),
        ("embed --no-such", "unrecognized arguments: --no-such"),
        ("runs --limit 0", "argument --limit: '0' is not allowed; allowed: a whole number from 1 to 1000"),
        ("runs --again 0", "argument --again: '0' is not allowed; allowed: a whole number from 1 to 1000000000"),
        ("runs --again 404", "runs: --again: there is no run 404"),
        ("prune --keep -1", "argument --keep: '-1' is not allowed; allowed: a whole number from 0 to 1000"),
        ("run_pipeline", "the following arguments are required: pipeline"),
        ("run_pipeline dinner", "argument pipeline: invalid choice: 'dinner'"),
        ("run_pipeline meal --stage eat", "run_pipeline: --stage: unknown stage 'eat'; allowed: cook, or boil"),
        ("run_pipeline meal --stage eat --force", "run_pipeline: --stage: unknown stage 'eat'; allowed: cook, or boil"),
        ("run_pipeline meal --day 2025-01-01", "run_pipeline: --day: meal does not go by days; allowed: no --day"),
        ("run_pipeline meal --follow", "run_pipeline: --follow: only with --queue; without it the progress is shown"),
        ("run_pipeline daily --day tomorrow", "run_pipeline: --day: 'tomorrow' is not a day; allowed: YYYY-MM-DD"),
        ("run_pipeline daily --day 2025-02-29", "run_pipeline: --day: '2025-02-29' is not a day; allowed: YYYY-MM-DD"),
        ("run_pipeline daily --day 2999-01-01", "run_pipeline: --day: 2999-01-01 is none to work on; allowed: 1970-01"),
        ("run_pipeline daily --day 0001-01-01", "run_pipeline: --day: 0001-01-01 is none to work on; allowed: 1970-01"),
        ("run_pipeline daily --from 2026-01-01", "run_pipeline: --day: allowed: --day alone, or --from and --to"),
        ("run_pipeline daily --day 2026-01-01 --to 2026-01-02", "run_pipeline: --day: allowed: --day alone, or --from"),
        ("run_pipeline daily --from 2026-01-02 --to 2026-01-01", "run_pipeline: --to: 0 days; allowed: 1 to 366"),
        ("run_pipeline daily --from 2016-01-01 --to 2026-01-01", "run_pipeline: --to: 3654 days; allowed: 1 to 366"),
        ("run_pipeline meal --to 2025-01-01", "run_pipeline: --to: meal does not go by days; allowed: no --day"),
    ],
)
@pytest.mark.django_db
def test_wrong_usage_is_refused_in_one_line_that_says_what_is_allowed(arguments, said, capsys):
    assert code(*arguments.split()) == WRONG_USAGE
    assert said in complaint(capsys)


@pytest.mark.django_db
def test_the_pipeline_of_recommendations_goes_by_no_days(settings, capsys):
    settings.PIPELINES = {"recommendations": "recommendations.pipeline.RECOMMENDATIONS"}
    assert code("run_pipeline", "recommendations", "--day", "2025-01-01") == WRONG_USAGE
    assert complaint(capsys) == "run_pipeline: --day: recommendations does not go by days; allowed: no --day"


@pytest.mark.django_db
def test_an_unknown_stage_of_recommendations_lists_its_stages(settings, capsys):
    settings.PIPELINES = {"recommendations": "recommendations.pipeline.RECOMMENDATIONS"}
    assert code("run_pipeline", "recommendations", "--stage", "scrape") == WRONG_USAGE
    assert "unknown stage 'scrape'; allowed: enrich, ready, embed, engage, score" in complaint(capsys)


def test_a_refused_value_is_shown_short(capsys):
    code("embed", "--limit", "9" * 5000)
    assert len(complaint(capsys)) < 200


def test_a_database_without_tables_asks_for_migrate(manage, empty_database):
    answer = manage("runs", DATABASE_URL=empty_database)
    assert answer == (WRONG_USAGE, "", "ost: the database lacks a table; run: ./ost manage migrate\n")


def test_a_database_that_does_not_answer_is_named_without_its_password(manage):
    ended, out, error = manage("runs", DATABASE_URL="postgresql://someone:hunter2@127.0.0.1:1/ost")
    assert (ended, out, error.count("\n"), "hunter2" in error) == (WRONG_USAGE, "", 1, False)
    assert error.startswith("ost: the database does not answer (DATABASE_URL): ")


def test_a_database_that_does_not_exist_is_named(manage):
    ended, _, error = manage("runs", DATABASE_URL=address_of("no_such_database"))
    assert (ended, error.count("\n"), "no_such_database" in error) == (WRONG_USAGE, 1, True)


# Other ends


@pytest.mark.django_db
def test_a_busy_partition_ends_with_75_and_says_whose_it_is(capsys):
    owner = ledger.claim("meal", Scope()).owner
    assert code("run_pipeline", "meal") == BUSY
    assert complaint(capsys) == f"meal is run by {owner}"


@pytest.mark.django_db
def test_an_interrupt_ends_with_130_and_hands_the_run_back(capsys):
    assert code("run_pipeline", "left") == INTERRUPTED
    assert complaint(capsys) == "interrupted"
    assert Run.objects.get().state == Run.State.WAITING


@pytest.mark.django_db
def test_a_run_that_was_taken_over_ends_with_1(capsys):
    assert code("run_pipeline", "lost") == INCOMPLETE
    assert complaint(capsys) == "lost was taken over"


def test_a_model_that_cannot_be_used_ends_with_1(capsys):
    assert code_of(EmbedderError("the model 'x' cannot be loaded")) == INCOMPLETE
    assert complaint(capsys) == "the model 'x' cannot be loaded"


def test_a_fault_of_our_own_rises():
    with pytest.raises(ZeroDivisionError):
        code_of(ZeroDivisionError("ours"))


def test_a_process_ends_with_the_code_of_its_command(manage, here):
    ledger.claim("recommendations", Scope())
    ended, out, error = manage("run_pipeline", "recommendations", "--force", **here)
    assert (ended, out) == (BUSY, "")
    assert re.fullmatch(r"ost: recommendations is run by \S+\n", error)


def test_a_process_that_had_nothing_to_do_says_so_in_one_line(manage, here):
    answer = manage("run_pipeline", "recommendations", **here)
    assert answer == (DONE, "pipeline=recommendations state=done run=none\n", "")


def test_control_c_ends_a_process_with_130():
    process = subprocess.Popen(
        [sys.executable, MANAGE, "import_projects", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    process.stdin.write(b"\n" * 200_000)  # more than a pipe holds: now it reads
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    assert (process.communicate()[1], process.returncode) == (b"ost: interrupted\n", INTERRUPTED)


def test_a_reader_that_has_seen_enough_is_no_fault(here):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, MANAGE, "runs", "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env={**os.environ, **here},
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (DONE, b"")


# run_pipeline


@pytest.mark.django_db
def test_a_run_ends_in_one_summary_line(capsys):
    assert code("run_pipeline", "meal") == DONE
    assert capsys.readouterr() == (f"pipeline=meal state=done run={Run.objects.get().pk} cook.cooked=3\n", "")


@pytest.mark.django_db
def test_where_nothing_waits_no_run_is_written(capsys):
    assert code("run_pipeline", "idle") == DONE
    assert (capsys.readouterr().out, Run.objects.count()) == ("pipeline=idle state=done run=none\n", 0)


@pytest.mark.django_db
def test_force_runs_where_nothing_waits(capsys):
    code("run_pipeline", "idle", "--force")
    assert "cook.cooked=3" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_failed_run_ends_with_1_and_its_reason(capsys):
    assert code("run_pipeline", "burnt") == INCOMPLETE
    out, error = capsys.readouterr()
    assert out == f"pipeline=burnt state=failed run={Run.objects.get().pk} burn.cooked=1\n"
    assert error.endswith("ost: burn: ValueError: smoke\n")


@pytest.mark.django_db
def test_a_run_that_left_something_behind_ends_with_1(capsys):
    assert code("run_pipeline", "spilt") == INCOMPLETE
    assert " state=partly " in capsys.readouterr().out


@pytest.mark.django_db
def test_a_day_is_the_partition_of_the_run():
    code("run_pipeline", "daily", "--day", "2026-01-02")
    assert str(Run.objects.get()) == "daily 2026-01-02"


@pytest.mark.django_db
def test_several_days_are_a_run_each():
    code("run_pipeline", "daily", "--from", "2026-01-30", "--to", "2026-02-01")
    assert [str(run.day) for run in Run.objects.order_by("pk")] == ["2026-01-30", "2026-01-31", "2026-02-01"]


@pytest.mark.django_db
def test_without_a_day_all_that_hold_something_are_worked_on(monkeypatch):
    monkeypatch.setattr(f"{__name__}.DAILY", replace(DAILY, days=lambda: [date(2026, 1, 2), date(2026, 1, 4)]))
    code("run_pipeline", "daily")
    assert [str(run.day) for run in Run.objects.order_by("pk")] == ["2026-01-02", "2026-01-04"]


@pytest.mark.django_db
def test_of_several_days_one_that_failed_ends_with_1(monkeypatch):
    odd = Stage("cook", lambda scope: burn(scope) if scope.day == date(2026, 1, 2) else cook(scope), lambda scope: 1)
    monkeypatch.setattr(f"{__name__}.DAILY", replace(DAILY, stages=(odd,)))
    assert code("run_pipeline", "daily", "--from", "2026-01-01", "--to", "2026-01-03") == INCOMPLETE
    assert sorted(Run.objects.values_list("state", flat=True)) == ["done", "done", "waiting"]


@pytest.mark.django_db
def test_a_stage_may_be_named_by_its_alias(capsys):
    code("run_pipeline", "meal", "--stage", "boil")
    assert "cook.cooked=3" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_run_is_told_as_json(capsys):
    code("run_pipeline", "spilt", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "pipeline": "spilt",
        "run": Run.objects.get().pk,
        "state": "partly",
        "stages": {"spill": {"cooked": 1, "failed": 2}},
        "error": "2 left behind, each with its reason on its row",
    }


@pytest.mark.django_db
def test_no_run_is_told_as_json(capsys):
    code("run_pipeline", "idle", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "pipeline": "idle", "run": None, "state": "done", "stages": {}, "error": "",
    }  # fmt: skip


# run_pipeline --queue


def worked_on_meanwhile(monkeypatch) -> None:
    """While the command waits a worker does what it was rung for."""
    clock = SimpleNamespace(sleep=lambda seconds: jobs.work(Run.objects.get().pk), monotonic=time.monotonic)
    monkeypatch.setattr(following, "time", clock)


@pytest.mark.django_db
def test_what_is_queued_waits_in_the_ledger_and_in_the_queue(capsys):
    assert code("run_pipeline", "meal", "--queue") == DONE
    run = Run.objects.get()
    assert capsys.readouterr() == (f"pipeline=meal state=waiting run={run.pk}\n", "")
    assert messages() == [("engine.jobs.work", (run.pk,))]


@pytest.mark.django_db
def test_what_is_queued_keeps_what_was_asked_for():
    code("run_pipeline", "daily", "--day", "2026-01-02", "--stage", "cook", "--force", "--queue")
    run = Run.objects.get()
    assert (str(run), run.stages, run.force) == ("daily 2026-01-02", ["cook"], True)


@pytest.mark.django_db
def test_where_nothing_waits_nothing_is_queued(capsys):
    assert code("run_pipeline", "idle", "--queue") == DONE
    assert (capsys.readouterr().out, messages()) == ("pipeline=idle state=done run=none\n", [])


@pytest.mark.django_db
def test_what_is_followed_ends_in_the_summary_of_the_worker_s_run(capsys, monkeypatch):
    worked_on_meanwhile(monkeypatch)
    assert code("run_pipeline", "meal", "--queue", "--follow") == DONE
    assert capsys.readouterr().out == f"pipeline=meal state=done run={Run.objects.get().pk} cook.cooked=3\n"


@pytest.mark.django_db
def test_what_is_followed_and_fails_ends_with_1_and_its_reason(capsys, monkeypatch):
    worked_on_meanwhile(monkeypatch)
    assert code("run_pipeline", "burnt", "--queue", "--follow") == INCOMPLETE
    assert capsys.readouterr().err.endswith("ost: burn: ValueError: smoke\n")


@pytest.mark.django_db
def test_who_follows_where_no_worker_is_is_told(capsys, monkeypatch):
    monkeypatch.setattr(following, "PATIENCE", 0)
    assert code("run_pipeline", "meal", "--queue", "--follow") == INCOMPLETE
    assert complaint(capsys) == "no worker is there to do it; start one: ./ost up"


# reconcile


@pytest.mark.django_db
@pytest.mark.usefixtures("one_connection")
def test_reconcile_says_what_it_found(capsys):
    Run.objects.create(pipeline="meal", state="running", lease_until=datetime(2000, 1, 1, tzinfo=UTC))
    assert code("reconcile") == DONE
    assert capsys.readouterr().out == "state=done freed=1 quarantined=0 opened=7 rung=7 refused=0\n"


@pytest.mark.django_db
@pytest.mark.usefixtures("one_connection")
def test_reconcile_rings_again_what_was_rung_a_moment_ago(settings):
    settings.PIPELINES = {}
    run = Run.objects.create(pipeline="meal")
    jobs.ring(run)
    code("reconcile")
    assert messages() == [("engine.jobs.work", (run.pk,))] * 2


# runs, embed, prune


@pytest.mark.django_db
def test_before_the_first_run_runs_says_how_to_start_one(capsys):
    assert code("runs") == DONE
    assert capsys.readouterr().out == "Nothing has run yet. Try: ./ost manage run_pipeline recommendations\n"


@pytest.mark.django_db
def test_runs_shows_a_line_a_step_and_the_reason(capsys):
    code("run_pipeline", "burnt")
    capsys.readouterr()
    code("runs")
    head, line = capsys.readouterr().out.splitlines()
    assert re.split(" {2,}", head.rstrip()) == [
        "run", "what", "state", "tries", "step", "counts (since last)", "s", "cpu s", "peak MB", "reason"
    ]  # fmt: skip
    assert re.search(r"\d+ +burnt +waiting +1 +burn failed +cooked=1 .* ValueError: smoke", line)


@pytest.mark.django_db
def test_runs_shows_a_run_without_steps_too(capsys):
    Run.objects.create(pipeline="meal", error="interrupted")
    code("runs")
    assert re.search(r"meal +waiting +interrupted", capsys.readouterr().out)


@pytest.mark.django_db
def test_runs_come_newest_first_and_no_more_than_asked_for(capsys):
    made = [runs.run(MEAL, Scope()).pk for _ in range(3)]
    code("runs", "--json", "--limit", "2")
    assert [run["id"] for run in json.loads(capsys.readouterr().out)] == [made[2], made[1]]


@pytest.mark.django_db
def test_a_run_as_json_holds_its_steps(capsys):
    runs.run(MEAL, Scope())
    code("runs", "--json")
    (run,) = json.loads(capsys.readouterr().out)
    (step,) = run["steps"]
    assert (run["pipeline"], run["state"], run["day"], run["attempts"]) == ("meal", "done", None, 1)
    assert (step["name"], step["state"], step["waited"], step["counts"]) == ("cook", "done", 3, {"cooked": 3})
    assert set(step) == {
        "name", "state", "waited", "counts", "changed", "seconds", "cpu_seconds", "peak_memory_mb", "error"
    }  # fmt: skip


@pytest.mark.django_db
def test_a_run_tells_what_changed_since_the_one_before_of_its_partition(capsys):
    runs.run(MEAL, Scope(source="farm"))
    Run.objects.update(counts={"cook": {"cooked": 5}})
    runs.run(MEAL, Scope())
    runs.run(MEAL, Scope(source="farm"))
    code("runs", "--json")
    latest, other, first = [run["steps"][0]["changed"] for run in json.loads(capsys.readouterr().out)]
    assert (latest, other, first) == ({"cooked": -2}, {}, {})


@pytest.mark.django_db
def test_a_live_run_as_json_has_no_end_yet(capsys):
    ledger.claim("meal", Scope())
    code("runs", "--json")
    assert json.loads(capsys.readouterr().out)[0]["finished_at"] is None


@pytest.mark.django_db
def test_a_quarantined_run_is_run_again_and_rung_for():
    run = Run.objects.create(pipeline="meal", state="quarantined", attempts=5, error="cook: burnt")
    assert code("runs", "--again", str(run.pk)) == DONE
    assert Run.objects.due().get() == run
    assert messages() == [("engine.jobs.work", (run.pk,))]


@pytest.mark.django_db
def test_who_runs_again_is_kept():
    run = Run.objects.create(pipeline="meal", state="quarantined", error="cook: burnt")
    code("runs", "--again", str(run.pk))
    kept = Audit.objects.get()
    assert (kept.actor, kept.subject, kept.note) == (ledger.operator(), f"run {run.pk}", "quarantined: cook: burnt")


@pytest.mark.django_db
def test_a_run_that_is_done_is_not_run_again(capsys):
    run = Run.objects.create(pipeline="meal", state="done")
    assert code("runs", "--again", str(run.pk)) == WRONG_USAGE
    assert complaint(capsys).startswith(f"runs: --again: run {run.pk} is done; only a quarantined or waiting one ")


@pytest.fixture
def tiny(settings, db) -> Iterator[None]:
    settings.MODEL_DIMENSIONS, settings.MODEL_NAME = 4, "tiny"
    test_embeddings.use(settings, test_embeddings.Tiny)
    yield
    filling.made.cache_clear()


def test_embed_says_what_it_did_and_what_still_waits(tiny, capsys):
    test_embeddings.many(5)
    assert code("embed", "--limit", "3", "--batch-size", "2") == DONE
    assert capsys.readouterr().out == "state=done model=tiny embedded=3 failed=0 superseded=0 waiting=2\n"


def test_embed_ends_with_1_when_a_text_was_refused(tiny, capsys):
    test_embeddings.many(5, poisoned=[2])
    assert code("embed") == INCOMPLETE
    assert capsys.readouterr().out == "state=partly model=tiny embedded=4 failed=1 superseded=0 waiting=0\n"


def test_embed_leaves_subjects_alone_that_were_not_named(tiny, capsys):
    test_embeddings.many(5)
    code("embed", "--subject", "projects", "--subject", "profiles")
    assert capsys.readouterr().out.startswith("state=done model=tiny embedded=0 failed=0")
    assert test_embeddings.rows.filter(vector=None).count() == 5


def test_embed_leaves_texts_alone_that_another_holds(tiny, capsys):
    test_embeddings.many(5)
    test_embeddings.claim(4)
    code("embed")
    assert " embedded=1 " in capsys.readouterr().out


def test_embed_again_gives_quarantined_texts_another_chance(tiny, capsys):
    test_embeddings.many(3)
    test_embeddings.rows.update(quarantined_at=timezone.now(), attempts=5)
    assert code("embed", "--again") == DONE
    assert " embedded=3 " in capsys.readouterr().out
    assert Audit.objects.get().action == "embed again"


def test_embed_leaves_quarantined_texts_alone(tiny, capsys):
    test_embeddings.many(3)
    test_embeddings.rows.update(quarantined_at=timezone.now())
    code("embed")
    assert " embedded=0 " in capsys.readouterr().out


@pytest.mark.parametrize("group", ["crew", ""])
def test_the_loop_of_a_worker_group_shows_that_it_lives(tiny, settings, tmp_path, monkeypatch, group):
    def watch(tables: object, batch: int, idle: float, beat: Callable[[], None], only: object) -> None:
        beat()

    monkeypatch.setenv(GROUP_VARIABLE, group)
    monkeypatch.setattr(watching, "watch", watch)
    settings.RUN_FOLDER = tmp_path
    code("embed", "--watch")
    assert groups.pulse(tmp_path, "crew").exists() == bool(group)


def beside(name: str = "second", **facts: object) -> EmbeddingModel:
    """A model that fills beside the live one, in which three texts wait; as many wait in the live one."""
    EmbeddingModel.objects.live()
    made = EmbeddingModel.objects.create(**{"name": name, "provider": "local", "dimensions": 4, **facts})
    test_embeddings.many(3)
    return made


def test_only_the_model_that_is_named_is_embedded_for(tiny, capsys):
    made = beside()
    assert code("embed", "--model", "second") == DONE
    assert "model=second embedded=3 " in capsys.readouterr().out
    assert test_embeddings.rows.waiting(made).count() == 0
    assert test_embeddings.rows.waiting(test_embeddings.live()).count() == 3


@pytest.mark.parametrize("option", ["--model", "--provider"])
def test_a_model_that_is_not_there_is_refused_with_those_that_are(tiny, capsys, option):
    beside(state="retired")
    assert code("embed", option, "abacus") == WRONG_USAGE
    live = test_embeddings.live()
    said = f"ost: embed: {option}: 'abacus' is no model that is live or filling; there are: {live.name} (local, live)\n"
    assert capsys.readouterr().err == said


def test_a_model_is_paused_and_what_is_in_flight_is_shown(tiny, capsys):
    test_embeddings.many(3)
    test_embeddings.claim(2)
    assert code("embed", "--pause") == DONE
    name = test_embeddings.live().name
    assert capsys.readouterr().out == f"state=paused model={name} provider=local in_flight=2 waiting=3\n"


def test_a_paused_model_is_not_embedded_for(tiny, capsys):
    test_embeddings.many(3)
    code("embed", "--pause")
    assert code("embed") == INCOMPLETE
    assert "is paused; to go on: embed --resume" in capsys.readouterr().err


def test_a_resumed_model_is_embedded_for(tiny, capsys):
    test_embeddings.many(3)
    assert [code("embed", "--pause"), code("embed", "--resume"), code("embed")] == [DONE] * 3
    assert " embedded=3 " in capsys.readouterr().out


def test_another_model_is_paused_by_its_name(tiny):
    made = beside()
    code("embed", "--pause", "--model", "second")
    assert EmbeddingModel.objects.exclude(paused_at=None).get() == made


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, TERMINATED), (signal.SIGINT, INTERRUPTED)])
def test_the_loop_ends_with_the_code_of_its_signal(here, number, expected):
    command = [sys.executable, MANAGE, "embed", "--watch"]
    with subprocess.Popen(command, env={**os.environ, **here}, stderr=subprocess.DEVNULL) as loop:
        deadline = time.monotonic() + 60
        while not EmbeddingModel.objects.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.5)
        loop.send_signal(number)
        try:
            assert loop.wait(20) == expected
        finally:
            loop.kill()


def test_prune_says_how_many_of_each_went(settings, capsys):
    settings.PRUNED = {"plates": f"{__name__}.dropped"}
    assert code("prune", "--keep", "4") == DONE
    assert capsys.readouterr().out == "state=done plates=6\n"


@pytest.mark.django_db
def test_call_command_gives_the_exit_code():
    Run.objects.create(pipeline="meal", state="running", owner="me", lease_until=timezone.now() + timedelta(hours=1))
    with pytest.raises(ledger.Busy):
        call_command("run_pipeline", "meal")
    assert call_command("run_pipeline", "spilt") == INCOMPLETE


@pytest.mark.parametrize("arguments", [["runs"], ["--help"]])
@pytest.mark.django_db
def test_a_reader_that_has_seen_enough_of_a_table_is_no_fault(here, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, MANAGE, *arguments]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env={**os.environ, **here}, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.django_db
def test_a_full_disk_is_one_line(here):
    command = [sys.executable, str(MANAGE), "runs", "--json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env={**os.environ, **here}, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (INCOMPLETE, 1)


def test_an_unknown_command_is_wrong_usage_in_one_line(manage):
    ended, _, error = manage("recomend")
    assert (ended, error.count("\n")) == (WRONG_USAGE, 1)


@pytest.mark.parametrize("command", ["migrate", "runs"])
def test_a_bad_option_of_the_address_is_one_line(manage, command):
    ended, _, error = manage(command, DATABASE_URL="postgresql://a@127.0.0.1:1/x?connect_timeout=2")
    assert (ended, error.count("\n")) == (WRONG_USAGE, 1)


@pytest.mark.django_db
def test_a_caller_may_say_where_the_output_goes():
    out = StringIO()
    call_command("runs", stdout=out)
    assert "Nothing has run" in out.getvalue()


@pytest.mark.parametrize("day", ["20250101", "2025-W01-1", "2025-02-30", "yesterday; rm"])
@pytest.mark.django_db
def test_a_day_has_one_form(day, capsys):
    assert code("run_pipeline", "daily", "--day", day) == WRONG_USAGE

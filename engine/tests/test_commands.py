"""What every command promises a script: the exit code, one line for what it cannot do, one summary line."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.utils import timezone

from engine import ledger, runs
from engine.bulk import raw_connection
from engine.commands import BUSY, DONE, INCOMPLETE, INTERRUPTED, WRONG_USAGE, Command
from engine.embeddings import filling
from engine.embeddings.base import EmbedderError
from engine.models import Run
from engine.pipeline import Pipeline, Scope, Stage, Work
from engine.tests import test_embeddings

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
        ("embed --no-such", "unrecognized arguments: --no-such"),
        ("runs --limit 0", "argument --limit: '0' is not allowed; allowed: a whole number from 1 to 1000"),
        ("prune --keep -1", "argument --keep: '-1' is not allowed; allowed: a whole number from 0 to 1000"),
        ("run_pipeline", "the following arguments are required: pipeline"),
        ("run_pipeline dinner", "argument pipeline: invalid choice: 'dinner'"),
        ("run_pipeline meal --stage eat", "run_pipeline: --stage: unknown stage 'eat'; allowed: cook, or boil"),
        ("run_pipeline meal --stage eat --force", "run_pipeline: --stage: unknown stage 'eat'; allowed: cook, or boil"),
        ("run_pipeline meal --day 2025-01-01", "run_pipeline: --day: meal does not go by days; allowed: no --day"),
        ("run_pipeline daily --day tomorrow", "run_pipeline: --day: 'tomorrow' is not a day; allowed: YYYY-MM-DD"),
        ("run_pipeline daily --day 2025-02-29", "run_pipeline: --day: '2025-02-29' is not a day; allowed: YYYY-MM-DD"),
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
    assert "unknown stage 'scrape'; allowed: enrich, ready, embed, score" in complaint(capsys)


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
    assert re.split(" {2,}", head) == [
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

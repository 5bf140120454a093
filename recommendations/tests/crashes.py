"""A run that is killed at one of its messages to the database: what it leaves, and what the next run makes of it."""

import math
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Self
from unittest import mock

import numpy as np
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import override_settings

from engine import runs
from engine.models import EmbeddingModel, Run
from engine.models.embedding import Embedding
from engine.pipeline import Scope
from engine.tests.postgres_proxy import Point, PostgresProxy, run_in_child
from engine.vectors import Matrix, digest
from recommendations import enriching, people, placing, scoring
from recommendations.importing import Skipped, import_interactions, import_projects, import_users
from recommendations.models import HybridVector
from recommendations.models.taxonomy import load_taxonomy
from recommendations.schemas import InteractionLine, ProjectLine, UserLine
from recommendations.seeding import seed_taxonomy
from recommendations.stages import EMBEDDED
from recommendations.tests.factories import make_weights, stored_for

Rows = list[tuple[str, int, float | None]]  # project, rank, score: what one person is recommended

PROJECTS = [
    ("vllm/engine", "Fast serving of large language models on GPUs", "Python", ["llm"], 9_000),
    ("torch/vision", "Models and data sets for computer vision", "Python", ["deep-learning"], 5_000),
    ("tiny/grad", "A small library for training neural networks", "Python", ["deep-learning"], 800),
    ("kube/deploy", "Deploy clusters of containers with one command", "Go", ["kubernetes"], 3_000),
    ("helm/charts", "Packages for applications on Kubernetes", "Go", ["kubernetes"], 700),
    ("promo/metrics", "Monitoring and alerts for servers", "Go", ["monitoring"], 4_000),
    ("pixel/quest", "A role playing game in the browser", "TypeScript", ["game"], 300),
    ("voxel/engine", "A game engine for worlds made of blocks", "Rust", ["game-engine"], 1_200),
    ("shop/cart", "A shop with a cart and payments", "PHP", ["ecommerce"], 600),
    ("paint/box", "Draw and retouch pictures", "C++", [], 2_000),
]
PEOPLE = [
    {"username": "alice", "bio": "Trains neural networks and language models.", "tech_stacks": ["Python", "PyTorch"]},
    {"username": "bob", "bio": "Plays and makes games.", "categories": ["Games"]},
    {"username": "charlie"},
]
STARS = [("alice", "tiny/grad"), ("bob", "pixel/quest")]

# Work for every stage: texts to write anew, a project that no word places, people to score again.
CHANGED_PROJECTS = [
    ("old/thing", "An abandoned experiment", "C", [], 6_000),
    ("photo/lab", "Develop raw photographs", "C++", [], 2_500),
    ("shop/cart", "Sell things from a page of your own", "PHP", ["ecommerce"], 650),
    ("voxel/engine", "Worlds made of blocks, with physics", "Rust", ["game-engine"], 1_300),
]
CHANGED_PEOPLE = [{"username": "alice", "bio": "Deploys language models on clusters."}]
CHANGED_STARS = [("alice", "vllm/engine"), ("bob", "voxel/engine"), ("charlie", "paint/box")]


class Words:
    """An embedder without a model: texts are alike that share words."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> Matrix:
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in text.lower().split():
                vector[zlib.crc32(word.encode()) % self.dimensions] += 1
        return vectors


@contextmanager
def small_blocks() -> Iterator[None]:
    """Several blocks in every stage, so that a run can also end between two of them."""
    sizes = [(enriching, "PROJECTS_AT_ONCE"), (placing, "PROJECTS_AT_ONCE"), (people, "PEOPLE_AT_ONCE")]
    with ExitStack() as patches:
        patches.enter_context(override_settings(BATCH_SIZE=2))
        patches.enter_context(mock.patch.object(scoring, "BLOCK", 6))
        for module, name in sizes:
            patches.enter_context(mock.patch.object(module, name, 1))
        yield


class World:
    """A small world where something changed after the first publication; every crash begins in it.

    old, new: what each person is recommended before and after a run that nobody disturbs. messages: how many such a
    run sends. inputs, vectors: what its generation is made from, and the vector of each text. restoring: held while
    the rows go back, so that no reader is in the middle of them.
    """

    def __init__(self, proxy: PostgresProxy) -> None:
        self.proxy, self.restoring = proxy, threading.Lock()
        seed_taxonomy()
        make_weights(popularity_threshold=10_000)
        bring(PROJECTS, PEOPLE, STARS)
        go_through()
        self.old, self.vectors = served(), stored_vectors()
        bring(CHANGED_PROJECTS, CHANGED_PEOPLE, CHANGED_STARS)
        self.start = Copy()
        proxy.watch()
        if code := run_in_child(go_through, proxy.folder):
            raise RuntimeError(f"undisturbed, the run ends with {code}")
        self.messages, self.new, self.inputs = proxy.seen, served(), live_inputs()
        self.vectors |= stored_vectors()
        if any(same_rows(self.old[name], self.new[name]) for name in self.new):
            raise RuntimeError("somebody is recommended the same before and after: a mix would not be seen")

    def crash(self, point: Point) -> tuple[int, list[str]]:
        """From the start: kill a run at that point and look; let its leases run out, run again and look.

        Returns the exit code of the first run, negative when it was killed, and what was wrong.
        """
        with self.restoring:
            self.start.restore()
        self.proxy.watch(point)
        code = run_in_child(go_through, self.proxy.folder)
        faults = [f"the run ends with {code}"] if code > 0 else []
        faults += [f"killed: {fault}" for fault in self.torn()]
        let_leases_run_out()
        again = runs.run(runs.get_pipeline("recommendations"), Scope())
        faults += [f"run again: {fault}" for fault in [*self.torn(), *self.unfinished(again)]]
        return code, faults

    def torn(self) -> Iterator[str]:
        """What no reader may find at any time."""
        if (live := count("recommendations_generation WHERE state = 'live'")) != 1:
            yield f"{live} live generations"
        if not (same(served(), self.old) or same(served(), self.new)):
            yield "what is served is neither the old set nor the new one"
        for key, vector in stored_vectors().items():
            if key not in self.vectors or not np.allclose(vector, self.vectors[key], atol=1e-5):
                yield f"the vector of {' '.join(key)} is not that of its text"
        for row in HybridVector.objects.all():
            if digest(np.asarray(row.vector, dtype=np.float32)) != row.vector_hash:
                yield f"a hybrid vector is not the one that its hash says: {row}"

    def unfinished(self, run: Run) -> Iterator[str]:
        """What must be over once a run has gone through."""
        if run.state != Run.State.DONE:
            yield f"the run is {run.state}: {run.error}"
        if not same(served(), self.new):
            yield "what is served is not what an undisturbed run serves"
        if live_inputs() != self.inputs:
            yield "it is not made from what an undisturbed run makes it from"
        for table in EMBEDDED:
            if waiting := table.objects.waiting(EmbeddingModel.objects.live()).count():
                yield f"{waiting} rows of {table.__name__} still wait"
            if quarantined := table.objects.exclude(quarantined_at=None).count():
                yield f"{quarantined} rows of {table.__name__} are quarantined"
        if open_runs := Run.objects.live().count():
            yield f"{open_runs} runs are open"
        if open_steps := count("engine_step WHERE state = 'running'"):
            yield f"{open_steps} steps run"


class Copy:
    """Every row of every table as it is now, beside it in this session."""

    def __init__(self) -> None:
        tables = connection.introspection.django_table_names(only_existing=True)
        self.statements = [f"DELETE FROM {table}" for table in tables]
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(
                    "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
                    " WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'",
                    [table],
                )
                (columns,) = cursor.fetchone()
                cursor.execute(f"DROP TABLE IF EXISTS pg_temp.kept_{table}")
                cursor.execute(f"CREATE TEMP TABLE kept_{table} AS TABLE {table}")
                self.statements.append(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM pg_temp.kept_{table}")

    def restore(self) -> None:
        """All of them as they were. Foreign keys are looked at when the transaction ends, so any order will do."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(";".join(self.statements))


class Reader(threading.Thread):
    """Reads what a page shows, one person after the other, every two milliseconds.

    half_written: those that found neither the person's old rows nor their new ones.
    """

    def __init__(self, world: World) -> None:
        super().__init__(name="reader", daemon=True)
        self.world, self.reads, self.half_written = world, 0, 0
        self.over = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()

    def run(self) -> None:
        users = list(User.objects.filter(username__in=self.world.new))
        while not self.over.wait(0.002):
            user = users[self.reads % len(users)]
            with self.world.restoring:
                found = stored_for(user)
            rows = [(row.project.full_name, row.rank, row.score) for row in found]
            wholes = self.world.old[user.username], self.world.new[user.username]
            self.half_written += not any(same_rows(rows, whole) for whole in wholes)
            self.reads += 1
        connection.close()


def bring(projects: list[Any], people: list[Any], stars: list[tuple[str, str]]) -> None:
    """Import those lines."""
    keys = ("full_name", "description", "language", "topics", "stars")
    import_projects([ProjectLine.model_validate(dict(zip(keys, facts, strict=True))) for facts in projects])
    import_users([UserLine.model_validate(said) for said in people], load_taxonomy())
    acts = [{"username": name, "full_name": project, "kind": "star", "at": "2024"} for name, project in stars]
    import_interactions([InteractionLine.model_validate(act) for act in acts], Skipped())


def go_through() -> None:
    """The whole pipeline, as a command runs it. Raises RuntimeError when it does not end well."""
    run = runs.run(runs.get_pipeline("recommendations"), Scope())
    if run.state != Run.State.DONE:
        raise RuntimeError(f"the run is {run.state}: {run.error}")


def let_leases_run_out(embedded: Sequence[type[Embedding]] = EMBEDDED) -> None:
    """What a minute does: nobody holds a run or a text of those tables any more."""
    with connection.cursor() as cursor:
        for table in ("engine_run", *(table._meta.db_table for table in embedded)):
            cursor.execute(f"UPDATE {table} SET lease_until = now() - interval '1 second' WHERE lease_until > now()")


def served() -> dict[str, Rows]:
    """What everyone is recommended, read in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT username, full_name, rank, score FROM recommendations_generation g"
            " JOIN recommendations_recommendation r ON r.generation_id = g.id AND g.state = 'live'"
            " JOIN recommendations_project p ON p.id = r.project_id JOIN auth_user u ON u.id = r.user_id"
            " ORDER BY username, rank"
        )
        found: dict[str, Rows] = {}
        for name, *row in cursor.fetchall():
            found.setdefault(name, []).append(tuple(row))
    return found


def same(some: dict[str, Rows], others: dict[str, Rows]) -> bool:
    return some.keys() == others.keys() and all(same_rows(some[name], others[name]) for name in some)


def same_rows(some: Rows, others: Rows) -> bool:
    """Scores may differ in their last digits: a text is embedded in other company after a crash."""
    return len(some) == len(others) and all(
        one[:2] == other[:2]
        and (one[2] == other[2] or (one[2] and other[2] and math.isclose(one[2], other[2], abs_tol=1e-5)))
        for one, other in zip(some, others, strict=True)
    )


def stored_vectors() -> dict[tuple[str, str], Matrix]:
    """(table, hash of the text that the vector is said to be of) -> (d,); NaN where such a vector is missing."""
    return {
        (table.__name__, row.vector_hash): np.array(np.nan if row.vector is None else row.vector, dtype=np.float32)
        for table in EMBEDDED
        for row in table.objects.exclude(vector=None, vector_hash="")
    }


def live_inputs() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inputs FROM recommendations_generation WHERE state = 'live'")
        return str(cursor.fetchone()[0])


def count(what: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {what}")
        return int(cursor.fetchone()[0])

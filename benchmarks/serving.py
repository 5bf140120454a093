"""Recommendations over HTTP, from stored rows and scored live, beside a view that does nothing; eight clients at once.

The clients run on the same cores as the server: the figures say how the three compare, not what a machine can do.
"""

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from benchmarks.table import Row
from engine import runs
from engine.bulk import copy_in_vectors, copy_into
from engine.models import ApiKey, EmbeddingModel
from engine.models.access import PREFIX, SHOWN, digest_of
from engine.pipeline import Scope
from engine.vectors import unit
from recommendations.models import Category, Profile, Project, TechStack
from recommendations.pipeline import RECOMMENDATIONS

PROJECTS, PEOPLE, STARS, CLIENTS = 31_951, 1_000, 20, 8
SECONDS = 8.0
KEPT = 25  # requests on one connection: were they kept for good, all might be with one process and none with the other


def measure() -> Iterator[Row]:
    people = world()
    with_server = Server()
    try:
        everyone = [(f"/api/v1/recommendations/{name}/", key) for name, key in people]
        load(with_server.port, turning(everyone), SECONDS)  # until both processes hold the catalogue and every list
        empty = load(with_server.port, lambda: ("/livez", ""), SECONDS)
        stored = load(with_server.port, turning(everyone), SECONDS)
        yield row("a list of stored rows over HTTP", stored, empty, "1,000/s, p99 at most 15 ms")
        yield row("a list scored live over HTTP", load(with_server.port, changing(everyone), SECONDS), empty)
    finally:
        with_server.stop()


def row(what: str, took: list[float], empty: list[float], target: str = "") -> Row:
    rate, p50, p95, p99 = len(took) / SECONDS, *(1000 * np.percentile(took, [50, 95, 99]))
    note = f"{rate:,.0f}/s, p50 {p50:.1f} p95 {p95:.1f} p99 {p99:.1f} ms; empty {len(empty) / SECONDS:,.0f}/s"
    return Row(what, SECONDS / len(took), "an empty view", SECONDS / len(empty), note, target)


class Server:
    """The web server as `./ost up` starts it, on a free port."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings = connection.settings_dict
        url = f"postgresql://{settings['USER']}@/{settings['NAME']}?host={settings['HOST']}"
        environment = {**os.environ, "DATABASE_URL": url, "READ_TEXTS": "0", "LOG_LEVEL": "WARNING"}
        command = ["-m", "ostsite.webserver", "--bind", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen([sys.executable, *command], env=environment)
        while not answers(self.port):
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


Target = tuple[str, str]


def load(port: int, choose: Callable[[], Target], seconds: float) -> list[float]:
    """How long each request of eight clients took, in seconds."""
    until = time.perf_counter() + seconds
    took: list[list[float]] = [[] for _ in range(CLIENTS)]

    def client(mine: list[float]) -> None:
        line = Line(port)
        while time.perf_counter() < until:
            target = choose()
            begun = time.perf_counter()
            line.ask(*target)
            mine.append(time.perf_counter() - begun)
        connection.close()

    threads = [threading.Thread(target=client, args=[mine]) for mine in took]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [each for mine in took for each in mine]


class Line:
    """A connection that is kept, and no more of HTTP than it takes: a library's client would need half the machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.dial()

    def dial(self) -> None:
        self.asked, self.socket = 0, socket.create_connection(("127.0.0.1", self.port))

    def ask(self, path: str, key: str) -> None:
        signed = f"Authorization: Bearer {key}\r\n" if key else ""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{signed}\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.received()
        head, _, body = answer.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        while len(body) < int(length) if length else not body.endswith(b"0\r\n\r\n"):  # without a length: in chunks
            body += self.received()
        if b" 200 " not in head[:15]:
            raise RuntimeError(f"{path}: {head[:20]!r} {body[:200]!r}")
        self.asked += 1
        if self.asked == KEPT or b"connection: close" in head.lower():
            self.socket.close()
            self.dial()

    def received(self) -> bytes:
        got = self.socket.recv(65_536)
        if not got:
            raise RuntimeError("the server hung up")
        return got


def turning(targets: list[Target]) -> Callable[[], Target]:
    """One after the other."""
    lock, at = threading.Lock(), iter(range(10**9))

    def choose() -> Target:
        with lock:
            return targets[next(at) % len(targets)]

    return choose


def changing(targets: list[Target]) -> Callable[[], Target]:
    """One after the other, each person's profile changed before they ask."""
    choose = turning(targets)

    def changed() -> Target:
        target = choose()
        Profile.objects.filter(user__username=target[0].split("/")[-2]).update(changed_at=Now())
        return target

    return changed


def world() -> list[tuple[str, str]]:
    """A catalogue and people of the usual size with a live generation; their names, and a key of each."""
    random = np.random.default_rng(7)
    model = EmbeddingModel.objects.live()
    terms = (
        [Category(name=f"category {at}") for at in range(18)],
        [TechStack(name=f"stack {at}", kind="TECH") for at in range(76)],
    )
    categories, stacks = Category.objects.bulk_create(terms[0]), TechStack.objects.bulk_create(terms[1])
    stars = random.lognormal(7, 2, PROJECTS).astype(int).clip(0, 500_000)
    made = [
        Project(full_name=f"owner{at % 9000}/tool{at}", description=f"A tool for purpose {at}", stars=int(stars[at]))
        for at in range(PROJECTS)
    ]
    projects = [project.pk for project in Project.objects.bulk_create(made, batch_size=2000)]
    users = User.objects.bulk_create([User(username=f"person{at}", password="!") for at in range(PEOPLE)])
    people = [user.pk for user in users]
    Profile.objects.bulk_create([Profile(user=user) for user in users])
    embed("recommendations_projectembedding", projects, model, random)
    embed("recommendations_profileembedding", people, model, random)
    for table, column, ids, chosen, count in (
        ("recommendations_projectcategory", "category_id", projects, categories, 2),
        ("recommendations_projecttechstack", "stack_id", projects, stacks, 3),
        ("recommendations_profilecategory", "category_id", people, categories, 3),
        ("recommendations_profiletechstack", "stack_id", people, stacks, 5),
    ):
        link(table, column, ids, [term.pk for term in chosen], count, random)
    now = timezone.now()
    starred = [(pk, int(p), "star", now, 1) for pk in people for p in random.choice(projects, STARS, replace=False)]
    columns = {"user_id": "int4", "project_id": "int8", "kind": "text", "at": "timestamptz", "count": "int4"}
    copy_into("recommendations_interaction", columns, starred)
    runs.run(RECOMMENDATIONS, Scope(), only=("score",))
    keys = keys_of(users)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return [(user.username, text) for user, text in zip(users, keys, strict=True)]


def keys_of(users: list[User]) -> list[str]:
    """A key for each, made at once; `create` would ask the database for each."""
    now = timezone.now()
    texts = [PREFIX + secrets.token_urlsafe(32) for _ in users]
    ApiKey.objects.bulk_create(
        ApiKey(
            user=user, name="bench", shown=text[:SHOWN], digest=digest_of(text), scopes=["read"],
            expires_at=now + timedelta(days=1), used_at=now,
        )
        for user, text in zip(users, texts, strict=True)
    )  # fmt: skip
    return texts


def embed(table: str, subjects: list[int], model: EmbeddingModel, random: np.random.Generator) -> None:
    """A vector for each subject."""
    vectors = unit(random.standard_normal((len(subjects), model.dimensions), dtype=np.float32))
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        copy_in_vectors("made", np.array(subjects), vectors)
        cursor.execute(
            f"INSERT INTO {table} (subject_id, model_id, text, text_hash, vector, vector_hash, attempts, lease, error)"
            " SELECT id, %s, 'text', 'hash', vector, 'hash', 0, '', '' FROM pg_temp.made",
            [model.pk],
        )
        cursor.execute("COMMIT")


def link(
    table: str, column: str, subjects: list[int], terms: list[int], count: int, random: np.random.Generator
) -> None:
    """So many terms for each subject."""
    subject = "project_id" if "_project" in table else "profile_id"
    chosen = [(pk, int(term)) for pk in subjects for term in random.choice(terms, count, replace=False)]
    extra = {"source": "text", "confidence": "float8", "applies": "bool"}
    rows: list[tuple[object, ...]] = [(*pair, "curated", 1.0, True) for pair in chosen]
    if table.endswith("projectcategory"):
        extra, rows = {**extra, "by_vector": "bool"}, [(*each, False) for each in rows]
    key = "int4" if subject == "profile_id" else "int8"  # as wide as the column
    copy_into(table, {subject: key, column: "int8", **extra}, rows)

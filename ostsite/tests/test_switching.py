"""A switch of the embedding model and the way back, while people and programs go on asking. No answer errs or mixes."""

import threading
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from django.apps import apps
from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from engine.embeddings import changing, filling, registering
from engine.embeddings.reading import READER, State
from engine.embeddings.registering import Named
from engine.models import ApiKey, EmbeddingModel
from engine.vectors import Matrix, digest
from issues.models import Clustering, Issue
from issues.tests import factories as posts
from ostsite.tests.people import visits
from ostsite.tests.world import UNHURRIED
from recommendations import generations, profiles, serving
from recommendations.models import Category, Generation, HybridVector, Profile
from recommendations.tests import factories as make

pytestmark = pytest.mark.django_db(transaction=True)
OLD, NEW = 16, 12  # the widths of the two: a comparison of one with the other is an error of the database, or of NumPy
ROUNDS = 3


class Made:
    """Vectors out of a text's digest: other ones for each model, the same for the same text."""

    def __init__(self, name: str, dimensions: int) -> None:
        self.name, self.dimensions = name, dimensions

    def embed(self, texts: Sequence[str]) -> Matrix:
        seeds = [int(digest(f"{self.name} {text}")[:8], 16) for text in texts]
        rows = [np.random.default_rng(seed).normal(size=self.dimensions) for seed in seeds]
        return np.array(rows, dtype=np.float32).reshape(-1, self.dimensions)


@pytest.fixture
def site(settings):
    """A site with projects, people and problems, every text with its vector by the first model."""
    settings.EMBEDDING_PROVIDERS = {"local": f"{__name__}.Made"}
    settings.READ_TEXTS = settings.SERVES_PAGES = True
    settings.REST_FRAMEWORK = UNHURRIED["REST_FRAMEWORK"]
    filling.made.cache_clear()
    make.make_model(OLD)
    make.make_weights()
    make.make_category()
    for number, project in enumerate(made_projects()):
        make.give_vector(project, posts.vector_of(number % 5, number))
    for name in ("alice", "bob"):
        user = make.make_user(name)
        profiles.say(user, bio=f"{name} trains models", stacks=[], categories=[])
    for topic in (0, 1):
        posts.make_topic(topic)
    posts.publish()
    fill()
    make.score()
    Profile.objects.filter(user__username="bob").update(changed_at=timezone.now() + timedelta(days=1))  # scored live
    yield
    settle()
    filling.made.cache_clear()


def made_projects():
    return [make.make_project(f"octo{number}/tool", description=f"A tool, number {number}") for number in range(40)]


def fill() -> None:
    """Vectors for all that waits, of every model that is kept fresh."""
    for model in EmbeddingModel.objects.fresh():
        for _ in filling.fill(filling.tables(), model, 64):
            pass


def settle() -> None:
    for thread in threading.enumerate():
        if thread.name in ("reader", "catalogue", "words"):
            thread.join(20)


def registered() -> EmbeddingModel:
    model = registering.register(Named("local", "second", NEW), "olga")
    fill()
    return model


def addresses() -> list[str]:
    pages = [reverse(name) for name in ("home", "projects", "trending", "issues", "issue_days")]
    problem = Issue.objects.visible().earliest("pk").pk
    named = [
        reverse("issue", args=[problem]),
        reverse("project", args=["octo0", "tool"]),
        reverse("api_issue", args=[problem]),
        reverse("api_similar", args=["octo0", "tool"]),
        reverse("api_issue_projects", args=[problem]),
        reverse("api_project_issues", args=["octo0", "tool"]),
    ]
    asked = [f"{reverse(name)}?q=the export stops" for name in ("projects", "issues", "api_issues", "api_projects")]
    return [*pages, *named, *asked, "/issues/similar/?text=the export stops halfway"]


class Visitors:
    """Threads that ask for everything over and over. faults: what went wrong; lists: those that alice got."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.faults: list[str] = []
        self.lists: set[tuple[str, ...]] = set()
        self.answers = 0
        alice = Profile.objects.get(user__username="alice").user
        key = ApiKey.objects.issue(alice, "test", ["read"], 1)[1]
        bob = Profile.objects.get(user__username="bob").user
        self.jobs = [
            threading.Thread(target=self.walk, args=[visits(bob), [*addresses(), reverse("for_you")]]),
            threading.Thread(target=self.walk, args=[Client(), addresses()[::-1]]),
            threading.Thread(target=self.read, args=[Client(headers={"Authorization": f"Bearer {key}"})]),
        ]

    def __enter__(self) -> "Visitors":
        for job in self.jobs:
            job.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for job in self.jobs:
            job.join(60)

    def get(self, client: Client, address: str):
        try:
            response = client.get(address)
        except Exception as error:  # noqa: BLE001  whatever a view raises is what this looks for
            self.faults.append(f"{address}: {type(error).__name__} {error}")
            return None
        self.answers += 1
        if response.status_code != 200:
            self.faults.append(f"{address}: {response.status_code}")
            return None
        return response

    def walk(self, client: Client, among: Sequence[str]) -> None:
        try:
            while not self.over.is_set():
                for address in among:
                    self.get(client, address)
        finally:
            connection.close()

    def read(self, client: Client) -> None:
        try:
            while not self.over.is_set():
                response = self.get(client, reverse("api_recommendations", args=["alice"]))
                if response:
                    self.lists.add(listed(response))
        finally:
            connection.close()


def listed(response) -> tuple[str, ...]:
    return tuple(f"{row['full_name']} {row['score']:.6f}" for row in response.json()["recommendations"])


def alices() -> tuple[str, ...]:
    """Her list as the live generation holds it."""
    rows = Generation.objects.live().recommendations.filter(user__username="alice").order_by("rank")[:5]
    return tuple(f"{row.project.full_name} {row.score:.6f}" for row in rows.select_related("project"))


def test_a_switch_and_the_way_back_under_load(site):
    new, expected = registered(), {alices()}
    with Visitors() as visitors:
        for _ in range(ROUNDS):
            changing.put_live(new, "olga")
            make.score()
            expected.add(alices())
            changing.roll_back("olga")
            make.score()
            expected.add(alices())
        assert EmbeddingModel.objects.live().dimensions == OLD
    assert visitors.faults == []
    assert visitors.answers > 20
    assert visitors.lists <= expected
    assert len(expected) == 2


def test_until_the_next_generation_lists_are_those_of_the_model_that_made_them(site):
    before = alices()
    changing.put_live(registered(), "olga")
    assert alices() == before
    assert Generation.objects.live().model.dimensions == OLD


def test_after_a_switch_a_new_generation_is_wanted(site):
    new = registered()
    changing.put_live(new, "olga")
    assert generations.waiting() == 2
    make.score()
    assert Generation.objects.live().model == new
    assert {len(row.vector) for row in HybridVector.objects.filter(model=new)} == {NEW + 1 + 0 + 1}


def test_texts_written_after_a_switch_are_kept_fresh_for_both(site):
    new = registered()
    changing.put_live(new, "olga")
    project = make.make_project("late/comer", description="It came late")
    project.embeddings.model.objects.want({project.pk: "late"})
    assert set(project.embeddings.values_list("model", flat=True)) == set(
        EmbeddingModel.objects.values_list("pk", flat=True)
    )


def test_the_reader_follows_the_model_of_the_catalogue(site):
    new, client = registered(), Client()
    serving.warm()
    settle()
    client.get("/projects/?q=a tool")
    changing.put_live(new, "olga")
    make.score()
    client.get("/projects/?q=a tool")
    settle()
    assert READER.state(new) is State.READY


def test_a_published_day_stays_as_it_is_over_a_switch(site):
    live = Clustering.objects.live(posts.DAY)
    changing.put_live(registered(), "olga")
    posts.publish()
    assert Clustering.objects.live(posts.DAY) == live


def test_a_day_made_anew_is_made_with_the_live_model(site):
    new = registered()
    changing.put_live(new, "olga")
    posts.publish(force=True)
    assert Clustering.objects.live(posts.DAY).model == new


def test_a_problem_keeps_its_identity_over_a_switch(site):
    """Day two is read with the other model, in which the same posts lie together too."""
    for number in range(8):
        posts.make_item(0, number, posts.NEXT)
    new = registered()
    near_together(new)
    before = {topic: posts.issue_of(topic) for topic in (0,)}
    changing.put_live(new, "olga")
    posts.publish(posts.NEXT)
    assert Clustering.objects.live(posts.NEXT).model == new
    assert posts.issue_of(0, posts.NEXT) == before[0]


def near_together(model: EmbeddingModel) -> None:
    """The posts' vectors by that model, one direction a topic."""
    for row in apps.get_model("issues", "ItemEmbedding").objects.filter(model=model).select_related("subject"):
        topic = 0 if "export" in row.subject.title else 1
        noise = np.random.default_rng(row.subject_id).normal(size=model.dimensions)
        vector = np.eye(model.dimensions)[topic] + 0.1 * noise / np.linalg.norm(noise)
        type(row).objects.filter(pk=row.pk).update(vector=vector.tolist(), vector_hash=F("text_hash"))


def test_vectors_of_a_model_that_made_a_day_are_not_pruned(site):
    new = registered()
    changing.put_live(new, "olga")
    make.score()
    old = EmbeddingModel.objects.get(dimensions=OLD)
    changing.retire(old, "olga")
    assert changing.prune(3) == 0
    posts.publish(force=True)
    assert changing.prune(3) > 0
    assert Category.objects.exists()

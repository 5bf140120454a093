"""The staff's page of the models: what it shows, and what its buttons do."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from engine.embeddings import pausing, registering
from engine.embeddings.registering import Named
from engine.models import Audit, EmbeddingModel
from engine.tests.staff import sign_in, staff
from recommendations.models import Category, CategoryEmbedding
from recommendations.tests.factories import make_weights

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:engine_embeddingmodel_changelist")
REGISTER = reverse("admin:engine_embeddingmodel_register")


@pytest.fixture
def operator():
    return sign_in(staff("olga", "engine.view_embeddingmodel", "engine.change_embeddingmodel"))


@pytest.fixture
def other(live) -> EmbeddingModel:
    return registering.register(Named("local", "another", 12), "olga")


def words(response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def act(model: EmbeddingModel, verb: str) -> str:
    return reverse("admin:engine_embeddingmodel_act", args=[model.pk, verb])


def test_the_page_shows_each_model_with_its_progress(operator, live, other):
    CategoryEmbedding.objects.want({Category.objects.create(name="web").pk: "sites"})
    told = words(operator.get(PAGE))
    assert "another" in told
    assert "categories 0% 0% of 1, 1 wait since" in told
    assert "12 numbers" in told


def test_the_page_shows_versions_of_the_taxonomy_and_of_the_weights(operator, live):
    make_weights(reason="to try it")
    told = words(operator.get(PAGE))
    assert "Taxonomy" in told
    assert "Version 1" in told


def test_the_page_takes_as_many_queries_however_much_there_is(operator, live):
    def count() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert operator.get(PAGE).status_code == 200
        return len(seen)

    count()
    before = count()
    for number in range(5):
        registering.register(Named("local", f"model {number}", 12), "olga")
        make_weights(popularity=number)
    CategoryEmbedding.objects.want({Category.objects.create(name=f"c{at}").pk: "sites" for at in range(20)})
    assert count() == before <= 12


def test_who_may_only_look_gets_no_buttons(live, other):
    told = sign_in(staff("vera", "engine.view_embeddingmodel")).get(PAGE).content.decode()
    assert "Register another" not in told
    assert act(other, "retire") not in told


def test_a_model_is_registered(operator, live):
    operator.post(REGISTER, {"name": "all-roberta-large-v1"})
    made = EmbeddingModel.objects.get(dimensions=1024)
    assert (made.name, made.state) == ("sentence-transformers/all-roberta-large-v1", "filling")


def test_a_model_of_unknown_width_is_asked_for_it(operator, live):
    response = operator.post(REGISTER, {"name": "nobody-knows-it"})
    assert (response.status_code, "say how many" in words(response)) == (400, True)


def test_a_name_is_shown_as_it_was_typed_and_runs_nothing(operator, live):
    response = operator.post(REGISTER, {"name": "<script>x</script>"})
    assert "<script>x" not in response.content.decode()


@pytest.mark.parametrize("verb", ["compare", "live", "pause", "retire"])
def test_what_would_happen_is_said_before_and_nothing_happens_yet(operator, other, verb):
    before = EmbeddingModel.objects.values().get(pk=other.pk)
    assert "Leave it as it is" in words(operator.get(act(other, verb)))
    assert EmbeddingModel.objects.values().get(pk=other.pk) == before


def test_a_model_is_put_live_and_put_back(operator, live, other):
    operator.post(act(other, "live"))
    assert EmbeddingModel.objects.live().put_live_by == "olga"
    assert "Go back to it" in words(operator.get(PAGE))
    operator.post(act(live, "back"))
    assert EmbeddingModel.objects.live() == live
    assert Audit.objects.filter(action="put model live", actor="olga").count() == 2


def test_a_refusal_is_told_with_its_reason(operator, live, other):
    pausing.pause(other, "olga")
    assert "is paused" in words(operator.post(act(other, "live"), follow=True))


@pytest.mark.parametrize(("verb", "state"), [("pause", "filling"), ("retire", "retired"), ("compare", "filling")])
def test_each_button_is_audited(operator, other, verb, state):
    operator.post(act(other, verb))
    assert EmbeddingModel.objects.get(pk=other.pk).state == state
    assert Audit.objects.filter(action=f"{verb} model", actor="olga").count() == 1


def test_an_agreement_is_shown_with_its_size(operator, live, other):
    found = {"categories": {"share": 0.714, "sample": 200, "among": 31951}}
    told = {"model": live.pk, "name": str(live), "at": timezone.now().isoformat(), "subjects": found}
    EmbeddingModel.objects.filter(pk=other.pk).update(figures={"agreement": told})
    assert "categories 71% of 10 nearest, 200 of 31,951 asked" in words(operator.get(PAGE))

"""The clusters of a day, as rows."""

import numpy as np
import pytest
from django.db import transaction

from engine.ledger import LeaseLost
from engine.vectors import unit
from issues import clusterings, finding, issuing
from issues.models import Assignment, Cluster, Clustering, RawItem
from issues.tests.factories import DAY, NEXT, TOPICS, make_item, make_topic, publish, run, vector_of

pytestmark = pytest.mark.django_db


def a_day(topics: int = 3, noise: int = 2) -> None:
    for topic in range(topics):
        make_topic(topic)
    for number in range(noise):
        make_item(-1, number)


def outcome() -> str:
    return publish().outcome


def test_every_item_of_the_day_is_in_one_place():
    a_day()
    live = publish()
    assert sorted(live.assignments.values_list("item", flat=True)) == sorted(
        RawItem.objects.values_list("pk", flat=True)
    )


def test_posts_of_one_topic_are_one_cluster():
    a_day()
    live = publish()
    for topic in range(3):
        rows = live.assignments.filter(item__url__contains=f"/{topic}-").values_list("cluster", flat=True)
        assert len(set(rows)) == 1
        assert None not in rows


def test_figures_of_a_cluster_are_those_of_its_items():
    a_day()
    cluster = publish().clusters.order_by("number").first()
    members = cluster.assignments.values_list("item__embeddings__vector", flat=True)
    vectors = unit(np.array(list(members), dtype=np.float64))
    distances = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1)
    assert (cluster.size, cluster.mean_distance) == (len(vectors), pytest.approx(distances.mean(), abs=1e-5))


def test_the_share_of_what_is_in_no_cluster_is_kept_for_the_day():
    a_day()
    live = publish()
    assert live.outlier_ratio == pytest.approx(live.assignments.filter(cluster=None).count() / live.items)


def test_up_to_five_different_titles_speak_for_a_cluster():
    a_day()
    cluster = publish().clusters.first()
    titles = cluster.assignments.exclude(exemplar=None).order_by("exemplar").values_list("item__title", flat=True)
    assert 1 <= len(titles) <= 5
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "empty"), (1, "too_few"), (4, "too_few")], ids=["none", "one", "four"]
)
def test_too_few_items_are_a_day_that_says_so(count, expected):
    make_topic(0, count)
    assert outcome() == expected


def test_nothing_but_noise_is_a_day_that_says_so():
    for number in range(12):
        make_item(-1, number, vector=[float(at == number) for at in range(16)])
    assert outcome() == "all_noise"


def test_posts_all_alike_are_one_cluster():
    for number in range(30):
        make_item(0, number, vector=vector_of(0, 0))
    assert outcome() == "all_alike"


def test_an_item_without_a_vector_is_in_no_cluster():
    a_day()
    lost = make_item(0, 99)
    lost.embeddings.all().delete()
    assert publish().assignments.get(item=lost).cluster is None


def test_a_second_run_finds_nothing_to_do():
    a_day()
    publish()
    assert not clusterings.waiting(clusterings.wanted(DAY))


def test_a_new_post_makes_a_new_clustering_and_the_old_stays_until_it_is_published():
    a_day()
    old = publish()
    make_item(0, 50)
    run("cluster")
    assert Clustering.objects.live(DAY) == old
    assert publish() != old


def test_the_same_posts_give_the_same_clusters():
    a_day()
    first = [*publish().assignments.order_by("item").values_list("item", "cluster__number", "membership", "exemplar")]
    again = [
        *publish(force=True)
        .assignments.order_by("item")
        .values_list("item", "cluster__number", "membership", "exemplar")
    ]
    assert again == first


def test_a_window_of_two_days_holds_both(settings):
    make_topic(0)
    make_topic(0, day=NEXT)
    settings.CLUSTER_WINDOW_DAYS = 2
    assert publish(NEXT).items == 16


def test_a_claim_that_came_later_keeps_the_draft():
    a_day()
    draft = clusterings.open_draft(clusterings.wanted(DAY), fence=1, anew=False)
    clusterings.open_draft(clusterings.wanted(DAY), fence=2, anew=False)
    with pytest.raises(LeaseLost):
        finding.fill(draft, fence=1)
    assert not Cluster.objects.exists()


def test_a_claim_that_came_later_publishes_the_draft_alone():
    a_day()
    draft = clusterings.open_draft(clusterings.wanted(DAY), fence=1, anew=False)
    finding.fill(draft, fence=1)
    clusterings.open_draft(clusterings.wanted(DAY), fence=2, anew=False)
    with pytest.raises(LeaseLost), transaction.atomic():
        issuing.publication(draft, fence=1)()
    assert Clustering.objects.live(DAY) is None
    with transaction.atomic():
        issuing.publication(draft, fence=2)()
    assert Clustering.objects.live(DAY) == draft


def test_pruning_keeps_what_is_live():
    a_day()
    publish()
    live = publish(force=True)
    assert clusterings.prune(keep=0) == 1
    assert list(Clustering.objects.all()) == [live]
    assert Assignment.objects.count() == live.items


def test_the_reference_setting_can_be_chosen(settings):
    settings.CLUSTER_METHOD = "reference"
    a_day()
    live = publish()
    assert (live.method, live.clusters.count()) == ("reference", len(TOPICS[:3]))

"""The map of a live day: drawn once, stable from day to day, with what noise is near to."""

import numpy as np
import pytest

from issues import charting
from issues.models import Chart, Cluster, Clustering, Place, Spot
from issues.tests.factories import DAY, NEXT, give_vector, make_item, make_topic, publish, run, vector_of

pytestmark = pytest.mark.django_db


def places(clustering):
    rows = Place.objects.filter(cluster__clustering=clustering).values_list("cluster__issue", "x", "y")
    return {issue: np.array([x, y]) for issue, x, y in rows}


def test_every_item_of_a_published_day_gets_a_spot_and_every_cluster_a_place():
    make_topic(0), make_topic(1), make_item(-1)
    live = publish()
    run("chart")
    assert Spot.objects.filter(assignment__clustering=live).count() == 17
    assert Place.objects.filter(cluster__clustering=live).count() == 2


def test_a_day_is_drawn_once():
    make_topic(0)
    publish()
    run("chart")
    before = Chart.objects.get()
    assert run("chart").counts == {"chart": {}}
    assert Chart.objects.get().made_at == before.made_at


def test_a_day_without_posts_is_drawn_once_too():
    item = make_item(-1)
    publish()
    item.delete()
    publish()
    assert run("chart").state == "done"
    assert run("chart").counts == {"chart": {}}


def test_a_day_that_is_published_anew_is_drawn_anew_and_the_old_map_goes():
    make_topic(0)
    publish()
    run("chart")
    make_topic(1)
    live = publish()
    run("chart")
    assert Chart.objects.get().clustering == live
    assert Spot.objects.count() == 16


def test_what_is_retired_meanwhile_is_not_drawn():
    make_topic(0)
    live = publish()
    Clustering.objects.update(state="retired")
    assert not charting.draw(live)
    assert not Chart.objects.exists()


def test_a_problem_stays_where_it_was_the_day_before():
    for day in (DAY, NEXT):
        for topic in range(5):
            make_topic(topic, day=day, first=0 if day == DAY else 8)
        publish(day)
        run("chart", day=day)
    first, second = (places(Clustering.objects.live(day)) for day in (DAY, NEXT))
    assert first.keys() == second.keys()
    width = np.ptp(list(first.values()), axis=0).max()
    assert max(np.linalg.norm(first[issue] - second[issue]) for issue in first) < 0.1 * width


def test_noise_knows_the_nearest_cluster_and_how_near_it_is():
    make_topic(0), make_topic(1)
    lone = make_item(-1, vector=[0, 0.5, *vector_of(-1, 3)[2:]])
    live = publish()
    charting.draw(live)
    spot = Spot.objects.get(assignment__item=lone)
    centroids = {row.pk: np.array(row.centroid) for row in live.clusters.all()}
    own = np.array(lone.embeddings.get().vector)
    cosines = {pk: own @ row / np.linalg.norm(row) / np.linalg.norm(own) for pk, row in centroids.items()}
    assert spot.nearest_id == max(cosines, key=cosines.__getitem__)
    assert spot.alike == pytest.approx(max(cosines.values()), abs=1e-5)


def test_who_is_in_a_cluster_is_near_to_no_other():
    make_topic(0)
    charting.draw(publish())
    assert not Spot.objects.exclude(nearest=None, alike=None, pocket=None).exists()


def test_three_posts_that_are_alike_are_a_pocket():
    make_topic(0), make_topic(1)
    few = [make_item(2, number) for number in range(3)]
    make_item(-1)
    live = publish()
    charting.draw(live)
    assert live.assignments.filter(item__in=few, cluster=None).count() == 3
    inside = Spot.objects.filter(pocket=0).values_list("assignment__item", flat=True)
    assert set(inside) == {item.pk for item in few}


def test_a_cluster_is_told_by_the_words_of_its_posts():
    make_topic(0), make_topic(1)
    charting.draw(publish())
    said = Place.objects.get(cluster__assignments__item__url__contains="/0-2026-09-01-1").phrases
    assert {"nightly", "export"} & set(" ".join(said).split())


def test_an_item_without_a_vector_has_a_spot():
    make_topic(0)
    bare = make_item(-1)
    give_vector(bare, vector_of(-1, 1))
    bare.embeddings.update(vector=None, vector_hash="")
    live = publish()
    charting.draw(live)
    assert Spot.objects.get(assignment__item=bare, assignment__clustering=live).nearest is not None


def test_of_two_clusters_that_curators_made_one_the_larger_keeps_the_place():
    make_topic(0), make_topic(1)
    live = publish()
    charting.draw(live)
    first, second = live.clusters.order_by("number")
    stood = Place.objects.get(cluster=first)
    Cluster.objects.filter(pk=second.pk).update(issue=first.issue)
    known = charting.known(charting.loaded(live))
    assert known[0].tolist() == [stood.x, stood.y]
    assert np.isnan(known[1]).all()

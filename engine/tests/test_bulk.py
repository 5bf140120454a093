import numpy as np
import pytest
from django.db import DataError, ProgrammingError, connection, transaction

from engine.bulk import copy_in, copy_in_vectors, copy_into, copy_out_vectors
from recommendations.models import Category

pytestmark = pytest.mark.django_db

ODD = "tab\t, line\nend, back\\slash, 'quotes\", \\N, comma, \N{POT OF FOOD}, {braces}"


def answer(query: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def stored(vectors: dict[int, list[float]]) -> None:
    """A table `stored` with those vectors, whatever their width."""
    copy_in("stored", {"id": "int8", "vector": "float4[]"}, vectors.items())


def out(dimensions: int, where: str = "TRUE") -> tuple[list[int], list[list[float]]]:
    query = f"SELECT id::bigint, vector::vector FROM pg_temp.stored WHERE {where} ORDER BY id"
    ids, vectors = copy_out_vectors(query, [], dimensions)
    return ids.tolist(), vectors.tolist()


def test_rows_copied_in_are_counted():
    assert copy_in("fresh", {"id": "bigint"}, ((n,) for n in range(1000))) == 1000


def test_no_rows_make_an_empty_table():
    assert (copy_in("fresh", {"id": "bigint"}, []), answer("SELECT * FROM fresh")) == (0, [])


def test_odd_text_arrives_as_it_was():
    copy_in("fresh", {"id": "bigint", "text": "text", "list": "text[]"}, [(1, ODD, [ODD, ""]), (2, None, [])])
    assert answer("SELECT * FROM fresh ORDER BY id") == [(1, ODD, [ODD, ""]), (2, None, [])]


def test_odd_names_of_columns_are_names():
    copy_in("fresh", {'a "b"': "int8"}, [(1,)])
    assert answer('SELECT "a ""b""" FROM fresh') == [(1,)]


def test_copying_in_again_replaces_the_table():
    copy_in("fresh", {"id": "bigint"}, [(1,)])
    copy_in("fresh", {"text": "text"}, [("new",)])
    assert answer("SELECT * FROM fresh") == [("new",)]


@pytest.mark.django_db(transaction=True)
def test_the_table_is_gone_after_the_transaction():
    with transaction.atomic():
        copy_in("fresh", {"id": "bigint"}, [(1,)])
    with pytest.raises(ProgrammingError, match="does not exist"):
        answer("SELECT * FROM pg_temp.fresh")


@pytest.mark.django_db(transaction=True)
def test_a_fault_in_the_rows_leaves_the_session_usable():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        copy_in("fresh", {"id": "bigint"}, ((1 // n,) for n in (1, 0)))
    assert answer("SELECT 1") == [(1,)]


def test_rows_are_appended_to_a_table():
    Category.objects.create(name="first")
    columns = {"name": "varchar", "aliases": "text[]", "topics": "text[]", "words": "text[]", "description": "text"}
    copy_into(Category._meta.db_table, columns, [("second", ["zwei"], [], [], ODD)])
    assert list(Category.objects.values_list("name", "aliases", "description")) == [
        ("first", [], ""),
        ("second", ["zwei"], ODD),
    ]


def test_vectors_go_in_beside_their_ids():
    copy_in_vectors("fresh", np.array([7, 2**40]), np.array([[1, 2, 3], [4, 5, 6.5]], dtype=np.float32))
    assert answer("SELECT id, vector::text FROM fresh ORDER BY id") == [(7, "[1,2,3]"), (2**40, "[4,5,6.5]")]


def test_vectors_laid_out_by_columns_go_in_row_by_row():
    copy_in_vectors("fresh", np.array([1, 2]), np.asfortranarray([[1, 2], [3, 4]], dtype=np.float32))
    assert answer("SELECT id, vector::text FROM fresh ORDER BY id") == [(1, "[1,2]"), (2, "[3,4]")]


def test_no_vectors_go_in_as_none():
    copy_in_vectors("fresh", np.array([], dtype=np.int64), np.empty((0, 3), dtype=np.float32))
    assert answer("SELECT count(*) FROM fresh") == [(0,)]


def test_vectors_come_out_as_they_went_in():
    stored({1: [1, 2], 2**40: [0.5, -3e-9]})
    ids, vectors = out(2)
    assert ids == [1, 2**40]
    assert np.array_equal(vectors, np.array([[1, 2], [0.5, -3e-9]], dtype=np.float32))


def test_vectors_that_come_out_belong_to_the_caller():
    stored({1: [1, 2]})
    ids, vectors = copy_out_vectors("SELECT id::bigint, vector::vector FROM pg_temp.stored", [], 2)
    vectors += 1
    assert (ids.dtype, vectors.dtype, vectors.tolist()) == (np.int64, np.float32, [[2, 3]])


def test_values_are_given_apart_from_the_query():
    stored({1: [1, 2], 2: [3, 4]})
    query = "SELECT id::bigint, vector::vector FROM pg_temp.stored WHERE id = ANY(%s)"
    assert copy_out_vectors(query, [[2]], 2)[0].tolist() == [2]


def test_no_vectors_come_out_as_none():
    stored({1: [1, 2]})
    ids, vectors = copy_out_vectors("SELECT id::bigint, vector::vector FROM pg_temp.stored WHERE FALSE", [], 2)
    assert (ids.shape, vectors.shape) == ((0,), (0, 2))


@pytest.mark.parametrize(
    "vectors",
    [
        pytest.param({1: [1, 2, 3]}, id="one too wide"),
        pytest.param({1: [1, 2], 2: [1]}, id="the last too narrow"),
        pytest.param({n: [1] for n in range(15)}, id="as many bytes as 13 good ones"),
        pytest.param({1: [1, 2], 2: None}, id="none"),
    ],
)
def test_a_stored_vector_of_another_width_is_refused(vectors):
    stored(vectors)
    with pytest.raises(ValueError, match="does not have 2 dimensions"):
        out(2)


def test_a_fault_while_rows_are_copied_is_one_of_djangos():
    """Whoever handles a full disk or a lost server knows Django's errors alone."""
    with pytest.raises(DataError), transaction.atomic():
        copy_into(Category._meta.db_table, {"name": "text"}, [("zero \0 byte",)])

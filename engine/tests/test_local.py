"""The local provider: the packaged model itself, and what happens when it is not what it should be."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.embeddings import weights
from engine.embeddings.base import EmbedderError
from engine.embeddings.local import PACKAGED, LocalEmbedder

TEXTS = [
    "a web framework for Python",
    "build sites and servers in Python",
    "a first-person shooter with zombies and a very long description that goes on and on",
    "x",
]


class Model:
    """Stands where sentence-transformers would: it has room for so many texts at once, and a fixed answer."""

    def __init__(self, room: int = 1000, answer: object = None) -> None:
        self.room, self.answer, self.sizes = room, answer, list[int]()

    def encode(self, texts: Sequence[str], batch_size: int, **_: object) -> object:
        self.sizes.append(batch_size)
        if batch_size > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return np.ones((len(texts), 4)) if self.answer is None else self.answer


def embedder(model: object) -> LocalEmbedder:
    made = LocalEmbedder("some/model", 4)
    made._model = model
    return made


@pytest.mark.model
def test_vectors_have_length_one_and_384_values(packaged_model):
    vectors = packaged_model.embed(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((4, 384), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.model
def test_vectors_come_in_the_order_of_their_texts(packaged_model):
    together, alone = packaged_model.embed(TEXTS), [packaged_model.embed([text])[0] for text in TEXTS]
    assert np.abs(together - np.array(alone)).max() < 1e-4


@pytest.mark.model
def test_texts_of_one_matter_are_closer_than_others(packaged_model):
    web, also_web, game, _ = packaged_model.embed(TEXTS)
    assert web @ also_web > web @ game + 0.3


@pytest.mark.model
def test_a_text_of_nothing_but_odd_signs_gets_a_vector(packaged_model):
    assert packaged_model.embed(["", "\N{ZERO WIDTH SPACE}", "\N{THUMBS UP SIGN}" * 3000]).shape == (3, 384)


@pytest.mark.model
def test_another_width_than_the_models_is_refused_naming_both():
    with pytest.raises(EmbedderError, match=f"MODEL_DIMENSIONS is 100, but {PACKAGED} gives 384"):
        LocalEmbedder(PACKAGED, 100).embed(["a"])


def test_no_text_gives_no_vector_and_loads_nothing():
    assert LocalEmbedder("no/model", 384).embed([]).shape == (0, 384)


def test_the_packaged_weights_are_the_ones_that_are_pinned():
    assert (weights.packaged_weights() / "model.safetensors").is_file()


def test_weights_other_than_the_pinned_ones_are_refused(monkeypatch):
    monkeypatch.setattr(weights, "PACKAGED_SHA256", "0" * 64)
    with pytest.raises(EmbedderError, match=r"model\.safetensors is not the file that is pinned"):
        LocalEmbedder(PACKAGED, 384).embed(["a"])


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(EmbedderError, match="the model 'no/such-model' cannot be loaded"):
        LocalEmbedder("no/such-model", 384).embed(["a"])


def test_out_of_memory_halves_the_batch():
    model = Model(room=16)
    assert embedder(model).embed(["a", "b"]).shape == (2, 4)
    assert model.sizes == [32, 16]


def test_out_of_memory_halves_the_batch_only_once():
    model = Model(room=0)
    with pytest.raises(RuntimeError, match="out of memory"):
        embedder(model).embed(["a"])
    assert model.sizes == [32, 16]


def test_another_fault_of_the_model_is_not_tried_again():
    model = Model()
    model.answer = []
    with pytest.raises(ValueError):
        embedder(model).embed(["a"])
    assert model.sizes == [32]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(np.ones((1, 4)), id="too few"),
        pytest.param(np.ones((2, 5)), id="too wide"),
        pytest.param(np.ones((2, 4, 1)), id="another shape"),
        pytest.param(np.full((2, 4), np.nan), id="NaN"),
        pytest.param(np.full((2, 4), np.inf), id="infinite"),
        pytest.param(np.array([[0, 0, 0, 0], [1, 1, 1, 1]]), id="length 0"),
        pytest.param([[1, 2, 3, 4], [1, 2]], id="ragged"),
        pytest.param("none", id="no numbers"),
    ],
)
def test_an_answer_that_is_no_table_of_vectors_is_refused(answer):
    with pytest.raises(ValueError):
        embedder(Model(answer=answer)).embed(["a", "b"])


def test_naming_an_embedder_imports_no_torch():
    program = (
        "import sys; from engine.embeddings.local import *; LocalEmbedder(PACKAGED, 384); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True
    )
    assert done.stdout == "False\n"

"""The local model as OpenVINO runs it: made once, checked before use, left aside where it differs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from structlog.testing import capture_logs

from engine.embeddings.fast import agreement, exported
from engine.embeddings.fast.exported import LEAST_COSINE, NotFast, export, ready, whole
from engine.embeddings.local import PACKAGED, LocalEmbedder
from engine.embeddings.weights import packaged_weights
from engine.precision import BULK, FAST, FULL

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shared_cache() -> Path:
    """The cache of this checkout: one export for all runs."""
    return Path(settings.EMBEDDING_CACHE)


@pytest.fixture
def own_cache(shared_cache, tmp_path) -> Path:
    """A copy, for a test that spoils it."""
    ready(PACKAGED, FAST, shared_cache)
    home = shared_cache / exported.key(PACKAGED, FAST)
    shutil.copytree(home, tmp_path / home.name)
    return tmp_path


def home_in(folder: Path) -> Path:
    return folder / exported.key(PACKAGED, FAST)


@pytest.mark.model
@pytest.mark.parametrize("precision", [FAST, BULK])
def test_the_faster_ways_agree_with_sentence_transformers(shared_cache, precision):
    model = ready(PACKAGED, precision, shared_cache)
    reference = np.load(shared_cache / exported.key(PACKAGED, precision) / "reference.npy")
    cosines = agreement.cosines(model.encode(agreement.TEXTS), reference)
    assert cosines.min() >= LEAST_COSINE[precision]


@pytest.mark.model
def test_what_is_exported_serves_again_without_torch(shared_cache):
    ready(PACKAGED, FAST, shared_cache)
    program = (
        "import sys; from pathlib import Path; from engine.embeddings.fast.exported import *\n"
        "print(ready(PACKAGED, 'fast', Path(sys.argv[1])).encode(['a', 'b']).shape, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(shared_cache)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "(2, 384) False\n"


@pytest.mark.model
def test_a_spoilt_file_is_exported_anew(own_cache):
    with (home_in(own_cache) / "model.bin").open("r+b") as file:
        file.write(b"spoilt")
    assert not whole(home_in(own_cache))
    with capture_logs() as logs:
        ready(PACKAGED, FAST, own_cache)
    assert [line["event"] for line in logs] == ["exporting_model"]
    assert whole(home_in(own_cache))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda home: (home / "facts.json").unlink(), id="no facts"),
        pytest.param(lambda home: (home / "facts.json").write_text("{"), id="half of the facts"),
        pytest.param(lambda home: (home / "facts.json").write_text("[]"), id="other facts"),
        pytest.param(lambda home: (home / "model.bin").unlink(), id="a file is gone"),
        pytest.param(lambda home: (home / "tokenizer.json").write_text("{}"), id="another file"),
    ],
)
def test_files_that_are_not_as_they_were_written_are_not_used(tmp_path, spoil):
    home = written(tmp_path)
    assert whole(home)
    spoil(home)
    assert not whole(home)


def written(folder: Path) -> Path:
    """A small export, whole as far as its files go."""
    for file in exported.FILES:
        (folder / file).write_text(file)
    shutil.copy(packaged_weights() / "tokenizer.json", folder)
    digests = {file: exported.digest_of(folder / file) for file in exported.FILES}
    (folder / "facts.json").write_text(json.dumps({"files": digests, "dimensions": 4, "tokens": 8, "padding": 0}))
    return folder


def test_an_export_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_: object) -> dict[str, object]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exported, "write", fail)
    with pytest.raises(OSError, match="No space"):
        export(PACKAGED, FAST, tmp_path / "fast-1")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_exported_says_so(tmp_path, monkeypatch):
    def fail(*_: object) -> dict[str, object]:
        raise RuntimeError("an operation that is not known\nand more")

    monkeypatch.setattr(exported, "write", fail)
    with pytest.raises(NotFast, match=r"it cannot be exported: an operation that is not known$"):
        ready(PACKAGED, FAST, tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotFast, match=r"the folder .*/file/cache cannot be written: Not a directory"):
        ready(PACKAGED, FAST, tmp_path / "file" / "cache")


def test_a_model_without_a_folder_of_its_own_is_not_exported(tmp_path):
    with pytest.raises(NotFast, match="its weights are not in a folder"):
        ready("some/model", FAST, tmp_path)


def test_an_export_that_cannot_be_read_is_not_used(tmp_path):
    with pytest.raises(NotFast, match="what was exported cannot be run"):
        exported.agreeing(written(tmp_path), FAST)


def test_another_precision_or_version_has_another_folder(monkeypatch):
    names = {exported.key(PACKAGED, FAST), exported.key(PACKAGED, BULK)}
    monkeypatch.setattr(exported, "version", lambda _: "0")
    assert len({*names, exported.key(PACKAGED, FAST)}) == 3


@pytest.mark.model
def test_vectors_that_differ_leave_it_at_full_precision(settings, own_cache):
    home = home_in(own_cache)
    np.save(home / "reference.npy", np.roll(np.load(home / "reference.npy"), 1, axis=0))
    facts = json.loads((home / "facts.json").read_text())
    facts["files"]["reference.npy"] = exported.digest_of(home / "reference.npy")
    (home / "facts.json").write_text(json.dumps(facts))
    settings.EMBEDDING_PRECISION, settings.EMBEDDING_CACHE = FAST, str(own_cache)
    embedder = LocalEmbedder(PACKAGED, 384)
    with capture_logs() as logs:
        embedder.embed(["a"])
    assert "its vectors differ" in next(line["reason"] for line in logs if line["event"] == "full_precision")
    assert embedder.facts()["precision"] == FULL


@pytest.mark.model
def test_an_embedder_tells_what_made_its_vectors(settings, shared_cache):
    settings.EMBEDDING_PRECISION, settings.EMBEDDING_CACHE = FAST, str(shared_cache)
    embedder = LocalEmbedder(PACKAGED, 384)
    assert embedder.facts() == {}
    embedder.embed(["a"])
    facts = embedder.facts()
    assert (facts["precision"], facts["tokens"], facts["checksum"][:8]) == (FAST, 256, "53aa5117")
    assert facts["runtime"].startswith("openvino ")


@pytest.mark.parametrize("arguments", [[], ["folder", "full"], ["folder", "fast", "more"]])
def test_the_command_says_how_it_is_called(arguments, capsys):
    assert exported.main(arguments) == 2
    assert capsys.readouterr().err == "usage: python -m engine.embeddings.fast.exported FOLDER [fast|bulk]\n"

"""The local model as files of OpenVINO: exported once from its weights, checked before each use.

`python -m engine.embeddings.fast.exported FOLDER [fast|bulk]` fills a folder with the packaged model ahead of time.
"""

import fcntl
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from engine.embeddings.base import EmbedderError
from engine.embeddings.fast import agreement
from engine.embeddings.weights import PACKAGED, checksum_of, digest_of, sentence_transformer, source_of
from engine.precision import BULK, FAST

if TYPE_CHECKING:
    from engine.embeddings.fast.compiled import Compiled

logger = structlog.get_logger(__name__)

SAMPLE = Path(__file__).parents[3] / "sample"
RECIPE = 1  # raise it when another export would come of the same versions
MAKERS = ("openvino", "torch", "transformers", "sentence-transformers", "tokenizers")
FILES = ("model.xml", "model.bin", "tokenizer.json", "reference.npy")
# What is lost is little where the nearest stay the nearest: docs/decisions/fast-embedding.md.
LEAST_COSINE = {FAST: 0.999, BULK: 0.97}
MEAN_COSINE = {FAST: 0.999, BULK: 0.997}


class NotFast(Exception):
    """The model cannot go the fast way; the message says why, and sentence-transformers is used."""


def ready(name: str, precision: str, folder: Path) -> "Compiled":
    """The model as it runs, from files that are made when they are not there. Raises NotFast."""
    try:
        home = folder / key(name, precision)
        if not whole(home):
            with alone(folder):
                if not whole(home):  # another process may have been at it
                    export(name, precision, home)
    except OSError as error:
        raise NotFast(f"the folder {folder} cannot be written: {error.strerror or error}") from error
    except ImportError as error:
        raise NotFast(f"a package is missing: {error}") from error
    return agreeing(home, precision)


def key(name: str, precision: str) -> str:
    """A folder's name: another model, other weights and other makers have another. Raises NotFast."""
    weights = checksum_of(name)
    if not weights:
        raise NotFast("its weights are not in a folder")
    parts = [weights, precision, str(RECIPE), *(f"{maker} {version(maker)}" for maker in MAKERS)]
    return f"{precision}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:20]}"


def whole(home: Path) -> bool:
    """Whether all files are there, as they were written."""
    try:
        digests = json.loads((home / "facts.json").read_text())["files"]
        return all(digest_of(home / file) == digests[file] for file in FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time exports; the kernel frees the lock of one that dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def agreeing(home: Path, precision: str) -> "Compiled":
    """The model, when it says here what sentence-transformers said at the export. Raises NotFast."""
    from engine.embeddings.fast.compiled import Compiled  # late: it imports OpenVINO

    try:
        model = Compiled(home)
        cosines = agreement.cosines(model.encode(agreement.TEXTS), np.load(home / "reference.npy"))
    except (OSError, RuntimeError, ValueError, LookupError) as error:
        raise NotFast(f"what was exported cannot be run: {first_line(error)}") from error
    least, mean = float(cosines.min()), float(cosines.mean())
    if not (least >= LEAST_COSINE[precision] and mean >= MEAN_COSINE[precision]):
        raise NotFast(f"its vectors differ: least cosine {least:.4f}, mean {mean:.4f}")
    return model


def first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]


def export(name: str, precision: str, home: Path) -> None:
    """Write the files beside their place, then put them there at once."""
    logger.info("exporting_model", model=name, precision=precision)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".export-") as made:
        folder = Path(made, home.name)
        folder.mkdir()
        try:
            facts = write(name, precision, folder)
        except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:  # by what torch traces
            raise NotFast(f"it cannot be exported: {first_line(error)}") from error
        facts["files"] = {file: digest_of(folder / file) for file in FILES}
        (folder / "facts.json").write_text(json.dumps(facts, indent=1))
        shutil.rmtree(home, ignore_errors=True)  # what is there was not whole
        folder.rename(home)


def write(name: str, precision: str, folder: Path) -> dict[str, Any]:
    """The model traced by torch and read by OpenVINO, its tokenizer, and what it says of the texts of agreement."""
    import openvino as ov  # late, as torch and all that imports them: they take seconds

    from engine.embeddings.fast.graph import traced

    source = sentence_transformer(source_of(name), "cpu")
    np.save(folder / "reference.npy", source.encode(list(agreement.TEXTS), normalize_embeddings=True))
    tokenizer, tokens = source.tokenizer.backend_tokenizer, int(source.max_seq_length or 512)
    tokenizer.save(str(folder / "tokenizer.json"))
    model = traced(source)
    if precision == BULK:
        from engine.embeddings.fast.quantising import quantised  # late, as above

        model = quantised(model, samples(tokenizer, tokens))
    ov.save_model(model, folder / "model.xml", compress_to_fp16=True)
    return {
        "dimensions": source.get_embedding_dimension(),
        "padding": source.tokenizer.pad_token_id,
        "tokens": tokens,
    }


def samples(tokenizer: Any, tokens: int) -> Iterator[list[Any]]:
    """Texts of the sample data, each as the model is given it."""
    from engine.embeddings.fast.compiled import padded  # late, as above

    tokenizer.no_padding()
    tokenizer.enable_truncation(tokens)
    for text in sample_texts():
        yield padded([tokenizer.encode(text).ids], 0)


def sample_texts() -> list[str]:
    """What the lines of the sample data say in words: about 220 texts, short and long."""
    lines = [line for path in sorted(SAMPLE.glob("*.jsonl")) for line in path.read_text().splitlines()[::5]]
    texts = [". ".join(each for each in json.loads(line).values() if isinstance(each, str)) for line in lines]
    return [text for text in texts if len(text) > 40]


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2 or arguments[1:] not in ([], [FAST], [BULK]):
        sys.stderr.write("usage: python -m engine.embeddings.fast.exported FOLDER [fast|bulk]\n")
        return 2
    precision = arguments[1] if arguments[1:] else FAST
    try:
        ready(PACKAGED, precision, Path(arguments[0]))
    except (NotFast, EmbedderError) as error:
        sys.stderr.write(f"exported: {error}\n")
        return 1
    sys.stdout.write(f"exported {Path(arguments[0]) / key(PACKAGED, precision)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

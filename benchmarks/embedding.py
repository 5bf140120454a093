"""The local model's ways of reckoning beside sentence-transformers as anybody would call it; the row stage; a start.

`./ost bench embedding` takes the sample's texts. `python -m benchmarks.embedding FILE [TEXTS] [all]` takes those of a
file of projects, may be gzipped: of TEXTS of them, block by block in turn; with `all` the whole file by `fast` alone.
"""

import gzip
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from benchmarks.table import Row, seconds
from engine.embeddings.fast.agreement import cosines
from engine.embeddings.fast.exported import ready
from engine.embeddings.weights import PACKAGED, packaged_weights
from engine.precision import BULK, FAST
from engine.vectors import Matrix
from recommendations.schemas import ProjectLine
from recommendations.texts import project_text

SAMPLE = Path(__file__).parents[1] / "sample" / "projects.jsonl"
TEXTS, BLOCK, TOP = 1_536, 256, 10
STARTS = 3
TARGETS = {
    FAST: "at least 2.2 x, each cosine 0.999",
    BULK: "at least 3.3 x, cosine 0.997, nearest 0.93",
}


def measure() -> Iterator[Row]:
    yield stored()
    yield from ways(texts_of(SAMPLE))
    yield from starts()


def texts_of(path: Path) -> list[str]:
    """The texts of a file's projects, as they are embedded, shuffled: a file sorted by name is no fair order."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        rows = [ProjectLine.model_validate_json(line).model_dump() for line in lines]
    texts = [project_text({**row, "readme": row.get("readme") or ""}) for row in map(complete, rows)]
    random.Random(8).shuffle(texts)
    return texts


def complete(row: dict[str, Any]) -> dict[str, Any]:
    """What a line leaves out is empty, as in the table."""
    return {
        **row,
        "description": row.get("description") or "",
        "topics": row.get("topics") or [],
        "language": row.get("language") or "",
    }


def plain() -> Callable[[Sequence[str]], Matrix]:
    """sentence-transformers on a CPU, in batches of 32."""
    from sentence_transformers import SentenceTransformer  # late: it takes seconds

    model = SentenceTransformer(str(packaged_weights()), device="cpu")
    return lambda texts: model.encode(list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False)


def ways(texts: list[str]) -> Iterator[Row]:
    """Each block of texts goes through every way in turn, so that a busy neighbour slows them all."""
    encoders = {"plain": plain()}
    encoders |= {name: ready(PACKAGED, name, Path(settings.EMBEDDING_CACHE)).encode for name in (FAST, BULK)}
    for encode in encoders.values():
        encode(texts[:32])
    times: dict[str, list[float]] = {name: [] for name in encoders}
    vectors: dict[str, list[Matrix]] = {name: [] for name in encoders}
    for start in range(0, len(texts), BLOCK):
        for name, encode in encoders.items():
            with timed(times[name]):
                vectors[name].append(encode(texts[start : start + BLOCK]))
    reference = np.concatenate(vectors["plain"])
    for name, target in TARGETS.items():
        ratio = float(np.median(np.divide(times["plain"], times[name])))
        took = sum(times[name])
        mine = np.concatenate(vectors[name])
        alike = cosines(mine, reference)
        note = f"{len(texts) / took:.0f} texts/s, cosine {alike.mean():.5f}, least {alike.min():.5f}"
        note += f", of the nearest {TOP} the same {shared(mine, reference):.3f}"
        yield Row(f"{len(texts):,} texts, {name}", took, "sentence-transformers", took * ratio, note, target)


def shared(mine: Matrix, theirs: Matrix) -> float:
    """The mean part of the nearest TOP of each text that is the same by both."""
    return float(np.mean([len(a & b) / TOP for a, b in zip(nearest(mine), nearest(theirs), strict=True)]))


def nearest(vectors: Matrix) -> list[set[int]]:
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    return [set(row) for row in np.argpartition(-alike, TOP, axis=1)[:, :TOP].tolist()]


FIRST = {
    "plain": "from engine.embeddings.weights import *\nfrom sentence_transformers import SentenceTransformer\n"
    "SentenceTransformer(str(packaged_weights()), device='cpu').encode(['a first text'])\n",
    FAST: "from pathlib import Path\nfrom engine.embeddings.local import source_of, PACKAGED\n"
    "from engine.embeddings.fast.exported import ready\nsource_of(PACKAGED)\n"
    "ready(PACKAGED, 'fast', Path(sys.argv[1])).encode(['a first text'])\n",
}
# Not getrusage: it goes on counting from what the process that began this one held.
FOOT = "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"


def starts() -> Iterator[Row]:
    """From the start of a process to its first vector: seconds, and the most memory it held."""
    times: dict[str, list[float]] = {name: [] for name in FIRST}
    memory = dict.fromkeys(FIRST, 0.0)
    for _ in range(STARTS):
        for name, program in FIRST.items():
            command = [sys.executable, "-c", f"import sys\n{program}{FOOT}", str(settings.EMBEDDING_CACHE)]
            with timed(times[name]):
                done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=SAMPLE.parents[1])
            memory[name] = float(done.stdout.split()[-1]) / 1024
    note = f"{memory[FAST]:.0f} beside {memory['plain']:.0f} MB"
    took, other = float(np.median(times[FAST])), float(np.median(times["plain"]))
    yield Row("a process's first vector", took, "sentence-transformers", other, note, "at least 3 x, half the memory")


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    into.append(time.perf_counter() - start)


def stored() -> Row:
    """The row stage: claim, embed, keep; beside the same texts embedded plainly and kept nowhere."""
    # Late: as a program of its own this module is read before Django is set up.
    from engine.embeddings import filling
    from engine.models import EmbeddingModel
    from recommendations.importing import import_projects
    from recommendations.models import Project, ProjectEmbedding

    import_projects([ProjectLine.model_validate(varied(i)) for i in range(BLOCK)])
    facts = list(Project.objects.values("pk", "full_name", "description", "topics", "language", "readme"))
    texts = {row["pk"]: project_text(row) for row in facts}
    model, encode = EmbeddingModel.objects.live(), plain()
    filling.embedder(model).embed(["a text that loads the model"])
    encode(["the other too"])

    def ours() -> None:
        ProjectEmbedding.objects.want(texts)
        for _ in filling.fill([ProjectEmbedding], model, settings.BATCH_SIZE):
            pass

    took = seconds(ours)
    beside = seconds(lambda: encode(list(texts.values())))
    Project.objects.all().delete()
    return Row(
        f"{BLOCK} texts of mixed length, stored", took, "sentence-transformers, not stored", beside,
        f"{BLOCK / took:.0f} texts/s, {settings.EMBEDDING_PRECISION}",
    )  # fmt: skip


def varied(i: int) -> dict[str, object]:
    """Projects whose texts are of very different length, as real ones are."""
    from benchmarks.importing import project  # late, as above

    row = project(i)
    row["readme"] = "It reads lines, keeps what it needs and says what it left out. " * (i * 7 % 16)
    return row


def main(arguments: list[str]) -> None:
    path, count = Path(arguments[0]), int(arguments[1]) if arguments[1:] else TEXTS
    texts = texts_of(path)
    for row in ways(texts[:count]):
        print(f"{row.what}: {row.ratio:.2f} x {row.alternative}; {row.note}", flush=True)
    if arguments[2:] == ["all"]:
        model = ready(PACKAGED, FAST, Path(settings.EMBEDDING_CACHE))
        took = seconds(lambda: [model.encode(texts[at : at + BLOCK]) for at in range(0, len(texts), BLOCK)])
        print(f"all {len(texts)} texts, {FAST}: {took:.0f} s, {len(texts) / took:.0f} texts/s")
    for row in starts():
        print(f"{row.what}: {row.ours:.2f} s, {row.ratio:.1f} x; {row.note}")


if __name__ == "__main__":
    from benchmarks.__main__ import own_database

    with own_database():
        main(sys.argv[1:])

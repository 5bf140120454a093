"""A model that was exported, run by OpenVINO with the library of tokenizers: no torch."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino as ov
from tokenizers import Tokenizer

from engine.vectors import Matrix

TEXTS_AT_ONCE = 8  # measured: larger batches leave the caches and are padded more
HINTS = {"INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "LATENCY"}  # one text after the other, on all cores


class Compiled:
    """One model in this process. Safe for threads, which wait for each other: the cores are all taken by one."""

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        self.dimensions, self.tokens = int(facts["dimensions"]), int(facts["tokens"])
        self.padding = int(facts["padding"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.tokens)
        core = ov.Core()
        self.request = core.compile_model(core.read_model(folder / "model.xml"), "CPU", HINTS).create_infer_request()
        self.lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Matrix:
        """(n,) texts -> (n, d), in order; inside, texts of like length go together."""
        tokens = [each.ids for each in self.tokenizer.encode_batch_fast([text.strip() for text in texts])]
        shortest_first = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        with self.lock:
            for start in range(0, len(texts), TEXTS_AT_ONCE):
                chosen = shortest_first[start : start + TEXTS_AT_ONCE]
                vectors[chosen] = self.request.infer(padded([tokens[i] for i in chosen], self.padding))[0]
        return vectors


def padded(tokens: Sequence[Sequence[int]], padding: int) -> list[npt.NDArray[np.int64]]:
    """Lists of tokens, the longest last, as two tables of one width: the tokens, and 1 where there is one."""
    width = len(tokens[-1])
    ids = np.full((len(tokens), width), padding, dtype=np.int64)
    mask = np.zeros((len(tokens), width), dtype=np.int64)
    for row, each in enumerate(tokens):
        ids[row, : len(each)], mask[row, : len(each)] = each, 1
    return [ids, mask]

"""A model of sentence-transformers as one graph of OpenVINO's: from tokens to the unit vector of a text."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openvino as ov
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from transformers.utils import logging


class Whole(torch.nn.Module):
    """All that happens between tokens and vector: the transformer, the pooling and what follows."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.parts = torch.nn.ModuleList(list(source))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        features = {"input_ids": input_ids, "attention_mask": attention_mask}
        for part in self.parts:
            features = part(features)
        return torch.nn.functional.normalize(features["sentence_embedding"], dim=1)


@contextmanager
def only_errors() -> Iterator[None]:
    """Of transformers, which misses a loss to train by as soon as it is traced."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def traced(source: Any) -> ov.Model:
    """Two tables (n, t) of whole numbers -> (n, d).

    OpenVINO's reader of torch is asked directly: `convert_model` sends statistics of use away, and `torch.onnx`
    needs three packages more for the same.
    """
    example = torch.ones(2, 7, dtype=torch.int64)
    with torch.no_grad(), warnings.catch_warnings(), only_errors():
        warnings.simplefilter("ignore")  # of branches on shapes, and of torch's other exporters; agreement is checked
        script = torch.jit.trace(Whole(source).eval(), (example, example), strict=False, check_trace=False)
    decoder = TorchScriptPythonDecoder(script)  # named, so that it lives as long as what reads it
    reader = FrontEndManager().load_by_framework("pytorch")
    return reader.convert(reader.load(decoder))

"""A model of OpenVINO's whose large products are reckoned in 8 bits, by what it does on sample texts.

What goes into a product is first balanced against its weights (SmoothQuant, Xiao et al., 2023, arXiv:2211.10438),
because a few channels are far larger than the others and would leave them no bits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

Array = npt.NDArray[np.float32]
BALANCE = 0.8  # how much of the largeness goes into the weights: measured, docs/decisions/fast-embedding.md
STAY = 2
TINY = 1e-5


@dataclass(eq=False)
class Products:
    """Those products that read the same values, and the least and greatest of each channel over the samples, (d,)."""

    source: Any
    nodes: list[Any] = field(default_factory=list)
    least: Array = field(default_factory=lambda: np.array([np.inf], np.float32))
    greatest: Array = field(default_factory=lambda: np.array([-np.inf], np.float32))

    def see(self, values: Array) -> None:
        rows = values.reshape(-1, values.shape[-1])
        self.least = np.minimum(self.least, rows.min(axis=0))
        self.greatest = np.maximum(self.greatest, rows.max(axis=0))

    def narrows(self) -> bool:
        out, into = matrix(self.nodes[0]).shape
        return into > out

    def peaks(self) -> Array:
        return np.maximum(np.abs(self.least), np.abs(self.greatest))


def quantised(model: ov.Model, samples: Iterable[list[Array]]) -> ov.Model:
    """The same model with its products by constant weights in 8 bits, changed in place.

    Those that lead back from a wide layer lose most, the more the further its values reach: two of them stay.
    """
    groups = products(model)
    watched = ov.Model([ops.result(group.source) for group in groups], model.get_parameters(), "watched")
    compiled = ov.Core().compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for sample in samples:
        seen = compiled(sample)
        for i, group in enumerate(groups):
            group.see(seen[i])
    narrowing = [group for group in groups if group.narrows()]
    stay = sorted(narrowing, key=lambda group: float(group.peaks().max()))[-STAY:]
    for group in groups:
        if group not in stay:
            quantise(group)
    model.validate_nodes_and_infer_types()
    return model


def products(model: ov.Model) -> list[Products]:
    """Every product of something by constant weights, those of one source together."""
    found: dict[str, Products] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul" or node.input_value(1).get_node().get_type_name() != "Constant":
            continue
        source = node.input_value(0)
        name = f"{source.get_node().get_friendly_name()} {source.get_index()}"
        found.setdefault(name, Products(source)).nodes.append(node)
    return list(found.values())


def quantise(group: Products) -> None:
    weights = [matrix(node) for node in group.nodes]
    heaviest = np.max([np.abs(each).max(axis=0) for each in weights], axis=0)
    scale = group.peaks() ** BALANCE / np.maximum(heaviest, TINY) ** (1 - BALANCE)
    scale = np.maximum(scale, TINY).astype(np.float32)
    least, greatest = (group.least / scale).min(), (group.greatest / scale).max()
    limits = [ops.constant(np.float32(limit)) for limit in (least, greatest, least, greatest)]
    balanced = ops.multiply(group.source, ops.constant((1 / scale)[None, None]))
    rounded = ops.fake_quantize(balanced, *limits, 256)
    for node, each in zip(group.nodes, weights, strict=True):
        node.input(0).replace_source_output(rounded.output(0))
        node.input(1).replace_source_output(eight_bits(each * scale, node).output(0))


def matrix(node: Any) -> Array:
    """A product's weights, (out, in)."""
    weights = node.input_value(1).get_node().data
    return np.array(weights if node.get_attributes()["transpose_b"] else weights.T, dtype=np.float32)


def eight_bits(weights: Array, node: Any) -> Any:
    """Weights (out, in) as whole numbers from -127 to 127 and a scale for each row, as the product wants them."""
    step = np.maximum(np.abs(weights).max(axis=1, keepdims=True), TINY) / 127
    whole = np.round(weights / step).astype(np.int8)
    if not node.get_attributes()["transpose_b"]:
        whole, step = np.ascontiguousarray(whole.T), np.ascontiguousarray(step.T)
    return ops.multiply(ops.convert(ops.constant(whole), "f32"), ops.constant(step.astype(np.float32)))

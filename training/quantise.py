"""INT8: the layers of a network compute in eight bits, within ranges measured on pictures."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx

from service.inference.errors import InvalidInput
from service.inference.types import Pixels
from training.onnx_form import tidy
from training.onnx_sections import sections

_onnx = cast("Any", onnx)


def default_float_layers(model: onnx.ModelProto) -> int:
    """How many layers at either end had better stay in float32: an eighth of all.

    Of MobileNetV2's error in INT8 these make more than half. They have few channels and many
    pixels, so that they are no faster in eight bits.
    """
    return len(sections(model.graph).layers) // 8


def quantise(
    model: onnx.ModelProto, pictures: Iterable[Pixels], *, float_layers: int
) -> onnx.ModelProto:
    """The network with pairs of QuantizeLinear and DequantizeLinear around what its body does.

    Weights have eight bits with a scale per channel, symmetric; values between layers eight bits
    without a sign, as CPUs calculate fastest. Normalisation, the layers that give the logits, and
    decoding stay in float32.

    Args:
        model: as `training.onnx_graph.to_onnx` gives it; it is not changed.
        pictures: inputs, uint8 `[H, W, 3]` each, to measure the range of every value on.
        float_layers: so many layers at either end, with what is between them, stay in float32 too.

    Raises:
        InvalidInput: no layer is left to quantise.

    Source: Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference.
    """
    # Slow, and of use here only. By now `service.inference` has switched its telemetry off.
    from onnxruntime import quantization  # pyright: ignore[reportMissingTypeStubs]

    tools = cast("Any", quantization)
    stay = _floats(model.graph, float_layers)
    with tempfile.TemporaryDirectory() as folder:
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "quantised.onnx"
        tools.quant_pre_process(model, prepared, skip_optimization=True, skip_symbolic_shape=True)
        tools.quantize_static(
            prepared,
            quantised,
            _Reader(pictures),
            quant_format=tools.QuantFormat.QDQ,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            per_channel=True,
            calibrate_method=tools.CalibrationMethod.MinMax,
            nodes_to_exclude=sorted(stay),
        )
        return tidy(_onnx.load(quantised))


def _floats(graph: onnx.GraphProto, kept: int) -> set[str]:
    """Names of the nodes that are not quantised."""
    parts = sections(graph)
    names, layers = [node.name for node in graph.node], parts.layers
    stay = {*parts.normalise, *parts.logits, *parts.decode}
    if 0 < 2 * kept < len(layers):
        stay.update(names[: names.index(layers[kept])], names[names.index(layers[-kept]) :])
    elif kept:
        stay.update(layers)
    if stay.issuperset(layers):
        raise InvalidInput(
            f"float_layers: {kept} at either end leave none of {len(layers)} layers to quantise"
        )
    return stay


class _Reader:
    """Implements ONNX Runtime's `CalibrationDataReader`."""

    def __init__(self, pictures: Iterable[Pixels]) -> None:
        self._pictures: Iterator[Pixels] = iter(pictures)

    def get_next(self) -> dict[str, Pixels] | None:
        """The inputs of the next run."""
        picture = next(self._pictures, None)
        return None if picture is None else {"image": picture[np.newaxis]}

"""Where a network with an attention head looks, drawn over the crop it looks at."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
from matplotlib.figure import Figure

from service.inference.errors import InvalidInput
from service.inference.geometry import crop_affine, warp
from service.inference.types import Box, Floats, Pixels
from training.data.pictures import read_picture
from training.networks.attention import HOLISTIC, PARTS
from training.run import open_run

_COLUMNS = 5
_CELL_INCHES = 1.9


def draw_attention(run_folder: Path, picture: Path, output: Path, box: Box | None = None) -> None:
    """Writes the attention of a run's network for one person as a figure.

    Args:
        run_folder: of a run whose recipe has an attention head.
        picture: a file that the service could read.
        output: of the figure; its ending names the format.
        box: around the person in picture pixels; None for the whole picture.

    Raises:
        InvalidData: the run or the picture cannot be read.
        InvalidInput: the network has no attention head, or the figure cannot be written.
    """
    run = open_run(run_folder)
    network = run.network()
    pixels = read_picture(picture).pixels
    height, width = pixels.shape[:2]
    size = run.config.input.size
    affine = crop_affine(box or Box(0, 0, width, height), size, run.config.crop_padding)
    names = run.skeleton.names if run.skeleton else ()
    figure = attention_figure(network, warp(pixels, affine, size), names)
    try:
        figure.savefig(output, bbox_inches="tight")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"output: cannot write {output}: {error}") from error


def attention_figure(network: keras.Model, pixels: Pixels, names: Sequence[str]) -> Figure:
    """The crop, the holistic map and the map of each joint, side by side.

    Args:
        network: built with an attention head, without its decoder.
        pixels: uint8 RGB crop of the network's input size.
        names: of the joints.

    Raises:
        InvalidInput: the network has no attention head.
    """
    holistic, parts = attention_maps(network, pixels)
    rows = math.ceil((2 + len(names)) / _COLUMNS)
    aspect = pixels.shape[0] / pixels.shape[1]
    size = (_COLUMNS * _CELL_INCHES, rows * (_CELL_INCHES * aspect + 0.25))
    figure = Figure(figsize=size, layout="constrained")
    cells = cast("Any", figure).subplots(rows, _COLUMNS).ravel()
    for cell in cells:
        cell.axis("off")
    _draw(cells[0], pixels, "crop")
    _draw(cells[1], pixels, "whole person", holistic)
    for joint, name in enumerate(names):
        _draw(cells[2 + joint], pixels, name.replace("_", " "), parts[..., joint])
    return figure


def attention_maps(network: keras.Model, pixels: Pixels) -> tuple[Floats, Floats]:
    """The holistic map `[h, w]` and the maps of the joints `[h, w, K]` for one crop.

    Raises:
        InvalidInput: the network has no attention head.
    """
    if PARTS not in {layer.name for layer in network.layers}:
        raise InvalidInput(
            f"network {network.name} has no attention; expected one trained with head.kind "
            "attention, as the recipe resnet50-deconv-attention has"
        )
    outputs = [network.get_layer(name).output for name in (HOLISTIC, PARTS)]
    holistic, parts = keras.Model(network.input, outputs).predict_on_batch(pixels[np.newaxis])
    return np.asarray(holistic)[0, ..., 0], np.asarray(parts)[0]


def _draw(cell: Any, pixels: Pixels, title: str, attention: Floats | None = None) -> None:
    height, width = pixels.shape[:2]
    extent = (0, width, height, 0)
    cell.set_title(title, fontsize=9)
    if attention is None:
        cell.imshow(pixels, extent=extent)
        return
    cell.imshow(pixels.mean(axis=2), extent=extent, cmap="gray")
    cell.imshow(
        attention,
        extent=extent,
        cmap="inferno",
        alpha=0.65,
        interpolation="bilinear",
        vmin=0,
        vmax=max(float(attention.max()), 1e-6),
    )

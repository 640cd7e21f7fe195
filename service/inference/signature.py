"""The contract of a bundle's network: names, types and shapes of its input and outputs by task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from service.inference.card import ModelCard
from service.inference.errors import InvalidBundle, InvalidInput
from service.inference.types import Floats, Pixels, Size

Shape = tuple[int | str | None, ...]
"""A number where an axis is fixed, a name or None where it is not."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output as the network declares it; `type` in ONNX Runtime's words."""

    name: str
    type: str
    shape: Shape

    def __str__(self) -> str:
        return f"{self.name} {self.type} {list(self.shape)}"


def expected_input(card: ModelCard) -> Tensor:
    """uint8 RGB `[N, H, W, 3]`; H and W are open where the card names several sizes."""
    size = ("H", "W") if card.other_inputs else (card.input.height, card.input.width)
    return Tensor("image", "tensor(uint8)", ("N", *size, 3))


def expected_outputs(card: ModelCard) -> tuple[Tensor, ...]:
    """By task: `keypoints [N, K, 3]`, or `boxes [N, P, 4]` and `scores [N, P]`."""
    match card.task:
        case "keypoints":
            count = len(card.skeleton.names) if card.skeleton else None
            return (Tensor("keypoints", "tensor(float)", ("N", count, 3)),)
        case "detection":
            return (
                Tensor("boxes", "tensor(float)", ("N", "P", 4)),
                Tensor("scores", "tensor(float)", ("N", "P")),
            )
        case _:
            assert_never(card.task)


def check_signature(card: ModelCard, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """Compares what a network declares with what its card and task ask for.

    An output's axis that an exporter left open is accepted here; `check_answer` sees its size.

    Raises:
        InvalidBundle: names the tensor, what it is and what was expected.
    """
    wanted = expected_input(card)
    if len(inputs) != 1 or not _fits(inputs[0], wanted) or _picture(inputs[0]) != _picture(wanted):
        raise InvalidBundle(f"input is {_listed(inputs)}; expected {wanted}")
    expected = {tensor.name: tensor for tensor in expected_outputs(card)}
    if {tensor.name for tensor in outputs} != set(expected):
        raise InvalidBundle(
            f"outputs are {_listed(outputs)}; expected {_listed(tuple(expected.values()))}"
        )
    for tensor in outputs:
        if not _fits(tensor, expected[tensor.name]):
            raise InvalidBundle(f"output is {tensor}; expected {expected[tensor.name]}")


def check_image(card: ModelCard, image: Pixels) -> None:
    """Compares the pictures of a run, `[N, H, W, 3]`, with the contract.

    Raises:
        InvalidInput: the array has another type or shape, or no picture.
    """
    shapes = picture_shapes(card.sizes)
    fits = image.dtype == np.uint8 and image.ndim == 4 and image.shape[1:] in shapes
    if not fits or len(image) == 0:
        raise InvalidInput(
            f"image is {image.dtype} {list(image.shape)}; "
            f"expected uint8 {shapes_of(card.sizes)}, N at least 1"
        )


def picture_shapes(sizes: Sequence[Size]) -> list[tuple[int, int, int]]:
    """The shape of one picture at each size, `(H, W, 3)`."""
    return [(size.height, size.width, 3) for size in sizes]


def shapes_of(sizes: Sequence[Size]) -> str:
    """The shapes of the input in words: `[N, 288, 288, 3] or [N, 256, 320, 3]`."""
    return " or ".join(f"[N, {size.height}, {size.width}, 3]" for size in sizes)


def check_answer(card: ModelCard, batch: int, answer: Mapping[str, Floats]) -> None:
    """Compares real outputs for a batch with the contract.

    Raises:
        InvalidBundle: a shape is wrong, or a value is not finite.
    """
    sizes = {"N": batch}
    for tensor in expected_outputs(card):
        values = answer[tensor.name]
        if len(values.shape) == len(tensor.shape):
            # The first output fixes P for the others.
            sizes |= {
                name: size
                for name, size in zip(tensor.shape, values.shape, strict=True)
                if isinstance(name, str) and name not in sizes
            }
        wanted = tuple(sizes[axis] if isinstance(axis, str) else axis for axis in tensor.shape)
        if values.shape != wanted:
            raise InvalidBundle(
                f"output {tensor.name} has shape {list(values.shape)} for {batch} pictures; "
                f"expected {list(wanted)}"
            )
        if not np.isfinite(values).all():
            raise InvalidBundle(f"output {tensor.name} is not finite on a test picture")


def _picture(tensor: Tensor) -> list[int | None]:
    """The axes of one picture; None for those that are open."""
    return [axis if isinstance(axis, int) else None for axis in tensor.shape[1:]]


def _fits(tensor: Tensor, wanted: Tensor) -> bool:
    """Whether nothing that is declared contradicts what is wanted; the batch must be open."""
    if (tensor.name, tensor.type) != (wanted.name, wanted.type):
        return False
    if not tensor.shape:
        return True
    return (
        len(tensor.shape) == len(wanted.shape)
        and not isinstance(tensor.shape[0], int)
        and all(
            axis == target
            for axis, target in zip(tensor.shape, wanted.shape, strict=True)
            if isinstance(axis, int) and isinstance(target, int)
        )
    )


def _listed(tensors: Sequence[Tensor]) -> str:
    return ", ".join(str(tensor) for tensor in tensors) or "none"

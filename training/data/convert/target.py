"""Which joints a converted file has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from service.inference.card import Skeleton
from service.inference.errors import InvalidInput
from training.data.convert.skeletons import canonical, is_coco, named_skeleton
from training.skeletons import COCO

Joints = Literal["coco", "native"]


@dataclass(frozen=True, slots=True)
class Description:
    """What a user says about a set's own joints; what is empty follows from the labels.

    Attributes:
        edges: pairs of names, to draw.
        flip_pairs: pairs of names that change places in a mirrored picture.
        sigmas: one per joint.
    """

    edges: Sequence[tuple[str, str]] = ()
    flip_pairs: Sequence[tuple[str, str]] = ()
    sigmas: Sequence[float] = ()


def described(skeleton: Skeleton, description: Description) -> Skeleton:
    """The skeleton with what a user says about it.

    Raises:
        InvalidInput: a name is unknown, or there are too many or few sigmas.
        InvalidData: the description contradicts itself.
    """
    sigmas = description.sigmas or skeleton.sigmas
    if len(sigmas) != len(skeleton.names):
        raise InvalidInput(
            f"sigmas has {len(sigmas)} values; expected {len(skeleton.names)}, one for each of "
            f"{', '.join(skeleton.names)}"
        )
    places = {name: index for index, name in enumerate(skeleton.names)}
    return named_skeleton(
        skeleton.names,
        edges=_indices("edges", description.edges, places) or skeleton.edges,
        flip_pairs=_indices("flip_pairs", description.flip_pairs, places) or skeleton.flip_pairs,
        sigmas=sigmas,
    )


def _indices(
    field: str, pairs: Sequence[tuple[str, str]], places: Mapping[str, int]
) -> list[tuple[int, int]]:
    for name in (name for pair in pairs for name in pair):
        if name not in places:
            raise InvalidInput(f"{field}: no joint {name!r}; expected one of {', '.join(places)}")
    return [(places[a], places[b]) for a, b in pairs]


def target_skeleton(own: Skeleton, joints: Joints | None, *, prefer_coco: bool) -> Skeleton:
    """COCO's seventeen joints or a set's own.

    Args:
        own: joints of the set.
        joints: which to take; None takes COCO's if the set has them all, or if preferred.
        prefer_coco: the format's joints are some of COCO's, and others.

    Raises:
        InvalidInput: COCO's are asked for, but the set has none of them.
    """
    if joints == "native" or (joints is None and not prefer_coco and not is_coco(own)):
        return own
    if len(without_place(own, COCO)) == len(own.names):
        raise InvalidInput(
            f"skeleton: none of {', '.join(own.names)} is a joint of COCO; take --skeleton native"
        )
    return COCO


def without_place(own: Skeleton, target: Skeleton) -> tuple[str, ...]:
    """The joints of a set that a target lacks."""
    known = {canonical(name) for name in target.names}
    return tuple(name for name in own.names if canonical(name) not in known)

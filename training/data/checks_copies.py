"""Checks for pictures that are there more than once, in a set or in several."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from training.data.checks_pictures import CheckedPicture
from training.data.findings import Findings, Place
from training.data.thumbnails import similar_pairs

_SAME, _SIMILAR = "have the same bytes", "look the same"


def check_copies(
    sets: Sequence[tuple[str, Sequence[CheckedPicture], Findings]], across: Findings
) -> None:
    """Warns of pictures that are the same, or that look as if one was made from the other.

    Args:
        sets: name and pictures of each, and where to note copies within it.
        across: where to note copies in different sets.
    """
    origins = [which for which, (_, pictures, _) in enumerate(sets) for _ in pictures]
    everything = [picture for _, pictures, _ in sets for picture in pictures]
    for first, second, kind in _copies(everything):
        a, b = everything[first], everything[second]
        place = Place(f"{a.path.name} = {b.path.name}", (a.path, b.path))
        one, other = origins[first], origins[second]
        if one == other:
            sets[one][2].add("warning", f"pairs of pictures {kind}", place)
        else:
            message = (
                f"pairs of pictures of {sets[one][0]} and of {sets[other][0]} {kind}: a network "
                "that learns from one and is measured on the other looks better than it is"
            )
            across.add("warning", message, place)


def _copies(pictures: Sequence[CheckedPicture]) -> Iterator[tuple[int, int, str]]:
    """Pairs of indices, and how the two are alike; n pictures with the same bytes are n - 1."""
    same: dict[str, list[int]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        if picture.digest:
            same[picture.digest].append(index)
    for indices in same.values():
        yield from ((first, second, _SAME) for first, second in pairwise(indices))
    # One of each kind is enough to compare looks; a kind may be in several sets, though.
    looks = [(index, picture.thumbnail) for index, picture in enumerate(pictures)]
    readable = [(index, look) for index, look in looks if look is not None]
    for first, second in similar_pairs([look for _, look in readable]):
        a, b = readable[first][0], readable[second][0]
        if pictures[a].digest != pictures[b].digest:
            yield a, b, _SIMILAR

"""Checks of a COCO file's category: names, their order, edges and flip pairs."""

from collections.abc import Sequence

from service.inference.card import Skeleton
from service.inference.errors import InvalidData
from training.data.findings import Entry, Findings, as_list, as_numbers
from training.skeletons import COCO, mirror_name, skeleton_of


def check_categories(categories: Sequence[Entry], findings: Findings) -> Skeleton | None:
    """The skeleton of the first category, if it can be used."""
    if not categories:
        findings.add("error", "`categories` is empty: the keypoints have no names")
        return None
    if len(categories) > 1:
        findings.add("warning", "there is more than one category: the first one describes everyone")
    category = categories[0]
    names = _names(category, findings)
    if names is None:
        return None
    _check_order(names, findings)
    _check_edges(category, len(names), findings)
    _check_flip_pairs(category, names, findings)
    try:
        return skeleton_of(category)
    except InvalidData as error:
        if not findings.has_errors():
            findings.add("error", "the category's skeleton cannot be used", str(error))
        return None


def _names(category: Entry, findings: Findings) -> list[str] | None:
    names = [name for name in as_list(category.get("keypoints")) or [] if isinstance(name, str)]
    if not names or names != category["keypoints"]:
        findings.add("error", "the first category has no `keypoints`, a list of names")
        return None
    if len(set(names)) != len(names):
        findings.add("error", "two keypoints have the same name", ", ".join(names))
        return None
    return names


def _check_order(names: list[str], findings: Findings) -> None:
    if set(names) == set(COCO.names) and tuple(names) != COCO.names:
        findings.add(
            "warning",
            "the keypoints have COCO's names in another order than COCO's: make sure that the "
            "labels have it too; files in different orders cannot be used together",
            ", ".join(names),
        )


def _check_edges(category: Entry, count: int, findings: Findings) -> None:
    for edge in as_list(category.get("skeleton", [])) or []:
        ends = as_numbers(edge)
        if ends is None or len(ends) != 2 or not all(end in range(1, count + 1) for end in ends):
            message = f"`skeleton` has an edge that is not two numbers in 1..{count}"
            findings.add("error", message, str(edge))


def _check_flip_pairs(category: Entry, names: list[str], findings: Findings) -> None:
    if "flip_pairs" in category:
        paired = _check_given_pairs(category["flip_pairs"], names, findings)
    else:
        paired = {name for name in names if mirror_name(name) in set(names) - {name}}
        if not paired and len(names) > 1:
            findings.add(
                "warning",
                "there are no flip pairs: no name has left or right in it and `flip_pairs` is "
                "absent; if the skeleton has two sides, mirrored pictures teach the wrong one",
            )
    for name in names:
        if mirror_name(name) != name and name not in paired:
            findings.add(
                "error",
                "a keypoint of one side has no partner: a mirrored picture would teach it wrongly",
                f"{name} without {mirror_name(name)}",
            )


def _check_given_pairs(pairs: object, names: list[str], findings: Findings) -> set[str]:
    """The names that are in proper pairs."""
    paired: list[str] = []
    listed = as_list(pairs)
    for pair in [pairs] if listed is None else listed:
        ends = as_numbers(pair)
        if ends is None or len(ends) != 2 or not all(end in range(len(names)) for end in ends):
            message = f"`flip_pairs` has a pair that is not two numbers in 0..{len(names) - 1}"
            findings.add("error", message, str(pair))
            continue
        left, right = (names[int(end)] for end in ends)
        if left == right or mirror_name(left) not in (left, right):
            message = "`flip_pairs` (which counts from 0) joins keypoints that do not mirror"
            findings.add("error", message, f"{left} with {right}")
        paired += [left, right]
    if len(set(paired)) != len(paired):
        findings.add("error", "`flip_pairs` names a keypoint twice", str(pairs))
    return set(paired)

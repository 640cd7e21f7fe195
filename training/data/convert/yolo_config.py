"""The `data.yaml` of a YOLO-pose set: where its pictures are, and what its joints are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from service.inference.card import Skeleton
from service.inference.errors import InvalidData, InvalidInput
from training.data.convert.labels import Source
from training.data.convert.skeletons import named_skeleton
from training.skeletons import COCO


@dataclass(frozen=True, slots=True)
class YoloConfig:
    """A set's description.

    Attributes:
        skeleton: K joints.
        values: per joint in a row: 2 (x, y) or 3 (x, y, v).
        classes: names by index.
        chosen: indices of the classes that count as people.
        root: folder that paths are relative to.
        pictures: folders, or text files that list pictures.
    """

    skeleton: Skeleton
    values: int
    classes: tuple[str, ...]
    chosen: frozenset[int]
    root: Path
    pictures: tuple[Path, ...]


def read_config(source: Source) -> YoloConfig:
    """Reads `data.yaml`, or the only .yaml file of a folder.

    Joints are named by `keypoint_names` of the source, or `kpt_names`; seventeen that mirror as
    COCO's do have COCO's names; others are numbered.

    Raises:
        InvalidData: the file cannot be read, lacks a field or contradicts itself.
        InvalidInput: the split or category does not exist, or there are too many or few names.

    Source: Ultralytics' documentation, "Pose Estimation Datasets".
    """
    path = _config_file(source.path)
    content = _read_yaml(path)
    count, values = _shape(path, content)
    classes = _classes(path, content)
    chosen = _chosen(source, path, classes)
    mirror = content.get("flip_idx")
    names = _joint_names(source, path, content, count, min(chosen), mirror)
    root, pictures = _pictures(source, path, content)
    return YoloConfig(
        skeleton=named_skeleton(names, flip_pairs=_flip_pairs(path, mirror, count)),
        values=values,
        classes=classes,
        chosen=chosen,
        root=root,
        pictures=pictures,
    )


def _config_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    if len(found) != 1:
        raise InvalidData(f"{path} has {len(found)} .yaml files in it; expected one, data.yaml")
    return found[0]


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidData(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidData(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InvalidData(f"{path} has no fields; expected kpt_shape, names and train")
    return cast("dict[str, Any]", content)


def _shape(path: Path, content: dict[str, Any]) -> tuple[int, int]:
    match content.get("kpt_shape"):
        case [int(count), (2 | 3) as values] if count > 0:
            return count, values
        case other:
            raise InvalidData(
                f"{path}: kpt_shape is {other}; expected the number of joints and 2 or 3 values"
            )


def _classes(path: Path, content: dict[str, Any]) -> tuple[str, ...]:
    names: Any = content.get("names")
    if names is None and isinstance(content.get("nc"), int):
        names = [f"class_{index}" for index in range(content["nc"])]
    if isinstance(names, dict):
        named = cast("dict[Any, Any]", names)
        if set(named) != set(range(len(named))):
            keys = ", ".join(map(str, named))
            raise InvalidData(f"{path}: names has the keys {keys}; expected 0, 1, 2 …")
        names = [named[index] for index in range(len(named))]
    if not isinstance(names, list) or not names:
        raise InvalidData(f"{path}: names is {names}; expected the names of the classes")
    return tuple(str(name) for name in cast("list[Any]", names))


def _chosen(source: Source, path: Path, classes: Sequence[str]) -> frozenset[int]:
    shown = ", ".join(classes)
    for wanted in source.categories:
        if wanted not in classes:
            raise InvalidInput(f"category: {path} has none named {wanted!r}; it has {shown}")
    if source.categories:
        return frozenset(index for index, name in enumerate(classes) if name in source.categories)
    if len(classes) > 1:
        raise InvalidInput(f"category: {path} has several ({shown}); name one with --category NAME")
    return frozenset((0,))


def _joint_names(
    source: Source, path: Path, content: dict[str, Any], count: int, label: int, mirror: object
) -> list[str]:
    names = list(source.keypoint_names) or _stated_names(content.get("kpt_names"), label)
    if not names and mirror == COCO.flip_order():
        names = list(COCO.names)
    if not names:
        names = [f"keypoint_{index}" for index in range(count)]
    if len(names) != count:
        field = "keypoint_names" if source.keypoint_names else f"{path}: kpt_names"
        raise InvalidInput(f"{field} has {len(names)} names; kpt_shape of {path} says {count}")
    return names


def _stated_names(stated: Any, label: int) -> list[str]:
    """`kpt_names` holds a list of names for each class, in a list or by its index."""
    try:
        first_is_name = isinstance(stated[0], str)
        return [str(name) for name in (stated if first_is_name else stated[label])]
    except (TypeError, KeyError, IndexError):
        return []


def _flip_pairs(path: Path, mirror: Any, count: int) -> list[tuple[int, int]] | None:
    """None, to pair by names, where the file says nothing."""
    if mirror is None:
        return None
    order = cast("list[Any]", mirror) if isinstance(mirror, list) else []
    if sorted(map(str, order)) != sorted(map(str, range(count))) or any(
        order[other] != index for index, other in enumerate(order)
    ):
        raise InvalidData(
            f"{path}: flip_idx is {mirror}; expected for each of {count} joints the index of its "
            "mirror image, and for that one the first again"
        )
    return [(index, other) for index, other in enumerate(order) if index < other]


def _pictures(source: Source, path: Path, content: dict[str, Any]) -> tuple[Path, tuple[Path, ...]]:
    """The root, and folders or lists of pictures of the split."""
    split = source.split or "train"
    stated = content.get(split)
    given = cast("list[Any]", stated) if isinstance(stated, list) else [stated]
    entries = [str(entry) for entry in given]
    if not stated:
        known = ", ".join(name for name in ("train", "val", "test") if content.get(name)) or "none"
        raise InvalidInput(f"split: {path} has no pictures for {split!r}; it has {known}")
    here = path.parent
    # `path` is relative to wherever the set was used, so the file's own folder is a guess too; and
    # some tools write `../train/images` for what lies beside the file.
    roots = [source.images or here / str(content.get("path") or "."), here]
    for root in roots:
        for prefix in ("", "../"):
            found = tuple(root / entry.removeprefix(prefix) for entry in entries)
            if all(place.exists() for place in found):
                return root, found
    raise InvalidData(f"{path}: {split} is {stated}, but there is no such place in {roots[0]}")

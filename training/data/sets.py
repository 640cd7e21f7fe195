"""What looks wrong about the choice of data sets, before a run starts."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from training.data.coco import CocoFile


def doubts(train: Sequence[CocoFile], val: Sequence[CocoFile]) -> list[str]:
    """One sentence for each thing that is probably not meant.

    A file that is given twice, and pictures to measure on that are trained on too: the measured AP
    then says little about new pictures. Only file names are compared; `check-data` with all files
    compares the pictures.
    """
    found = [
        f"data.train: {path} is given {count} times, so its samples count as often; "
        "to want that, give it once with a weight"
        for path, count in Counter(coco.path.resolve() for coco in train).items()
        if count > 1
    ]
    trained = {path for coco in train for path in _pictures(coco)}
    for coco in val:
        pictures = _pictures(coco)
        shared = sorted(trained.intersection(pictures))
        if shared:
            found.append(
                f"data.val: {len(shared)} of the {len(pictures)} pictures of {coco.path} are also "
                f"trained on (first: {shared[0]}): the AP on them says little about new pictures"
            )
    return found


def _pictures(coco: CocoFile) -> set[Path]:
    folder = coco.images.resolve()
    return {folder / str(image["file_name"]) for image in coco.document["images"]}

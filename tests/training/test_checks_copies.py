import json
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
import skimage.data

from training.config import DataSet
from training.data.checks import CheckedSets, check_sets
from training.data.thumbnails import similar_pairs, thumbnail

StickPeople = Callable[..., DataSet]
PHOTO = skimage.data.astronaut()


def put(data: DataSet, names: Sequence[str], pixels: Sequence[np.ndarray]) -> DataSet:
    """Makes these the only pictures of a set, without people."""
    document = json.loads(data.annotations.read_text())
    document |= {"annotations": [], "images": []}
    for number, (name, one) in enumerate(zip(names, pixels, strict=True)):
        cv2.imwrite(str(data.images / name), one[..., ::-1])
        height, width = one.shape[:2]
        document["images"].append(
            {"id": number, "file_name": name, "width": width, "height": height}
        )
    data.annotations.write_text(json.dumps(document))
    return data


def copies(checked: CheckedSets, which: int = 0) -> list[tuple[str, int, str]]:
    return [
        (one.message, one.count, one.examples[0])
        for one in checked.sets[which].findings
        if "pairs of pictures" in one.message
    ]


def changed(change: str) -> np.ndarray:
    match change:
        case "smaller":
            return cv2.resize(PHOTO, (200, 200), interpolation=cv2.INTER_AREA)
        case "compressed":
            data = cv2.imencode(".jpg", PHOTO, [cv2.IMWRITE_JPEG_QUALITY, 20])[1]
            return cv2.imdecode(data, cv2.IMREAD_COLOR)
        case "brighter":
            return cv2.convertScaleAbs(PHOTO, alpha=1.15, beta=10)
        case _:
            return cv2.cvtColor(cv2.cvtColor(PHOTO, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


@pytest.mark.parametrize("change", ["smaller", "compressed", "brighter", "grey"])
def test_a_changed_copy_looks_the_same(stick_people: StickPeople, change: str) -> None:
    data = put(stick_people(), ["a.png", "b.png"], [PHOTO, changed(change)])
    assert copies(check_sets([data])) == [("pairs of pictures look the same", 1, "a.png = b.png")]


def test_the_same_bytes_are_counted_once_per_copy(stick_people: StickPeople) -> None:
    data = put(stick_people(), ["a.png", "b.png", "c.png"], [PHOTO] * 3)
    message = "pairs of pictures have the same bytes"
    assert copies(check_sets([data])) == [(message, 2, "a.png = b.png")]


def test_different_photographs_do_not_look_the_same() -> None:
    others = [PHOTO, PHOTO[:, ::-1], PHOTO[:256], skimage.data.coffee(), skimage.data.chelsea()]
    assert similar_pairs([thumbnail(one) for one in others]) == []


def test_plain_pictures_are_like_each_other_but_like_no_photograph() -> None:
    plain = [np.full((40, 60, 3), level, np.uint8) for level in (0, 90)]
    assert similar_pairs([thumbnail(one) for one in [*plain, PHOTO]]) == [(0, 1)]


def test_pairs_far_apart_in_a_long_row_are_found() -> None:
    rng = np.random.default_rng(0)
    noise = [thumbnail(rng.integers(0, 256, (16, 18, 3), np.uint8)) for _ in range(1100)]
    noise[3], noise[1099] = thumbnail(PHOTO), thumbnail(changed("smaller"))
    assert similar_pairs(noise) == [(3, 1099)]


def test_a_picture_in_two_sets_is_a_leak(stick_people: StickPeople) -> None:
    train = put(stick_people("train"), ["a.png", "b.png"], [PHOTO, skimage.data.coffee()])
    val = put(stick_people("val"), ["c.png", "d.png"], [changed("smaller"), skimage.data.coffee()])
    checked = check_sets([train, val])
    assert copies(checked, 0) == copies(checked, 1) == []
    assert [(one.severity, one.examples) for one in checked.across] == [
        ("warning", ("b.png = d.png",)),
        ("warning", ("a.png = c.png",)),
    ]
    assert all("measured on the other" in one.message for one in checked.across)
    assert str(val.annotations) in checked.across[0].message


def test_sets_without_a_common_picture_have_nothing_between_them(
    stick_people: StickPeople,
) -> None:
    sets = [stick_people("one", seed=1), stick_people("two", seed=2)]
    assert check_sets(sets).across == []

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

RIGHT_ANKLE, LEFT_WRIST, HEAD_TOP = 0, 11, 13


@pytest.fixture
def people() -> np.ndarray:
    """Joints of three people, `[3, 14, 3]`, their third value 1 for the right ankle alone."""
    rng = np.random.default_rng(0)
    joints = rng.uniform(10, 50, (3, 14, 3))
    joints[..., 2] = 0
    joints[:, RIGHT_ANKLE, 2] = 1
    return joints


@pytest.fixture
def lsp(tmp_path: Path, people: np.ndarray) -> str:
    savemat(tmp_path / "joints.mat", {"joints": people.transpose(2, 1, 0)})
    return "joints.mat"


@pytest.fixture
def lspet(tmp_path: Path, people: np.ndarray) -> str:
    people[:, LEFT_WRIST, 2] = 1
    savemat(tmp_path / "joints.mat", {"joints": people.transpose(1, 2, 0)})
    return "joints.mat"


def test_in_lsp_the_third_value_says_hidden(
    lsp: str,
    people: np.ndarray,
    draw: Callable[..., Path],
    convert: Callable[..., dict],
    joints: Callable[..., dict],
) -> None:
    for number in (1, 2, 3):
        draw(f"images/im000{number}.jpg")
    found = joints(convert("lsp", lsp), person=2)
    assert found["right_ankle"] == (*people[2, RIGHT_ANKLE, :2].round(3), 1)
    assert found["left_wrist"] == (*people[2, LEFT_WRIST, :2].round(3), 2)
    assert found["nose"] == (0, 0, 0)


def test_in_lspet_the_third_value_says_labelled(
    lspet: str,
    people: np.ndarray,
    draw: Callable[..., Path],
    convert: Callable[..., dict],
    joints: Callable[..., dict],
) -> None:
    for number in (1, 2, 3):
        draw(f"images/im000{number}.jpg")
    document = convert("lsp", lspet, "--skeleton", "native")
    found = joints(document)
    assert found["right_ankle"] == (*people[0, RIGHT_ANKLE, :2].round(3), 2)
    assert found["head_top"] == (0, 0, 0)
    assert document["annotations"][0]["num_keypoints"] == 2
    assert "36 joints with a place but marked as absent" in document["said"]


def test_a_part_of_the_pictures_is_paired_by_number(
    lsp: str, people: np.ndarray, draw: Callable[..., Path], convert: Callable[..., dict],
    joints: Callable[..., dict],
) -> None:  # fmt: skip
    draw("images/im0002.jpg")
    document = convert("lsp", lsp)
    assert joints(document)["left_wrist"][:2] == tuple(people[1, LEFT_WRIST, :2].round(3))
    assert "2 people left out: no picture has their number" in document["said"]


def test_a_whole_folder_with_gaps_in_its_numbers_is_paired_in_order(
    lspet: str, people: np.ndarray, draw: Callable[..., Path], convert: Callable[..., dict],
    joints: Callable[..., dict],
) -> None:  # fmt: skip
    for number in (1, 3, 9):
        draw(f"im0000{number}.png")
    document = convert("lsp", lspet)
    assert joints(document, person=2)["left_wrist"][:2] == tuple(people[2, LEFT_WRIST, :2].round(3))
    assert document["images"][2]["file_name"] == "im00009.png"


def test_the_first_thousand_are_for_training(
    tmp_path: Path, draw: Callable[..., Path], convert: Callable[..., dict]
) -> None:
    everyone = np.full((3, 14, 1002), 20.0) + np.arange(14)[:, None]
    savemat(tmp_path / "joints.mat", {"joints": everyone})
    draw("images/im1000.jpg")
    draw("images/im1001.jpg")
    names = {
        part: [image["file_name"] for image in convert("lsp", ".", "--split", part)["images"]]
        for part in ("train", "test", "all")
    }
    assert names["train"] == ["im1000.jpg"]
    assert names["test"] == ["im1001.jpg"]
    assert len(names["all"]) == 2


def test_what_cannot_be_paired_or_read_is_refused(
    tmp_path: Path, lsp: str, draw: Callable[..., Path], refused: Callable[..., str]
) -> None:
    draw("images/im0007.jpg")
    assert "1 pictures for 3 people" in refused("lsp", lsp)
    assert "no part 'val'" in refused("lsp", lsp, "--split", "val")
    assert "no folder" in refused("lsp", lsp, "--images", str(tmp_path / "gone"))
    savemat(tmp_path / "joints.mat", {"joints": np.zeros((5, 14, 2))})
    assert "shape (5, 14, 2)" in refused("lsp", lsp)

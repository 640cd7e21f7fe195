from pathlib import Path, PurePath

import pytest

from service.inference.errors import InvalidInput
from service.inference.types import Box
from training.data.coco import CocoFile
from training.picture_files import PictureJob, jobs_of_data, jobs_of_files
from training.skeletons import COCO


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def places(jobs: list[PictureJob]) -> list[str]:
    return [str(job.drawing) for job in jobs]


def test_folders_give_their_pictures_also_from_subfolders(tmp_path: Path) -> None:
    touch(tmp_path / "b.JPG", tmp_path / "a" / "c.png", tmp_path / "notes.txt")
    jobs = jobs_of_files([tmp_path], tmp_path / "out")
    assert places(jobs) == ["a/c.png", "b.JPG"]
    assert [job.image_id for job in jobs] == [1, 2]


def test_other_formats_are_drawn_as_jpeg(tmp_path: Path) -> None:
    touch(tmp_path / "a.webp", tmp_path / "a.jpg", tmp_path / "strange.name")
    jobs = jobs_of_files([tmp_path, tmp_path / "strange.name"], tmp_path / "out")
    assert places(jobs) == ["a.jpg", "a.webp.jpg", "strange.name.jpg"]


def test_drawings_of_before_are_no_pictures(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "drawn" / "a.jpg")
    assert places(jobs_of_files([tmp_path], tmp_path / "drawn")) == ["a.jpg"]


def test_names_that_are_numbers_number_the_pictures(tmp_path: Path) -> None:
    touch(tmp_path / "000000000785.jpg", tmp_path / "000000000139.jpg")
    assert [job.image_id for job in jobs_of_files([tmp_path], tmp_path / "out")] == [139, 785]
    touch(tmp_path / "sub" / "139.jpg")
    assert [job.image_id for job in jobs_of_files([tmp_path], tmp_path / "out")] == [1, 2, 3]


def test_two_pictures_never_share_a_drawing(tmp_path: Path) -> None:
    touch(tmp_path / "one" / "a.jpg", tmp_path / "two" / "a.jpg")
    with pytest.raises(InvalidInput, match=r"would both be drawn to a\.jpg"):
        jobs_of_files([tmp_path / "one", tmp_path / "two"], tmp_path / "out")


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_nothing_to_look_at_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match=name):
        jobs_of_files([tmp_path / name], tmp_path / "out")


def test_an_annotation_file_gives_pictures_and_boxes_without_crowds(tmp_path: Path) -> None:
    document = {
        "images": [
            {"id": 7, "file_name": "sub/a.png"},
            {"id": 8, "file_name": "../elsewhere/b.jpg"},
        ],
        "annotations": [
            {"image_id": 7, "bbox": [1, 2, 3, 4]},
            {"image_id": 7, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
    }
    jobs = jobs_of_data(CocoFile(tmp_path / "x.json", tmp_path, COCO, document))
    assert jobs[0] == PictureJob(
        tmp_path / "sub" / "a.png", 7, PurePath("sub/a.png"), (Box(1, 2, 4, 6),)
    )
    assert jobs[1].drawing == PurePath("b.jpg")
    assert jobs[1].boxes == ()

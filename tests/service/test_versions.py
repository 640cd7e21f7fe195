import os

import pytest

from service.inference.errors import InvalidBundle
from service.inference.versions import files_state, with_version


def write(models_dir, reference, data=b"x"):
    folder = models_dir / reference
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(data)
    return folder / "model.onnx"


def test_newest_version_is_the_highest_number(tmp_path):
    for version in (2, 9, 10):
        write(tmp_path, f"pose/{version}")

    assert with_version(tmp_path, "pose") == "pose/10"
    assert with_version(tmp_path, "pose/2") == "pose/2"


def test_folders_that_are_no_version_or_have_no_network_do_not_count(tmp_path):
    write(tmp_path, "pose/1")
    write(tmp_path, "pose/next")
    (tmp_path / "pose/3").mkdir()

    assert with_version(tmp_path, "pose") == "pose/1"


def test_name_without_any_version_is_refused(tmp_path):
    with pytest.raises(InvalidBundle, match=r"pose has no version"):
        with_version(tmp_path, "pose")


def test_state_changes_with_size_time_and_card(tmp_path):
    path = write(tmp_path, "pose/1")
    states = [files_state(tmp_path, "pose/1")]
    path.write_bytes(b"longer")
    states.append(files_state(tmp_path, "pose/1"))
    os.utime(path, ns=(1, 1))
    states.append(files_state(tmp_path, "pose/1"))
    (path.parent / "card.json").write_text("{}")
    states.append(files_state(tmp_path, "pose/1"))

    assert len(set(states)) == 4
    assert files_state(tmp_path, "pose/1") == states[-1]

from pathlib import Path

import pytest

from service.inference.errors import InvalidData
from training.run_log import read_log


def write(folder: Path, text: str) -> Path:
    (folder / "log.csv").write_text(text)
    return folder


def test_a_run_without_an_epoch_has_an_empty_log(tmp_path: Path) -> None:
    log = read_log(tmp_path)
    assert log.epochs == ()
    assert log.best() is None
    assert log.total("seconds") is None
    assert log.epochs_done == 0


def test_curves_leave_out_epochs_without_the_figure(tmp_path: Path) -> None:
    log = read_log(write(tmp_path, "epoch,loss,val_AP,seconds\n0,3,0.1,5\n1,2,,4\n2,1,0.3,4\n"))
    assert log.curve("loss") == ([1, 2, 3], [3, 2, 1])
    assert log.curve("val_AP") == ([1, 3], [0.1, 0.3])
    assert log.total("seconds") == 13
    assert log.epochs_done == 3


def test_the_best_epoch_has_the_highest_ap(tmp_path: Path) -> None:
    best = read_log(write(tmp_path, "epoch,val_AP\n0,0.1\n1,0.4\n2,0.3\n")).best()
    assert best is not None
    assert best["epoch"] == 1


def test_an_epoch_that_was_run_again_counts_as_it_was_the_last_time(tmp_path: Path) -> None:
    log = read_log(write(tmp_path, "epoch,loss\n0,3\n1,2\n1,1.5\n"))
    assert log.curve("loss") == ([1, 2], [3, 1.5])


def test_a_half_written_line_is_taken_as_far_as_it_goes(tmp_path: Path) -> None:
    log = read_log(write(tmp_path, "epoch,loss,val_AP\n0,3,0.1\n1,2"))
    assert log.curve("loss") == ([1, 2], [3, 2])
    assert log.curve("val_AP") == ([1], [0.1])


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidData, match=r"log\.csv"):
        read_log(tmp_path)

from dataclasses import replace

from training.analysis.results import JointFigures, PrecisionRecall
from training.report.plots import (
    gains_plot,
    joint_errors_plot,
    loss_plot,
    precision_recall_plot,
    validation_plot,
)
from training.run_log import RunLog

JOINT = JointFigures(
    name="left_hand",
    labelled=4,
    ap=0.5,
    pck_005=0.5,
    pck_020=0.5,
    mean_error=0.1,
    errors={"good": 3, "jitter": 0, "inversion": 0, "swap": 0, "miss": 1},
)


def test_plots_take_the_colour_and_typeface_of_the_page() -> None:
    plot = gains_plot({"jitter": 0.1})
    assert "currentColor" in plot
    assert "#123457" not in plot
    assert ">jitter</text>" in plot


def test_joints_of_people_not_found_are_shown_as_such() -> None:
    assert "not found" not in joint_errors_plot([JOINT])
    assert "not found" in joint_errors_plot([replace(JOINT, labelled=8)])


def test_a_curve_ends_at_the_largest_recall_that_is_reached() -> None:
    recall = tuple(index / 100 for index in range(101))
    short = PrecisionRecall(0.5, 0.2, recall, (1.0,) * 20 + (0.0,) * 81, (0.5,) * 101)
    whole = PrecisionRecall(0.5, 1.0, recall, (1.0,) * 101, (0.5,) * 101)
    assert len(precision_recall_plot([short], "OKS")) < len(precision_recall_plot([whole], "OKS"))


def test_a_run_of_one_epoch_or_without_validation_can_be_drawn() -> None:
    log = RunLog(({"epoch": 0, "loss": 2.0},))
    assert "<svg" in loss_plot(log)
    assert "<svg" in validation_plot(log)

"""The part of a report that comes from a measurement: figures, plots, samples."""

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from service.inference.errors import InvalidData
from service.inference.execution import Device
from training.analysis.analyse import analyse
from training.analysis.results import Analysis
from training.config import DataSet
from training.data.coco import CocoFile, read_coco
from training.evaluate import measure_model
from training.evaluation import Evaluation
from training.report import plots
from training.report.samples import SampleRow, sample_rows
from training.report.subject import Subject

# Less is not seen in a plot with three decimals.
_LEAST_GAIN = 0.0005


@dataclass(frozen=True, slots=True)
class Measured:
    """What a network reaches on a data set.

    Attributes:
        evaluation: the COCO figures.
        analysis: what stands behind them.
        plots: title → plot.
        joint_errors: plot of the kinds of errors of every joint; None for a detector.
        gains: plot of what mending would give; None if nothing would.
        samples: answers beside the truth.
    """

    evaluation: Evaluation
    analysis: Analysis
    plots: dict[str, Markup]
    joint_errors: Markup | None
    gains: Markup | None
    samples: tuple[SampleRow, ...]


def measure_subject(
    subject: Subject,
    data: DataSet | None,
    *,
    detector: Path | None,
    samples: int,
    device: Device,
) -> Measured | str:
    """Measures a run or a bundle, or says why there is nothing to measure.

    Args:
        subject: run or bundle.
        data: to measure on; None takes the run's own first validation set.
        detector: for keypoint networks: boxes come from it instead of the truth.
        samples: for each row of pictures; 0 for none.
        device: for bundles.

    Raises:
        PoseError: the named data, the detector or the network cannot be used.
    """
    if not subject.has_weights:
        return "The run has no weights yet: it writes them after its first measured epoch."
    coco = _data(subject, data)
    if isinstance(coco, str):
        return coco
    measurement = measure_model(subject.path, coco, detector=detector, device=device)
    analysis = analyse(measurement)
    gains = {
        name.replace("_", " "): gain
        for name, gain in analysis.errors.ap_gains.items()
        if gain >= _LEAST_GAIN
    }
    return Measured(
        evaluation=measurement.evaluation,
        analysis=analysis,
        plots=_plots(analysis),
        joint_errors=plots.joint_errors_plot(analysis.joints) if analysis.joints else None,
        gains=plots.gains_plot(gains) if gains else None,
        samples=sample_rows(measurement, analysis, samples) if samples else (),
    )


def _data(subject: Subject, data: DataSet | None) -> CocoFile | str:
    """What was named must be there; what the run once had may be gone."""
    if data is not None:
        return read_coco(data)
    if subject.val is None:
        owner = "The run has" if subject.log is not None else "A bundle brings"
        return f"{owner} no validation data. To measure, name some: --data annotations.json:images."
    try:
        return read_coco(subject.val)
    except InvalidData as error:
        return f"The run's validation data is not here any more: {error}."


def _plots(analysis: Analysis) -> dict[str, Markup]:
    calibration = {
        "Calibration of the person's score": analysis.person_calibration,
        "Calibration of the joints' scores": analysis.joint_calibration,
    }
    return {
        "Precision and recall": plots.precision_recall_plot(analysis.curves, analysis.similarity),
        "Choice of the least score": plots.threshold_plot(analysis.operating_points, analysis.best),
        **{
            title: plots.calibration_plot(one)
            for title, one in calibration.items()
            if one is not None
        },
    }

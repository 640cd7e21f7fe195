"""How well each joint is found."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.analysis.joint_errors import count_joint_errors
from training.analysis.pairs import Pairs, joints_of
from training.analysis.results import JointFigures
from training.coco_tool import Flags, Places, average_precision
from training.comparison import Comparison, Entry

PCK_THRESHOLDS = (0.05, 0.2)


def joint_figures(
    comparison: Comparison,
    names: Sequence[str],
    expected: Flags,
    pairs: Pairs,
    kinds: Places,
) -> tuple[JointFigures, ...]:
    """Figures of each joint.

    Args:
        comparison: of joints.
        names: of the K joints.
        expected: `[A]`, which annotations are to be found.
        pairs: everyone found, whatever the score.
        kinds: `[P, K]`, what became of the joints of those that are counted as errors.

    Source: of PCK with the longer side of the box, the `PCKAccuracy` of mmpose (norm_item bbox).
    """
    people = [entry for entry, flag in zip(comparison.expected, expected, strict=True) if flag]
    labelled = (joints_of(people, len(names))[..., 2] > 0).sum(axis=0)
    distances = pairs.distances
    figures: list[JointFigures] = []
    for joint, name in enumerate(names):
        reached = distances[pairs.labelled[:, joint], joint]
        count = int(labelled[joint])
        pck = [float((reached <= most).sum()) / count if count else None for most in PCK_THRESHOLDS]
        figures.append(
            JointFigures(
                name=name,
                labelled=count,
                ap=average_precision(only_joint(comparison, joint)),
                pck_005=pck[0],
                pck_020=pck[1],
                mean_error=float(np.mean(reached)) if len(reached) else None,
                errors=count_joint_errors(kinds[:, joint]),
            )
        )
    return tuple(figures)


def only_joint(comparison: Comparison, joint: int) -> Comparison:
    """The comparison as if one joint alone were labelled, so that OKS is that joint's similarity.

    Who has no label for it is ignored.
    """

    def restricted(entry: Entry) -> Entry:
        keypoints = np.array(entry["keypoints"], float).reshape(-1, 3)
        visible = keypoints[joint, 2]
        keypoints[:, 2] = 0
        keypoints[joint, 2] = visible
        measured = bool(entry["num_keypoints"]) and visible > 0
        return entry | {"keypoints": keypoints.ravel().tolist(), "num_keypoints": int(measured)}

    return replace(comparison, expected=tuple(map(restricted, comparison.expected)))

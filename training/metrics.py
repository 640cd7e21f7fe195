"""COCO's average precision and recall of keypoints and boxes, by pycocotools."""

from training.coco_tool import coco_figures
from training.comparison import Comparison

KEYPOINT_FIGURES = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
"""In the order of `COCOeval`: mean over OKS 0.50:0.95, at 0.50, at 0.75, medium, large people."""
BOX_FIGURES = (
    "AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR", "ARS", "ARM", "ARL",
)  # fmt: skip
"""As above by IoU, with small people; AR1 and AR10 take the best one and ten boxes, AR 100."""


def coco_metrics(comparison: Comparison) -> dict[str, float]:
    """COCO's figures: ten by object keypoint similarity (OKS), or twelve by overlap of boxes (IoU).

    A figure for a size that no person of the truth has is -1, as in COCO. Of each picture the best
    20 results count, or 100 boxes.

    Returns:
        `KEYPOINT_FIGURES` or `BOX_FIGURES` → value; all 0 without results.

    Source: cocodataset.org, keypoint and detection evaluation; Ronchi and Perona 2017.
    """
    names = BOX_FIGURES if comparison.sigmas is None else KEYPOINT_FIGURES
    if not comparison.found:
        return dict.fromkeys(names, 0.0)
    return dict(zip(names, coco_figures(comparison), strict=True))

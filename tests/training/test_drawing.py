import numpy as np

from service.inference.types import Box, Image
from training.drawing import FOUND, TRUTH, draw_boxes

GREY = Image(np.full((120, 160, 3), 100, np.uint8))


def test_a_box_is_drawn_on_its_edges_only() -> None:
    drawn = draw_boxes(GREY, [Box(20, 30, 100, 90)], colour=TRUTH).pixels
    assert tuple(drawn[60, 20]) == TRUTH
    assert tuple(drawn[60, 99]) == TRUTH
    assert tuple(drawn[60, 60]) == (100, 100, 100)
    assert tuple(drawn[10, 10]) == (100, 100, 100)


def test_labels_are_written_inside_the_box() -> None:
    box = Box(20, 30, 100, 90)
    plain = draw_boxes(GREY, [box]).pixels
    labelled = draw_boxes(GREY, [box], labels=["0.87"]).pixels
    changed = np.argwhere((plain != labelled).any(axis=2))
    assert len(changed)
    assert (changed.min(axis=0) >= (30, 20)).all()
    assert (changed.max(axis=0) < (90, 100)).all()


def test_the_first_box_is_on_top_and_the_picture_stays() -> None:
    boxes = [Box(20, 30, 100, 90), Box(20, 30, 100, 90)]
    drawn = draw_boxes(GREY, boxes, labels=["1.0", ""]).pixels
    assert tuple(drawn[60, 20]) == FOUND
    assert (GREY.pixels == 100).all()

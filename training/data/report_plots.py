"""Plots that show what a data set holds, several sets in one plot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from service.inference.card import Skeleton
from service.inference.types import Box, Floats
from training.data.checks import CheckedSet
from training.data.checks_people import CheckedPerson, Flags
from training.pages.page import plot_tag

_WIDTH_IN, _HEIGHT_IN = 5.2, 3.2
_COLOURS = ("#0b6bcb", "#e07b00", "#2a9d5c", "#a13fb5", "#8a6d3b", "#5b6472")
_BOX_VIEW = (-0.25, 1.25)
_GRID = 48


Named = Mapping[str, CheckedSet]


def plots(sets: Named) -> list[Markup]:
    """Everything that can be drawn of the sets, by their names."""
    filled = {name: one for name, one in sets.items() if _single(one)}
    if not filled:
        return []
    drawn = [
        plot_tag(_sizes(filled), "Heights of the people's boxes"),
        plot_tag(_aspects(filled), "Width over height of the people's boxes"),
        plot_tag(_people_per_picture(filled), "People per picture"),
    ]
    with_joints = {name: one for name, one in filled.items() if one.skeleton and _joints(one)}
    if with_joints:
        drawn.append(plot_tag(_joints_per_person(with_joints), "Labelled joints per person"))
    for name, one in with_joints.items():
        if one.skeleton is None:
            continue
        drawn.append(
            plot_tag(_visibility(name, one, one.skeleton), f"Visibility of the joints in {name}")
        )
        drawn.append(
            plot_tag(_positions(name, one, one.skeleton), f"Places of the joints in {name}")
        )
    return drawn


def _single(one: CheckedSet) -> list[CheckedPerson]:
    return [person for person in one.people if not person.crowd]


def _boxes(one: CheckedSet) -> list[Box]:
    return [person.box for person in _single(one) if person.box is not None]


def _joints(one: CheckedSet) -> list[Floats]:
    return [person.joints for person in _single(one) if person.joints is not None]


def _sizes(sets: Named) -> Any:
    values = {name: [box.height for box in _boxes(one)] for name, one in sets.items()}
    edges = np.geomspace(8, 2048, 33)
    return _outlines(values, edges, "height of the box in pixels", logarithmic=True)


def _aspects(sets: Named) -> Any:
    values = {name: [box.width / box.height for box in _boxes(one)] for name, one in sets.items()}
    edges = np.geomspace(0.1, 5, 33)
    return _outlines(values, edges, "width over height of the box", logarithmic=True)


def _people_per_picture(sets: Named) -> Any:
    values: dict[str, list[float]] = {}
    for name, one in sets.items():
        counts = Counter(person.image for person in _single(one))
        values[name] = [counts[image] for image in one.pictures]
    return _outlines(values, np.arange(-0.5, 16), "people in a picture")


def _joints_per_person(sets: Named) -> Any:
    values = {
        name: [float((joints[:, 2] > 0).sum()) for joints in _joints(one)]
        for name, one in sets.items()
    }
    most = max(len(joints) for one in sets.values() for joints in _joints(one))
    return _outlines(values, np.arange(-0.5, most + 1), "labelled joints of a person")


def _outlines(
    values: Mapping[str, Sequence[float]],
    edges: Floats,
    label: str,
    *,
    logarithmic: bool = False,
) -> Any:
    """A histogram for each set, in percent of the set; what lies beyond counts to the ends."""
    figure, axes = _empty()
    middle = (edges[:-1] + edges[1:]) / 2
    for index, (name, numbers) in enumerate(values.items()):
        counts = np.histogram(np.clip(numbers, middle[0], middle[-1]), edges)[0]
        percent = 100 * counts / max(len(numbers), 1)
        colour = _COLOURS[index % len(_COLOURS)]
        axes.stairs(percent, edges, label=name, color=colour, linewidth=1.6)
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(label)
    axes.set_ylabel("percent")
    axes.set_ylim(bottom=0)
    if len(values) > 1:
        figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=7)
    return figure


def _visibility(name: str, one: CheckedSet, skeleton: Skeleton) -> Any:
    figure, axes = _empty(rows=len(skeleton.names))
    joints = np.stack(_joints(one))[..., 2]
    places = np.arange(len(skeleton.names))[::-1]
    start = np.zeros(len(places))
    for value, label, colour in ((2, "visible", 0), (1, "hidden", 1), (0, "no label", 5)):
        percent = 100 * (joints == value).mean(axis=0)
        shade = _COLOURS[colour] if value else "#d5d9e0"
        axes.barh(places, percent, left=start, color=shade, label=label)
        start += percent
    axes.set_yticks(places, skeleton.names, fontsize=8)
    axes.set_xlim(0, 100)
    axes.set_xlabel("percent of the people with joints")
    figure.suptitle(name, fontsize=9)
    figure.legend(loc="outside lower left", ncols=3, frameon=False, fontsize=8)
    return figure


def _positions(name: str, one: CheckedSet, skeleton: Skeleton) -> Any:
    """Where joints lie in their box; a number marks the median of each."""
    figure, axes = _empty(rows=len(skeleton.names))
    places, labelled = _in_box(one)
    everywhere = places[labelled]
    density = np.histogram2d(
        everywhere[:, 1], everywhere[:, 0], bins=_GRID, range=(_BOX_VIEW, _BOX_VIEW)
    )[0]
    extent = (*_BOX_VIEW, *_BOX_VIEW[::-1])
    axes.imshow(np.sqrt(density), extent=extent, cmap="YlOrBr", aspect="auto")
    axes.plot((0, 1, 1, 0, 0), (0, 0, 1, 1, 0), color="#5b6472", linewidth=1)
    for index in range(len(skeleton.names)):
        points = places[labelled[:, index], index]
        if len(points):
            x, y = np.median(points, axis=0).tolist()
            axes.text(x, y, str(index), fontsize=9, weight="bold", ha="center", va="center")
    listed = "\n".join(f"{index} {joint}" for index, joint in enumerate(skeleton.names))
    axes.text(1.02, 1, listed, transform=axes.transAxes, va="top", fontsize=8)
    axes.set_xlabel("place in the box")
    figure.suptitle(name, fontsize=9)
    return figure


def _in_box(one: CheckedSet) -> tuple[Floats, Flags]:
    """Joints `[P, K, 2]` as fractions of their boxes, and which have labels, `[P, K]`."""
    people = [person for person in _single(one) if person.joints is not None and person.box]
    boxes = [person.box for person in people if person.box is not None]
    corners = np.array([(box.x0, box.y0) for box in boxes]).reshape(-1, 1, 2)
    sides = np.array([(box.width, box.height) for box in boxes]).reshape(-1, 1, 2)
    count = len(one.skeleton.names) if one.skeleton else 0
    joints = [person.joints for person in people if person.joints is not None]
    stacked = np.array(joints, float).reshape(-1, count, 3)
    return (stacked[..., :2] - corners) / sides, stacked[..., 2] > 0


def _empty(rows: int = 0) -> tuple[Any, Any]:
    """A figure and its axes."""
    figure = Figure(figsize=(_WIDTH_IN, max(_HEIGHT_IN, 0.2 * rows + 0.9)), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes

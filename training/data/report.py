"""A page about data sets: what they hold, what looks wrong, and pictures of both."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from service.inference.errors import InvalidInput
from training.data.checks import CheckedSet, CheckedSets
from training.data.findings import Finding, Place
from training.data.report_pictures import person_tag, pictures_tag
from training.data.report_plots import plots
from training.pages.page import render_page

_EXAMPLES = 10

Tile = dict[str, object]
"""A picture and its caption."""


def write_report(checked: CheckedSets, path: Path, *, previews: int, seed: int) -> None:
    """Writes a self-contained HTML page.

    Args:
        checked: what to write about.
        path: of the page; its folder is made.
        previews: people shown of each set, at most.
        seed: decides who is shown.

    Raises:
        InvalidInput: the page cannot be written.
    """
    page = render_page("check_data.html", report_values(checked, previews, seed))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"report: cannot write {path}: {error.strerror}") from error


def report_values(checked: CheckedSets, previews: int, seed: int) -> dict[str, object]:
    """What the template needs."""
    names = short_names([one.data.annotations for one in checked.sets])
    return {
        "title": f"Data: {', '.join(names)}",
        "sets": [
            {"name": name, **_set_values(one, previews, seed)}
            for name, one in zip(names, checked.sets, strict=True)
        ],
        "several": len(checked.sets) > 1,
        "across": [_finding_values(finding, None) for finding in checked.across],
        "plots": plots(dict(zip(names, checked.sets, strict=True))),
        "seed": seed,
    }


def short_names(paths: Sequence[Path]) -> list[str]:
    """File names without suffix, with as many folders before them as tell them apart."""
    for depth in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        names = [Path(*path.with_suffix("").parts[-depth:]).as_posix() for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{number}: {path}" for number, path in enumerate(paths, 1)]


def _set_values(one: CheckedSet, previews: int, seed: int) -> dict[str, object]:
    single = [person for person in one.people if not person.crowd]
    joints = [person.joints for person in single if person.joints is not None]
    return {
        "annotations": str(one.data.annotations),
        "images": str(one.data.images),
        "counts": {
            "pictures": len(one.pictures),
            "people": len(single),
            "people with labelled joints": len(joints),
            "labelled joints": sum(int((person[:, 2] > 0).sum()) for person in joints),
            "visible joints": sum(int((person[:, 2] == 2).sum()) for person in joints),
            "crowds": len(one.people) - len(single),
        },
        "findings": [_finding_values(finding, one) for finding in one.findings],
        "previews": _previews(one, previews, seed),
    }


def _finding_values(finding: Finding, one: CheckedSet | None) -> dict[str, object]:
    places = () if finding.severity == "note" else finding.places[:_EXAMPLES]
    tiles = [_tile(_tag(place, one), place) for place in places]
    return {
        "severity": finding.severity,
        "message": finding.message,
        "count": finding.count,
        "examples": finding.examples,
        "tiles": [tile for tile in tiles if tile],
    }


def _tag(place: Place, one: CheckedSet | None) -> Markup | None:
    if place.person is None or one is None:
        return pictures_tag(place.pictures, place.text) if place.pictures else None
    found = (person for person in one.people if person.place.person == place.person)
    person = next(found, None)
    return None if person is None else person_tag(person, one.skeleton)


def _tile(picture: Markup | None, place: Place) -> Tile | None:
    """A person's file is named; that of a picture stands in the words already."""
    if picture is None:
        return None
    file = "" if place.person is None else f"{place.pictures[0].name}, "
    return {"picture": picture, "caption": f"{file}{place.text}"}


def _previews(one: CheckedSet, count: int, seed: int) -> list[Tile]:
    """Random people with joints, or with a box where nobody has joints."""
    single = [person for person in one.people if not person.crowd]
    people = [person for person in single if person.joints is not None] or single
    order = np.random.default_rng(seed).permutation(len(people))[:count]
    chosen = [people[int(number)] for number in order]
    tiles = [_tile(person_tag(person, one.skeleton), person.place) for person in chosen]
    return [tile for tile in tiles if tile]

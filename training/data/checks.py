"""Reads COCO files suspiciously and says in words what is wrong with them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from service.inference.card import Skeleton
from training.config import DataSet
from training.data.checks_copies import check_copies
from training.data.checks_labels import check_labels
from training.data.checks_people import CheckedPerson, check_people
from training.data.checks_pictures import CheckedPicture, check_pictures
from training.data.checks_skeleton import check_categories
from training.data.checks_statistics import check_statistics
from training.data.findings import Entry, Finding, Findings, Id, as_entries

_SECTIONS = ("images", "annotations", "categories")


@dataclass(frozen=True, slots=True)
class CheckedSet:
    """A data set and what was found out about it.

    Attributes:
        data: where it is.
        skeleton: of its first category, if that can be used.
        pictures: by their ids.
        people: annotations that can be read, on known pictures.
        findings: errors first.
    """

    data: DataSet
    skeleton: Skeleton | None
    pictures: Mapping[Id, CheckedPicture]
    people: Sequence[CheckedPerson]
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class CheckedSets:
    """Data sets, each by itself, and what was found by comparing them."""

    sets: Sequence[CheckedSet]
    across: Sequence[Finding]

    def has_errors(self) -> bool:
        everything = [*self.across, *(finding for one in self.sets for finding in one.findings)]
        return any(finding.severity == "error" for finding in everything)


def check_sets(sets: Sequence[DataSet]) -> CheckedSets:
    """Everything that is wrong or worth knowing; broken content never raises."""
    drafts = [_Draft.read(data) for data in sets]
    across = Findings()
    check_copies(
        [(str(one.data.annotations), [*one.pictures.values()], one.findings) for one in drafts],
        across,
    )
    return CheckedSets([draft.checked() for draft in drafts], across.listed())


@dataclass(frozen=True, slots=True)
class _Draft:
    """A set before it is compared with the others."""

    data: DataSet
    skeleton: Skeleton | None
    pictures: Mapping[Id, CheckedPicture]
    people: Sequence[CheckedPerson]
    findings: Findings

    @classmethod
    def read(cls, data: DataSet) -> "_Draft":
        findings = Findings()
        if not data.images.is_dir():
            findings.add("error", "the folder of the pictures does not exist", str(data.images))
        document = _read_document(data.annotations, findings)
        if document is None:
            return cls(data, None, {}, (), findings)
        images, annotations, categories = (_section(document, name, findings) for name in _SECTIONS)
        skeleton = check_categories(categories, findings)
        pictures = check_pictures(images, data.images, findings)
        people = check_people(annotations, pictures, categories, skeleton, findings)
        check_statistics(people, skeleton, findings)
        check_labels(people, skeleton, findings)
        return cls(data, skeleton, pictures, people, findings)

    def checked(self) -> CheckedSet:
        return CheckedSet(
            self.data, self.skeleton, self.pictures, self.people, self.findings.listed()
        )


def _read_document(path: Path, findings: Findings) -> Entry | None:
    try:
        document: object = json.loads(path.read_bytes())
    except OSError as error:
        findings.add("error", "the annotation file cannot be read", f"{path}: {error.strerror}")
        return None
    except (ValueError, RecursionError) as error:
        findings.add("error", "the annotation file is not JSON", f"{path}: {error}")
        return None
    if not isinstance(document, dict):
        message = "the annotation file is not a JSON object with images, annotations and categories"
        findings.add("error", message, str(path))
        return None
    return cast("Entry", document)


def _section(document: Entry, name: str, findings: Findings) -> list[Entry]:
    entries = as_entries(document.get(name))
    if entries is None:
        findings.add("error", f"`{name}` is missing or not a list of objects")
    return entries or []

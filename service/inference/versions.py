"""Which version of a bundle a pipeline means, and whether its files have changed."""

from collections.abc import Hashable
from pathlib import Path

from service.inference.errors import InvalidBundle

MODEL_FILE = "model.onnx"
CARD_FILE = "card.json"


def with_version(models_dir: Path, reference: str) -> str:
    """`name/version` for a reference that may be a name alone, which means its newest version.

    Args:
        models_dir: folder of the bundles.
        reference: `name/version`, or `name`.

    Raises:
        InvalidBundle: only a name is given, and no version of it is there.
    """
    if "/" in reference:
        return reference
    versions = [
        int(folder.name)
        for folder in (models_dir / reference).glob("*")
        if folder.name.isascii() and folder.name.isdecimal() and (folder / MODEL_FILE).is_file()
    ]
    if not versions:
        raise InvalidBundle(
            f"{models_dir / reference} has no version; expected a folder as 1/ with {MODEL_FILE}"
        )
    return f"{reference}/{max(versions)}"


def files_state(models_dir: Path, reference: str) -> Hashable:
    """Times and sizes of a bundle's files: other than before when one was replaced.

    Args:
        models_dir: folder of the bundles.
        reference: `name/version`.

    Raises:
        InvalidBundle: a file cannot be looked at.
    """
    folder = models_dir / reference
    try:
        stats = [path.stat() for path in (folder / MODEL_FILE, folder / CARD_FILE) if path.exists()]
    except OSError as error:
        raise InvalidBundle(f"{folder} cannot be read: {error.strerror}") from error
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)

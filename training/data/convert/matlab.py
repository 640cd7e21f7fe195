"""Reads MATLAB's .mat files, whose structures have optional fields and varying shapes."""

import struct
import zlib
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat, matlab

from service.inference.errors import InvalidData
from training.data.findings import as_number

# All that scipy lets through when a file is cut off, damaged or of MATLAB 7.3.
_UNREADABLE = (
    matlab.MatReadError, NotImplementedError, OSError, ValueError, TypeError, LookupError,
    MemoryError, struct.error, zlib.error,
)  # fmt: skip


def read_variable(path: Path, name: str) -> Any:
    """A variable of a .mat file; structures have their fields as attributes.

    Raises:
        InvalidData: the file cannot be read or has no such variable.
    """
    try:
        content = loadmat(path, squeeze_me=True, struct_as_record=False)
    except FileNotFoundError as error:
        raise InvalidData(f"{path}: no such file") from error
    except _UNREADABLE as error:
        raise InvalidData(f"{path} is not a .mat file of MATLAB 4 to 7.2: {error}") from error
    if name not in content:
        found = ", ".join(key for key in content if not key.startswith("__"))
        raise InvalidData(f"{path} has no variable {name}; it has {found or 'none'}")
    return content[name]


def field(structure: Any, name: str) -> Any:
    """A field of a structure; None if there is no such field or no structure."""
    return getattr(structure, name, None)


def as_items(value: Any) -> list[Any]:
    """What an array holds, whatever its shape: MATLAB stores one element as that element."""
    if value is None:
        return []
    if not isinstance(value, np.ndarray):
        return [value]
    return list(cast("npt.NDArray[Any]", value).ravel())


def number(value: Any) -> float | None:
    """A number, which MPII also writes as text; None if it is empty or something else."""
    if isinstance(value, str):
        return float(value) if value.strip().isdigit() else None
    return as_number(cast("object", value.item() if isinstance(value, np.generic) else value))

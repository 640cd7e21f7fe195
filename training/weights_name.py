"""The name of a file of weights that a verb writes."""

from pathlib import Path

from service.inference.errors import InvalidData


def require_weights_name(output: Path) -> None:
    """Keras writes weights into files of this ending only.

    Raises:
        InvalidData: the name ends otherwise.
    """
    if not output.name.endswith(".weights.h5"):
        raise InvalidData(f"output: {output} must end in .weights.h5")

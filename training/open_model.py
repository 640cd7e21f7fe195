"""Opens what can be measured: a run or a bundle."""

from pathlib import Path

from service.inference.cores import available_cores
from service.inference.errors import InvalidData
from service.inference.execution import Device, Execution
from service.inference.session import Session, open_session


def open_model(path: Path, device: Device = "auto", *, threads: int | None = None) -> Session:
    """A run's best network, or a bundle, ready to be measured.

    Args:
        path: a run's folder, a bundle's folder or an ONNX file.
        device: for bundles; a run takes what Keras finds.
        threads: of a bundle's run on the CPU; None takes all cores.

    Raises:
        InvalidData: the path is neither, or the run has no weights yet.
        InvalidBundle: the bundle cannot be used.
        DeviceUnavailable: the bundle cannot run on the device.
    """
    file = onnx_file(path)
    if file is not None:
        return open_session(file, Execution(device=device, threads=threads or available_cores()))
    # Imported for runs only: a bundle needs no Keras, whose import takes seconds.
    from training.keras_session import provisional_card, session_of_run
    from training.run import open_run

    run = open_run(path)
    card = provisional_card(run.config, run.skeleton)
    return session_of_run(run, run.network(), card)


def onnx_file(path: Path) -> Path | None:
    """The ONNX file that a bundle's folder or the path itself is; None for a run's folder.

    Raises:
        InvalidData: the path is neither.
    """
    file = path / "model.onnx" if path.is_dir() else path
    if file.suffix == ".onnx" and file.is_file():
        return file
    if not (path / "config.json").is_file():
        raise InvalidData(
            f"model: {path} is neither a run's folder (with config.json), "
            "a bundle's folder (with model.onnx) nor an .onnx file"
        )
    return None

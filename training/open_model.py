"""Opens what can be measured: a run or a bundle."""

from pathlib import Path

from service.inference.cores import available_cores
from service.inference.errors import InvalidData
from service.inference.session import Device, Session, open_session
from training.keras_session import KerasSession, provisional_card
from training.networks.build import with_decoder
from training.run import open_run


def open_model(path: Path, device: Device = "auto") -> Session:
    """A run's best network, or a bundle, ready to be measured.

    Raises:
        InvalidData: the path is neither, or the run has no weights yet.
        InvalidBundle: the bundle cannot be used.
        DeviceUnavailable: the bundle cannot run on the device.
    """
    file = path / "model.onnx" if path.is_dir() else path
    if file.suffix == ".onnx" and file.is_file():
        return open_session(file, device=device, threads=available_cores())
    if not (path / "config.json").is_file():
        raise InvalidData(
            f"model: {path} is neither a run's folder (with config.json), "
            "a bundle's folder (with model.onnx) nor an .onnx file"
        )
    run = open_run(path)
    network = with_decoder(run.network(), run.config)
    return KerasSession(network, provisional_card(run.config, run.skeleton))

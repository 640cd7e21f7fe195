"""What a run runs on: kept in its folder as `environment.json`, so that a report can say it."""

import platform
from importlib import metadata
from typing import Any

import keras

from service.inference.cores import available_cores
from training.hardware import cpu_model, gpu_names, memory_gib

_PACKAGES = (
    "stance", "keras", "tensorflow", "jax", "numpy", "opencv-python-headless", "onnx",
    "onnxruntime-gpu", "onnxruntime", "pycocotools",
)  # fmt: skip


def describe_environment() -> dict[str, Any]:
    """Software and hardware of this process, as JSON; holds no path, host or user name.

    Returns:
        `python`, `platform`, `keras_backend`, `packages` (name → version, installed ones only),
        `cpu` (`model`, `cores` that this process may use, `memory_gib` or None), `gpus` (names of
        the cards) and `devices` (what Keras computes on): cards without a `gpu` among the devices
        stay unused.
    """
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "keras_backend": keras.backend.backend(),
        "packages": _versions(),
        "cpu": {
            "model": cpu_model(),
            "cores": available_cores(),
            "memory_gib": memory_gib(),
        },
        "gpus": gpu_names(),
        "devices": _devices(),
    }


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _devices() -> list[str]:
    """Keras' own list would start TensorFlow's devices, which then take no settings any more."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        return [f"gpu:{number}" for number, _ in enumerate(gpus)] or ["cpu:0"]
    return list(keras.distribution.list_devices())

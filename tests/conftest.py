"""The environment of every test, set before TensorFlow or ONNX Runtime can be imported."""

import os

ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Tests run on the CPU everywhere; for those marked `gpu` name a device: CUDA_VISIBLE_DEVICES=0.
    "CUDA_VISIBLE_DEVICES": "",
    # Several test processes share the cores.
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}

for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)

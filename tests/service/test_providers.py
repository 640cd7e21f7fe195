from pathlib import Path

import onnxruntime
import pytest

from service.inference.errors import DeviceUnavailable
from service.inference.execution import Execution
from service.inference.providers import cuda_options, start_on_gpu, tensorrt_options


@pytest.fixture
def keypoints_path(bundles, tmp_path):
    card = bundles.keypoints_card()
    return bundles.write(tmp_path, card, bundles.keypoints_model(card))


@pytest.fixture
def started(monkeypatch):
    """What a session was started with; nothing is."""
    calls = []

    def start(path, _options, **arguments):
        calls.append((path, dict(arguments["providers"])))
        raise RuntimeError("no device")

    monkeypatch.setattr(onnxruntime, "InferenceSession", start)
    return calls


def start(path, **changes):
    return start_on_gpu(path, Execution(device="cuda", **changes), 3, "fp32")


def test_network_is_started_on_the_gpu_asked_for(keypoints_path, started):
    with pytest.raises(DeviceUnavailable, match="no device"):
        start(keypoints_path)

    [(path, providers)] = started
    assert path == str(keypoints_path)
    assert list(providers) == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert providers["CUDAExecutionProvider"]["device_id"] == "3"


def test_tensorrt_comes_before_cuda_and_only_if_asked_for(keypoints_path, started, tmp_path):
    with pytest.raises(DeviceUnavailable):
        start(keypoints_path, tensorrt=True, cache_dir=tmp_path)

    [(_, providers)] = started
    assert next(iter(providers)) == "TensorrtExecutionProvider"
    assert providers["TensorrtExecutionProvider"]["device_id"] == "3"
    assert providers["TensorrtExecutionProvider"]["trt_engine_cache_path"] == str(tmp_path)


def test_precision_of_the_card_is_what_tensorrt_may_use():
    execution = Execution(tensorrt=True)

    assert tensorrt_options(execution, 0, "fp32")["trt_fp16_enable"] == "0"
    assert tensorrt_options(execution, 0, "fp16")["trt_fp16_enable"] == "1"
    assert tensorrt_options(execution, 0, "int8")["trt_int8_enable"] == "1"
    assert "trt_engine_cache_enable" not in tensorrt_options(execution, 0, "fp32")


def test_graphs_are_recorded_only_if_asked_for():
    assert cuda_options(Execution(), 0)["enable_cuda_graph"] == "0"
    assert cuda_options(Execution(cuda_graphs=True), 0)["enable_cuda_graph"] == "1"


@pytest.mark.parametrize(("tensorrt", "name"), [(False, "CUDA"), (True, "TensorRT")])
def test_build_without_the_provider_is_named(keypoints_path, monkeypatch, tensorrt, name):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])

    with pytest.raises(DeviceUnavailable, match=f"built without {name}"):
        start(keypoints_path, tensorrt=tensorrt)


def test_tensorrt_that_is_not_installed_is_named(keypoints_path):
    if "TensorrtExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("built without TensorRT")
    with pytest.raises(DeviceUnavailable, match="TensorRT"):
        start(keypoints_path, tensorrt=True)


@pytest.mark.gpu
def test_gpu_that_does_not_exist_is_refused(keypoints_path):
    with pytest.raises(DeviceUnavailable):
        start_on_gpu(keypoints_path, Execution(device="cuda"), 99, "fp32")


def test_options_name_a_folder_for_the_cache():
    options = tensorrt_options(Execution(tensorrt=True, cache_dir=Path("cache")), 0, "fp32")

    assert options["trt_engine_cache_enable"] == "1"
    assert options["trt_timing_cache_path"] == "cache"

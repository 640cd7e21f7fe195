"""Which sessions a file gives. The GPUs are played by the CPU, whose sessions run as theirs do."""

import logging

import numpy as np
import pytest

from service.inference import session as sessions
from service.inference.binding import Memory
from service.inference.errors import DeviceUnavailable, InferenceFailed, InvalidBundle
from service.inference.execution import Execution
from service.inference.providers import start_on_cpu
from service.inference.repository import load_bundle
from service.inference.session import open_replicas, open_session
from tests.service.fragile import POISON, fragile_model

CARD = "test-keypoints/1"
LOGGER = "service.inference.session"


@pytest.fixture
def gpus(monkeypatch):
    """The ids of the GPUs that work; may be changed."""
    working = {0, 1}

    def start(path, _execution, gpu_id, _precision):
        if gpu_id not in working:
            raise DeviceUnavailable("no such device")
        return start_on_cpu(path, 1)

    monkeypatch.setattr(sessions, "start_on_gpu", start)
    monkeypatch.setattr(sessions, "Memory", lambda _kind, _gpu_id: Memory("cpu"))
    return working


@pytest.fixture
def keypoints_path(models_dir):
    return models_dir / CARD / "model.onnx"


@pytest.fixture
def fragile_path(bundles, tmp_path):
    card = bundles.keypoints_card()
    return bundles.write(tmp_path / "fragile", card, fragile_model(bundles, card))


def test_every_gpu_gets_the_network(gpus, keypoints_path):
    replicas = open_replicas(keypoints_path, Execution(device="cuda", gpu_ids=(1, 0)))

    assert len(replicas) == len(gpus)
    for session in replicas:
        assert session.run(np.zeros((40, 64, 48, 3), np.uint8))["keypoints"].shape == (40, 17, 3)


def test_one_session_is_that_of_the_first_gpu(gpus, keypoints_path):
    gpus.remove(0)

    open_session(keypoints_path, Execution(device="cuda", gpu_ids=(1, 0)))

    with pytest.raises(DeviceUnavailable, match="GPU 0"):
        open_session(keypoints_path, Execution(device="cuda", gpu_ids=(0, 1)))


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_gpu_that_does_not_exist_is_named(gpus, keypoints_path, device):
    with pytest.raises(
        DeviceUnavailable, match=rf"device {device} cannot run .* on GPU 7: no such device"
    ):
        open_replicas(keypoints_path, Execution(device=device, gpu_ids=(min(gpus), 7)))


def test_auto_without_a_gpu_logs_why_it_runs_on_the_cpu(gpus, keypoints_path, caplog):
    gpus.clear()
    with caplog.at_level(logging.INFO, LOGGER):
        [session] = open_replicas(keypoints_path, Execution())

    assert session.provider == "CPUExecutionProvider"
    [record] = caplog.records
    assert record.getMessage() == (
        "test-keypoints/1 runs on the CPU, it cannot on GPU 0: no such device"
    )


@pytest.mark.parametrize("wish", ["tensorrt", "cuda_graphs"])
def test_wish_that_only_a_gpu_can_grant_is_not_dropped_by_auto(gpus, keypoints_path, wish):
    gpus.clear()

    with pytest.raises(DeviceUnavailable, match="device auto cannot run"):
        open_replicas(keypoints_path, Execution(**{wish: True}))


def test_cpu_does_not_ask_for_gpus(gpus, keypoints_path):
    gpus.clear()

    assert len(open_replicas(keypoints_path, Execution(device="cpu", gpu_ids=(0, 1)))) == 1


class NoMemory:
    """Buffers that a GPU has no memory for, or not enough to run with."""

    def __init__(self, *_arguments) -> None:
        pass

    def run(self, _image):
        raise RuntimeError("out of memory")


def no_memory(*_arguments):
    raise RuntimeError("out of memory")


@pytest.mark.parametrize("binding", [no_memory, NoMemory])
def test_network_that_fails_on_the_gpu_alone_is_the_gpus_fault(
    gpus, keypoints_path, monkeypatch, binding
):
    monkeypatch.setattr(sessions, "Binding", binding)

    [session] = open_replicas(keypoints_path, Execution())
    assert session.run(np.zeros((1, 64, 48, 3), np.uint8))["keypoints"].shape == (1, 17, 3)
    with pytest.raises(DeviceUnavailable, match=r"GPU 1: .*out of memory"):
        open_replicas(keypoints_path, Execution(device="cuda", gpu_ids=(max(gpus),)))


def test_network_that_fails_everywhere_is_the_bundles_fault(gpus, bundles, tmp_path):
    card = bundles.keypoints_card()
    model = bundles.keypoints_model(card, joints=[[1.0, np.inf, 0.5]] * 17)
    bundles.write(tmp_path, card, model)
    assert gpus

    with pytest.raises(InvalidBundle, match="not finite"):
        load_bundle(tmp_path, CARD, Execution())


def test_bundle_has_a_session_for_each_gpu(gpus, models_dir):
    assert len(load_bundle(models_dir, CARD, Execution(gpu_ids=tuple(gpus)))) == 2


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_failed_run_is_logged_under_the_id_that_its_error_tells(gpus, fragile_path, caplog, device):
    session = open_session(fragile_path, Execution(device=device, gpu_ids=(max(gpus),)))

    with pytest.raises(InferenceFailed) as caught:
        session.run(POISON[np.newaxis])

    assert caught.value.failure_id in str(caught.value)
    assert "Gather" not in str(caught.value)
    [record] = caplog.records
    assert caught.value.failure_id in record.getMessage()
    assert "test-keypoints/1 on 1 pictures" in record.getMessage()
    assert "Gather" in caplog.text


def test_session_works_again_after_a_failed_run(fragile_path):
    session = open_session(fragile_path, Execution(device="cpu"))
    with pytest.raises(InferenceFailed):
        session.run(POISON[np.newaxis])

    assert session.run(np.zeros((1, 64, 48, 3), np.uint8))["keypoints"].shape == (1, 17, 3)


def test_failures_have_different_ids(fragile_path):
    session = open_session(fragile_path, Execution(device="cpu"))
    ids = set()
    for _ in range(2):
        with pytest.raises(InferenceFailed) as caught:
            session.run(POISON[np.newaxis])
        ids.add(caught.value.failure_id)

    assert len(ids) == 2

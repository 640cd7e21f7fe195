import pytest
from pydantic import ValidationError

from service.inference.cores import available_cores
from service.inference.execution import Execution
from service.inference.image import ImageLimits
from service.settings import Settings, explain


def failure_of(**values: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(values)
    return caught.value


def test_environment_variables_are_read(monkeypatch):
    monkeypatch.setenv("POSE_PORT", "9000")
    monkeypatch.setenv("POSE_DEVICE", "cuda")

    settings = Settings()

    assert (settings.port, settings.device) == (9000, "cuda")


def test_empty_environment_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("POSE_PORT", "")

    assert Settings().port == 8000


def test_workers_are_the_cores_granted_unless_set(monkeypatch):
    monkeypatch.delenv("POSE_WORKERS", raising=False)

    assert Settings().worker_threads == available_cores()
    assert Settings(workers=7).worker_threads == 7


def test_limits_on_pictures_come_from_the_settings():
    settings = Settings(max_upload_bytes=2048, max_pixels=99)

    assert settings.image_limits == ImageLimits(max_bytes=2048, max_pixels=99)


def test_execution_comes_from_the_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("POSE_GPU_IDS", "0,2")
    monkeypatch.setenv("POSE_TENSORRT", "true")
    monkeypatch.setenv("POSE_TENSORRT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("POSE_MAX_BATCH", "16")

    assert Settings(device="cuda").execution(threads=3) == Execution(
        device="cuda",
        threads=3,
        gpu_ids=(0, 2),
        tensorrt=True,
        max_batch=16,
        cache_dir=tmp_path,
    )
    assert Settings(tensorrt=False, cuda_graphs=True).execution(threads=1).cuda_graphs


def test_settings_without_changes_are_what_an_execution_is_by_itself():
    assert Settings().execution(threads=1) == Execution()


def test_one_gpu_may_be_named(monkeypatch):
    monkeypatch.setenv("POSE_GPU_IDS", "3")

    assert Settings().gpu_ids == (3,)


def test_settings_cannot_be_changed_later():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


def test_every_setting_is_described():
    undescribed = [name for name, field in Settings.model_fields.items() if not field.description]

    assert undescribed == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("device", "tpu"),
        ("max_batch", 0),
        ("workers", 0),
        ("max_waiting", -1),
        ("max_pixels", 0),
        ("drain_timeout_s", 0),
        ("pipeline", ""),
    ],
)
def test_value_out_of_range_is_explained_with_flag_variable_and_value(field, value):
    sentence = explain(failure_of(**{field: value}))

    assert f"--{field.replace('_', '-')}" in sentence
    assert f"POSE_{field.upper()}" in sentence
    assert repr(str(value)) in sentence
    assert "\n" not in sentence


def test_every_wrong_setting_is_explained():
    assert len(explain(failure_of(port=0, device="tpu")).splitlines()) == 2


def test_a_gpu_gets_enough_workers_to_fill_its_batches(monkeypatch):
    monkeypatch.setattr("service.settings.available_cores", lambda: 3)

    assert Settings(device="cpu").worker_threads == 3
    assert Settings(device="auto").worker_threads == 3
    assert Settings(device="cuda").worker_threads == 32
    assert Settings(device="cuda", workers=5).worker_threads == 5

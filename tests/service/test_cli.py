import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from service.cli import main
from service.inference.card import Skeleton


def use_models(monkeypatch, models_dir) -> None:
    monkeypatch.setenv("POSE_MODELS_DIR", str(models_dir))
    monkeypatch.setenv("POSE_DEVICE", "cpu")


@pytest.fixture
def photo(tmp_path):
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[190:210, 270:290] = 255
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def predict(monkeypatch, models_dir, capsys):
    use_models(monkeypatch, models_dir)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["predict", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


@pytest.mark.parametrize("arguments", [[], ["fly"], ["--port", "1"]])
def test_without_a_known_command_the_usage_is_shown(capsys, arguments):
    assert main(arguments) == 2
    assert "usage: python -m service" in capsys.readouterr().err


def test_help_names_the_commands(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "serve" in out
    assert "predict" in out


def test_help_of_serve_documents_every_setting_with_its_variable_and_default(capsys):
    assert exit_code("serve", "--help") == 0
    out = " ".join(capsys.readouterr().out.split())
    for flag in (
        *("host", "port", "device", "models-dir", "pipeline", "max-upload-bytes", "max-pixels"),
        *("workers", "max-waiting", "drain-timeout-s", "upload-timeout-s"),
        *("log-format", "log-level"),
    ):
        assert f"--{flag} " in out
        assert f"[env: POSE_{flag.replace('-', '_').upper()}]" in out
    assert "(default: 8000)" in out
    assert "(default: auto)" in out


def test_wrong_value_is_one_sentence(capsys):
    assert main(["serve", "--port", "many"]) == 2
    err = capsys.readouterr().err
    assert "--port (POSE_PORT) is 'many'" in err
    assert len(err.splitlines()) == 1


def test_flag_counts_more_than_the_variable(monkeypatch, capsys):
    monkeypatch.setenv("POSE_PORT", "70000")

    assert main(["serve", "--port", "80000"]) == 2
    assert "'80000'" in capsys.readouterr().err


def test_unknown_flag_is_refused(capsys):
    assert exit_code("serve", "--colour", "red") == 2
    assert "--colour" in capsys.readouterr().err


@pytest.fixture
def serve(monkeypatch, models_dir, capsys):
    """Serves until the start fails."""
    use_models(monkeypatch, models_dir)

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["serve", "--port", "1", "--log-level", "error", *arguments])
        return code, capsys.readouterr().err

    return run


def use_network(models_dir, old: str, new: str) -> None:
    pipelines = models_dir / "pipelines.toml"
    pipelines.write_text(pipelines.read_text().replace(old, new))


def assert_one_sentence(outcome: tuple[int, str], *words: str) -> None:
    code, err = outcome
    assert code == 2
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1, err
    for word in words:
        assert word in err


@pytest.mark.parametrize("missing", ["pipelines.toml", "test-keypoints/1/model.onnx"])
def test_missing_file_stops_the_start(serve, models_dir, missing):
    (models_dir / missing).unlink()

    assert_one_sentence(serve(), missing)


def test_unknown_pipeline_stops_the_start(serve):
    assert_one_sentence(serve("--pipeline", "nowhere"), "nowhere")


def test_corrupt_file_stops_the_start(serve, models_dir):
    path = models_dir / "test-detector" / "1" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-50])

    assert_one_sentence(serve(), "test-detector")


def test_bundle_with_wrong_output_shape_stops_the_start(serve, models_dir, bundles):
    skeleton = bundles.skeleton
    names, sigmas = skeleton.names[:5], skeleton.sigmas[:5]
    small = Skeleton(names=names, sigmas=sigmas, edges=(), flip_pairs=())
    model = bundles.keypoints_model(bundles.keypoints_card(skeleton=small))
    bundles.write(models_dir, bundles.keypoints_card(version=2), model)
    use_network(models_dir, "test-keypoints/1", "test-keypoints/2")

    assert_one_sentence(serve(), "test-keypoints/2", "17")


def test_invalid_card_stops_the_start_and_its_field_is_named(serve, models_dir, bundles):
    card = bundles.keypoints_card(version=2)
    text = card.model_copy(update={"crop_padding": 9.0}).model_dump_json()
    bundles.write_raw(models_dir, card, text, bundles.keypoints_model(card))
    use_network(models_dir, "test-keypoints/1", "test-keypoints/2")

    assert_one_sentence(serve(), "test-keypoints/2", "crop_padding")


def test_device_that_does_not_work_stops_the_start(serve):
    assert_one_sentence(serve("--device", "cuda"), "cuda")


def test_bug_while_loading_is_not_swallowed(serve, monkeypatch):
    def load(*_arguments, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr("service.runtime.models_folder.load_bundle", load)

    with pytest.raises(ZeroDivisionError):
        serve()


def test_picture_is_answered_as_one_document(predict, photo):
    code, out, err = predict(photo)

    assert (code, err) == (0, "")
    body = json.loads(out)
    assert body["file"] == str(photo)
    assert body["model"]["pipeline"] == "default"
    assert len(body["persons"][0]["keypoints"]) == 17
    assert body["timings_ms"]["total"] > 0


def test_several_pictures_are_answered_as_lines(predict, photo, tmp_path):
    empty = tmp_path / "black.png"
    cv2.imwrite(str(empty), np.zeros((64, 64, 3), np.uint8))

    code, out, _ = predict(photo, empty)

    assert code == 0
    first, second = [json.loads(line) for line in out.splitlines()]
    assert (first["file"], len(first["persons"])) == (str(photo), 1)
    assert (second["file"], second["persons"]) == (str(empty), [])


def test_coco_results_carry_the_number_in_the_file_name(predict, photo, tmp_path):
    numbered = tmp_path / "000000000139.png"
    numbered.write_bytes(photo.read_bytes())

    _, out, _ = predict(photo, numbered, "--format", "coco")

    first, second = [json.loads(line) for line in out.splitlines()]
    assert first[0]["image_id"] == 1
    assert second[0]["image_id"] == 139


@pytest.mark.parametrize("name", ["drawn.png", "drawn.jpg", "new/folder/drawn.png"])
def test_drawing_is_written_to_the_named_file(predict, photo, tmp_path, name):
    code, _, _ = predict(photo, "--render", tmp_path / name)

    assert code == 0
    drawn = cv2.imread(str(tmp_path / name))
    assert drawn.shape == (480, 640, 3)
    assert np.ptp(drawn, axis=2).max() > 50


def test_drawings_of_several_pictures_go_to_a_folder(predict, photo, tmp_path):
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())

    predict(photo, other, "--render", tmp_path / "drawn")

    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == [
        "other.png",
        "photo.png",
    ]


def test_drawings_of_the_same_name_are_refused_before_any_work(predict, photo, tmp_path):
    (tmp_path / "sub").mkdir()
    twin = tmp_path / "sub" / "photo.png"
    twin.write_bytes(photo.read_bytes())

    code, out, err = predict(photo, twin, "--render", tmp_path / "drawn")

    assert (code, out) == (2, "")
    assert "photo.png" in err


def test_drawing_of_unknown_format_is_refused(predict, photo, tmp_path):
    code, out, err = predict(photo, "--render", tmp_path / "drawn.gif")

    assert (code, out) == (2, "")
    assert ".png" in err


def test_bad_file_is_named_and_the_others_are_answered(predict, photo, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("hello")

    code, out, err = predict(tmp_path / "missing.png", text, photo)

    assert code == 2
    assert json.loads(out)["file"] == str(photo)
    missing, unsupported = err.splitlines()
    assert "missing.png: the file cannot be read: No such file" in missing
    assert "notes.txt" in unsupported


def test_file_over_the_limit_is_refused(predict, photo):
    code, out, err = predict(photo, "--max-pixels", "1000")

    assert (code, out) == (2, "")
    assert "1000" in err


def test_broken_bundle_is_one_sentence(predict, photo, models_dir):
    (models_dir / "test-detector" / "1" / "model.onnx").write_bytes(b"nonsense")

    code, out, err = predict(photo)

    assert (code, out) == (2, "")
    assert "test-detector" in err
    assert len(err.splitlines()) == 1


def test_service_loads_neither_tensorflow_nor_keras():
    script = (
        "import sys, service.__main__, service.cli\n"
        "print(sorted({'tensorflow', 'keras', 'training'} & set(sys.modules)))"
    )

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (result.stdout.strip(), result.returncode) == ("[]", 0), result.stderr

"""Bundles of lower precision, from a small keypoint network that is written here as text."""

import dataclasses
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import training.variant
from service.inference.card import InputSize, ModelCard
from service.inference.errors import InvalidBundle, InvalidInput
from service.inference.execution import Execution
from service.inference.repository import load_bundle
from training import cli
from training.bundle import write_draft
from training.config import DataSet
from training.skeletons import COCO
from training.variant import CalibrationSettings, Gate, Variant, export_variant

NETWORK = """
< ir_version: 8, opset_import: ["" : 18] >
network (uint8[N,32,24,3] image) => (float[N,17,3] keypoints)
< float[8,3,4,4] w0, float[8,8,3,3] w1, float[17,8,1,1] w2, float scale = {0.003921569},
  float four = {4.0}, int64[1] last = {2} >
{
  pixels = Cast <to = 1> (image)
  scaled = Mul (pixels, scale)
  planes = Transpose <perm = [0, 3, 1, 2]> (scaled)
  first = Conv <strides = [4, 4]> (planes, w0)
  active = Relu (first)
  second = Conv <pads = [1, 1, 1, 1]> (active, w1)
  sum = Add (active, second)
  heat = Conv (sum, w2)
  mean = GlobalAveragePool (heat)
  flat = Flatten (mean)
  score = Sigmoid (flat)
  place = Mul (flat, four)
  a = Unsqueeze (place, last)
  b = Unsqueeze (place, last)
  c = Unsqueeze (score, last)
  keypoints = Concat <axis = 2> (a, b, c)
}
"""
SHAPES = {"w0": (8, 3, 4, 4), "w1": (8, 8, 3, 3), "w2": (17, 8, 1, 1)}
CARD = ModelCard(
    name="pose",
    version=3,
    task="keypoints",
    input=InputSize(height=32, width=24),
    crop_padding=1.25,
    skeleton=COCO,
    recipe="by-hand",
    config={},
    data=(),
    metrics={"old/gt-boxes/AP": 0.1},
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the bundle in full precision."""
    model = onnx.parser.parse_model(NETWORK)
    for node in model.graph.node:
        node.name = node.output[0]
    rng = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        weights = rng.normal(0, 0.2, shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weights, name))
    models_dir = tmp_path_factory.mktemp("source")
    write_draft(models_dir, model, CARD)
    return models_dir / CARD.reference


@pytest.fixture(scope="module")
def data(stick_people_for_all) -> DataSet:
    return stick_people_for_all("variants", pictures=3)


@pytest.fixture
def gate(data: DataSet) -> Gate:
    return Gate(val=data)


def card_of(bundle: Path) -> ModelCard:
    return ModelCard.model_validate_json((bundle / "card.json").read_text())


def with_ap(monkeypatch: pytest.MonkeyPatch, **by_precision: float) -> None:
    """Lets bundles measure as is said here."""
    measure = training.variant.evaluate_alone

    def evaluate(session, coco):
        figures = {"AP": by_precision[session.card.precision]}
        return dataclasses.replace(measure(session, coco), metrics=figures)

    monkeypatch.setattr(training.variant, "evaluate_alone", evaluate)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_bundle_says_what_it_was_made_from_and_measures(
    precision, source: Path, data: DataSet, gate: Gate, tmp_path: Path
) -> None:
    settings = CalibrationSettings(data=(data,), samples=4)

    made = export_variant(source, tmp_path, precision, gate, settings, notes="By hand.")

    assert made == Variant(tmp_path / f"pose-{precision}" / "3", made.ap, made.source_ap)
    card = load_bundle(tmp_path, f"pose-{precision}/3", Execution(device="cpu"))[0].card
    assert (card.precision, card.opset) == (precision, 18)
    assert card.conversion is not None
    assert card.conversion.source == "pose/3"
    content = (source / "model.onnx").read_bytes()
    assert card.conversion.source_sha256 == hashlib.sha256(content).hexdigest()
    assert any(name.endswith("variants/gt-boxes/AP") for name in card.metrics)
    assert "old/gt-boxes/AP" not in card.metrics
    assert (made.folder / "README.md").read_text().endswith("## Notes\n\nBy hand.\n")
    if precision == "int8":
        assert card.conversion.calibration is not None
        assert card.conversion.calibration.samples == 4


def test_smaller_file_answers_nearly_as_before(
    source: Path, data: DataSet, gate: Gate, tmp_path: Path
) -> None:
    settings = CalibrationSettings(data=(data,))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 24, 3), np.uint8)
    expected = load_bundle(source.parents[1], "pose/3", Execution(device="cpu"))[0].run(pictures)

    assert np.ptp(expected["keypoints"]) > 4
    for precision, tolerance in (("fp16", 0.01), ("int8", 0.4)):
        export_variant(source, tmp_path, precision, gate, settings)
        session = load_bundle(tmp_path, f"pose-{precision}/3", Execution(device="cpu"))[0]
        answer = session.run(pictures)["keypoints"]
        assert not np.array_equal(answer, expected["keypoints"])
        np.testing.assert_allclose(answer, expected["keypoints"], atol=tolerance)


def test_bundle_that_loses_too_much_is_refused_with_figures_and_leaves_nothing(
    source: Path, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_ap(monkeypatch, fp32=0.5, fp16=0.485)

    with pytest.raises(
        InvalidBundle, match=r"AP 0\.4850 .* 0\.0150 less .*0\.5000.* loss of 0\.01"
    ):
        export_variant(source, tmp_path / "models", "fp16", gate)

    assert not (tmp_path / "models").exists()


def test_allowed_loss_can_be_raised(
    source: Path, data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_ap(monkeypatch, fp32=0.5, fp16=0.485)

    made = export_variant(source, tmp_path, "fp16", Gate(val=data, max_ap_loss=0.02))

    assert (made.ap, made.source_ap) == (0.485, 0.5)
    conversion = card_of(made.folder).conversion
    assert conversion is not None
    assert conversion.source_ap == 0.5


def test_gain_is_no_loss(
    source: Path, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_ap(monkeypatch, fp32=0.5, fp16=0.6)

    assert export_variant(source, tmp_path, "fp16", gate).ap == 0.6


def test_existing_bundle_is_replaced_by_force_only(
    source: Path, gate: Gate, tmp_path: Path
) -> None:
    export_variant(source, tmp_path, "fp16", gate)

    with pytest.raises(InvalidInput, match="exists already"):
        export_variant(source, tmp_path, "fp16", gate)

    export_variant(source, tmp_path, "fp16", gate, notes="Newer.", force=True)
    assert "Newer." in (tmp_path / "pose-fp16" / "3" / "README.md").read_text()


def test_only_full_precision_is_converted(source: Path, gate: Gate, tmp_path: Path) -> None:
    half = export_variant(source, tmp_path, "fp16", gate).folder

    with pytest.raises(InvalidInput, match="pose-fp16/3 is in fp16; expected a bundle in fp32"):
        export_variant(half, tmp_path, "int8", gate)


def test_int8_without_pictures_to_measure_ranges_on_is_refused(
    source: Path, gate: Gate, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="data: int8 needs"):
        export_variant(source, tmp_path, "int8", gate)


def test_another_process_writes_the_same_bytes_and_needs_no_keras(
    source: Path, data: DataSet, gate: Gate, tmp_path: Path
) -> None:
    for precision in ("fp16", "int8"):
        settings = CalibrationSettings(data=(data,), samples=3)
        export_variant(source, tmp_path / "here", precision, gate, settings)
    flags = ["--models-dir", str(tmp_path / "there"), "--precision", "fp16,int8"]
    sets = [f"{data.annotations}:{data.images}"]
    arguments = ["export", str(source), *flags, "--val", *sets, "--data", *sets]
    code = (
        "import sys; from training import cli; "
        f"code = cli.main({[*arguments, '--calibration-samples', '3']!r}); "
        "sys.exit(9 if 'keras' in sys.modules else code)"
    )

    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONHASHSEED": "7"}
    )

    for name in ("pose-fp16", "pose-int8"):
        for file in ("model.onnx", "card.json", "README.md"):
            here, there = (tmp_path / side / name / "3" / file for side in ("here", "there"))
            assert here.read_bytes() == there.read_bytes(), f"{name} {file}"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ([], "precision: .* in fp32 already"),
        (["--precision", "fp16", "--weights", "final"], "weights: .* is a bundle"),
        (["--precision", "fp16", "--data", "a.json"], "data: only"),
        (["--precision", "fp16"], "val: fp16 is judged"),
        (["--precision", "fp8"], "precision"),
    ],
)
def test_flags_that_do_not_fit_a_bundle_end_with_one_sentence(
    flags: list[str], named: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", str(source), *flags]) == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0
    assert re.search(named, error), error

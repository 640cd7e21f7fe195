import shlex
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from service.inference.card import Conversion, InputSize, ModelCard
from service.inference.errors import InvalidBundle, InvalidData
from tests.training.fixed_bundles import write_keypoint_bundle
from training import cli
from training.bundle import changed_card, make_card, write_bundle
from training.codecs.config import SimccCodec
from training.config import DataSet, TrainConfig
from training.data.coco import read_coco
from training.import_bundle import import_bundle
from training.network_inputs import draw_inputs
from training.networks.build import build_network
from training.networks.config import SimccHead
from training.onnx_any_size import network_to_onnx
from training.recipes import recipe
from training.run import empty_network
from training.settings import parse_config
from training.skeletons import COCO

StickPeople = Callable[..., DataSet]
MODELS = Path(__file__).parents[2] / "models"


def pose_config() -> TrainConfig:
    """The debug recipe on the first blocks of its backbone."""
    return changed(
        recipe("mobilenetv2-heatmap-debug"),
        backbone={"taps": ("block_5_add", "block_2_add")},
        neck={"channels": (16, 24), "refine_blocks": 1},
    )


def detector_config() -> TrainConfig:
    return changed(
        recipe("person-detector-debug"),
        backbone={"taps": ("block_6_expand_relu", "block_3_expand_relu")},
        neck={"channels": (16, 16)},
        codec={"stride": 4, "slots": 7},
    )


def simcc_config() -> TrainConfig:
    start = recipe("mobilenetv2-simcc")
    fields = {
        "input": InputSize(height=64, width=64),
        "backbone": start.backbone.model_copy(update={"alpha": 0.35, "taps": ("block_2_add",)}),
        "backbone_weights": "none",
        "head": SimccHead(kernel=3, hidden=32, key_size=16),
        "codec": SimccCodec(),
    }
    return TrainConfig.model_validate(start.model_dump() | fields)


def changed(config: TrainConfig, **parts: dict[str, object]) -> TrainConfig:
    fields = config.model_dump()
    for part, values in parts.items():
        fields[part] |= values
    return TrainConfig.model_validate(fields)


@dataclass(frozen=True)
class Bundle:
    folder: Path
    network: keras.Model
    card: ModelCard


def make_bundle(folder: Path, config: TrainConfig) -> Bundle:
    """Random weights and statistics, as if it had been trained."""
    skeleton = COCO if config.task == "keypoints" else None
    network = build_network(config, skeleton)
    shake(network)
    card = make_card(config, skeleton, (), name="sample")
    folder.mkdir()
    write_bundle(folder, network_to_onnx(network, config), card)
    return Bundle(folder, network, card)


def shake(network: keras.Model) -> None:
    rng = np.random.default_rng(5)
    for layer in [*network.get_layer("backbone").layers, *network.layers]:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            draws = rng.uniform(0.5, 1.5, size), rng.normal(0, 0.3, size)
            layer.set_weights([*draws, rng.normal(0, 0.3, size), rng.uniform(0.5, 1.5, size)])
        elif not isinstance(layer, keras.Model):
            values = layer.get_weights()
            layer.set_weights([v + rng.normal(0, 0.1, v.shape) * (v.ndim < 2) for v in values])
    # An export keeps equal constants once.
    backbone = network.get_layer("backbone")
    first, second = (backbone.get_layer(f"block_{i}_depthwise_BN") for i in (1, 2))
    second.set_weights(first.get_weights())


def rewrite_card(bundle: Bundle, folder: Path, **fields: object) -> Path:
    """The same network under another card."""
    folder.mkdir()
    model = onnx.load(bundle.folder / "model.onnx")
    write_bundle(folder, model, changed_card(bundle.card, **fields))
    return folder


@pytest.fixture(scope="module")
def people(stick_people_for_all: StickPeople) -> DataSet:
    return stick_people_for_all("import", pictures=4)


@pytest.fixture(scope="module")
def pose(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "pose", pose_config())


@dataclass(frozen=True)
class Imported:
    output: Path
    said: str
    network: keras.Model


@pytest.fixture(scope="module")
def imported_pose(
    pose: Bundle, people: DataSet, tmp_path_factory: pytest.TempPathFactory
) -> Imported:
    """By the command line."""
    output = tmp_path_factory.mktemp("weights") / "pose.weights.h5"
    data = f"{people.annotations}:{people.images}"
    arguments = ["import-bundle", str(pose.folder), "--data", data, "--output", str(output)]
    with redirect_stdout(StringIO()) as said:
        assert cli.main(arguments) == 0
    network = empty_network(pose_config(), COCO)
    network.load_weights(output)
    return Imported(output, said.getvalue(), network)


def imported(bundle: Bundle, people: DataSet, output: Path) -> keras.Model:
    config, _ = import_bundle(bundle.folder, people, output)
    network = empty_network(config, bundle.card.skeleton)
    network.load_weights(output)
    return network


def assert_same_answers(network: keras.Model, expected: keras.Model) -> None:
    """On pictures that the import has not seen."""
    shape = (3, *network.input.shape[1:])
    pictures = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    wanted = np.asarray(expected(pictures))
    np.testing.assert_allclose(
        np.asarray(network(pictures)), wanted, atol=1e-4 * np.abs(wanted).max()
    )


def test_a_pose_bundle_comes_back(pose: Bundle, imported_pose: Imported) -> None:
    assert_same_answers(imported_pose.network, pose.network)


@pytest.mark.parametrize(
    "config", [detector_config, pytest.param(simcc_config, marks=pytest.mark.slow)]
)
def test_other_heads_come_back(
    config: Callable[[], TrainConfig], people: DataSet, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "bundle", config())
    network = imported(bundle, people, tmp_path / "start.weights.h5")
    assert_same_answers(network, bundle.network)


def test_training_starts_where_the_bundle_is(
    pose: Bundle, imported_pose: Imported, people: DataSet
) -> None:
    crops = draw_inputs(pose.card, [read_coco(people)], 100)
    network = imported_pose.network
    learning, serving = (np.asarray(network(crops, training=on)) for on in (True, False))
    assert np.abs(learning - serving).mean() < 0.02 * np.abs(serving).mean()
    norm = network.get_layer("smooth_1_bn")
    assert float(np.ptp(np.asarray(norm.moving_variance))) > 0


def test_what_it_says_builds_the_network_with_its_weights(
    pose: Bundle, imported_pose: Imported
) -> None:
    output, line = imported_pose.output, imported_pose.said.splitlines()[-1]
    assert line.startswith(f"wrote {output}: train with --recipe mobilenetv2-heatmap-debug ")
    flags = shlex.split(line.partition(" train with ")[2])[2:]
    config = parse_config(flags, "mobilenetv2-heatmap-debug", None, "train")
    assert config.init_weights == output
    assert_same_answers(build_network(config, COCO), pose.network)


def test_rounded_weights_are_refused_for_those_before(
    pose: Bundle, people: DataSet, tmp_path: Path
) -> None:
    made = Conversion(source="pose-mine/4", source_sha256="0" * 64, source_ap=0.5)
    half = rewrite_card(pose, tmp_path / "half", precision="fp16", conversion=made)
    with pytest.raises(InvalidData, match=r"fp16.*pose-mine/4"):
        import_bundle(half, people, tmp_path / "x.weights.h5")


def test_answers_that_differ_are_refused_and_nothing_is_written(
    pose: Bundle, people: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a version that decoded otherwise."""
    monkeypatch.setattr("training.import_bundle.load_graph", lambda *_: None)
    with pytest.raises(InvalidData, match=r"sample/1.*another version of the code.* px"):
        import_bundle(pose.folder, people, tmp_path / "x.weights.h5")
    assert not (tmp_path / "x.weights.h5").exists()


def test_a_card_with_unknown_fields_is_refused_by_name(
    pose: Bundle, people: DataSet, tmp_path: Path
) -> None:
    bundle = rewrite_card(pose, tmp_path / "new", config=pose.card.config | {"tomorrow": 1})
    with pytest.raises(InvalidData, match=r"sample/1.*another version.*tomorrow = 1"):
        import_bundle(bundle, people, tmp_path / "x.weights.h5")


def test_a_card_without_configuration_is_refused(people: DataSet, tmp_path: Path) -> None:
    bundle = write_keypoint_bundle(tmp_path / "foreign")
    with pytest.raises(InvalidData, match="no configuration of training"):
        import_bundle(bundle, people, tmp_path / "x.weights.h5")


def test_a_run_needs_no_import(people: DataSet, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InvalidData, match=r"--init-weights .*best\.weights\.h5"):
        import_bundle(tmp_path, people, tmp_path / "x.weights.h5")


def test_what_is_no_bundle_is_named(people: DataSet, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="nowhere"):
        import_bundle(tmp_path / "nowhere", people, tmp_path / "x.weights.h5")
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(InvalidBundle, match=r"model\.onnx"):
        import_bundle(tmp_path, people, tmp_path / "x.weights.h5")


def test_data_without_people_is_refused(pose: Bundle, tmp_path: Path) -> None:
    empty = tmp_path / "empty.json"
    empty.write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(InvalidData, match=r"empty\.json"):
        import_bundle(pose.folder, DataSet.model_validate(str(empty)), tmp_path / "x.weights.h5")


def test_a_file_that_train_would_not_take_is_not_written(
    pose: Bundle, people: DataSet, tmp_path: Path
) -> None:
    with pytest.raises(InvalidData, match=r"must end in \.weights\.h5"):
        import_bundle(pose.folder, people, tmp_path / "start.h5")


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["pose-mobilenetv2/4", "person-detector/4"])
def test_the_first_models_that_shipped_come_back(
    reference: str, people: DataSet, tmp_path: Path
) -> None:
    _, difference = import_bundle(MODELS / reference, people, tmp_path / "start.weights.h5")
    assert difference.pixels < 0.01
    assert difference.score < 1e-4

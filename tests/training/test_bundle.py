import hashlib
import json
from pathlib import Path

import onnx
import pytest

from service.inference.card import METADATA_KEY, DataSource, ModelCard
from service.inference.errors import InvalidInput
from training.bundle import data_name, data_source, make_card, public_config, write_bundle
from training.config import DataConfig, DataSet, TrainConfig
from training.recipes import recipe
from training.skeletons import COCO

COCO_SET = DataSet(
    annotations=Path("/home/me/coco/annotations/person_keypoints_train2017.json"),
    images=Path("/home/me/coco/train2017"),
)
OTHER_SET = DataSet(
    annotations=Path("/home/me/sports/annotations.json"), images=Path("/home/me/sports/images")
)


@pytest.fixture
def config() -> TrainConfig:
    return recipe("mobilenetv2-heatmap").model_copy(
        update={
            "data": DataConfig(train=(COCO_SET, OTHER_SET), val=(OTHER_SET,)),
            "backbone_weights": "/home/me/weights/backbone.weights.h5",
            "init_weights": Path("/home/me/runs/first/best.weights.h5"),
        }
    )


def test_published_configuration_names_no_folder(config: TrainConfig) -> None:
    public = public_config(config)

    assert "/home" not in json.dumps(public)
    assert "/" not in json.dumps(public)
    assert public["backbone_weights"] == "backbone.weights.h5"
    assert public["init_weights"] == "best.weights.h5"
    assert TrainConfig.model_validate(public).optimizer == config.optimizer


@pytest.mark.parametrize("word", ["imagenet", "none"])
def test_published_configuration_keeps_words_for_weights(config: TrainConfig, word: str) -> None:
    public = public_config(config.model_copy(update={"backbone_weights": word}))

    assert public["backbone_weights"] == word


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("coco/annotations/person_keypoints_train2017.json", "coco/train2017"),
        ("sports/annotations.json", "sports"),
        ("sets/holiday.json", "holiday"),
    ],
)
def test_data_set_gets_a_short_name(path: str, name: str) -> None:
    assert data_name(DataSet(annotations=Path("/home/me") / path, images=Path("x"))) == name


def test_licence_of_a_data_set_is_the_given_one_or_not_stated() -> None:
    licences = {"coco/train2017": "CC BY 4.0"}

    assert data_source(COCO_SET, 5, licences).licence == "CC BY 4.0"
    assert data_source(OTHER_SET, 5, licences) == DataSource(
        name="sports", licence="not stated", samples=5
    )


def test_card_takes_name_and_version_from_the_configuration_or_the_caller(
    config: TrainConfig,
) -> None:
    card = make_card(config, COCO, ())
    renamed = make_card(config, COCO, (), name="other", version=3)

    assert (card.name, card.version) == ("pose-mobilenetv2", 1)
    assert (renamed.name, renamed.version) == ("other", 3)
    assert card.crop_padding == config.crop_padding
    assert card.skeleton == COCO


@pytest.mark.parametrize(
    ("arguments", "field"), [({"name": "Not allowed"}, "name"), ({"version": 0}, "version")]
)
def test_name_or_version_that_is_not_allowed_is_refused(
    config: TrainConfig, arguments: dict, field: str
) -> None:
    with pytest.raises(InvalidInput, match=field):
        make_card(config, COCO, (), **arguments)


def test_bundle_holds_the_card_in_and_beside_the_file(config: TrainConfig, tmp_path: Path) -> None:
    graph = onnx.helper.make_graph([], "empty", [], [])
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset])
    card = make_card(config, COCO, (data_source(COCO_SET, 7, {}),))

    write_bundle(tmp_path, model, card)
    write_bundle(tmp_path, model, card, "Of the author.")

    card = card.model_copy(update={"opset": 17})
    content = (tmp_path / "model.onnx").read_bytes()
    metadata = onnx.load_from_string(content).metadata_props
    assert [entry.key for entry in metadata] == [METADATA_KEY]
    assert ModelCard.model_validate_json(metadata[0].value) == card
    beside = ModelCard.model_validate_json((tmp_path / "card.json").read_text())
    assert beside.sha256 == hashlib.sha256(content).hexdigest()
    assert beside.model_copy(update={"sha256": None}) == card
    page = (tmp_path / "README.md").read_text()
    assert page.startswith("# pose-mobilenetv2 1\n")
    assert page.endswith("\nOf the author.\n")

import shlex

import pytest

from service.inference.card import Calibration, Conversion, DataSource, Effort, ModelCard
from training.bundle import make_card
from training.config import DataSet, TrainConfig
from training.model_page import model_page, training_command
from training.recipes import recipe
from training.settings import parse_config
from training.skeletons import COCO


def card_of(config: TrainConfig, **fields: object) -> ModelCard:
    skeleton = COCO if config.task == "keypoints" else None
    return make_card(config, skeleton, ()).model_copy(update=fields)


@pytest.fixture
def changed() -> TrainConfig:
    """A configuration with a value of every kind changed, and data without folders."""
    start = recipe("mobilenetv2-heatmap").model_dump()
    start["data"]["train"] = [
        DataSet.model_validate("a.json:pictures"), DataSet.model_validate("b.json:more:2.5")
    ]  # fmt: skip
    start["data"]["val"] = [DataSet.model_validate("c.json:others")]
    start["backbone_weights"] = "start.weights.h5"
    start["input"] = {"height": 128, "width": 96}
    start["backbone"] |= {"frozen": True, "alpha": 0.5}
    start["neck"]["channels"] = [32, 24, 16, 16]
    start["codec"]["sigma_px"] = 1.5
    start["optimizer"]["learning_rate"] = 0.0005
    start["epochs"] = 7
    return TrainConfig.model_validate(start)


def test_command_gives_the_configuration_again(changed: TrainConfig) -> None:
    words = shlex.split(training_command(card_of(changed)))

    assert words[:6] == ["python", "-m", "training", "train", "--recipe", "mobilenetv2-heatmap"]
    assert words[-2:] == ["--output", "runs/pose-mobilenetv2"]
    assert parse_config(words[6:-2], words[5], None, "train") == changed


def test_command_of_an_unchanged_recipe_has_no_further_flags() -> None:
    command = training_command(card_of(recipe("person-detector")))

    assert command == (
        "python -m training train --recipe person-detector --output runs/person-detector"
    )


def test_command_of_an_unknown_recipe_names_the_recipe_only(changed: TrainConfig) -> None:
    config = changed.model_copy(update={"recipe": "of-tomorrow"})

    assert "--recipe of-tomorrow --data.train a.json:pictures" in training_command(card_of(config))
    assert "--epochs" not in training_command(card_of(config))


def test_page_of_a_keypoint_network_says_what_is_in_the_card() -> None:
    page = model_page(
        card_of(
            recipe("mobilenetv2-heatmap"),
            data=(DataSource(name="sports", licence="CC0", samples=321),),
            effort=Effort(samples=65536, hours=1.25, processor="a small one"),
            metrics={
                "val/gt-boxes/AP": 0.4321,
                "val/gt-boxes/AP50": 0.7,
                "val/gt-boxes/flip-test/AP": 0.45,
                "val/gt-boxes/PCK@0.05/nose": 0.81,
                "val/gt-boxes/PCK@0.2/nose": 0.93,
                "val/people": 295.0,
            },
            sha256="5" * 64,
        )
    )

    assert page.startswith("# pose-mobilenetv2 1\n\nFinds the 17 joints")
    assert "`image`: uint8 RGB `[N, 256, 192, 3]`" in page
    assert "`keypoints`: float32 `[N, 17, 3]`" in page
    assert "enlarged 1.25 times" in page
    assert "nose, left_eye" in page
    assert "| sports | 321 | CC0 |" in page
    assert "| measured with | AP | AP50 |" in page
    assert "| `val/gt-boxes` | 0.432 | 0.700 |" in page
    assert "| `val/gt-boxes/flip-test` | 0.450 |  |" in page
    assert "| nose | 0.810 | 0.930 |" in page
    assert "`val`: 295 people." in page
    assert "65,536 samples in 1.2 hours on a small one" in page
    assert f"`{'5' * 64}`" in page
    assert 'keypoints = "pose-mobilenetv2/1"' in page


def test_page_in_lower_precision_says_from_what_and_how_it_was_made() -> None:
    calibration = Calibration(data=("sports", "holiday"), samples=300, float_layers=8)
    conversion = Conversion(
        source="pose-mine/4", source_sha256="5" * 64, source_ap=0.4376, calibration=calibration
    )
    card = card_of(
        recipe("mobilenetv2-heatmap"),
        name="pose-mine-int8",
        precision="int8",
        opset=18,
        conversion=conversion,
    )

    page = model_page(card)

    assert "Made from `pose-mine/4`: layers compute in eight bits" in page
    assert "ONNX opset 18" in page
    assert "AP of `pose-mine/4` on the pictures of the table below: 0.438" in page
    assert "Ranges measured on 300 people of sports, holiday" in page
    assert "8 layers at either end" in page
    assert "--output runs/pose-mine\n" in page


def test_notes_of_the_author_stand_at_the_end() -> None:
    page = model_page(
        card_of(recipe("person-detector")), "Crowds are hard.\n\n### History\n\nLong.\n"
    )

    assert page.endswith("\n## Notes\n\nCrowds are hard.\n\n### History\n\nLong.\n")
    assert "## Notes" not in model_page(card_of(recipe("person-detector")))


def test_page_of_a_detector_says_what_is_in_the_card() -> None:
    page = model_page(card_of(recipe("person-detector")))

    assert "`boxes`: float32 `[N, P, 4]`" in page
    assert "At most 60 people per picture" in page
    assert 'detector = "person-detector/1"' in page
    assert "Not measured" in page

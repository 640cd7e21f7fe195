from training.changes import Setting, architecture_flags, settings_of
from training.codecs.config import HeatmapCodec
from training.config import TrainConfig
from training.recipes import recipe
from training.settings import parse_config


def test_what_differs_from_the_recipe_is_marked() -> None:
    config = recipe("person-detector").model_dump(mode="json")
    config["optimizer"]["learning_rate"] = 0.5
    settings = settings_of(config, "person-detector")
    usual = recipe("person-detector").optimizer.learning_rate
    assert [one for one in settings if one.changed] == [
        Setting("optimizer.learning_rate", 0.5, usual, changed=True)
    ]


def test_data_is_no_setting() -> None:
    config = recipe("person-detector").model_dump(mode="json")
    names = {one.name for one in settings_of(config, "person-detector")}
    assert "epochs" in names
    assert not any(name.startswith("data") for name in names)


def test_a_recipe_that_is_not_known_marks_nothing() -> None:
    settings = settings_of({"epochs": 3}, "of-tomorrow")
    assert settings == [Setting("epochs", 3, None, changed=False)]


def test_flags_give_parts_of_another_kind_again() -> None:
    start = recipe("resnet50-deconv")
    fields = start.model_dump() | {"neck": None, "codec": HeatmapCodec(stride=32, sigma_px=3.0)}
    config = TrainConfig.model_validate(fields)
    flags = architecture_flags(config)
    assert parse_config(flags, "resnet50-deconv", None, "train") == config
    simcc = recipe("mobilenetv2-simcc").model_copy(update={"recipe": "mobilenetv2-heatmap"})
    again = parse_config(architecture_flags(simcc), "mobilenetv2-heatmap", None, "train")
    assert (again.backbone, again.neck) == (simcc.backbone, simcc.neck)
    assert (again.head, again.codec, again.input) == (simcc.head, simcc.codec, simcc.input)


def test_how_a_network_was_trained_is_no_architecture() -> None:
    config = recipe("person-detector")
    backbone = config.backbone.model_copy(update={"frozen_batch_norm": True})
    slower = config.optimizer.model_copy(update={"learning_rate": 1e-5})
    changed = config.model_copy(update={"backbone": backbone, "optimizer": slower})
    assert architecture_flags(changed) == []

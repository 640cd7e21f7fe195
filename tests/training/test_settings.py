from pathlib import Path

import pytest

from service.inference.errors import InvalidInput
from training.config import DataSet, TrainConfig
from training.settings import parse_config


def _parse(*flags: str, toml: Path | None = None) -> TrainConfig:
    return parse_config(flags, "mobilenetv2-heatmap", toml, "train")


def test_without_flags_the_recipe_stands() -> None:
    config = _parse()
    assert config.recipe == "mobilenetv2-heatmap"
    assert (config.input.height, config.input.width) == (256, 192)


def test_a_flag_counts_more_than_the_file_and_the_file_more_than_the_recipe(
    tmp_path: Path,
) -> None:
    file = tmp_path / "run.toml"
    file.write_text("batch_size = 7\nepochs = 9\n[optimizer]\nlearning_rate = 0.5\n")
    config = _parse("--epochs", "11", "--optimizer.weight-decay", "0.25", toml=file)
    assert (config.batch_size, config.epochs) == (7, 11)
    assert (config.optimizer.learning_rate, config.optimizer.weight_decay) == (0.5, 0.25)
    assert config.optimizer.clip_norm == _parse().optimizer.clip_norm


def test_data_sets_are_given_as_text_and_repeated() -> None:
    config = _parse("--data.train", "a.json:pictures:0.5", "--data.train", "b.json:more")
    assert config.data.train == (
        DataSet(annotations=Path("a.json"), images=Path("pictures"), weight=0.5),
        DataSet(annotations=Path("b.json"), images=Path("more")),
    )


def test_the_pictures_of_cocos_own_layout_are_found(tmp_path: Path) -> None:
    (tmp_path / "val2017").mkdir()
    annotations = tmp_path / "annotations" / "person_keypoints_val2017.json"
    assert DataSet.model_validate(str(annotations)).images == tmp_path / "val2017"
    other = tmp_path / "set" / "annotations.json"
    assert DataSet.model_validate(str(other)).images == tmp_path / "set" / "images"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--batch-size", "0"), "batch_size"),
        (("--optimizer.learning-rate", "fast"), "learning_rate"),
        (("--input.height", "250"), "multiples of 32"),
        (("--task", "detection"), "codec"),
        (("--epoch-samples", "8"), "epoch_samples"),
        (("--data.train", "a.json:b:0"), "weight"),
    ],
)
def test_a_wrong_value_is_named(flags: tuple[str, ...], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        _parse(*flags)


def test_an_unknown_field_in_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("learning_rate = 1\n")
    with pytest.raises(InvalidInput, match="learning_rate"):
        _parse(toml=file)


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("{")
    with pytest.raises(InvalidInput, match=r"run\.toml"):
        _parse(toml=file)


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="person-detector"):
        parse_config((), "resnet9000", None, "train")

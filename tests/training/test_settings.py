from pathlib import Path

import pytest

from service.inference.errors import InvalidInput
from training.codecs.config import HeatmapCodec, SimccCodec
from training.config import DataSet, TrainConfig
from training.networks.config import BackboneConfig, SimccHead
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


def test_a_part_of_another_kind_keeps_nothing_of_the_recipes() -> None:
    config = _parse("--codec.kind", "simcc", "--codec.bins-per-px", "3", "--head.kind", "simcc")
    assert config.codec == SimccCodec(bins_per_px=3)
    assert config.head == SimccHead()
    # What is not named stays.
    assert config.neck == _parse().neck
    assert config.optimizer == _parse().optimizer


def test_a_part_of_the_same_kind_keeps_the_rest() -> None:
    config = _parse("--codec.kind", "heatmap", "--codec.sigma-px", "1.5")
    assert config.codec == HeatmapCodec(stride=4, sigma_px=1.5)


def test_the_file_may_change_a_kind_and_flags_refine_it(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('neck = "none"\n[codec]\nkind = "simcc"\n[head]\nkind = "simcc"\nhidden = 64\n')
    config = _parse("--head.key-size", "32", toml=file)
    assert config.head == SimccHead(hidden=64, key_size=32)
    assert config.neck is None


def test_another_backbone_keeps_no_layers_of_the_one_before() -> None:
    config = _parse("--backbone.name", "resnet50", "--backbone.taps", "32,16,8,4")
    assert config.backbone == BackboneConfig(name="resnet50", taps=(32, 16, 8, 4))
    with pytest.raises(InvalidInput, match=r"neck\.channels has 4 entries and backbone\.taps 1"):
        _parse("--backbone.name", "resnet50")


def test_taps_are_strides_or_layers() -> None:
    taps = "out_relu,16,block_5_add,4"
    assert _parse("--backbone.taps", taps).backbone.taps == ("out_relu", 16, "block_5_add", 4)


def test_a_neck_can_be_left_out() -> None:
    assert _parse("--neck", "none").neck is None


def test_a_field_of_another_kind_is_named() -> None:
    with pytest.raises(InvalidInput, match="bins_per_px"):
        _parse("--codec.bins-per-px", "3")


def test_a_head_that_does_not_answer_the_codec_is_named() -> None:
    with pytest.raises(InvalidInput, match="head dense does not answer codec simcc"):
        _parse("--codec.kind", "simcc")

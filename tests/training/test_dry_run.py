import re
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from service.inference.errors import InvalidData
from tests.training.tiny_training import StickPeople, tiny_config, tiny_flags, tiny_networks
from training import cli, dry_run
from training.config import DataSet, TrainConfig
from training.data.stream import AHEAD, stream
from training.recipes import recipe, recipes
from training.settings import parse_config
from training.toml_text import to_toml


@pytest.fixture
def _tiny() -> Iterator[None]:
    with tiny_networks():
        yield


def _parsed(text: str, folder: Path) -> TrainConfig:
    path = folder / "run.toml"
    path.write_text(text)
    return parse_config([], None, path, "train")


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_comes_back_from_its_toml(name: str, tmp_path: Path) -> None:
    config = recipe(name)
    assert _parsed(to_toml(config), tmp_path) == config


def test_data_sets_quotes_and_a_missing_neck_come_back_too(tmp_path: Path) -> None:
    start = recipe("mobilenetv2-heatmap")
    sets = (
        DataSet(annotations=Path('a "b".json'), images=Path("ü\\x"), weight=0.5),
        DataSet(annotations=Path("c.json"), images=Path("d")),
    )
    changes = {
        "data": start.data.model_copy(update={"train": sets}),
        "neck": None,
        "backbone": start.backbone.model_copy(update={"taps": (4,)}),
        "init_weights": Path("w.weights.h5"),
    }
    config = TrainConfig.model_validate(start.model_copy(update=changes).model_dump())
    assert _parsed(to_toml(config), tmp_path) == config


@pytest.mark.usefixtures("_tiny")
def test_a_dry_run_prints_a_configuration_and_estimates_and_writes_nothing(
    stick_people: StickPeople, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config(stick_people(), stick_people("val", pictures=2, seed=1))
    output = tmp_path / "run"
    flags = ["train", *tiny_flags(config, output)]
    assert cli.main([*flags, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert not output.exists()
    assert tomllib.loads(text)["batch_size"] == 4
    assert _parsed(text, tmp_path) == config
    comments = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    assert re.search(r"data\.train: \S+train\.json: \d+ people with joints, 6 pictures", comments)
    assert re.search(r"data\.val: \S+val\.json: \d+ people with joints, 2 pictures", comments)
    parameters = 5 * 5 * 3 * 8 + 4 * 8 + 8 * 17 + 17
    trained = parameters - 2 * 8
    assert f"{parameters:,} parameters, {trained:,} of them trained" in comments
    assert "4 per epoch, 12 in all, batches of 4 on 1 device" in comments
    assert re.search(r"memory of a device: about \d\.\d\d GiB", comments)
    assert re.search(r"time: about \d+ min at \d\.\d{3} s per step", comments)


def test_memory_counts_every_layer_once_and_the_optimizers_state(
    stick_people: StickPeople,
) -> None:
    inner = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1)])
    image = keras.Input((4, 4, 3), dtype="uint8")
    x = inner(keras.layers.Rescaling(1.0)(image))
    network = keras.Model(image, keras.layers.ReLU(dtype="mixed_bfloat16")(x))
    optimizer = keras.optimizers.AdamW(use_ema=True)
    optimizer.build(network.trainable_variables)
    learner = SimpleNamespace(
        network=network, optimizer=optimizer, replicas=2, synchronise=lambda: None
    )
    config = tiny_config(stick_people())
    estimate = dry_run._estimate(config, learner, 0.5)
    weights = 3 * 2 + 2
    # Weight, gradient, two moments and the average; the optimizer's two counters beside.
    assert estimate.state_bytes == pytest.approx(weights * 5 * 4, abs=16)
    # The picture as float32, the convolution, and the last layer in bfloat16.
    one_picture = 48 * 4 + 32 * 4 + 32 * 2
    assert estimate.activation_bytes == one_picture * config.batch_size // 2


def test_what_threads_make_comes_in_order_and_not_all_at_once() -> None:
    made: list[int] = []
    gate = threading.Event()

    def make(number: int) -> int:
        if number == 0:
            gate.wait(10)
        made.append(number)
        return number * 10

    with stream(make, range(20), workers=2) as items:
        gate.set()
        assert [next(items) for _ in range(3)] == [0, 10, 20]
        assert max(made) < 3 + 2 + AHEAD
        assert list(items) == [number * 10 for number in range(3, 20)]


def test_what_a_thread_raises_comes_out_as_it_is() -> None:
    def make(number: int) -> int:
        if number == 3:
            raise InvalidData("picture 3.jpg: no picture")
        return number

    with stream(make, range(10), workers=3) as items:
        assert [next(items) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(InvalidData, match=r"3\.jpg"):
            next(items)
    assert np.unique([thread.name for thread in threading.enumerate()]).size
    assert not [t for t in threading.enumerate() if t.name.startswith("samples")]
    assert sys.exc_info() == (None, None, None)

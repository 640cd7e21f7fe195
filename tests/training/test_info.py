import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from service.inference.card import DataSource
from service.inference.errors import InvalidData
from tests.training.fixed_bundles import CROP, make_card, write_bundle, write_detector_bundle
from tests.training.tiny_training import tiny_config, tiny_networks
from training.cli import main
from training.config import DataSet
from training.info import run_info
from training.run import create_run, empty_network
from training.skeletons import COCO


@pytest.fixture(autouse=True)
def _tiny() -> Iterator[None]:
    with tiny_networks():
        yield


def test_a_bundle_says_what_its_card_and_graph_say(tmp_path: Path) -> None:
    joints = np.full((1, 17, 3), 0.5, np.float32)
    card = make_card("keypoints", CROP).model_copy(
        update={
            "data": (DataSource(name="sports", licence="CC0", samples=12),),
            "metrics": {"val/gt-boxes/AP": 0.4, "val/people": 7.0},
        }
    )
    bundle = write_bundle(tmp_path / "joints", card, {"keypoints": joints})
    information = run_info(bundle / "model.onnx")
    assert (information.kind, information.name) == ("bundle", "oracle/3")
    assert information.keypoints == COCO.names
    assert information.parameters == joints.size
    assert information.macs == 0
    assert information.file_bytes == (bundle / "model.onnx").stat().st_size
    assert (information.opset, information.precision) == (18, "fp32")
    assert information.data == ("sports (12)",)
    assert information.metrics["val/gt-boxes/AP"] == 0.4


def test_it_is_shown_as_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(write_detector_bundle(tmp_path / "boxes"))]) == 0
    shown = capsys.readouterr().out
    for text in ("bundle finder/3", "detection", "96x96", "ONNX opset"):
        assert text in shown


def test_a_run_says_how_far_it_is_and_what_it_costs(
    stick_people: Callable[..., DataSet],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tiny_config(stick_people(pictures=1))
    run = create_run(tmp_path / "run", config, COCO)
    (run.folder / "log.csv").write_text("epoch,loss,val_AP\n0,3,0.2\n1,2,0.1\n")
    assert main(["info", str(run.folder), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "run"
    assert (document["epochs_done"], document["epochs"]) == (2, 3)
    assert document["metrics"] == {"AP": 0.2}
    assert document["parameters"] == empty_network(config, COCO).count_params()
    # 5x5x3 to 8 channels and 8 to 17 joints at every fourth pixel of 64x64.
    assert document["macs"] == 16 * 16 * (5 * 5 * 3 * 8 + 8 * 17)
    assert document["file_bytes"] is None


def test_what_is_neither_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="neither a run's folder"):
        run_info(tmp_path)

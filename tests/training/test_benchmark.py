import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from service.inference.errors import InvalidData, InvalidInput
from tests.training.fixed_bundles import (
    CROP,
    make_card,
    write_detector_bundle,
    write_keypoint_bundle,
)
from training.benchmark import MIN_RUNS, WARM_UP_RUNS, run_benchmark, time_batches
from training.cli import main

FAST = 1e-6


class Metered:
    """A session whose runs take as many seconds of a clock of their own as they are told."""

    provider = "CPUExecutionProvider"
    card = make_card("keypoints", CROP)

    def __init__(self, durations: list[float]) -> None:
        self.durations, self.now = durations, 0.0
        self.shapes: list[tuple[int, ...]] = []
        self.runs = count()

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.shapes.append(image.shape)
        self.now += self.durations[next(self.runs) % len(self.durations)]
        return {}

    def clock(self) -> float:
        return self.now


def test_runs_to_warm_up_do_not_count() -> None:
    session = Metered([100.0] * WARM_UP_RUNS + [0.01] * MIN_RUNS)
    timing = time_batches(session, 4, FAST, session.clock)
    assert timing.median_ms == pytest.approx(10)
    assert timing.runs == MIN_RUNS
    assert timing.per_second == pytest.approx(400)
    assert session.shapes == [(4, 128, 96, 3)] * (WARM_UP_RUNS + MIN_RUNS)


def test_the_slowest_twentieth_is_named() -> None:
    session = Metered([0.01] * 19 + [0.5])
    timing = time_batches(session, 1, 3.2, session.clock)
    assert timing.runs >= 80
    assert timing.median_ms == pytest.approx(10)
    assert 10 < timing.p95_ms < 500


def test_it_measures_until_the_time_is_up() -> None:
    session = Metered([0.1])
    assert time_batches(session, 1, 5.05, session.clock).runs == 51


def test_a_bundle_is_timed_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_keypoint_bundle(tmp_path / "joints")
    result = run_benchmark(bundle, batch_sizes=[1, 3], seconds=FAST, threads=2)
    shown = capsys.readouterr().out
    for text in ("oracle/3 128x96", "CPUExecutionProvider", "2 thread(s)", "crops/s", "noise"):
        assert text in shown.replace("\n", " ")
    assert [timing.batch_size for timing in result.timings] == [1, 3]
    assert all(timing.median_ms > 0 for timing in result.timings)


def test_json_holds_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_detector_bundle(tmp_path / "boxes")
    flags = ["--batch-sizes", "2", "--seconds", "0.000001", "--json"]
    assert main(["benchmark", str(bundle), *flags]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["model"] == "finder/3"
    assert document["unit"] == "pictures"
    assert document["threads"] == 1
    assert document["timings"][0]["runs"] == MIN_RUNS


@pytest.mark.parametrize("sizes", [[], [1, 0]])
def test_batch_sizes_below_one_are_refused(tmp_path: Path, sizes: list[int]) -> None:
    with pytest.raises(InvalidInput, match="batch_sizes"):
        run_benchmark(tmp_path, batch_sizes=sizes)


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="neither a run's folder"):
        run_benchmark(tmp_path, batch_sizes=[1])

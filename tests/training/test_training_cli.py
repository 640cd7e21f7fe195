import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.tiny_training import tiny_config, tiny_flags, tiny_networks
from training import cli
from training.config import DataSet
from training.recipes import recipe
from training.run import Run, create_run
from training.skeletons import COCO
from training.stopping import Stopped

StickPeople = Callable[..., DataSet]


def test_recipes_are_listed_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recipes"]) == 0
    listed = capsys.readouterr().out
    for name in ("mobilenetv2-heatmap", "person-detector", "person-detector-debug"):
        assert name in listed


@pytest.mark.parametrize("arguments", [[], ["dance"]])
def test_no_or_an_unknown_command_shows_the_commands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert "check-data" in capsys.readouterr().err


def test_check_data_reports_as_json_and_by_exit_code(
    stick_people: StickPeople, capsys: pytest.CaptureFixture[str]
) -> None:
    data = stick_people()
    argument = f"{data.annotations}:{data.images}"
    assert cli.main(["check-data", argument, "--json"]) == 0
    (checked,) = json.loads(capsys.readouterr().out)["sets"]
    assert {finding["severity"] for finding in checked["findings"]} == {"note"}
    next(data.images.iterdir()).unlink()
    assert cli.main(["check-data", argument]) == 1
    assert "missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "--recipe", "nothing"], "unknown name 'nothing'"),
        (["train", "--batch-size", "0"], "batch_size"),
        (["train"], "--output"),
        (["train", "--max-minutes", "soon", "--output", "x"], "--max-minutes: 'soon'"),
        (["train", "--precision", "float8", "--output", "x"], "precision"),
        (["train", "--resume"], "--output"),
        (["train", "--resume", "--output", "/nowhere"], "no run in /nowhere"),
        (["evaluate", "/nowhere", "--data", "gone.json:."], "gone.json"),
        (["evaluate", "/nowhere"], "data"),
        (["export", "/nowhere", "--licences", "a=b, c"], "licences"),
        (["export", "/nowhere"], "/nowhere"),
    ],
)
def test_wrong_input_ends_with_one_sentence(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert named in error
    assert "Traceback" not in error


def test_the_help_of_train_names_run_flags_and_fields(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for flag in ("--output", "--resume", "--config", "--optimizer.learning-rate", "--data.train"):
        assert flag in text


@pytest.mark.parametrize("code", [0, 130, 143])
def test_a_run_that_stops_early_says_how_to_go_on(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Stopped("stopped, saved after step 7", code)

    monkeypatch.setattr("training.fit.train", stop)
    assert cli.main(["train", "--output", "runs/x"]) == code
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "stopped, saved after step 7",
        "go on with: python -m training train --resume --output runs/x",
    ]


@pytest.mark.parametrize(
    "flags",
    [
        ["--epochs", "200"],
        ["--optimizer.learning-rate=0.1"],
        ["--recipe", "person-detector"],
        ["--config", "run.toml"],
        ["--dry-run"],
    ],
)
def test_resume_refuses_what_would_make_another_run(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", "--resume", "--output", "runs/x", *flags]) == 2
    message = capsys.readouterr().err
    assert f"takes no {flags[0].partition('=')[0]};" in message
    assert "--init-weights runs/x/final.weights.h5" in message


def test_resume_takes_what_does_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    create_run(tmp_path / "run", recipe("mobilenetv2-heatmap-debug"), COCO)
    resumed: list[tuple[Run, float | None]] = []

    def resume(run: Run, *, max_minutes: float | None) -> Run:
        resumed.append((run, max_minutes))
        return run

    monkeypatch.setattr("training.fit.resume", resume)
    flags = ["--data.workers", "7", "--devices", "one", "--max-minutes", "30"]
    assert cli.main(["train", "--resume", "--output", str(tmp_path / "run"), *flags]) == 0
    ((run, minutes),) = resumed
    assert (run.config.data.workers, run.config.devices, minutes) == (7, "one", 30)
    unchanged = {"data": run.config.data.model_copy(update={"workers": 2}), "devices": "auto"}
    assert run.config.model_copy(update=unchanged) == recipe("mobilenetv2-heatmap-debug")


def test_train_evaluate_and_resume_from_the_command_line(
    stick_people: StickPeople, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config(stick_people(pictures=3), epochs=1)
    data = f"{config.data.train[0].annotations}:{config.data.train[0].images}"
    output = str(tmp_path / "run")
    with tiny_networks():
        assert cli.main(["train", *tiny_flags(config, tmp_path / "run")]) == 0
        assert "best.weights.h5" in capsys.readouterr().out
        assert cli.main(["train", "--resume", "--output", output]) == 0
        capsys.readouterr()
        assert cli.main(["evaluate", output, "--data", data, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["metrics"]
    assert 0 <= figures["AP"] <= 1

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from training import cli
from training.config import DataSet

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
    assert {finding["severity"] for finding in json.loads(capsys.readouterr().out)} == {"note"}
    next(data.images.iterdir()).unlink()
    assert cli.main(["check-data", argument]) == 1
    assert "missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "--recipe", "nothing"], "unknown name 'nothing'"),
        (["train", "--batch-size", "0"], "batch_size"),
        (["train"], "--output"),
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


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.fit.train", interrupt)
    assert cli.main(["train", "--output", "runs/x"]) == 130
    assert "--resume --output runs/x" in capsys.readouterr().err


@pytest.mark.slow
def test_train_evaluate_and_resume_from_the_command_line(
    stick_people: StickPeople, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = stick_people(pictures=3)
    argument = f"{data.annotations}:{data.images}"
    output = str(tmp_path / "run")
    flags = ["--recipe", "person-detector-debug", "--data.train", argument, "--output", output]
    assert cli.main(["train", *flags, "--epochs", "1", "--epoch-samples", "4"]) == 0
    assert "best.weights.h5" in capsys.readouterr().out
    assert cli.main(["train", "--resume", "--output", output]) == 0
    capsys.readouterr()
    assert cli.main(["evaluate", output, "--data", argument, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["metrics"]
    assert 0 <= figures["AP"] <= 1

import json
import shutil
from collections.abc import Callable

import pytest

from training.commands import check_data as command
from training.config import DataSet


@pytest.fixture
def data(stick_people: Callable[..., DataSet]) -> DataSet:
    return stick_people("train", pictures=4)


def given(data: DataSet) -> str:
    return f"{data.annotations}:{data.images}"


def test_command_tells_errors_by_words_and_exit_code(
    data: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run([given(data)]) == 0
    (data.images / "002.png").unlink()
    capsys.readouterr()
    assert command.run([given(data)]) == 1
    shown = capsys.readouterr().out
    assert "a picture is missing" in shown
    assert "002.png" in shown


def test_json_holds_every_set_and_what_is_between_them(
    data: DataSet, stick_people: Callable[..., DataSet], capsys: pytest.CaptureFixture[str]
) -> None:
    (data.images / "002.png").unlink()
    other = stick_people("val", pictures=2, seed=5)
    shutil.copy(data.images / "001.png", other.images / "001.png")
    assert command.run([given(data), given(other), "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert [one["pictures"] for one in printed["sets"]] == [4, 2]
    first_finding = printed["sets"][0]["findings"][0]
    assert first_finding["severity"] == "error"
    assert first_finding["message"] == "a picture is missing"
    assert first_finding["count"] == 1
    assert "002.png" in first_finding["examples"][0]
    (leak,) = printed["across"]
    assert leak["examples"] == ["001.png = 001.png"]

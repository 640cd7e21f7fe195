import json
import platform
import socket
from importlib.metadata import version
from pathlib import Path

import pytest

from training.environment import describe_environment


def test_software_and_hardware_are_named_as_json() -> None:
    environment = json.loads(json.dumps(describe_environment()))
    assert environment["python"] == platform.python_version()
    assert environment["keras_backend"] == "tensorflow"
    assert environment["packages"]["keras"] == version("keras")
    assert environment["cpu"]["cores"] >= 1
    assert environment["cpu"]["model"]
    assert environment["devices"] == ["cpu:0"]


def test_packages_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.environment._PACKAGES", ("keras", "no-such-package"))
    assert describe_environment()["packages"].keys() == {"keras"}


def test_nothing_tells_whose_machine_it_is() -> None:
    text = json.dumps(describe_environment())
    assert socket.gethostname() not in text
    assert str(Path.cwd()) not in text

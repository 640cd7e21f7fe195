import stat
from pathlib import Path

import pytest

from training.hardware import cpu_model, gpu_names, memory_gib

CPU_INFO = """\
processor\t: 0
model name\t: Someone's CPU @ 2.00GHz

processor\t: 1
model name\t: Someone's CPU @ 2.00GHz
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for nvidia-smi: writes down its arguments and names two cards."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho "Card A"\necho "Card B"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


def test_the_processor_is_named_as_the_system_names_it(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(CPU_INFO)
    assert cpu_model(path) == "Someone's CPU @ 2.00GHz"
    assert cpu_model(tmp_path / "none")


def test_memory_is_in_gib_and_none_where_nobody_tells(tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:       16777216 kB\nMemFree:        1 kB\n")
    assert memory_gib(path) == 16.0
    assert memory_gib(tmp_path / "none") is None


def test_all_cards_of_the_driver_are_named(driver: Path) -> None:
    assert gpu_names() == ["Card A", "Card B"]
    assert "-i" not in (driver.parent / "asked").read_text()


def test_only_visible_cards_are_asked_for(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    gpu_names()
    assert "-i 1,0" in (driver.parent / "asked").read_text()


@pytest.mark.usefixtures("driver")
def test_hidden_cards_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_names() == []


def test_a_driver_that_fails_has_no_cards(driver: Path) -> None:
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert gpu_names() == []

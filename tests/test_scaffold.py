"""The promises of the tool chain: locked requirements, import rules, targets, containers."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from service import VERSION

ROOT = Path(__file__).parent.parent
LOCKED = ("service", "gpu", "training", "otel", "dev")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared(extra: str) -> list[Requirement]:
    """What a user of an extra asks for, base included; `dev` includes other extras by name."""
    table = project()
    found = [Requirement(text) for text in table["dependencies"]]
    for requirement in map(Requirement, table["optional-dependencies"][extra]):
        if requirement.name == table["name"]:
            for inner in sorted(requirement.extras):
                found += map(Requirement, table["optional-dependencies"][inner])
        else:
            found.append(requirement)
    return found


def locked(name: str) -> dict[str, str]:
    """Package → version of one requirements file."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", LOCKED)
def test_requirements_are_pinned_with_hashes_and_name_no_address(name: str):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry)
        assert "/" not in entry
        assert not re.search(r"\s(-i|-f|--(extra-)?index-url|--find-links)\b", entry)


@pytest.mark.parametrize("name", LOCKED)
def test_lock_satisfies_what_the_project_declares(name: str):
    versions = locked(name)
    for requirement in declared(name):
        package = canonicalize_name(requirement.name)
        assert requirement.specifier.contains(versions[package]), f"run make lock: {requirement}"


def test_all_locks_agree_on_versions():
    merged: dict[str, str] = {}
    for name in LOCKED:
        for package, version in locked(name).items():
            assert merged.setdefault(package, version) == version, f"{package} in {name}.txt"


def test_serving_installs_no_training_framework():
    assert not {"tensorflow", "keras", "onnx", "pycocotools"} & locked("service").keys()


@pytest.mark.parametrize(
    ("platform", "machine", "package"),
    [
        ("linux", "x86_64", "onnxruntime-gpu"),
        ("linux", "aarch64", "onnxruntime-gpu"),
        ("win32", "AMD64", "onnxruntime-gpu"),
        ("win32", "ARM64", "onnxruntime"),
        ("darwin", "arm64", "onnxruntime"),
    ],
)
def test_every_platform_gets_exactly_one_runtime(platform: str, machine: str, package: str):
    environment = default_environment() | {"sys_platform": platform, "platform_machine": machine}
    runtimes = [
        requirement.name
        for requirement in map(Requirement, project()["dependencies"])
        if requirement.name.startswith("onnxruntime")
        and requirement.marker is not None
        and requirement.marker.evaluate(environment)  # type: ignore[arg-type]
    ]
    assert runtimes == [package]


def test_every_dependency_is_explained():
    page = (ROOT / "docs" / "dependencies.md").read_text()
    explained = {cell.split("[")[0] for cell in re.findall(r"^\| (\S+) \|", page, re.MULTILINE)}
    named = {requirement.name for extra in LOCKED for requirement in declared(extra)}
    assert named - explained == set()
    assert explained - named == {"package"}  # the tables' heading


def test_service_tells_the_version_of_the_project():
    assert project()["version"] == VERSION


def test_help_lists_every_target():
    answer = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = {line.split()[0] for line in answer.stdout.splitlines()}
    wanted = "setup serve test check fmt lock train export bench docker help"
    assert listed == set(wanted.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["PYTHON=no-such-python"], "install Python >= 3.11 or name one"),
        (["DEVICE=tpu"], 'DEVICE is "tpu", expected auto, cpu or cuda'),
    ],
)
def test_make_says_what_is_missing(arguments: list[str], message: str, tmp_path: Path):
    answer = subprocess.run(
        ["make", "serve", f"VENV={tmp_path / 'venv'}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert message in answer.stderr


def test_import_rules_hold():
    command = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout


def test_service_loads_no_training_framework():
    script = (
        "import importlib, pkgutil, sys, service\n"
        "for module in pkgutil.walk_packages(service.__path__, 'service.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(answer.stdout.split())
    assert {"service", "fastapi", "onnxruntime"} <= loaded
    assert not loaded & {"training", "tensorflow", "keras", "onnx", "matplotlib", "pycocotools"}


def test_onnx_runtime_sends_no_telemetry(tmp_path: Path):
    script = (
        "from onnx import TensorProto, helper\n"
        "from service.inference import session\n"
        "import onnxruntime\n"
        "one = helper.make_tensor_value_info('x', TensorProto.FLOAT, [1])\n"
        "two = helper.make_tensor_value_info('y', TensorProto.FLOAT, [1])\n"
        "graph = helper.make_graph([helper.make_node('Neg', ['x'], ['y'])], 'g', [one], [two])\n"
        "opset = [helper.make_opsetid('', 21)]\n"
        "model = helper.make_model(graph, opset_imports=opset, ir_version=10)\n"
        "onnxruntime.InferenceSession(\n"
        "    model.SerializeToString(), providers=['CPUExecutionProvider'])\n"
    )
    # Nothing else that switches it off may be set, such as what tells a CI machine.
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True)
    # With telemetry there is an identifier of this machine below ~/.cache.
    assert list(tmp_path.rglob("*")) == []


def test_compose_has_a_gpu_a_cpu_and_a_training_profile():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = {
        name: service for name, service in compose["services"].items() if "build" in service
    }
    profiles = {name: service["profiles"] for name, service in services.items()}
    assert profiles == {"service": ["gpu"], "service-cpu": ["cpu"], "training": ["training"]}
    for service in services.values():
        assert (ROOT / service["build"]["dockerfile"]).is_file()
    (device,) = services["service"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert services["service"]["build"]["args"] == {"DEVICE": "cuda"}
    assert "deploy" not in services["service-cpu"]


@pytest.mark.parametrize("name", ["service", "training"])
def test_images_copy_only_what_reaches_the_builder(name: str):
    dockerfile = (ROOT / "docker" / f"{name}.Dockerfile").read_text()
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, flags=re.MULTILINE)
    sources = [source for line in copies for source in line.split()]
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignore if line.startswith("!")}
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert source.split("/")[0] in sent

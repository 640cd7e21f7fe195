"""What `docker/monitoring` and docs/operations.md say of the service is what the service does."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from service.http import problems
from service.http.app import create_app
from service.http.metrics import Metrics
from service.inference.execution import Execution
from service.runtime.models_folder import ModelsFolder
from service.settings import Settings
from tests.service.conftest import Bundles
from tests.service.http.conftest import connect

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "docker" / "monitoring"
ALERTS = MONITORING / "prometheus" / "alerts.yml"
ALERT_TESTS = MONITORING / "prometheus" / "alerts.test.yml"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "stance.json"
PAGE = (ROOT / "docs" / "operations.md").read_text()

METRIC = re.compile(r"\b(?:pose|process|python)_\w+\b")
MATCHED = re.compile(r"\b(\w+)\{([^}]*)\}")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
OF_TARGETS = {"job", "instance", "expects"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def families(tmp_path_factory):
    """What a service tells after one picture that it answered and one that it did not."""
    models_dir = Bundles().write_models(tmp_path_factory.mktemp("monitored") / "models")
    metrics = Metrics()
    models = ModelsFolder(
        models_dir,
        Execution(device="cpu"),
        observe_run=metrics.observe_run,
        observe_batch=metrics.observe_batch,
    )
    picture = cv2.imencode(".png", np.full((48, 64, 3), 200, np.uint8))[1].tobytes()
    async with connect(create_app(Settings(workers=1), models, metrics=metrics)) as client:
        for content in (picture, b"no picture"):
            await client.post("/predict", content=content, headers={"content-type": "image/png"})
        text = (await client.get("/metrics")).text
    return list(text_string_to_metric_families(text))


@pytest.fixture(scope="module")
def labels(families) -> dict[str, set[str]]:
    """The labels of each metric by the name that PromQL asks for."""
    found: dict[str, set[str]] = defaultdict(set)
    for family in families:
        for sample in family.samples:
            found[sample.name] |= set(sample.labels)
    return found


def alerts() -> list[dict]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def panels() -> list[dict]:
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions() -> Iterator[str]:
    yield from (alert["expr"] for alert in alerts())
    yield from (target["expr"] for panel in panels() for target in panel.get("targets", ()))


@pytest.mark.anyio
async def test_every_metric_that_is_asked_for_exists(labels):
    asked = {name for expression in expressions() for name in METRIC.findall(expression)}

    assert len(asked) > 20
    assert asked - labels.keys() == set()


@pytest.mark.anyio
async def test_every_label_that_is_asked_for_exists(labels):
    for expression in expressions():
        for name, matchers in MATCHED.findall(expression):
            asked = {
                matcher.group(1) for matcher in re.finditer(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)
            }
            assert asked <= labels[name] | OF_TARGETS, expression
        known = OF_TARGETS.union(*(labels[name] for name in METRIC.findall(expression)))
        for names in GROUPED.findall(expression):
            assert set(re.split(r",\s*", names)) <= known, expression


@pytest.mark.anyio
async def test_dashboard_shows_every_metric_of_ours(families):
    shown = {name for panel in panels() for name in METRIC.findall(json.dumps(panel))}

    for family in families:
        if family.name.startswith("pose_"):
            assert any(name.startswith(family.name) for name in shown), family.name


def test_reasons_that_alerts_name_are_problems():
    slugs = {kind.slug for _, kind in problems._KINDS} | {problems.INTERNAL.slug}
    named = {
        reason
        for alert in alerts()
        for match in re.finditer(r'reason=~?"([^"]+)"', alert["expr"])
        for reason in match.group(1).split("|")
    }

    assert "overloaded" in named
    assert named <= slugs


def test_every_alert_is_tested_in_both_directions():
    tests = yaml.safe_load(ALERT_TESTS.read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    fires = {case["alertname"] for case in cases if case.get("exp_alerts")}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}

    names = {alert["alert"] for alert in alerts()}
    assert fires == silent == names


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
)
def test_prometheus_itself_agrees(arguments):
    answer = subprocess.run(
        ["promtool", *arguments],
        cwd=ALERTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_panels_have_a_place_and_an_id_of_their_own():
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
        letters = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(letters)) == len(letters)

    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_dashboard_finds_its_data_source():
    dashboard = json.loads(DASHBOARD.read_text())
    folder = MONITORING / "grafana" / "provisioning" / "datasources"
    (source,) = yaml.safe_load((folder / "prometheus.yml").read_text())["datasources"]
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}

    assert source["url"] == "http://prometheus:9090"
    assert variables["datasource"]["current"]["value"] == source["uid"]
    assert {panel["datasource"]["uid"] for panel in panels() if "targets" in panel} == {
        "${datasource}"
    }


def compose() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_compose_starts_both_with_one_profile_and_fixed_versions():
    services = {
        name: service for name, service in compose().items() if "monitoring" in service["profiles"]
    }

    assert set(services) == {"prometheus", "grafana"}
    for service in services.values():
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).is_dir()
                assert volume.endswith(":ro")


def test_prometheus_scrapes_the_services_of_compose():
    config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    (found,) = job["dns_sd_configs"]

    assert job["job_name"] == "stance"
    for name in found["names"]:
        assert compose()[name]["ports"][0].endswith(f":{found['port']}")
    expected = {rule["regex"]: rule["replacement"] for rule in job["relabel_configs"]}
    assert expected == {"service": "cuda", "service-cpu": "cpu"}
    assert set(found["names"]) == set(expected)
    assert config["rule_files"] == [ALERTS.name]


def rows(heading: str) -> list[list[str]]:
    """The cells of a table in the page, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


@pytest.mark.anyio
async def test_page_lists_every_metric_as_it_is(families):
    expected = []
    for family in families:
        if family.name.startswith("pose_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            expected.append(
                [f"`{name}`", family.type, ", ".join(sorted(labels)), family.documentation]
            )

    assert [[cell.strip() for cell in row] for row in rows("Metrics")] == expected


def test_page_says_what_to_do_about_every_alert():
    told = [(name.strip("`"), severity) for name, severity, _ in rows("Alerts")]

    assert told == [(alert["alert"], alert["labels"]["severity"]) for alert in alerts()]


def test_limits_on_the_page_are_settings_with_these_defaults():
    settings = Settings(workers=1)

    for variable, default, _ in rows("Limits"):
        field = variable.strip("`").removeprefix("POSE_").lower()
        assert str(getattr(settings, field)) == default, variable


def test_variables_on_the_page_exist():
    named = set(re.findall(r"`POSE_([A-Z_]+)", PAGE))

    assert {name.lower() for name in named} <= set(Settings.model_fields)

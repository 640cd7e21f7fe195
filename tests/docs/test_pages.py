"""The pages as text: links lead somewhere, blocks are run or say why not, nothing is stale."""

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from docs.tables.models import Bundle, pipelines, what_ships
from docs.tables.pages import PAGES as GENERATED
from docs.tables.pages import parts, renewed
from service.settings import Settings
from tests.docs.blocks import FENCES, PAGES, ROOT, blocks, runner
from training.config import TrainConfig

MARKDOWN = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*/*/*.md")})
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
EXTERNAL = re.compile(r"https://[a-z0-9.-]+\.[a-z]+(/[^\s]*)?")
RUN = {"sh", "python", "diff"}
SHOWN = {"json", "toml", "yaml", "nginx", "ini", "", "text"}
"""Languages of what is shown: answers and files."""
NOT_RUN = {
    ("quickstart.md", "needs Docker"),
    ("deployment.md", "needs Docker"),
    ("deployment.md", "needs Docker and a GPU"),
    ("deployment.md", "changes the host, needs root and the toolkit"),
    ("training-log.md", "it is a record of runs that took hours, on data that does not ship"),
}
README_LINES = 80


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = HEADING.findall(FENCES.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return LINK.findall(FENCES.sub("", page.read_text()))


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        if ":" in path:
            assert EXTERNAL.fullmatch(link), link
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_on_the_map() -> None:
    listed = {link.partition("#")[0] for link in links(ROOT / "docs" / "index.md")}

    assert {page.name for page in ROOT.glob("docs/*.md")} - listed == {"index.md"}


def test_readme_stays_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_has_a_language_that_is_run_or_shown(page: Path) -> None:
    found = blocks(page)

    assert {block.language for block in found} <= RUN | SHOWN
    # A fence that is indented would not be found, and so not be run.
    assert page.read_text().count("```") == 2 * len(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_that_could_be_run_is_run_or_says_why_not(page: Path) -> None:
    for block in blocks(page):
        assert block.language not in RUN or block.not_run or runner(block), block.place


def test_what_is_not_run_is_listed_here() -> None:
    found = {(b.page.name, b.not_run) for page in PAGES for b in blocks(page) if b.not_run}

    assert found == NOT_RUN


def test_commands_for_docker_name_what_compose_has() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    profiles = {name for service in compose["services"].values() for name in service["profiles"]}

    for page in PAGES:
        text = page.read_text()
        assert set(re.findall(r"--profile (\w+)", text)) <= profiles
        assert set(re.findall(r"compose run --rm (\w+)", text)) <= set(compose["services"])


@pytest.mark.parametrize("page", GENERATED, ids=lambda page: page.name)
def test_generated_tables_are_as_new(page: Path) -> None:
    text = page.read_text()

    assert "<!-- generated: " in text
    assert renewed(text, parts(ROOT / "models")) == text, "run python -m docs.tables"


def test_tables_have_every_setting_with_its_meaning() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    rows = {row.split(" |")[0]: row for row in text.splitlines() if row.startswith("| `")}

    for name in Settings.model_fields:
        assert f"| `POSE_{name.upper()}`" in rows
    for name, field in TrainConfig.model_fields.items():
        if isinstance(field.default, bool | int | float | str):
            assert f"| `--{name.replace('_', '-')}`" in rows
    assert [row for row in rows.values() if row.endswith("| |")] == []


def test_variables_and_flags_on_the_pages_exist() -> None:
    settings = set(Settings.model_fields)
    for page in PAGES:
        for name in re.findall(r"\bPOSE_([A-Z_]+[A-Z])\b", page.read_text()):
            assert name.lower() in settings, (page.name, name)


def test_figures_are_those_of_the_cards() -> None:
    table = what_ships(ROOT / "models")

    for name, entry in tomllib.loads((ROOT / "models" / "pipelines.toml").read_text()).items():
        assert f"`{name}`, end to end" in table
        assert Bundle(ROOT / "models" / entry["keypoints"]).card.name in table
    for pipeline in pipelines(ROOT / "models"):
        metrics = pipeline.keypoints.card.metrics
        (true_boxes,) = [value for key, value in metrics.items() if key.endswith("gt-boxes/AP")]
        assert f"AP {true_boxes:.3f}," in table


@pytest.mark.parametrize("drawing", sorted(ROOT.glob("docs/*.svg")), ids=lambda path: path.name)
def test_drawings_are_whole_have_a_title_and_bring_their_background(drawing: Path) -> None:
    root = ElementTree.parse(drawing).getroot()
    width, height = root.attrib["viewBox"].split()[2:]
    first = next(part for part in root if part.tag.endswith("rect"))

    assert root.find("{*}title") is not None
    assert (first.get("width"), first.get("height"), first.get("fill")) == (
        width,
        height,
        "#ffffff",
    )
    assert f"({drawing.name})" in (ROOT / "docs" / "architecture.md").read_text()


def test_threads_of_other_projects_are_named_with_owner_and_repository() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    named = re.findall(r"[^\s(]*#\d+", text.replace("decisions.md#", ""))

    assert len(named) > 10
    assert [name for name in named if not re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_no_registry_and_no_machine(page: Path) -> None:
    text = page.read_text()

    # Spelt so that this file names none itself.
    assert not re.findall(r"(?i)py[p]i|python[h]osted|index-url|artifactor[y]", text)
    assert not re.findall(r"(?<![\w.])/(?:work|home|root|tmp|Users)/\S+", text)

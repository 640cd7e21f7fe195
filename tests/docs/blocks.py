"""The fenced blocks of the pages: their language, their place, and why one is not run."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: ([^<>]+) -->\s*$")
_PAGE_NOT_RUN = re.compile(r"^<!-- no block of this page is run: (.+?) -->$", re.MULTILINE)
FENCES = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
"""Whole blocks, to look at the sentences between them."""
TRAINING = re.compile(r"^(?:stance|(?:\.venv/bin/)?python -m training) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: file that it stands in.
        line: of its fence, from 1.
        language: after the fence.
        text: what it holds.
        not_run: the reason that the page gives; None for what is run.
    """

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def trains(self) -> bool:
        """Whether it holds verbs of training, which are run in this process."""
        return self.language == "sh" and TRAINING.search(self.text) is not None


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in its order."""
    text = page.read_text()
    whole = _PAGE_NOT_RUN.search(text)
    found: list[Block] = []
    for match in _BLOCK.finditer(text):
        before = _NOT_RUN.search(text[: match.start()])
        reason = before or whole
        found.append(
            Block(
                page,
                text.count("\n", 0, match.start()) + 1,
                match[1],
                match[2],
                None if reason is None else " ".join(reason[1].split()),
            )
        )
    return found


def commands(block: Block) -> list[str]:
    """The lines of a shell block, continued ones joined, without comments of their own."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def runner(block: Block) -> str | None:
    """Which test runs a block; None for what is only shown, or what nobody runs."""
    match block.page.name, block.language:
        case "extending.md", "python" | "diff":
            return "example"
        case "retraining.md", "sh":
            return "retraining"
        case _, "sh" if block.trains:
            return "training"
        case "extending.md" | "retraining.md", _:
            return None
        case _, "sh" | "python":
            return "service"
        case _:
            return None


def run_by(name: str, page: Path) -> list[Block]:
    """The blocks of a page that a test runs, in its order."""
    return [block for block in blocks(page) if block.not_run is None and runner(block) == name]

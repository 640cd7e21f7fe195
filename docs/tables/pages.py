"""Which parts of which pages are generated.

Such a part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`. Settings are read
from their declarations, figures from the cards of the bundles in `models/`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from docs.tables.models import bundle_table, pipeline_table, what_ships
from docs.tables.settings import service_tables, training_tables

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "configuration.md", ROOT / "docs" / "models.md")
_PART = re.compile(
    r"(<!-- generated: ([a-z-]+) -->\n).*?(^<!-- end of \2 -->$)", re.MULTILINE | re.DOTALL
)


def parts(models: Path) -> Mapping[str, str]:
    """Every generated part by its name.

    Args:
        models: folder of the bundles and of `pipelines.toml`.
    """
    return {
        "what-ships": what_ships(models),
        "pipelines": pipeline_table(models),
        "bundles": bundle_table(models),
        "service-settings": service_tables(),
        "training-settings": training_tables(),
    }


def renewed(text: str, known: Mapping[str, str]) -> str:
    """A page with its generated parts as they are now."""
    return _PART.sub(lambda part: f"{part[1]}{known[part[2]]}\n{part[3]}", text)

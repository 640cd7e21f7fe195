"""Writes the generated tables of the pages again: `python -m docs.tables`."""

import sys

from docs.tables.pages import PAGES, ROOT, parts, renewed


def main() -> int:
    """Writes the pages and names those that changed."""
    known = parts(ROOT / "models")
    for page in PAGES:
        before = page.read_text("utf-8")
        after = renewed(before, known)
        if after != before:
            page.write_text(after, "utf-8")
            print(f"wrote {page.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

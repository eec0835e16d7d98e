"""A hook of MkDocs: pages of the site show sections of README.md and whole files beside it.

A line ``<!-- from README.md: One minute -->`` becomes that section without its heading, and
``<!-- from CHANGELOG.md -->`` the file without its title, so that nothing is written twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PLACE = re.compile(r"^<!-- from ([\w.]+\.md)(?:: (.+))? -->$", re.MULTILINE)
LINK = re.compile(r"\[([^\[\]]+)\]\((?!\w+:|#)([^)\s]+)\)")  # [text](target), the target a file
_PAGES = {"CHANGELOG.md": "changes.md", "CONTRIBUTING.md": "contributing.md"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the sections in; MkDocs calls it for each page."""
    return PLACE.sub(lambda place: section(place[1], place[2]), markdown)


def section(file: str, heading: str | None) -> str:
    """Return a section of a file, or all of it, with its links as they are from ``docs/``."""
    text = (ROOT / file).read_text(encoding="utf-8").partition("\n")[2]
    if heading is not None:
        parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
        text = dict(zip(parts[1::2], parts[2::2], strict=True))[heading]
    return LINK.sub(_from_docs, text).strip()


def _from_docs(link: re.Match[str]) -> str:
    text, target = link.groups()
    if target.startswith("docs/"):
        return f"[{text}]({target.removeprefix('docs/')})"
    return f"[{text}]({_PAGES[target]})" if target in _PAGES else text  # no page of the site

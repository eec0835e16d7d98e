"""Rows of figures, Markdown tables, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def row(what: str, seconds: float, peer: str, peer_seconds: float, **more: Any) -> dict[str, Any]:
    """Return the times of ours and of a peer, and their ratio, as a row of `speed.py`."""
    return {
        "what": what,
        "seconds": seconds,
        "peer": peer,
        "peer_seconds": peer_seconds,
        "ratio": seconds / peer_seconds,
        **more,
    }


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are aligned right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replace_section(path: Path, name: str, content: str) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- /name -->``."""
    text = path.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if start not in text or end not in text:
        raise SystemExit(f"{path} has no section {start} … {end}")
    before, rest = text.split(start, 1)
    _, after = rest.split(end, 1)
    path.write_text(f"{before}{start}\n{content}\n{end}{after}", encoding="utf-8")

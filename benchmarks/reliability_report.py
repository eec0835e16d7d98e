"""The page on reliability, from the figures of ``reliability.py``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tables import markdown_table

_PAGE = """# What a crash costs

`python benchmarks/reliability.py --kills {kills}` wrote this page.

One or two programs at a time saved versions, autosaved, added images, exported and imported masks
as fast as they could, and were killed (SIGKILL) at random moments, {kills} times. After each kill
the project was opened, every confirmed version was compared with what had been painted, pixel by
pixel, every file with its hash, unsaved work was recovered, and every exported folder that was
there was read as another program would read it.

{verdict}

{confirmed}

Where the programs were when they were killed:

{killed_in}

What the kills left behind, none of which was taken for a version, an image or unsaved work:

{left}

{seconds} s in all, SQLite {sqlite}, {system}. A kill ends a program, not the machine: that what was
confirmed survives a power cut rests on the flushes to disk, which the system must honour.
"""


def write_documents(results: Mapping[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "reliability.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "reliability.md").write_text(page(results), encoding="utf-8")


def page(results: Mapping[str, Any]) -> str:
    failures = results["failures"]
    verdict = (
        "**Nothing that had been confirmed was lost or changed, and no half file was taken for a"
        " whole one.**"
    )
    if failures:
        listed = "\n".join(f"- {failure}" for failure in failures)
        verdict = f"**{len(failures)} failures:**\n\n{listed}"
    names = {
        "save": "versions",
        "add": "images",
        "autosave": "unsaved masks",
        "export": "exports",
        "import": "imports",
        "between": "between two of these",
    }
    return _PAGE.format(
        kills=results["kills"],
        verdict=verdict,
        confirmed=table("confirmed and compared", results["confirmed and compared"], names),
        killed_in=table("killed during", results["killed in"], {"between": names["between"]}),
        left=table("left behind", results["left behind"], {}),
        seconds=results["seconds"],
        sqlite=results["SQLite"],
        system=results["system"],
    )


def table(title: str, counts: Mapping[str, int], names: Mapping[str, str]) -> str:
    rows = [[names.get(name, name), f"{number:,}"] for name, number in counts.items()]
    return markdown_table([title, "number"], rows)

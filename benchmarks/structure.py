"""Count lines, modules and import circles of two revisions, for docs/architecture.md.

python benchmarks/structure.py --before 387d78a
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import grimp
import networkx as nx

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = "napari_retina_seg"
START, END = "<!-- structure: written by benchmarks/structure.py -->", "<!-- /structure -->"
SMALL, LARGE = 80, 400  # lines


def main() -> None:
    """Measure both revisions, and write the figures and their table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", default="387d78a", help="the revision to compare with")
    before = parser.parse_args().before
    figures = {before: measure_in_process(before), "now": measure_in_process("HEAD")}
    (ROOT / "docs" / "structure.json").write_text(json.dumps(figures, indent=1) + "\n")
    head, rest = PAGE.read_text(encoding="utf-8").split(START)
    page = f"{head}{START}\n\n{table(figures)}\n\n{END}{rest.split(END)[1]}"
    PAGE.write_text(page, encoding="utf-8")


def measure_in_process(revision: str) -> dict[str, int]:
    """Measure a revision in a folder and a process of its own."""
    archive = subprocess.run(
        ["git", "archive", revision, "src"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        source = Path(folder) / "src"
        code = f"import structure; print(structure.measure({str(source)!r}))"
        printed = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            env={"PYTHONPATH": f"{source}:{Path(__file__).parent}", "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
            text=True,
        )
    return json.loads(printed.stdout.splitlines()[-1])


def measure(source: str) -> str:
    """Return the figures of a source folder, which is first on the path, as JSON."""
    lines = {
        path.relative_to(source): len(path.read_text(encoding="utf-8").splitlines())
        for path in Path(source).rglob("*.py")
    }
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    imports = nx.DiGraph(
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    )
    circles = [part for part in nx.strongly_connected_components(imports) if len(part) > 1]
    return json.dumps(
        {
            "lines in src": sum(lines.values()),
            "lines in _napari": sum(n for path, n in lines.items() if path.parts[1] == "_napari"),
            "files": len(lines),
            f"files under {SMALL} lines": sum(n < SMALL for n in lines.values()),
            f"files over {LARGE} lines": sum(n > LARGE for n in lines.values()),
            "import circles": len(circles),
            "modules in circles": sum(map(len, circles)),
        }
    )


def table(figures: dict[str, dict[str, int]]) -> str:
    """Return the figures as a table of Markdown, a column for each revision."""
    names = list(figures)
    head = [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    rows = [
        f"| {key} | {' | '.join(f'{figures[name][key]:,}' for name in names)} |"
        for key in figures[names[0]]
    ]
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    main()

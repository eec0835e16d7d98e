"""Which share of altered lines a test notices, in the modules that decide figures and what is kept.

    pip install cosmic-ray
    python benchmarks/mutation.py [--each 10] [--seed 0]

alters so many places of each module (chosen at random, type annotations left out) one at a time in
a copy of the repository, runs the tests beside it, and writes ``docs/mutation.json`` with what
survived. An alteration that makes the tests hang counts as noticed.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from cosmic_ray.commands.init import _all_work_items
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import MutationSpec, TestOutcome

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/mutation.json"
PACKAGE = "src/napari_retina_seg"
SECONDS = 300.0  # for the tests of one alteration
PROJECT = (
    "tests/project/test_states.py tests/project/test_versions.py tests/project/test_permissions.py"
)
FORMATS = "tests/io/formats tests/workflows/test_exchange.py"
TARGETS = {
    "metrics/segmentation.py": "tests/metrics/test_segmentation.py",
    "metrics/evaluation.py": "tests/metrics/test_evaluation.py",
    "metrics/agreement.py": "tests/metrics/test_agreement.py",
    "metrics/interrater.py": "tests/metrics/test_interrater.py",
    "metrics/bootstrap.py": "tests/metrics/test_bootstrap.py tests/metrics/test_evaluation.py",
    "metrics/calibration.py": "tests/metrics/test_calibration.py tests/metrics/test_evaluation.py",
    "metrics/pooling.py": "tests/metrics/test_evaluation.py",
    "imaging/surfaces.py": "tests/imaging/test_surfaces.py tests/imaging/test_drawn_columns.py",
    "project/states.py": PROJECT,
    "project/transitions.py": PROJECT,
    "project/versions.py": PROJECT,
    "project/permissions.py": f"{PROJECT} tests/project/test_blinding.py",
    "io/formats/boundaries.py": FORMATS,
    "io/formats/coco.py": FORMATS,
    "io/formats/nifti.py": FORMATS,
    "io/formats/outlines.py": FORMATS,
    "io/formats/raster.py": FORMATS,
    "io/formats/training.py": FORMATS,
}


@dataclass(frozen=True)
class Survivor:
    """An alteration that no test noticed."""

    module: str
    line: int
    operator: str
    diff: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=10, help="alterations of each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modules", nargs="*", default=list(TARGETS))
    options = parser.parse_args()
    earlier = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    rule = {"each": options.each, "seed": options.seed}
    modules = earlier.get("modules", {}) if earlier.get("rule") == rule else {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "repository"
        ignored = shutil.ignore_patterns(".git", ".tox", ".*cache", "__pycache__", "site")
        shutil.copytree(ROOT, copy, ignore=ignored)
        os.environ["PYTHONPATH"] = str(copy / "src")
        with chdir(copy):
            for module in options.modules:
                modules[module] = examine(module, options.each, options.seed)
                print(
                    module,
                    {k: v for k, v in modules[module].items() if k != "survivors"},
                    flush=True,
                )
                write(modules, rule)
    return 0


def examine(module: str, each: int, seed: int) -> dict[str, object]:
    """Alter a module so many times and count what its tests notice."""
    command = f"{sys.executable} -m pytest -x -q -p no:cacheprovider {TARGETS[module]}"
    outcome, output = run_tests(command, SECONDS)
    if outcome is not TestOutcome.SURVIVED:
        raise SystemExit(f"The tests of {module} fail before anything is altered:\n{output}")
    path = Path(PACKAGE) / module
    places = list(alterations(path))
    rng = np.random.default_rng([seed, zlib.crc32(module.encode())])
    chosen = [places[i] for i in rng.permutation(len(places))[:each]]
    survivors: list[Survivor] = []
    late = 0
    for place in chosen:
        result = mutate_and_test([place], command, SECONDS)
        late += result.output == "timeout"
        if result.test_outcome is TestOutcome.SURVIVED:
            survivors.append(
                Survivor(module, place.start_pos[0], place.operator_name, result.diff or "")
            )
    killed = len(chosen) - len(survivors)
    return {
        "altered": len(chosen),
        "killed": killed,
        "of these by hanging": late,
        "survivors": [asdict(survivor) for survivor in survivors],
    }


def alterations(path: Path) -> Iterator[MutationSpec]:
    """List the places of a module that can be altered, but for annotations."""
    annotated = list(annotations(ast.parse(path.read_text(encoding="utf-8"))))
    for item in _all_work_items([path], {}):
        (place,) = item.mutations
        if not any(first <= place.start_pos < last for first, last in annotated):
            yield place


def annotations(tree: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Find the ranges of type annotations, each as (line, column) of begin and end."""
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            found = getattr(node, name, None)
            if isinstance(found, ast.expr):
                yield (
                    (found.lineno, found.col_offset),
                    (found.end_lineno or 0, found.end_col_offset or 0),
                )


def write(modules: dict[str, dict[str, object]], rule: dict[str, int]) -> None:
    altered = sum(int(str(each["altered"])) for each in modules.values())
    killed = sum(int(str(each["killed"])) for each in modules.values())
    total = {"altered": altered, "killed": killed, "share": round(killed / altered, 3)}
    text = json.dumps(
        {"rule": rule, "total": total, "modules": modules}, indent=1, ensure_ascii=False
    )
    RESULTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())

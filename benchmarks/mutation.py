"""Which share of altered lines a test notices, in the modules that decide figures and what is kept.

    pip install cosmic-ray
    python benchmarks/mutation.py [--each 10] [--seed 0]

alters so many expressions of each module (chosen at random, type annotations left out) one at a
time in a copy of the repository, runs the tests beside it, and writes ``docs/mutation.json`` with
what survived, and the table of ``docs/architecture.md``. An alteration that makes the tests hang
counts as noticed.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import asdict, dataclass
from difflib import unified_diff
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from cosmic_ray.commands.init import _all_work_items
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_item import MutationSpec

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/mutation.json"
PAGE = ROOT / "docs/architecture.md"
BEGIN, END = "<!-- mutation: written by benchmarks/mutation.py -->\n", "<!-- /mutation -->"
PACKAGE = "src/napari_retina_seg"
SECONDS = 300.0  # for the tests of one alteration
OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutation"),
    "--no-xvfb",  # a copy of the process would leave its screen running
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of LIBRARIES
)
VALUES = "tests/types/test_value_classes.py"
METRICS = "tests/metrics"
STATES, VERSIONS, PERMISSIONS, BLINDING = (
    f"tests/project/test_{name}.py" for name in ("states", "versions", "permissions", "blinding")
)
IO = "tests/io/formats"
ROUND_TRIPS = f"{IO}/test_round_trips.py"
FOREIGN = f"{IO}/test_foreign.py"
TOOLS = f"{IO}/test_annotation_tools.py {FOREIGN} {ROUND_TRIPS}"
EXCHANGE = "tests/workflows/test_exchange.py"
NIFTI = f"{IO}/test_nifti_geometry.py {ROUND_TRIPS}"
DICOM = f"{IO}/test_dicom_seg.py {ROUND_TRIPS} tests/workflows/test_dicom_exchange.py"
# Modules, and the tests beside them
TARGETS = {
    "metrics/segmentation.py": f"{METRICS}/test_segmentation.py",
    "metrics/evaluation.py": f"{METRICS}/test_evaluation.py",
    "metrics/measures.py": f"{METRICS}/test_evaluation.py {METRICS}/test_agreement.py",
    "metrics/agreement.py": f"{METRICS}/test_agreement.py",
    "metrics/interrater.py": f"{METRICS}/test_interrater.py",
    "metrics/bootstrap.py": f"{METRICS}/test_bootstrap.py {METRICS}/test_evaluation.py",
    "metrics/calibration.py": f"{METRICS}/test_calibration.py {METRICS}/test_evaluation.py",
    "metrics/pooling.py": f"{METRICS}/test_evaluation.py",
    "imaging/surfaces.py": "tests/imaging/test_surfaces.py tests/imaging/test_drawn_columns.py",
    "project/states.py": f"{STATES} {PERMISSIONS}",
    "project/transitions.py": f"{VERSIONS} {PERMISSIONS} {BLINDING} {STATES}",
    "project/versions.py": f"{VERSIONS} {PERMISSIONS} {BLINDING} {STATES}",
    "project/permissions.py": f"{PERMISSIONS} {BLINDING} {VERSIONS} {STATES}",
    "io/formats/boundaries.py": f"{ROUND_TRIPS} {FOREIGN} {EXCHANGE}",
    "io/formats/coco.py": TOOLS,
    "io/formats/nifti.py": NIFTI,
    "io/formats/outlines.py": f"{IO}/test_outlines.py {ROUND_TRIPS}",
    "io/formats/raster.py": f"{IO}/test_raster.py {ROUND_TRIPS} {FOREIGN}",
    "io/formats/training.py": f"{IO}/test_training.py {ROUND_TRIPS}",
    "io/formats/card.py": f"{ROUND_TRIPS} {FOREIGN}",
    "io/formats/record.py": f"{ROUND_TRIPS} {FOREIGN}",
    "io/formats/cvat.py": TOOLS,
    "io/formats/labelme.py": TOOLS,
    "io/formats/vgg.py": TOOLS,
    "io/formats/drawn.py": TOOLS,
    "io/formats/canvas.py": TOOLS,
    "io/formats/sources.py": TOOLS,
    "io/formats/dicom_seg.py": DICOM,
    "io/formats/dicom_planes.py": DICOM,
    "io/formats/dicom_source.py": DICOM,
    "io/formats/nifti_geometry.py": NIFTI,
    "io/formats/identity.py": f"{IO}/test_identity.py {EXCHANGE}",
    "io/formats/networks.py": f"{IO}/test_networks.py",
    "io/formats/stacks.py": f"{ROUND_TRIPS} {EXCHANGE}",
}
# Imported once; what is altered is imported anew in a copy of the process for each alteration.
LIBRARIES = (
    *("napari.utils._testsupport", "npe2._pytest_plugin", "pytestqt.plugin", "hypothesis"),
    *("numpy", "scipy.stats", "scipy.ndimage", "scipy.interpolate", "skimage.measure", "cv2"),
    *("sklearn.metrics", "sqlalchemy.orm", "pydantic", "pydicom", "nibabel", "tifffile"),
)


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
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = True  # a module altered twice in a second would stay as it was
        sys.path.insert(0, str(copy / "src"))
        for library in LIBRARIES:
            import_module(library)
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
    tests = [*TARGETS[module].split(), VALUES]
    if not passes(tests):
        raise SystemExit(f"The tests of {module} fail before anything is altered.")
    path = Path(PACKAGE) / module
    survivors: list[Survivor] = []
    chosen = choose(list(alterations(path)), each, [seed, zlib.crc32(module.encode())])
    for place in chosen:
        operator = get_operator(place.operator_name)(**place.operator_args)
        with use_mutation(path, operator, place.occurrence) as (before, after):
            survived = passes(tests)
        if survived:
            diff = "\n".join(unified_diff(before.split("\n"), after.split("\n"), lineterm="", n=0))
            survivors.append(Survivor(module, place.start_pos[0], place.operator_name, diff))
            print(diff, flush=True)
    return {
        "altered": len(chosen),
        "killed": len(chosen) - len(survivors),
        "survivors": [asdict(survivor) for survivor in survivors],
    }


def choose(places: list[MutationSpec], each: int, seed: list[int]) -> list[MutationSpec]:
    """Choose expressions at random, and for each one of its alterations: a sum has eleven."""
    expressions = defaultdict(list)
    for place in places:
        expressions[place.start_pos, place.end_pos].append(place)
    rng = np.random.default_rng(seed)
    alike = list(expressions.values())
    return [rng.choice(alike[i]) for i in rng.permutation(len(alike))[:each]]


def passes(tests: list[str]) -> bool:
    """Run tests in a copy of this process; one that hangs is ended and has not passed."""
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setsid()
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            code = int(pytest.main([*OPTIONS, *tests]))
        finally:
            os._exit(code)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def alterations(path: Path) -> Iterator[MutationSpec]:
    """List the places of a module that can be altered, but for annotations."""
    annotated = list(annotated_ranges(ast.parse(path.read_text(encoding="utf-8"))))
    for item in _all_work_items([path], {}):
        (place,) = item.mutations
        if not any(first <= place.start_pos < last for first, last in annotated):
            yield place


def annotated_ranges(tree: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
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
    ordered = {name: modules[name] for name in TARGETS if name in modules}
    total = count(list(ordered.values()))
    figures = {"rule": rule, "total": total, "modules": ordered}
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + BEGIN + table(ordered, rule) + END + after, encoding="utf-8")


def count(modules: list[dict[str, object]]) -> dict[str, float]:
    altered = sum(int(str(each["altered"])) for each in modules)
    killed = sum(int(str(each["killed"])) for each in modules)
    return {"altered": altered, "killed": killed, "share": round(killed / altered, 3)}


def table(modules: dict[str, dict[str, object]], rule: dict[str, int]) -> str:
    lines = [
        f"\n{rule['each']} alterations of each of {len(modules)} modules, seed {rule['seed']}:\n",
        "| | altered | noticed | share |",
        "|---|---:|---:|---:|",
    ]
    packages = dict.fromkeys(str(Path(name).parent) for name in modules)
    rows = {
        package: [m for name, m in modules.items() if str(Path(name).parent) == package]
        for package in packages
    }
    for label, chosen in (rows | {"all": list(modules.values())}).items():
        found = count(chosen)
        share = f"{found['share']:.0%}"
        lines.append(f"| {label} | {found['altered']} | {found['killed']} | {share} |")
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    raise SystemExit(main())

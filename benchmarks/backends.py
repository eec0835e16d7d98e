"""What a step of training takes on each backend of Keras.

    python benchmarks/backends.py [--backends NAME …] [--python BACKEND=INTERPRETER …]
        [--report]

Trains the network of `oct-layers` on phantoms for a few short epochs, on each backend in a process
of its own, in float32, and in bfloat16 by Keras' mixed precision. The time of a step is the mean of
the last epoch, when everything was compiled. An interpreter may be named for a backend that is
installed elsewhere. It writes ``docs/backends.json`` and its table in ``docs/install.md``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
from tables import markdown_table, replace_section

from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.training.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/backends.json"
PAGE = ROOT / "docs/install.md"
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
PRECISIONS = ("float32", "mixed_bfloat16")
STEPS, EPOCHS, BATCH = 6, 3, 4
CHANGES = {
    "epochs": EPOCHS,
    "steps_per_epoch": STEPS,
    "batch": BATCH,
    "crop": [256, 256],
    "callbacks.monitor": "none",
    "validation": [],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", nargs="*", choices=list(BACKENDS), default=list(BACKENDS))
    parser.add_argument("--report", action="store_true", help="only write what was measured")
    parser.add_argument("--python", nargs="*", default=[], metavar="BACKEND=INTERPRETER")
    arguments = parser.parse_args()
    pythons = dict(one.split("=", maxsplit=1) for one in arguments.python)
    found = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    found["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, {bfloat16()}"
    with tempfile.TemporaryDirectory() as name:
        data = phantoms(Path(name) / "data")
        for backend in () if arguments.report else arguments.backends:
            for precision in PRECISIONS:
                run = RunFolder(Path(name) / f"{backend}-{precision}")
                python = pythons.get(backend, sys.executable)
                row = found.setdefault(backend, {})[precision] = train(
                    python, backend, precision, data, run
                )
                print(backend, precision, row, flush=True)
                RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    replace_section(PAGE, "backends: written by benchmarks/backends.py", section(found))


def bfloat16() -> str:
    """Say whether the processor multiplies bfloat16 itself; Linux only."""
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    own = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags]
    return f"with {' and '.join(own)}" if own else "without instructions for bfloat16"


def phantoms(folder: Path) -> Path:
    """Write phantoms in place of the recipe's B-scans."""
    own = folder / "oct_layers"
    own.mkdir(parents=True)
    eyes = [f"Subject{number}" for number in range(1, 5)]
    for seed, eye in enumerate(eyes):
        phantom = phantom_bscan(seed, 256, 256)
        cv2.imwrite(str(own / f"{eye}_01.png"), phantom.image.pixels)
        cv2.imwrite(str(own / f"{eye}_01_mask.png"), phantom.labels)
    splits = {"train": eyes[:3], "val": eyes[3:], "test": []}
    (own / "splits.json").write_text(json.dumps(splits))
    return folder


def train(python: str, backend: str, precision: str, data: Path, run: RunFolder) -> dict[str, Any]:
    """Train in a process of its own, and return the seconds of a step."""
    changes = [f"{key}={value}" for key, value in {**CHANGES, "precision": precision}.items()]
    command = [python, "-m", "napari_retina_seg", "train", "oct-layers", "--data", str(data)]
    command += ["--out", str(run.path), *(part for one in changes for part in ("--set", one))]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    packages = json.loads((run.path / "environment.json").read_text())["packages"]
    with (run.path / "log.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    version = packages[backend]
    return {"version": version, "seconds a step": round(float(last["seconds"]) / STEPS, 2)}


def section(found: dict[str, Any]) -> str:
    measured = {name: found[name] for name in BACKENDS if name in found}
    rows = []
    for name, one in measured.items():
        times = [one[each]["seconds a step"] if each in one else None for each in PRECISIONS]
        version = next(iter(one.values()))["version"]
        cells = ["not measured" if time is None else f"{time:.2f}" for time in times]
        rows.append([f"{BACKENDS[name]} {version}", *cells])
    best, precision = min(
        ((name, precision) for name, one in measured.items() for precision in one),
        key=lambda one: measured[one[0]][one[1]]["seconds a step"],
    )
    return "\n\n".join(
        [
            f"Seconds a step of `oct-layers` ({BATCH} crops of 256 × 256) on {found['machine']}:",
            markdown_table(["backend", "float32", "bfloat16 (`precision=mixed_bfloat16`)"], rows),
            f"Fastest there: {BACKENDS[best]}, {precision.removeprefix('mixed_')}. Written by"
            " `benchmarks/backends.py`.",
        ]
    )


if __name__ == "__main__":
    main()

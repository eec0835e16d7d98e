"""One command from a project of ten photographs to a promoted model, at full size.

    python benchmarks/improve_project.py --data ../shared/data --left-out LEFT_OUT --runs RUNS
        [--cameras NAME …]

The model of ``leave_one_out.py`` (in LEFT_OUT) that learnt from one camera is improved with ten
photographs of the other, of ten patients of its training set, whose expert masks stand for a
grader's. The project is made by the Python interface; ``project improve --promote`` divides it,
trains, proves and promotes. The promoted model is scored on the test photographs of both cameras.
It writes ``docs/improve_project.json`` and its section of ``docs/learning.md``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from fine_tuning import PAGE, ROOT, Trial, score
from leave_one_out import CAMERAS
from new_camera import new_camera
from tables import markdown_table, replace_section

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.models.registry import ModelFolder, open_model
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.workflows.improvement_log import Ended, read_status
from napari_retina_seg.workflows.promoting import promoted_model

RESULTS = ROOT / "docs/improve_project.json"
PHOTOGRAPHS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--left-out", type=Path, required=True, help="runs of leave_one_out.py")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the projects")
    parser.add_argument("--cameras", nargs="*", choices=list(CAMERAS), default=["HRF"])
    arguments = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for camera in arguments.cameras:
        (known,) = set(CAMERAS) - {camera}
        parent = open_model(arguments.left_out / f"vessels-{known}" / "model")
        trial = new_camera(arguments.data, camera, known, PHOTOGRAPHS)
        folder = arguments.runs / f"project-{camera}"
        create(folder, trial)
        found[camera] = {"known": known, **improve(folder, parent, trial)}
        write_atomically(RESULTS, (json.dumps(found, indent=1) + "\n").encode())
    replace_section(PAGE, "project: written by benchmarks/improve_project.py", section(found))


def create(folder: Path, trial: Trial) -> None:
    """Make a project of the photographs, each with the expert's mask."""
    with Project.create(folder, scheme="fundus-vessels", author="Benchmark") as project:
        by_name = {image.path.stem: image for image in trial.taught}
        project.add_images(
            [image.path for image in trial.taught], patient_of=lambda name: by_name[name].group
        )
        for image in project.images():
            labels = np.asarray(by_name[Path(image.name).stem].labels() > 0, np.uint8)
            project.attach(image.id, Annotation(labels), author="Reference")


def improve(folder: Path, parent: ModelFolder, trial: Trial) -> dict[str, Any]:
    """Run the command, and score what was promoted."""
    before = score(parent, trial)
    started = time.monotonic()
    command = ["project", "improve", str(folder), "--model", str(parent.path), "--promote"]
    ended = subprocess.run([sys.executable, "-m", "napari_retina_seg", *command], check=False)
    seconds = round(time.monotonic() - started)
    last = read_status(folder).ended
    figures = {
        "photographs": len(trial.taught),
        "exit status": ended.returncode,
        "seconds": seconds,
        "verdict": last.verdict if isinstance(last, Ended) else "",
        "before": before,
    }
    with Project(folder, author="Benchmark") as project:
        promoted = promoted_model(project)
    return figures if promoted is None else {**figures, "promoted": score(promoted, trial)}


def section(found: dict[str, Any]) -> str:
    rows = []
    for camera, one in found.items():
        after = one.get("promoted")
        cells = [
            f"{one['before'][key]:.3f} → {after[key]:.3f}" if after else "not promoted"
            for key in ("F1", "AUC", "F1 known")
        ]
        rows.append([f"{one['known']} → {camera}", f"{one['seconds'] / 60:.0f} min", *cells])
    header = ["known → new camera", "took", "F1, new", "AUC, new", "F1, known"]
    return "\n\n".join(
        [
            "## One command, ten photographs",
            f"`project improve --promote` on a project of {PHOTOGRAPHS} photographs of a camera"
            " that the model never saw: it divides them by patient, trains for the proof and once"
            " more with all, compares and promotes. Scored on the test photographs of both cameras"
            " (as above), which the command never saw. Written by `benchmarks/improve_project.py`.",
            markdown_table(header, rows),
            *(f"{camera}: {one['verdict']}" for camera, one in found.items()),
        ]
    )


if __name__ == "__main__":
    main()

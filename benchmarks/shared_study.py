"""Ten people grade one study on PostgreSQL at once, and a network that is cut, for docs/scale.*."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sqlalchemy import select
from tables import markdown_table, replace_section

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from napari_retina_seg.project.project import Project  # noqa: E402
from napari_retina_seg.project.tables import VersionRow  # noqa: E402
from napari_retina_seg.types.labels import OCT_LAYERS  # noqa: E402
from postgresql import Server, find_programs  # noqa: E402 - the tests' own server

PEOPLE, IMAGES = 10, 200
CUT = 30  # s
DOCS = ROOT / "docs"


def measure() -> dict[str, Any]:
    """Have ten people grade 200 images twice, and count what was lost or graded too often."""
    programs = find_programs()
    if programs is None:
        raise SystemExit("PostgreSQL's server is not installed.")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as where:
        server = Server(programs, Path(where))
        server.start()
        try:
            server.run("CREATE DATABASE scale")
            return _grade(Path(where), server.url("scale"))
        finally:
            server.stop()


def _grade(where: Path, url: str) -> dict[str, Any]:
    paths = []
    for seed in range(IMAGES + 1):
        pixels = np.random.default_rng(seed).integers(0, 255, (16, 24), np.uint8)
        paths.append(where / f"scan{seed:03}.png")
        cv2.imwrite(str(paths[-1]), pixels)
    folder = where / "study"
    program = [sys.executable, ROOT / "tests" / "project" / "programs.py", "grade_together"]
    with Project.create(folder, scheme=OCT_LAYERS, author="Ann", database=url) as project:
        project.add_images(paths)
        begun = time.perf_counter()
        subprocess.run([*program, folder, str(PEOPLE)], check=True)
        dealt = project.assign_second_graders(
            range(2, IMAGES + 2), [f"Grader {number}" for number in range(PEOPLE)]
        )
        subprocess.run([*program, folder, str(PEOPLE)], check=True)
        seconds = time.perf_counter() - begun
        with project._store.database.reading() as session:
            rows = session.scalars(select(VersionRow)).all()
        damaged = len(project.check())
    done = Counter((row.image_id, row.grading) for row in rows if row.image_id != 1)
    drafts = [row for row in rows if row.image_id == 1]
    return {
        "people": PEOPLE,
        "images": IMAGES,
        "gradings": sum(done.values()),
        "graded_too_often": sum(number > 1 for number in done.values()),
        "not_graded": 2 * len(dealt.assigned) - len(done),
        "conflicting_drafts": sum(row.conflict for row in drafts),
        "drafts_lost": 2 * PEOPLE - len(drafts),
        "problems_of_check": damaged,
        "seconds": round(seconds, 1),
        "cores": os.cpu_count(),
    }


def cut_network() -> dict[str, Any]:
    """Autosave while the network is gone for half a minute; needs Linux and its administrator."""
    with tempfile.TemporaryDirectory() as where:
        cv2.imwrite(str(Path(where) / "scan.png"), np.zeros((16, 24), np.uint8))
        program = ROOT / "tests" / "project" / "network_cut.py"
        done = subprocess.run(
            [sys.executable, program, where, str(CUT)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "XDG_DATA_HOME": where},
            check=True,
            capture_output=True,
            text=True,
        )
    found = json.loads(done.stdout)
    first, second, _ = found["said"]
    uploaded = round(found["uploaded"], 1)
    return {
        "seconds without a network": CUT,
        "s until the first autosave was kept on the computer": round(first[1], 1),
        "s until the next one was": round(second[1], 2),
        "s from the network's return until the last one was in the project": uploaded,
        "the last one was there, whole": "yes" if found["kept"] else "no",
    }


def main() -> None:
    path = DOCS / "scale.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known["shared_study"], known["network_cut"] = measure(), cut_network()
    path.write_text(json.dumps(known, indent=2) + "\n")
    report("shared study", known["shared_study"])
    report("network cut", known["network_cut"])


def report(section: str, found: dict[str, Any]) -> None:
    """Write figures as a table."""
    rows = [[name.replace("_", " "), str(value)] for name, value in found.items()]
    replace_section(DOCS / "scale.md", section, markdown_table(["", "measured"], rows))


if __name__ == "__main__":
    main()

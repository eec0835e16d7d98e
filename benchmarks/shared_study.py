"""Ten people grade one study on PostgreSQL at once: writes docs/scale.json and a section."""

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


def main() -> None:
    path = DOCS / "scale.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known["shared_study"] = measure()
    path.write_text(json.dumps(known, indent=2) + "\n")
    report(known["shared_study"])


def report(found: dict[str, Any]) -> None:
    """Write the figures as a table."""
    rows = [[name.replace("_", " "), str(value)] for name, value in found.items()]
    replace_section(DOCS / "scale.md", "shared study", markdown_table(["", "measured"], rows))


if __name__ == "__main__":
    main()

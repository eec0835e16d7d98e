"""How long a project takes to get many images, and to be given them a second time.

    python benchmarks/adding.py --images 20000

writes B-scans as PNG, adds them to a new project, then adds them again, and writes
``docs/adding.json``: seconds, and the memory that the program had at most.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.project import Project

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (496, 768)


def write_scans(folder: Path, number: int) -> list[Path]:
    """Write B-scans that differ in one pixel row."""
    pixels = np.asarray(phantom_bscan(0, *SHAPE).image.pixels)

    def write(index: int) -> Path:
        scan = pixels.copy()
        scan[0, :4] = np.frombuffer(index.to_bytes(4, "big"), np.uint8)
        path = folder / f"scan{index:06d}.png"
        path.write_bytes(cv2.imencode(".png", scan, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
        return path

    with ThreadPoolExecutor() as pool:
        return list(pool.map(write, range(number)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    seconds = []
    with tempfile.TemporaryDirectory() as workshop:
        paths = write_scans(Path(workshop), arguments.images)
        size = sum(path.stat().st_size for path in paths)
        with Project.create(Path(workshop) / "p", scheme="oct-layers", author="Ann") as project:
            for new in (len(paths), 0):
                begun = time.perf_counter()
                added = project.add_images(paths)
                seconds.append(round(time.perf_counter() - begun, 1))
                if (len(added.images), len(added.duplicates)) != (new, len(paths) - new):
                    raise SystemExit(f"{len(added.images)} images were added instead of {new}.")
    results = {
        "images": arguments.images,
        "rows x columns": list(SHAPE),
        "MB": round(size / 1e6),
        "seconds to add": seconds[0],
        "seconds to add again": seconds[1],
        "MB of memory at most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "cores": os.cpu_count(),
        "system": platform.system(),
    }
    print(json.dumps(results))
    (arguments.out / "adding.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

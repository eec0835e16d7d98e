"""How much memory large pictures take while they are opened, from Python and in the window.

    python benchmarks/reading_memory.py [--side 12000]

writes a photograph of so many rows and columns as PNG, in colour and as grey stored in colours,
as JPEG and as TIFF, opens each in a process of its own, and writes ``docs/reading_memory.json``:
by how many bytes the process grew at its peak, and how many times the opened image and the decoded
picture that is. The exit status is 1 if one takes more than `LIMIT` times the decoded picture.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/reading_memory.json"
LIMIT = 4.0  # times the decoded picture

MEASURE = """
import sys
from pathlib import Path

def told(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

way, small, path = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
if way == "window":
    from napari_retina_seg._napari.reader import read
    open_file = lambda path: read(path)[0][0]
else:
    from napari_retina_seg.io import read_image
    open_file = lambda path: read_image(path).pixels
open_file(small)  # brings in the libraries
Path("/proc/self/clear_refs").write_text("5")
before = told("VmRSS")
opened = open_file(path)
print(told("VmHWM") - before, opened.nbytes)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=12_000, help="rows and columns")
    side = parser.parse_args().side
    with tempfile.TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), side)
        small = {path: shrink(path) for path in paths}
        found = [
            measure(way, path, small[path], 3 * side * side)
            for path in paths
            for way in ("Python", "window")
        ]
    for one in found:
        print(one, flush=True)
    document = {"rows": side, "columns": side, "decoded bytes": 3 * side * side, "opened": found}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    return int(any(one["times the decoded picture"] > LIMIT for one in found))


def write_pictures(folder: Path, side: int) -> list[Path]:
    """Write a photograph with the noise of a camera, in colour and as grey stored in colours."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 24, (side, side), np.uint8)
    ramp = np.linspace(0, 200, side).astype(np.uint8)
    grey = noise + ramp
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    paths = []
    for name, pixels in (
        ("grey as colours", cv2.merge([grey] * 3)),
        ("colours", cv2.merge([grey, grey[:, ::-1], grey[::-1]])),
    ):
        for suffix in ("png", "jpg", "tif"):
            paths.append(folder / f"{name}.{suffix}")
            cv2.imwrite(str(paths[-1]), pixels, fast if suffix == "png" else [])
    return paths


def shrink(path: Path) -> Path:
    """Write a small picture of the same kind."""
    small = path.with_name(f"small {path.name}")
    grey = np.random.default_rng(0).integers(0, 256, (900, 900, 1), np.uint8)
    cv2.imwrite(str(small), np.repeat(grey, 3, axis=2))
    return small


def measure(way: str, path: Path, small: Path, decoded: int) -> dict[str, str | int | float]:
    command = [sys.executable, "-c", MEASURE, way, str(small), str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    grown, opened = map(int, done.stdout.split())
    return {
        "picture": path.name,
        "from": way,
        "peak bytes": grown,
        "times the opened image": round(grown / opened, 2),
        "times the decoded picture": round(grown / decoded, 2),
    }


if __name__ == "__main__":
    sys.exit(main())

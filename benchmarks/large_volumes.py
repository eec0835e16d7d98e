"""How long a large volume takes to open, and how much memory it takes slice by slice.

    python benchmarks/large_volumes.py [--slices 200] [--side 1024]

writes a volume of so many B-scans as each of three devices' files and as MetaImage, without values
in it, opens each in a process of its own and asks for all B-scans one after another. It writes
``docs/large_volumes.json`` and the table of ``docs/device_files.md``. The exit status is 1 if one
takes more than `SECONDS` of processor time to open.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from tables import markdown_table, replace_section

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import vendor_files  # noqa: E402

RESULTS = ROOT / "docs/large_volumes.json"
PAGE = ROOT / "docs/device_files.md"
SECONDS = 2.0
CUBE = "_Macular Cube 512x128_01-01-2001_01-01-01_OD_sn1_cube_z.img"

MEASURE = """
import sys, time
from pathlib import Path
from napari_retina_seg.io import read_image

def told(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

import dask.array
read_image(sys.argv[1])  # brings in the other libraries
Path("/proc/self/clear_refs").write_text("5")
before, began = told("VmRSS"), time.process_time()
image = read_image(sys.argv[2])
seconds, opened = time.process_time() - began, told("VmHWM") - before
for index in range(image.n_slices):
    image.plane(index)
print(seconds, opened, told("VmHWM") - before, *image.pixels.shape)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--side", type=int, default=1024, help="rows and columns")
    options = parser.parse_args()
    found = []
    for write in (write_vol, write_cube, write_bioptigen, write_metaimage):
        with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as large:
            shape = options.slices, options.side, options.side
            found.append(measure(write(Path(small), (2, 64, 64)), write(Path(large), shape)))
        print(found[-1], flush=True)
    RESULTS.write_text(json.dumps({"opened": found}, indent=1) + "\n")
    rows = [
        [one["file"], one["shape"], f"{one['seconds']:.2f}", f"{one['peak MiB']:.0f}",
         f"{one['slice by slice: peak MiB']:.0f}", f"{one['stored MiB']:.0f}"]
        for one in found
    ]  # fmt: skip
    header = ("", "B-scans × rows × columns", "to open, s of processor time", "MiB",
              "all B-scans in turn, MiB", "the file, MiB")  # fmt: skip
    replace_section(PAGE, "large volumes", markdown_table(header, rows))
    return int(any(one["seconds"] > SECONDS for one in found))


def measure(small: Path, large: Path) -> dict[str, str | float]:
    command = [sys.executable, "-c", MEASURE, str(small), str(large)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds, opened, read, *shape = done.stdout.split()
    return {
        "file": large.suffix,
        "shape": " × ".join(shape),
        "seconds": round(float(seconds), 3),
        "peak MiB": round(int(opened) / 2**20, 1),
        "slice by slice: peak MiB": round(int(read) / 2**20, 1),
        "stored MiB": round(stored_bytes(large) / 2**20, 1),
    }


def stored_bytes(path: Path) -> int:
    raw = path.with_suffix(".raw")
    return (raw if raw.exists() else path).stat().st_size


def write_vol(folder: Path, shape: tuple[int, int, int]) -> Path:
    slices, rows, columns = shape
    face = vendor_files.FACE
    size = 256 + 17 * 4 * columns
    start = vendor_files.vol_header(
        slices=slices, rows=rows, columns=columns, header_size=size, face_rows=face.shape[0],
        face_columns=face.shape[1],
    ) + face.tobytes()  # fmt: skip
    header = struct.pack("<12sI4d2If", b"HSF-BS-103", size, 0.1, 1.0, 0.9, 1.0, 0, 256, 25.0)
    return write_sparse(folder / "a.vol", start, header, 4 * rows * columns, slices, size)


def write_cube(folder: Path, _shape: tuple[int, int, int]) -> Path:
    path = folder / CUBE  # of the size that its name states
    with path.open("wb") as file:
        file.truncate(128 * 1024 * 512)
    return path


def write_bioptigen(folder: Path, shape: tuple[int, int, int]) -> Path:
    slices, rows, columns = shape
    one = vendor_files.bioptigen_bytes(np.zeros((1, rows, columns), np.uint16), stated=slices)
    at = one.index(b"\x09\0\0\0FRAMEDATA")
    end = len(one) - 2 * rows * columns - 4
    frame = one[at:end]
    return write_sparse(
        folder / "a.oct", one[:at], frame, 2 * rows * columns + 4, slices, len(frame)
    )


def write_metaimage(folder: Path, shape: tuple[int, int, int]) -> Path:
    slices, rows, columns = shape
    with (folder / "a.raw").open("wb") as file:
        file.truncate(2 * slices * rows * columns)
    path = folder / "a.mhd"
    path.write_text(
        f"NDims = 3\nDimSize = {columns} {rows} {slices}\nElementSpacing = 0.01 0.004 0.03\n"
        "ElementType = MET_USHORT\nElementDataFile = a.raw\n"
    )
    return path


def write_sparse(
    path: Path, start: bytes, header: bytes, pixels: int, slices: int, header_size: int
) -> Path:
    """Write headers, and leave holes for the pixels, which are then 0."""
    with path.open("wb") as file:
        file.write(start)
        for index in range(slices):
            file.seek(len(start) + index * (header_size + pixels))
            file.write(header)
        file.truncate(len(start) + slices * (header_size + pixels))
    return path


if __name__ == "__main__":
    sys.exit(main())

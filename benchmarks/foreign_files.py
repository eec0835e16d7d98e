"""Whether files of other projects are opened as other readers open them.

    python benchmarks/foreign_files.py [--also FOLDER ...]

reads every image that the installed libraries ship (pydicom, nibabel, scikit-image, SciPy,
Matplotlib, Qt, …), known by their suffix or place, with `read_image` and with a reference: pydicom
for DICOM, tifffile for TIFF, NumPy for its arrays, Pillow for other pictures, and OpenCV where that
one refuses. It writes ``docs/foreign_files.json`` and ``docs/foreign_files.md``. A file is

- *wrong* if both open it and it lies on another grid, is inverted, or differs by three grey levels
  of 255 or more on average; or if anything but a `ReadError` is raised;
- *refused* if `read_image` says in a sentence why it doesn't open it.

The exit status is 1 if a file is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pydicom
import tifffile
from PIL import Image, ImageOps
from pydicom.pixels import apply_color_lut, apply_modality_lut
from tables import markdown_table

from napari_retina_seg.io import SUFFIXES, read_image
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import RetinaImage

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/foreign_files.json"
PAGE = ROOT / "docs/foreign_files.md"
OTHERS = (".nii", ".gz", ".svs", ".lsm", ".jp2", ".avif", ".tga")  # to be refused by name
WITHOUT_SUFFIX = ("pydicom", "highdicom")  # which keep DICOM files under other names
NO_FILES = (".py", ".pyc", ".txt", ".pyi", ".typed", ".json", ".so", ".md", ".zip")
LARGEST_DIFFERENCE = 3.0  # grey levels of 255
LEAST_CORRELATION = 0.999

Pixels = npt.NDArray[Any]


@dataclass(frozen=True)
class ReadOutcome:
    """What became of a file: ``opened``, ``refused`` or ``wrong``, and why."""

    file: str
    library: str
    outcome: str
    reference: bool
    message: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="further folders")
    packages = Path(sysconfig.get_path("purelib"))
    outcomes = [compare_readers(path, packages) for path in find_files(packages)]
    write(outcomes)
    further = [
        compare_readers(path, folder)
        for folder in parser.parse_args().also
        for path in _all(folder)
    ]
    for outcome in (*outcomes, *further):
        if outcome.outcome == "wrong":
            print(f"wrong: {outcome.library}/{outcome.file}: {outcome.message}")
    for title, group in (("installed libraries", outcomes), ("further folders", further)):
        counts = Counter(outcome.outcome for outcome in group)
        kinds = ", ".join(f"{counts[kind]} {kind}" for kind in ("opened", "refused", "wrong"))
        print(f"{title}: {len(group)} files, {kinds}")
    return int(any(outcome.outcome == "wrong" for outcome in (*outcomes, *further)))


def find_files(packages: Path) -> Iterator[Path]:
    """Yield every image once, whatever its copies are called."""
    seen: set[bytes] = set()
    for path in _all(packages):
        library = path.relative_to(packages).parts[0]
        suffix = path.suffix.lower()
        bare = library in WITHOUT_SUFFIX and suffix not in NO_FILES and "data" in path.parts
        if not bare and suffix not in (*SUFFIXES, *OTHERS):
            continue
        content = hashlib.sha256(path.read_bytes()).digest()
        if content not in seen:
            seen.add(content)
            yield path


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def compare_readers(path: Path, root: Path) -> ReadOutcome:
    """Read a file both ways, and compare."""
    expected = refer(path)
    parts = path.relative_to(root).parts

    def outcome(kind: str, message: str = "") -> ReadOutcome:
        return ReadOutcome("/".join(parts[1:]), parts[0], kind, expected is not None, message)

    try:
        image = read_image(path)
    except ReadError as error:
        return outcome("refused", str(error).replace(str(path), path.name))
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return outcome("wrong", f"raised {type(error).__name__}: {error}")
    difference = compare(image, expected) if expected is not None else ""
    return outcome("wrong" if difference else "opened", difference)


def refer(path: Path) -> Pixels | None:
    """Return pixels as another reader gives them: grey or RGB, the first frame of several."""
    with path.open("rb") as file:
        head = file.read(132)
    readers: list[Callable[[Path], Pixels]] = [_pillow, _opencv]
    if head[128:] == b"DICM" or path.suffix.lower() in (".dcm", ""):
        readers = [_pydicom]
    elif head[:2] in (b"II", b"MM"):
        readers = [_tifffile, _opencv, _pillow]
    elif head.startswith((b"\x93NUMPY", b"PK")):
        readers = [_numpy]
    for reader in readers:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return reader(path)
        except Exception:  # noqa: BLE001, S112 - it is no reference for this file then
            continue
    return None


def _pillow(path: Path) -> Pixels:
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened)
        if picture.mode[0] in "IF":
            return np.asarray(picture)
        return np.asarray(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))


def _opencv(path: Path) -> Pixels:
    pixels = cv2.imread(str(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
    return np.asarray(pixels[..., ::-1])


def _tifffile(path: Path) -> Pixels:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        orientation = page.tags.valueof(274) or 1
        if page.photometric not in (0, 1, 2):
            raise ValueError("tifffile converts no colours")
        if tiff.series[0].axes == "CYX":
            return np.moveaxis(tiff.series[0].asarray(), 0, -1)
        pixels = page.asarray()
        if page.axes.startswith("S"):
            pixels = np.moveaxis(pixels, 0, -1)
        # Pillow 13 and OpenCV 5 each turn some of these twice, or not at all.
        pixels = _TURNS[orientation](pixels)
        return -pixels.astype(np.float64) if page.photometric == 0 else pixels


_TURNS: dict[int, Callable[[Pixels], Pixels]] = {  # TIFF 6.0, p. 36
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: np.rot90,
}


def _numpy(path: Path) -> Pixels:
    found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.ndarray):
        (name,) = found.files
        found = found[name]
    return np.asarray(found)


def _pydicom(path: Path) -> Pixels:
    dataset = pydicom.dcmread(path, force=True)
    pixels = dataset.pixel_array
    kind = dataset.PhotometricInterpretation
    if int(dataset.get("NumberOfFrames", 1) or 1) > 1:
        pixels = pixels[0]
    if kind == "PALETTE COLOR":
        return np.asarray(apply_color_lut(pixels, dataset))
    if pixels.ndim > 2:
        return np.asarray(pixels)  # pydicom has made it RGB
    pixels = apply_modality_lut(pixels, dataset).astype(np.float64)
    inverse = dataset.get("PresentationLUTShape") == "INVERSE"
    return -pixels if (kind == "MONOCHROME1") != inverse else np.asarray(pixels)


def compare(image: RetinaImage, expected: Pixels) -> str:
    """Say what is wrong, or nothing."""
    pixels = np.asarray(image.pixels)
    if image.is_volume and pixels.shape[0] != expected.shape[0]:
        pixels = pixels[0]
    ours, other = _rgb(pixels, image.color), _rgb(expected, _has_channels(expected))
    if image.is_volume and ours.shape != other.shape and ours[0].shape == other.shape:
        ours = ours[0]
    if ours.shape != other.shape:
        return f"the shape is {ours.shape} instead of {other.shape}"
    valid = np.isfinite(ours) & np.isfinite(other)
    if image.valid is not None and image.valid.shape == valid.shape[:-1]:
        valid &= image.valid[..., np.newaxis]
    ours, other = ours[valid], other[valid]
    if ours.size == 0 or np.array_equal(ours, other):
        return ""
    if pixels.dtype == expected.dtype == np.uint8:
        apart = float(np.abs(ours - other).mean())
        return f"{apart:.1f} grey levels apart" if apart >= LARGEST_DIFFERENCE else ""
    if np.ptp(other) == 0 or np.ptp(ours) == 0:
        return "" if np.ptp(ours) == np.ptp(other) else "one of both is of one value"
    alike = float(np.corrcoef(ours, other)[0, 1])
    return f"the correlation is {alike:.3f}" if alike < LEAST_CORRELATION else ""


def _has_channels(pixels: Pixels) -> bool:
    return pixels.ndim > 2 and pixels.shape[-1] in (3, 4)


def _rgb(pixels: Pixels, color: bool) -> npt.NDArray[np.float64]:
    values = pixels.astype(np.float64)
    return values[..., :3] if color else np.stack([values] * 3, axis=-1)


def write(outcomes: list[ReadOutcome]) -> None:
    """Write all outcomes, and a table of them by library."""
    listed = [asdict(outcome) for outcome in outcomes if outcome.outcome != "opened"]
    counts = {
        library: _counts(outcomes, library) for library in sorted({o.library for o in outcomes})
    }
    results = {"libraries": counts, "not opened": listed}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    rows = [[library, *map(str, numbers.values())] for library, numbers in counts.items()]
    totals = [
        sum(numbers[key] for numbers in counts.values()) for key in next(iter(counts.values()))
    ]
    table = markdown_table(
        ["library", "files", "opened", "refused", "of these, the reference opens", "wrong"],
        [*rows, ["**all**", *map(str, totals)]],
    )
    PAGE.write_text(_PAGE.format(table=table, reasons=_reasons(outcomes)), encoding="utf-8")


def _counts(outcomes: list[ReadOutcome], library: str) -> dict[str, int]:
    own = [outcome for outcome in outcomes if outcome.library == library]
    kinds = Counter(outcome.outcome for outcome in own)
    known = sum(outcome.outcome == "refused" and outcome.reference for outcome in own)
    return {
        "files": len(own),
        "opened": kinds["opened"],
        "refused": kinds["refused"],
        "refused, reference opens": known,
        "wrong": kinds["wrong"],
    }


def _reasons(outcomes: list[ReadOutcome]) -> str:
    """List what is refused though a reference opens it, by what it was told."""
    lines = [
        f"- `{outcome.library}/{outcome.file}`: {outcome.message}"
        for outcome in outcomes
        if outcome.outcome == "refused" and outcome.reference
    ]
    return "\n".join(lines) or "None."


_PAGE = """# Files of other projects

Made by `python benchmarks/foreign_files.py`; all that was not opened is in
`docs/foreign_files.json`.

Every image file that the installed libraries ship was read with `read_image` and with a reference
(pydicom, tifffile, NumPy, Pillow or OpenCV). *Wrong* is a file that both open and that lies on
another grid, is inverted, or differs by three grey levels or more on average.

{table}

Refused though a reference opens it:

{reasons}
"""

if __name__ == "__main__":
    sys.exit(main())

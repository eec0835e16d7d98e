"""How often the check for open places is wrong: on experts' masks, and on faults put into them.

    python benchmarks/open_places.py --data ../shared/data

writes ``docs/open_places.json`` and ``docs/open_places.md``. In the 80 masks of ``oct_layers``,
which experts drew, nothing should be found; into each, one fault of every kind is put at a random
place, which should be found there. On scans with lesions the masks are a model's, and what is found
in them is mostly true.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from tables import markdown_table

import napari_retina_seg as rs
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.editing.boundaries import move, pull
from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.editing.open_places import OpenPlace, find_open_places
from napari_retina_seg.imaging.surfaces import from_labels
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LAYERS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/open_places.json"
PAGE = ROOT / "docs/open_places.md"
MODEL = "resunet-tian2015-phantoms"

Labels = npt.NDArray[np.uint8]
Rng = np.random.Generator
Fault = Callable[[Labels, int, Rng], Labels]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    experts = [image.labels() for image in read_dataset(data / "oct_layers")]
    rng = np.random.default_rng(0)
    results = {
        "experts' masks": alarms([find_open_places(mask, OCT_LAYERS) for mask in experts]),
        "masks with one fault": {
            name: found([put(mask, fault, rng) for mask in experts])
            for name, fault in FAULTS.items()
        },
        f"masks by {MODEL} of scans with lesions": alarms(predicted(data / "kermany_lesions")),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))


def predicted(folder: Path) -> list[tuple[OpenPlace, ...]]:
    """Return what is found in a model's masks of the test scans."""
    names = json.loads((folder / "splits.json").read_text())["test"]
    model = rs.load_model(MODEL)
    result = []
    for name in names:
        image = rs.read_image(next((folder / "images").glob(f"{Path(name).stem}.*")))
        made = rs.segment(replace(image, modality=Modality.OCT), model)
        result.append(find_open_places(made.labels, OCT_LAYERS, made.ignore))
    return result


def alarms(places: list[tuple[OpenPlace, ...]]) -> dict[str, int]:
    return {
        "masks": len(places),
        "with open places": sum(map(bool, places)),
        "open places": sum(map(len, places)),
    }


def found(each: list[bool]) -> dict[str, int]:
    return {"masks": len(each), "found": sum(each)}


def put(mask: Labels, fault: Fault, rng: Rng) -> bool:
    """Put a fault into a mask, and tell whether it is found within 5 columns of it."""
    column = int(rng.integers(20, mask.shape[1] - 120))
    changed = fault(mask.copy(), column, rng)
    columns = np.flatnonzero((changed != mask).any(axis=0))
    return any(
        place.last >= columns[0] - 5 and place.first <= columns[-1] + 5
        for place in find_open_places(changed, OCT_LAYERS)
    )


def dropped(mask: Labels, column: int, rng: Rng) -> Labels:
    """Move a boundary by 100 to 150 rows in one column, as a click with Redraw did."""
    line = int(rng.integers(8))
    return moved(mask, line, column, 1, -rng.integers(100, 150) if line < 4 else 150)


def spike(mask: Labels, column: int, rng: Rng) -> Labels:
    """Move a boundary by 20 rows in three columns."""
    line = int(rng.integers(8))
    return moved(mask, line, column, 3, -20 if line < 4 else 20)


def collapsed(mask: Labels, column: int, rng: Rng) -> Labels:  # noqa: ARG001 - as the others
    """Bring the deepest boundary to the innermost one, as Snap did."""
    heights = from_labels(mask, 8)
    wanted = np.full(mask.shape[1], np.nan, np.float32)
    wanted[column : column + 100] = heights[0, column : column + 100]
    return draw(move(heights, 7, wanted, len(mask)), len(mask))


def moved(mask: Labels, line: int, column: int, width: int, rows: float) -> Labels:
    heights = from_labels(mask, 8)
    wanted = np.full(mask.shape[1], np.nan, np.float32)
    wanted[column : column + width] = heights[line, column : column + width] + rows
    return draw(move(heights, line, wanted, len(mask)), len(mask))


def erased(mask: Labels, column: int, rng: Rng) -> Labels:
    """Erase one layer in 40 columns."""
    part = mask[:, column : column + 40]
    part[part == rng.integers(1, 8)] = 0
    return mask


def erased_all(mask: Labels, column: int, rng: Rng) -> Labels:
    """Erase all layers in 1 to 40 columns."""
    mask[:, column : column + int(rng.integers(1, 41))] = 0
    return mask


def stray(mask: Labels, column: int, rng: Rng) -> Labels:
    """Draw a blob of 1 to 6 px a side above or below the retina."""
    size, value = int(rng.integers(1, 7)), rng.integers(1, 8)
    row = int(rng.choice([10, len(mask) - 20]))
    mask[row : row + size, column : column + size] = value
    return mask


def island(mask: Labels, column: int, rng: Rng) -> Labels:
    """Draw a spot of 3 px a side of another class into the ONL."""
    row = int(np.median(np.flatnonzero(mask[:, column] == 5)))
    mask[row - 1 : row + 2, column : column + 3] = rng.choice([0, 1, 2, 3, 7])
    return mask


def pulled(mask: Labels, column: int, rng: Rng) -> Labels:
    """Pull a boundary up through the layer above it, beside the fovea, as Pull does."""
    heights, line = from_labels(mask, 8), int(rng.integers(2, 7))
    total = ndimage.uniform_filter1d(heights[5] - heights[0], 41)
    aside = np.flatnonzero(total > np.median(total))
    column = int(aside[(aside > 60) & (aside < mask.shape[1] - 60)][column % 50])
    rows = np.max(heights[line] - heights[line - 1], initial=0, where=near(column, heights)) + 8
    wanted = pull(heights[line], column, -rows, 40)
    return draw(move(heights, line, wanted, len(mask)), len(mask))


def near(column: int, heights: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    return np.abs(np.arange(heights.shape[1]) - column) < 10


FAULTS: dict[str, Fault] = {
    "a boundary far off in one column": dropped,
    "a spike of 20 px in three columns": spike,
    "the deepest boundary on the innermost": collapsed,
    "one layer erased in 40 columns": erased,
    "all layers erased": erased_all,
    "a boundary pulled through the layer above": pulled,
    "a stray blob": stray,
    "an island of another class": island,
}


def page(results: dict[str, Any]) -> str:
    """Return the figures as a page."""
    experts = results["experts' masks"]
    name = next(name for name in results if "lesions" in name)
    sick = results[name]
    said = (
        f"In {experts['with open places']} of {experts['masks']} masks of healthy eyes that experts"
        f" drew, something is found. Of {sick['masks']} {name}, {sick['with open places']} have"
        " open places, not counting what the model itself left open as a guess. Masks of vessels"
        " are not checked: any arrangement of vessels is possible."
    )
    table = markdown_table(
        ["one fault in each of the experts' masks", "masks", "found"],
        [
            [fault, str(each["masks"]), str(each["found"])]
            for fault, each in results["masks with one fault"].items()
        ],
    )
    less = (
        "What is not found: a thin layer that was erased where it is about to vanish, and a"
        " boundary that had no room to move."
    )
    title = "# How often the check for open places is wrong"
    made = "Made by `python benchmarks/open_places.py`; figures in `docs/open_places.json`."
    return "\n\n".join([title, made, said, table, less]) + "\n"


if __name__ == "__main__":
    main()

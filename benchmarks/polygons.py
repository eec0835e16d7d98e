"""How alike COCO's, OpenCV's and Pillow's programs fill the polygons that are exported.

    python benchmarks/polygons.py --data ../shared/data

takes experts' masks of layers (``oct_layers``) and of vessels (``chase_db1``, ``hrf``), exports
them as COCO with polygons, fills these with each library, and writes ``docs/polygons.json`` and
``docs/polygons.md``: for each class the area against the mask's, and the share of its pixels that
differ. OpenCV gets the points as whole numbers, cut (``astype(int)``) or rounded.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask
from tables import markdown_table

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.io.formats.coco import CocoFile
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.types.labels import SCHEMES

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/polygons.json"
PAGE = ROOT / "docs/polygons.md"
SETS = {"oct_layers": "oct-layers", "chase_db1": "fundus-vessels", "hrf": "fundus-vessels"}
MOST = 8  # images of a set
AREA = "area, % of the mask's"

Region = npt.NDArray[np.bool_]
Fill = Callable[[list[list[float]], tuple[int, int]], Region]


def with_coco(lines: list[list[float]], shape: tuple[int, int]) -> Region:
    rle = coco_mask.merge(coco_mask.frPyObjects(lines, *shape))
    return np.asarray(coco_mask.decode(rle), bool)


def with_opencv(lines: list[list[float]], shape: tuple[int, int]) -> Region:
    region = np.zeros(shape, np.uint8)
    for line in lines:
        cv2.fillPoly(region, [np.reshape(line, (-1, 2)).astype(np.int32)], 1)
    return region.astype(bool)


def with_opencv_rounded(lines: list[list[float]], shape: tuple[int, int]) -> Region:
    region = np.zeros(shape, np.uint8)
    for line in lines:
        cv2.fillPoly(region, [np.rint(np.reshape(line, (-1, 2))).astype(np.int32)], 1)
    return region.astype(bool)


def with_pillow(lines: list[list[float]], shape: tuple[int, int]) -> Region:
    picture = Image.new("1", shape[::-1])
    for line in lines:
        ImageDraw.Draw(picture).polygon(line, fill=1, outline=1)
    return np.asarray(picture)


FILLS: dict[str, Fill] = {
    "pycocotools": with_coco,
    "OpenCV": with_opencv,
    "Pillow": with_pillow,
    "OpenCV, points rounded": with_opencv_rounded,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    results = {}
    for name, scheme in SETS.items():
        images = [image for image in read_dataset(data / name) if has_mask(image)]
        results[name] = compare(images[:: max(len(images) // MOST, 1)][:MOST], scheme)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))


def has_mask(image: LabelledImage) -> bool:
    try:
        return bool(image.read_labels().any())
    except Exception:  # noqa: BLE001 - the sets hold images without a mask
        return False


def compare(images: list[LabelledImage], scheme: str) -> dict[str, Any]:
    """Fill the polygons of masks, and count pixels by library and class."""
    counts: dict[str, dict[str, npt.NDArray[np.int64]]] = defaultdict(
        lambda: defaultdict(lambda: np.zeros(3, np.int64))
    )
    for image in images:
        labels = image.read_labels().astype(np.uint8)
        for name, region, lines in polygons(
            MaskRecord(labels, scheme=SCHEMES[scheme], name="image")
        ):
            for library, fill in FILLS.items():
                filled = fill(lines, region.shape)
                differ = (filled != region).sum()
                counts[name][library] += (region.sum(), filled.sum(), differ)
    return {
        "masks": len(images),
        "classes": {
            name: {
                library: {
                    AREA: round(100 * filled / area, 3),
                    "pixels that differ, %": round(100 * differ / area, 3),
                }
                for library, (area, filled, differ) in libraries.items()
            }
            for name, libraries in counts.items()
        },
    }


def polygons(record: MaskRecord) -> list[tuple[str, Region, list[list[float]]]]:
    """Export a mask as COCO, and return the region and the polygons of each class."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "masks.json"
        file = CocoFile(polygons=True)
        file.add(record)
        file.write(path)
        document = json.loads(path.read_text())
    return [
        (
            record.scheme.names[one["category_id"]],
            record.labels == one["category_id"],
            one["segmentation"],
        )
        for one in document["annotations"]
    ]


def page(results: dict[str, Any]) -> str:
    """Return the figures as a page."""
    parts = [
        "# How programs fill the polygons of an export",
        "Made by `python benchmarks/polygons.py`; figures in `docs/polygons.json`.",
        "Area of each class, in % of the mask's, when the polygons of `coco-polygons` are filled:"
        " by pycocotools, by OpenCV (`fillPoly`, points `astype(int)`), and by Pillow"
        " (`ImageDraw.polygon`). Who rounds the points for OpenCV instead of cutting them gets"
        " pixels beside the right and the lower rim, whatever the polygons: take `coco`, which is"
        " exact run lengths, and the default.",
    ]
    for name, found in results.items():
        rows = [
            [label, *(f"{each[AREA]:.2f}" for each in of.values())]
            for label, of in found["classes"].items()
        ]
        parts += [f"## {name}, {found['masks']} masks", markdown_table(["class", *FILLS], rows)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()

"""Make training scans with disease, an optic disc and other devices out of healthy ones.

    python benchmarks/oct_pathology.py --data ../shared/data --out RUNS/oct_pathology

Each training scan of ``oct_layers`` is changed in several ways, and so are phantoms; see
`napari_retina_seg.imaging.pathology`. No eye of validation or test has a part in it. The result is
a data set with ``images``, ``masks``, and a ``dataset.json`` that says what 255 means.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.imaging.modality import guess_modality
from napari_retina_seg.imaging.pathology import apply
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.scan import Scan
from napari_retina_seg.io.formats.card import make_card
from napari_retina_seg.io.formats.contents import Contents, Picture
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LAYERS

ROOT = Path(__file__).resolve().parents[1]

# In the order in which they are made, each with its chance.
CHANCES = {
    "bend": 0.5,
    "swelling": 0.3,
    "cysts": 0.45,
    "drusen": 0.35,
    "detachment": 0.25,
    "exudates": 0.2,
    "disc": 0.12,
    "shadows": 0.35,
    "crop": 0.4,
    "device": 0.6,
    "margins": 0.12,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=2, help="scans made of each training scan")
    parser.add_argument("--phantoms", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for folder in ("images", "masks"):
        (arguments.out / folder).mkdir(parents=True)
    scans = [
        *changed_scans(arguments.data / "oct_layers", arguments.each, arguments.seed),
        *phantoms(arguments.phantoms, arguments.seed),
    ]
    records, pictures = [], []
    for name, group, scan in scans:
        if guess_modality(scan.pixels) is not Modality.OCT:  # a training would refuse it
            continue
        mask = scan.labels
        cv2.imwrite(str(arguments.out / "images" / f"{name}.png"), scan.pixels)
        cv2.imwrite(str(arguments.out / "masks" / f"{name}.png"), mask)
        ignore = mask == IGNORE
        labels = np.where(ignore, 0, mask).astype(np.uint8)
        record = MaskRecord(labels, scheme=OCT_LAYERS, name=name, ignore=ignore)
        pictures.append(
            Picture(name=name, group=group, split="train", record=len(records), slice=0)
        )
        records.append(make_card(record))
    Contents(pictures=pictures, records=records).write(arguments.out)
    print(f"{len(pictures)} scans in '{arguments.out}'")


def changed_scans(data: Path, each: int, seed: int) -> Iterator[tuple[str, str, Scan]]:
    """Yield name, eye and scan."""
    for image in read_dataset(data):
        if image.split == "train":
            for turn in range(each):
                rng = np.random.default_rng([seed, turn, *image.name.encode()])
                scan = Scan.of(image.pixels(), image.heights())
                yield f"{image.name}_{turn}", image.group, apply(scan, draw_kinds(rng), rng)


def phantoms(count: int, seed: int) -> Iterator[tuple[str, str, Scan]]:
    """Yield name, eye and scan."""
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        phantom = phantom_bscan(int(rng.integers(1 << 30)), 496, int(rng.integers(400, 769)))
        scan = Scan.of(phantom.image.plane(), phantom.heights)
        yield f"phantom_{index}", f"phantom_{index}", apply(scan, draw_kinds(rng), rng)


def draw_kinds(rng: np.random.Generator) -> list[str]:
    """Return at least one change; half of the scans keep the frame that they were taken in."""
    kinds = [kind for kind, chance in CHANCES.items() if rng.random() < chance]
    return kinds or ["device"]


if __name__ == "__main__":
    main()

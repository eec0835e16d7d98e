"""How near a boundary line that snaps between two clicks comes to the experts' line.

    python benchmarks/snapping.py --data ../shared/data

works on the test scans of ``oct_layers`` and on the six that were traced twice, and writes
``docs/snapping.json`` and ``docs/snapping.md``. Every boundary is divided into stretches; both ends
of a stretch are clicked a little beside the expert's line, as a hand does. Snapping is compared
with straight lines between the same clicks, and with the second tracing of the same scans.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tables import markdown_table

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.editing.snapping import polarity, snap, vertical_gradient
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.labels import OCT_LAYERS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/snapping.json"
PAGE = ROOT / "docs/snapping.md"
LENGTHS = (30, 60, 100, 160)  # columns between two clicks
BESIDE = 1.0  # px, standard deviation by which a click misses the expert's line
NAMES = [surface.name for surface in OCT_LAYERS.surfaces]


@dataclass(frozen=True)
class Stretch:
    """The mean errors in px of one stretch between two clicks."""

    length: int
    boundary: str
    snapped: float
    straight: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    folder = parser.parse_args().data / "oct_layers"
    images = {image.name: image for image in read_dataset(folder)}
    test = [image for image in images.values() if image.split == "test"]
    pairs = traced_twice(images)
    results = {
        "test scans": {"scans": len(test), **figures(test)},
        "scans traced twice": {
            "scans": len(pairs),
            **figures([first for first, _ in pairs]),
            "second tracing px": second_tracing(pairs),
        },
        "columns between clicks": LENGTHS,
        "clicks miss by px": BESIDE,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))


def page(results: dict[str, Any]) -> str:
    """Return the figures of the test scans as a page."""
    test, twice = results["test scans"], results["scans traced twice"]
    tables = [
        markdown_table(
            [heading, "snapped, px", "straight, px"],
            [
                [name, f"{each['snapped px']:.2f}", f"{each['straight px']:.2f}"]
                for name, each in test[f"by {heading}"].items()
            ],
        )
        for heading in ("columns between clicks", "boundary")
    ]
    said = (
        f"Mean error on {test['scans']} test scans, both clicks missing the experts' line by"
        f" {results['clicks miss by px']:g} px (standard deviation): {test['snapped px']:.2f} px,"
        f" straight lines between the same clicks {test['straight px']:.2f} px. On"
        f" {twice['scans']} scans that were traced twice, which are among those that the rule was"
        f" made on, {twice['snapped px']:.2f} px; the second tracing lies"
        f" {twice['second tracing px']:.2f} px from the first."
    )
    title = "# How near a snapped line comes to the experts"
    made = "Made by `python benchmarks/snapping.py`; figures in `docs/snapping.json`."
    return "\n\n".join([title, made, said, *tables]) + "\n"


def traced_twice(images: dict[str, LabelledImage]) -> list[tuple[LabelledImage, LabelledImage]]:
    """Return the scans of one eye that two tracings show to the bit."""
    pairs = [
        (first, images[name.replace("Subject1_", "Subject8_")])
        for name, first in images.items()
        if name.startswith("Subject1_")
    ]
    return [(a, b) for a, b in pairs if np.array_equal(a.pixels(), b.pixels())]


def second_tracing(pairs: list[tuple[LabelledImage, LabelledImage]]) -> float:
    """Return how far the two tracings lie apart."""
    apart = [np.abs(first.heights() - second.heights()) for first, second in pairs]
    return float(np.mean([np.nanmean(each) for each in apart]))


def figures(images: list[LabelledImage]) -> dict[str, Any]:
    """Return mean errors over all stretches, by length and by boundary."""
    rng = np.random.default_rng(0)
    stretches = [each for image in images for each in of_scan(image, rng)]
    return {
        **means(stretches),
        "by columns between clicks": {
            str(length): means([each for each in stretches if each.length == length])
            for length in LENGTHS
        },
        "by boundary": {
            name: means([each for each in stretches if each.boundary == name]) for name in NAMES
        },
    }


def means(stretches: list[Stretch]) -> dict[str, float]:
    return {
        "snapped px": float(np.mean([each.snapped for each in stretches])),
        "straight px": float(np.mean([each.straight for each in stretches])),
        "stretches": len(stretches),
    }


def of_scan(image: LabelledImage, rng: np.random.Generator) -> list[Stretch]:
    """Snap every stretch of every boundary of a scan."""
    gradient = vertical_gradient(image.pixels())
    return [
        of_stretch(gradient, expert, start, length, NAMES[line], rng)
        for line, expert in enumerate(image.heights())
        for length in LENGTHS
        for start in range(0, len(expert) - length, length)
        if not np.isnan(expert[start : start + length + 1]).any()
    ]


def of_stretch(
    gradient: Heights,
    expert: npt.NDArray[Any],
    start: int,
    length: int,
    boundary: str,
    rng: np.random.Generator,
) -> Stretch:
    columns = np.arange(start, start + length + 1)
    ends = expert[columns[[0, -1]]] + rng.normal(0, BESIDE, 2)
    first, last = (
        (float(column), float(end)) for column, end in zip(columns[[0, -1]], ends, strict=True)
    )
    snapped = snap(gradient, first, last, polarity(boundary))[columns]
    straight = np.interp(columns, columns[[0, -1]], ends)
    inside = slice(1, -1)
    return Stretch(
        length,
        boundary,
        float(np.abs(snapped - expert[columns])[inside].mean()),
        float(np.abs(straight - expert[columns])[inside].mean()),
    )


if __name__ == "__main__":
    main()

"""How many masks that do not belong to their images ``dataset check`` finds, and false alarms.

    python benchmarks/dataset_check.py --data ../shared/data

spoils the masks of real data sets in known ways, checks them as whole sets and as small sets of
six images, and writes ``docs/dataset_check.json`` and ``docs/dataset_check.md``. The thresholds of
the check were chosen on the same sets, with the sound masks and with swapped and shifted ones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tables import markdown_table

from napari_retina_seg.datasets.alignment import ComparedImage, make_pattern
from napari_retina_seg.datasets.examine import read_filled
from napari_retina_seg.datasets.findings import FindingKind
from napari_retina_seg.datasets.labelled import LabelledImage, Labels
from napari_retina_seg.datasets.layouts import ReadOptions, read_dataset
from napari_retina_seg.datasets.misfits import MisfitFinder
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/dataset_check.json"
PAGE = ROOT / "docs/dataset_check.md"
SCHEMES = {
    "chase_db1": FUNDUS_VESSELS,
    "hrf": FUNDUS_VESSELS,
    "oct_layers": OCT_LAYERS,
    "kermany_lesions": OCT_LAYERS,  # its lesions have no scheme: only their fit counts here
}
PATIENTS = {"kermany_lesions": r"^[^-]+-\d+"}  # where the data set does not say them
SMALL = 6  # images of a small set
SMALL_SETS = 4

Spoil = Callable[[Labels], Labels]


@dataclass(frozen=True, eq=False)
class Case:
    """An image with its mask, as they are read."""

    image: LabelledImage
    pixels: Any
    valid: Any
    labels: Labels


def shift(rows: float, columns: float) -> Spoil:
    """Return a shift by shares of the width; what comes in is background."""

    def shifted(labels: Labels) -> Labels:
        down, right = (round(share * labels.shape[1]) for share in (rows, columns))
        moved = np.roll(labels, (down, right), (0, 1))
        moved[:down] = 0
        moved[:, :right] = 0
        return moved

    return shifted


SPOILT: dict[str, tuple[FindingKind, Spoil]] = {
    "mirrored left to right": (FindingKind.TURNED, lambda labels: labels[:, ::-1]),
    "mirrored top to bottom": (FindingKind.TURNED, lambda labels: labels[::-1]),
    "turned by 180°": (FindingKind.TURNED, lambda labels: labels[::-1, ::-1]),
    "inverted": (FindingKind.INVERTED, lambda labels: labels.max() - labels),
    "shifted down by 1 % of the width": (FindingKind.SHIFTED, shift(0.01, 0)),
    "shifted down by 3 % of the width": (FindingKind.SHIFTED, shift(0.03, 0)),
    "shifted right by 1 % of the width": (FindingKind.SHIFTED, shift(0, 0.01)),
    "shifted right by 3 % of the width": (FindingKind.SHIFTED, shift(0, 0.03)),
    "shifted right by 6 % of the width": (FindingKind.SHIFTED, shift(0, 0.06)),
}
SOUND, OTHER = "sound", "of another image of the set"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image only")
    chosen = parser.parse_args()
    results = {}
    for name in SCHEMES:
        options = ReadOptions(group_pattern=PATIENTS.get(name))
        images = read_dataset(chosen.data / name, options)[:: chosen.every]
        cases = [Case(one, *read_filled(one, one.modality), one.labels()) for one in images]
        cases = [case for case in cases if case.labels.any()]
        results[name] = measure(name, cases)
        print(name, json.dumps(results[name], indent=1), flush=True)
    content = {"every": chosen.every, "data sets": results}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    PAGE.write_text(page(results, chosen.every))


def measure(name: str, cases: Sequence[Case]) -> dict[str, Any]:
    """Return the shares of masks that are flagged, by what was done to them."""
    kinds: dict[str, tuple[FindingKind | None, list[ComparedImage | None]]] = {
        SOUND: (None, [make_pattern(case.pixels, case.labels, case.valid) for case in cases]),
        OTHER: (FindingKind.OTHER_MASK, swapped(cases)),
    }
    for kind, (fault, spoil) in SPOILT.items():
        kinds[kind] = (fault, [make_spoilt(case, spoil) for case in cases])
    images = [case.image for case in cases]
    rows = {}
    for kind, (fault, patterns) in kinds.items():
        whole = flag(name, images, patterns)
        small = small_sets(name, images, patterns)
        rows[kind] = {
            "masks": sum(pattern is not None for pattern in patterns),
            "flagged": share(whole),
            "named": share([found is fault for found in whole]),
            f"flagged in sets of {SMALL}": share(small),
        }
    return rows


def make_spoilt(case: Case, spoil: Spoil) -> ComparedImage | None:
    return make_pattern(case.pixels, spoil(case.labels).copy(), case.valid)


def swapped(cases: Sequence[Case]) -> list[ComparedImage | None]:
    """Give each image the mask of another patient's image of its size, where there is one."""
    patterns: list[ComparedImage | None] = []
    for place, case in enumerate(cases):
        others = [
            other
            for other in (*cases[place + 1 :], *cases[:place])
            if other.labels.shape == case.labels.shape and other.image.group != case.image.group
        ]
        mask = others[len(others) // 2].labels if others else None
        patterns.append(None if mask is None else make_pattern(case.pixels, mask, case.valid))
    return patterns


def flag(
    name: str, images: Sequence[LabelledImage], patterns: Sequence[ComparedImage | None]
) -> list[FindingKind | None]:
    """Check a set, and return what is said of each image that has a pattern."""
    finder = MisfitFinder(SCHEMES[name])
    for place, pattern in enumerate(patterns):
        if pattern is not None:
            finder.add(place, pattern)
    found = finder.finish(images)
    return [
        found[place].kind if place in found else None
        for place, pattern in enumerate(patterns)
        if pattern is not None
    ]


def small_sets(
    name: str, images: Sequence[LabelledImage], patterns: Sequence[ComparedImage | None]
) -> list[FindingKind | None]:
    """Check sets of six images drawn at random."""
    rng = np.random.default_rng(0)
    there = [place for place, pattern in enumerate(patterns) if pattern is not None]
    found: list[FindingKind | None] = []
    for _ in range(SMALL_SETS):
        chosen = rng.choice(there, SMALL, replace=False)
        found += flag(name, [images[k] for k in chosen], [patterns[k] for k in chosen])
    return found


def share(found: Sequence[object]) -> float:
    return round(sum(map(bool, found)) / max(1, len(found)), 4)


def page(results: dict[str, Any], every: int) -> str:
    """Return the figures as a page."""
    columns = ("flagged", "named", f"flagged in sets of {SMALL}")
    parts = [
        "# What `dataset check` finds of masks that do not belong to their images",
        f"Made by `python benchmarks/dataset_check.py --every {every}`, on one of {every} images of"
        " each set; figures in `docs/dataset_check.json`.",
        "Flagged is the share of masks that are said to be wrong in any way, named that with the"
        " right fault. Of sound masks every flag is a false alarm. Lesions are too faint to be"
        f" judged one by one: they are judged together, in sets of {SMALL} or more, and the fault"
        " is called 'mask of another image' whatever it is. The thresholds were chosen on these"
        " sets.",
    ]
    for name, rows in results.items():
        table = [
            [kind, str(row["masks"]), *(f"{100 * row[column]:.1f} %" for column in columns)]
            for kind, row in rows.items()
        ]
        parts += [f"## {name}", markdown_table(["masks", "number", *columns], table)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()

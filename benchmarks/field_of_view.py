"""How well fields of view are found that are known, because their apertures are drawn.

    python benchmarks/field_of_view.py --data ../shared/data

puts retina of three cameras behind random apertures (`tests/photographs.py`) and writes
``docs/field_of_view.json`` and ``docs/field_of_view.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from tables import markdown_table

from napari_retina_seg.imaging.fov import detect_fov

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from photographs import SIDES, Page, Scene, Source, draw, overlap, shipped  # noqa: E402

TINTS = [(1, 1, 1), (0.4, 1, 0.7), (0.75, 1, 0.9), (0.9, 0.9, 1), (0.3, 0.3, 1), (1, 0.8, 0.6)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--scenes", type=int, default=20, help="photographs of each camera")
    arguments = parser.parse_args()
    results = {}
    for name, sources in cameras(arguments.data).items():
        for kind, scene in (("", random_scene), (", on a page", random_page)):
            results[name + kind] = score(sources, arguments.scenes, scene)
            print(name + kind, results[name + kind], flush=True)
    (ROOT / "docs/field_of_view.json").write_text(json.dumps(results, indent=1) + "\n")
    (ROOT / "docs/field_of_view.md").write_text(document(results))


def cameras(data: Path) -> dict[str, list[Source]]:
    """Return what each camera saw, as far as the data are there."""
    found = {"scikit-image": [shipped()]}
    for name, pattern, radius in (
        ("CHASE_DB1", "chase_db1/*L.jpg", 440.0),
        ("HRF", "hrf/[01]*_[dgh]*.jpg", 570.0),
    ):
        images = [cv2.imread(str(path))[..., ::-1] for path in sorted(data.glob(pattern))[::5]]
        if images:
            found[name] = [Source(i, (i.shape[0] / 2, i.shape[1] / 2), radius) for i in images]
    return found


def random_scene(rng: np.random.Generator) -> Scene:
    """Draw an aperture, a light and a surround at random."""
    radius = float(rng.uniform(120, 400))
    sides = rng.permutation(list(SIDES))[: rng.integers(0, 4)]
    vignette = float(rng.choice([1, rng.uniform(0.3, 1)]))
    level = rng.uniform(0, 35) * vignette
    return Scene(
        grid=(round(rng.uniform(1.8, 2.4) * radius), round(rng.uniform(2.1, 2.8) * radius)),
        radius=radius,
        shift=(float(rng.uniform(-0.05, 0.05) * radius), float(rng.uniform(-0.05, 0.05) * radius)),
        cuts=tuple((SIDES[s] + rng.normal(0, 0.02), rng.uniform(0.65, 0.97)) for s in sides),
        notch=None if rng.random() < 0.8 else float(rng.uniform(0, 6.28)),
        vignette=vignette,
        surround=tuple(level * part for part in TINTS[rng.integers(len(TINTS))]),
        slope=float(rng.uniform(-0.2, 0.2)),
        noise=float(rng.uniform(0.5, 4)),
        gap=bool(rng.random() < 0.4),
        glow=float(rng.choice([0, rng.uniform(0, 0.12)])),
        caption=bool(rng.random() < 0.3),
        quality=int(rng.integers(55, 97)),
        grey=bool(rng.random() < 0.1),
    )


def random_page(rng: np.random.Generator) -> Scene:
    """Draw a page with a photograph of 2 to 40 % of it and what reports have beside one."""
    rows, columns = (round(side) for side in rng.uniform((360, 480), (900, 1400)))
    radius = max(
        60.0, min(float(np.sqrt(rng.uniform(0.02, 0.4) * rows * columns / np.pi)), rows / 3)
    )
    room = (rows / 2 - radius) * 0.6, (columns / 2 - radius) * 0.8
    level, page = rng.choice([0.0, 20.0, 240.0]), rng.integers(6)
    return Scene(
        grid=(rows, columns),
        radius=radius,
        shift=(float(rng.uniform(-1, 1) * room[0]), float(rng.uniform(-1, 1) * room[1])),
        cuts=((SIDES["bottom"], rng.uniform(0.7, 0.97)),) if rng.random() < 0.5 else (),
        surround=(level,) * 3,
        noise=float(rng.uniform(0.5, 3)),
        quality=int(rng.integers(60, 97)),
        grey=bool(rng.random() < 0.1),
        page=Page(
            band=str(rng.choice(list(SIDES))) if page == 1 else None,
            band_width=float(rng.uniform(0.04, 0.15)),
            border=0.03 if page == 2 else 0.0,
            box=page == 3,
            ruler=page == 4,
            thumbnail=page == 5,
            level=int(rng.integers(100, 200)),
        ),
    )


def score(
    sources: list[Source], scenes: int, scene: Callable[[np.random.Generator], Scene]
) -> dict[str, float]:
    overlaps, seconds = [], []
    for seed in range(scenes):
        rng = np.random.default_rng(seed)
        photograph, field = draw(scene(rng), sources[seed % len(sources)])
        started = time.process_time()
        found = detect_fov(photograph)
        seconds.append(time.process_time() - started)
        overlaps.append(overlap(found.mask(), field))
    return {
        "photographs": scenes,
        "mean IoU": float(np.mean(overlaps)),
        "worst IoU": float(np.min(overlaps)),
        "IoU over 0.985": float(np.mean(np.array(overlaps) > 0.985)),
        "ms": 1000 * float(np.median(seconds)),
    }


def document(results: dict[str, dict[str, float]]) -> str:
    rows = [
        [
            name,
            str(values["photographs"]),
            f"{values['mean IoU']:.4f}",
            f"{values['worst IoU']:.4f}",
            f"{values['IoU over 0.985']:.0%}",
            f"{values['ms']:.0f}",
        ]
        for name, values in results.items()
    ]
    header = [
        "retina of",
        "photographs",
        "mean IoU",
        "worst IoU",
        "IoU over 0.985",
        "median CPU ms",
    ]
    return (
        "# Fields of view\n\n"
        "Photographs behind apertures that are drawn: discs, cut on up to three sides, notches,"
        " vignettes,\ncaptions and surrounds of any dim colour, some cut by the frame; and discs\n"
        "of 2 to 40 % of a page, on black, grey or white, beside bands with writing, boxes,"
        " rulers,\nthumbnails and borders. Written by `benchmarks/field_of_view.py`.\n\n"
        + markdown_table(header, rows)
        + "\n"
    )


if __name__ == "__main__":
    main()

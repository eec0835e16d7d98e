"""How often `has_margin_text` is wrong: on real images, and on the same with text drawn in.

Writes docs/margin_text.json. The images are not part of the project:

    python benchmarks/margin_text.py ../shared/data
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

from napari_retina_seg import read_image
from napari_retina_seg.imaging.margin_text import has_margin_text

OUT = Path(__file__).parents[1] / "docs" / "margin_text.json"
SETS = {
    "chase_db1": "*.jpg",
    "hrf": "*.[jJ][pP][gG]",
    "idrid_unlabelled": "*.jpg",
    "kermany_lesions": "images/*.*",
    "oct_layers": "Subject*_[0-9][0-9].png",
}
WORDS = "Mueller, Hans 1950-02-28"
HEIGHTS = (12, 20, 32)  # px of the capitals


def main(data: Path) -> None:
    """Count the images of each set that are flagged, as they are and with text."""
    found = {name: count(sorted((data / name).glob(pattern))) for name, pattern in SETS.items()}
    OUT.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def count(paths: list[Path]) -> dict[str, object]:
    """Count the flagged images of a set."""
    flagged, seconds = 0, 0.0
    marked = dict.fromkeys(HEIGHTS, 0)
    for path in paths:
        pixels = read_image(path).plane(0)
        start = perf_counter()
        if has_margin_text(pixels):
            flagged += 1
        seconds += perf_counter() - start
        for height, picture in with_text(pixels):
            marked[height] += has_margin_text(picture)
    return {
        "images": len(paths),
        "flagged": flagged,
        "of those with text drawn into a corner, by the height of capitals in px": marked,
        "ms per image": round(1000 * seconds / max(1, len(paths)), 1),
    }


def with_text(pixels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the picture with a name in its upper left corner, as JPEG would keep it."""
    for height in HEIGHTS:
        picture = np.ascontiguousarray(pixels[..., :3] if pixels.ndim == 3 else pixels)
        scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, height, 1)
        at, thick = (8, 8 + height), max(1, height // 10)
        cv2.putText(picture, WORDS, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255,) * 3, thick, 16)
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
        yield height, cv2.imdecode(packed, cv2.IMREAD_UNCHANGED)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Whether images that a model is not for are told apart from those that it is for.

    python benchmarks/plausibility.py --data ../shared/data [--calibrate] [--only oct-layers]

With ``--calibrate`` it first measures the predictions on training and validation images and writes
their limits into the models' folders (``limits.json``). Then it segments test images, which play no
part in the limits, and images that are wrong in ways that occur, and writes how many of each are
flagged, and by which checks, to ``docs/plausibility.json`` and ``docs/plausibility.md``.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
from tables import markdown_table

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.inference.plausibility import measure_plane
from napari_retina_seg.inference.predict import iter_segment
from napari_retina_seg.inference.predictor import load_predictor
from napari_retina_seg.io import read_image
from napari_retina_seg.models.limits import LimitsRecord, write_limits
from napari_retina_seg.models.registry import ModelFolder, find_model
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import Modality, RetinaImage, Spacing
from napari_retina_seg.types.progress import CancelToken, finish

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/plausibility.json"
PAGE = ROOT / "docs/plausibility.md"

SETS = {"oct-layers": ("oct_layers",), "fundus-vessels": ("chase_db1", "hrf")}
# Figures that do not depend on how an image was cropped, and the ends at which they tell something.
ENDS = {
    "oct-layers": {
        "uncertainty": (False, True),
        "thickness": (True, True),
        "disorder": (False, True),
    },
    "fundus-vessels": {
        "uncertainty": (False, True),
        "drawn": (True, True),
        "contrast 1": (True, True),
        "colour red": (True, True),
        "colour blue": (True, True),
    },
}
PICTURES = (
    *("astronaut", "brick", "camera", "cat", "cell", "clock", "coffee", "coins", "colorwheel"),
    *("grass", "gravel", "horse", "hubble_deep_field", "immunohistochemistry", "logo", "moon"),
    *("page", "rocket", "text"),
)
LESS_SURE = 0.35  # share of the largest uncertainty
NOISES = 2  # of each kind
BLUR = 0.01
INFORMATION = 15  # images of each set without a target

Case = tuple[str, np.ndarray, Spacing]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--calibrate", action="store_true", help="write the models' limits anew")
    parser.add_argument("--only", nargs="*", choices=SETS, help="keep the other model's figures")
    arguments = parser.parse_args()
    for name in arguments.only or SETS:
        model = find_model(name)
        if arguments.calibrate:
            calibrate(model, name, arguments.data)
        cases = scans if model.spec.modality is Modality.OCT else photographs
        counts = count_flags(model, cases(arguments.data))
        results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        results[name] = counts  # the two models may be looked at side by side
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        PAGE.write_text(page(results))


def labelled(data: Path, model: str, *, test: bool) -> list[LabelledImage]:
    return [
        image
        for folder in SETS[model]
        for image in read_dataset(data / folder)
        if (image.split == "test") == test
    ]


def calibrate(model: ModelFolder, name: str, data: Path) -> None:
    """Measure the images of training and validation, and write the limits of their figures."""
    images = labelled(data, name, test=False)
    measured = [measure_image(model, image.pixels(), image.spacing()) for image in images]
    said = f"{len(images)} training and validation images of {', '.join(SETS[name])}"
    limits = find_limits(measured, ENDS[name])
    sha256 = model.spec.weights_sha256
    write_limits(model, LimitsRecord(weights_sha256=sha256, images=said, limits=limits))
    print(model.name, limits, flush=True)


def find_limits(
    measured: list[dict[str, float]], ends: dict[str, tuple[bool, bool]]
) -> dict[str, tuple[float | None, float | None]]:
    """Take the range of each figure, wider by half of it at either end.

    A model is surer of images that it learnt from than of others, even of the same kind: of
    uncertainty the limit is higher by `LESS_SURE`.
    """
    limits: dict[str, tuple[float | None, float | None]] = {}
    for figure, (has_low, has_high) in ends.items():
        values = [figures[figure] for figures in measured]
        low, high = min(values), max(values)
        margin = high * LESS_SURE if figure == "uncertainty" else (high - low) / 2
        limits[figure] = (
            round(low - margin, 4) if has_low else None,
            round(high + margin, 4) if has_high else None,
        )
    return limits


def measure_image(model: ModelFolder, pixels: np.ndarray, spacing: Spacing) -> dict[str, float]:
    prepared = model.spec.preprocessing.prepare(pixels, spacing)
    output = finish(load_predictor(model).iter_predict(prepared.tensor, CancelToken()))
    return measure_plane(pixels, prepared, output, model.spec)


def count_flags(model: ModelFolder, cases: Iterator[Case]) -> dict[str, dict[str, Any]]:
    """Segment every image as a user would, told that it is of the model's kind."""
    counts: dict[str, dict[str, Any]] = {}
    for kind, pixels, spacing in cases:
        entry = counts.setdefault(kind, {"images": 0, "flagged": 0, "refused": 0, "checks": {}})
        entry["images"] += 1
        color = pixels.ndim == 3
        image = RetinaImage(pixels, color=color, modality=model.spec.modality, spacing=spacing)
        try:
            checks = finish(iter_segment(image, model)).checks
        except RetinaSegError:
            entry["refused"] += 1
            continue
        entry["flagged"] += bool(checks)
        entry["checks"] = dict(Counter(entry["checks"]) + Counter(check.name for check in checks))
    print(model.name, json.dumps(counts, indent=1), flush=True)
    return counts


def scans(data: Path) -> Iterator[Case]:
    """Yield B-scans, and what is none, for a model of layers."""
    for image in labelled(data, "oct-layers", test=True):
        pixels, spacing = image.pixels(), image.spacing()
        yield "test images", pixels, spacing
        yield "upside down (turned by 180°)", pixels[::-1, ::-1].copy(), spacing
        yield "mirrored top to bottom", pixels[::-1].copy(), spacing
        for sigma in (8, 16):
            yield f"heavy blur (σ = {sigma} px)", cv2.GaussianBlur(pixels, (0, 0), sigma), spacing
        top = int((image.labels() > 0).any(axis=1).argmax())
        yield "cropped to vitreous", pixels[: max(top - 8, 16)].copy(), spacing
    for image in labelled(data, "fundus-vessels", test=True):
        yield "other modality (green channel of a photograph)", image.pixels()[..., 1], Spacing()
    for picture in pictures():
        grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        yield "pictures of skimage.data, as grey", grey, Spacing()
    for noise in noises((496, 768)):
        yield "noise", noise, Spacing()
    for path in some(data / "kermany_lesions" / "images"):
        yield "for information: scans with lesions (Kermany)", read_image(path).plane(), Spacing()


def photographs(data: Path) -> Iterator[Case]:
    """Yield photographs of the fundus, and what is none, for a model of vessels."""
    for image in labelled(data, "fundus-vessels", test=True):
        pixels = image.pixels()
        yield f"test images, {image.dataset}", pixels, Spacing()
        blurred = cv2.GaussianBlur(pixels, (0, 0), BLUR * pixels.shape[1])
        yield f"heavy blur (σ = {BLUR:.0%} of the width)", blurred, Spacing()
    for image in labelled(data, "oct-layers", test=True):
        yield "other modality (B-scan)", image.pixels(), Spacing()
    for picture in pictures():
        yield "pictures of skimage.data", picture, Spacing()
    for grey in noises((800, 900)):
        yield "noise", grey, Spacing()
        colors = np.stack([grey, np.roll(grey, 31, axis=0), np.roll(grey, 77, axis=1)], axis=2)
        yield "noise", colors, Spacing()
    for path in some(data / "idrid_unlabelled"):
        yield "for information: diabetic retinopathy (IDRiD)", read_image(path).plane(), Spacing()


def pictures() -> Iterator[np.ndarray]:
    for name in PICTURES:
        picture = getattr(skimage.data, name)()
        if picture.dtype == bool:
            picture = picture.astype(np.uint8) * 255
        yield picture[..., :3] if picture.ndim == 3 else picture


def noises(shape: tuple[int, int]) -> Iterator[np.ndarray]:
    for seed in range(NOISES):
        rng = np.random.default_rng(seed)
        yield rng.integers(0, 256, shape, np.uint8)
        yield np.clip(rng.normal(60, 30, shape), 0, 255).astype(np.uint8)
        yield np.clip(rng.rayleigh(40, shape), 0, 255).astype(np.uint8)
        yield (rng.random(shape) ** 8 * 255).astype(np.uint8)
        smooth = cv2.GaussianBlur(rng.normal(0, 1, shape), (0, 0), 8)
        yield ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def some(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
    return paths[:: max(1, len(paths) // INFORMATION)][:INFORMATION]


def page(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Return the figures as a page."""
    parts = [
        "# Is it a retina, and the right way up?\n",
        "Written by `benchmarks/plausibility.py`. Every image was segmented as a user would,"
        " said to be of the model's kind. Flagged: the result says that the image does not look"
        " like what the model learnt from; refused: it says why there is no result. The limits"
        " come from training and validation images alone, whose ranges they widen; the test"
        " images had no part in them. Lesions that a model never saw are meant to be looked at,"
        " so that no share of them is aimed at.\n",
    ]
    for model, kinds in results.items():
        rows = [
            (
                kind,
                str(entry["images"]),
                f"{(entry['flagged'] + entry['refused']) / entry['images']:.0%}",
                str(entry["refused"]),
                ", ".join(f"{name} {number}" for name, number in entry["checks"].items()),
            )
            for kind, entry in kinds.items()
        ]
        head = ("images", "number", "flagged or refused", "refused", "checks that fired")
        parts += [f"## {model}\n", markdown_table(head, rows) + "\n"]
    return "\n".join(parts)


if __name__ == "__main__":
    main()

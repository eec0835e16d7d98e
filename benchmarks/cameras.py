"""Photographs as other cameras would have taken them, with their masks.

    python benchmarks/cameras.py --data ../shared/data --out RUNS/simulated_cameras

writes those of the recipe's validation patients as a data set, by which a training that is to
travel is watched. `simulated` makes them of any image, for tests. None of the cameras does what the
augmentation of `datasets/camera.py` does with the same means: they see a part of the field, they
take whole photographs, and their field of view has to be found again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.imaging.preprocess import find_field

ROOT = Path(__file__).resolve().parents[1]
VALIDATION = {"chase_db1": ("10",), "hrf": ("10_h", "10_dr")}

Pixels = npt.NDArray[Any]
Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Simulated:
    """A camera.

    Attributes
    ----------
    seen : float
        Part of the field's diameter that it sees.
    diameter : int
        Of that part in its photographs, px.
    colors : tuple of tuple
        Its channels from those of the original, row by row.
    contrast, gamma : float
        Of the brightness around its mean; exponent.
    vignette : float
        Share of the light that the rim lacks.
    veil : tuple of float
        Stray light on one side and on the other, as a share of full brightness.
    blur, noise : float
        Standard deviations, px and grey levels.
    grain : float
        Size of the noise, px: film has larger grains than pixels.
    quality : int
        Of JPEG.
    """

    seen: float
    diameter: int
    colors: tuple[tuple[float, float, float], ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    contrast: float = 1
    gamma: float = 1
    vignette: float = 0
    veil: tuple[float, float] = (0, 0)
    blur: float = 0
    noise: float = 0
    grain: float = 1
    quality: int = 92


CAMERAS = {
    # 45 degrees on an early sensor, warm and flat.
    "early sensor": Simulated(
        0.8,
        540,
        colors=((0.9, 0.1, 0), (0.15, 0.75, 0.1), (0.05, 0.35, 0.3)),
        contrast=0.8,
        noise=2.0,
        quality=80,
    ),
    # A scanned slide: faded, grainy, lighter on one side.
    "slide film": Simulated(
        0.7,
        650,
        colors=((0.7, 0.3, 0), (0.35, 0.55, 0.1), (0.2, 0.4, 0.3)),
        contrast=0.75,
        gamma=1.4,
        veil=(0.0, 0.3),
        blur=0.8,
        noise=6.0,
        grain=1.5,
        quality=85,
    ),
    # A narrow field at high magnification, with stray light on both sides.
    "close": Simulated(0.5, 1300, contrast=0.6, veil=(0.2, 0.05), blur=2.0, noise=3.0, grain=1.5),
    # Without mydriasis: red, dark towards the rim.
    "small pupil": Simulated(
        0.9,
        1000,
        colors=((1.3, 0.1, 0), (0.35, 0.45, 0), (0.1, 0.1, 0.1)),
        gamma=1.6,
        vignette=0.75,
        noise=3.0,
        quality=75,
    ),
    # Light of one colour: grey, with the texture of nerve fibres and speckle.
    "red-free": Simulated(
        0.6,
        760,
        colors=((0.1, 0.6, 0.3),) * 3,
        contrast=0.9,
        gamma=0.7,
        vignette=0.3,
        blur=0.7,
        noise=9.0,
        grain=1.2,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="keep each n-th photograph")
    arguments = parser.parse_args()
    for folder in ("images", "masks"):
        (arguments.out / folder).mkdir(parents=True, exist_ok=True)
    images = [taken for one in validation_images(arguments.data) for taken in simulated(one)]
    images = sorted(images, key=lambda image: image.name)[:: arguments.every]
    for image in images:
        file = f"{image.name}.png"
        cv2.imwrite(str(arguments.out / "images" / file), image.pixels()[..., ::-1])
        cv2.imwrite(str(arguments.out / "masks" / file), image.labels())
    sides = {"train": [], "val": [image.name for image in images], "test": []}
    (arguments.out / "splits.json").write_text(json.dumps(sides, indent=1))


def validation_images(data: Path) -> Iterator[LabelledImage]:
    for folder, groups in VALIDATION.items():
        yield from (image for image in read_dataset(data / folder) if image.group in groups)


def simulated(image: LabelledImage) -> Iterator[LabelledImage]:
    """Yield a photograph as each camera takes it."""
    for number, (name, camera) in enumerate(CAMERAS.items()):
        yield replace(
            image,
            name=f"{image.name}_{name.replace(' ', '-')}",
            dataset=name,
            read_pixels=lambda c=camera, n=number: take(c, image.pixels(), n)[0],
            read_labels=lambda c=camera: take_mask(c, image),
            read_field=None,
            references={},
        )


def take(camera: Simulated, pixels: Pixels, seed: int) -> tuple[Pixels, tuple[int, int, int]]:
    """Return the photograph, and the centre and diameter of the part that it shows."""
    place = part(camera, pixels)
    colors = cut(pixels.astype(np.float32) / 255, place, camera.diameter)
    y, x = np.mgrid[: camera.diameter, : camera.diameter] / (camera.diameter - 1) * 2 - 1
    inside = x**2 + y**2 < 0.98
    colors = np.clip(colors @ np.array(camera.colors, np.float32).T, 0, 1) ** camera.gamma
    mean = colors[inside].mean(axis=0)
    colors = mean + camera.contrast * (colors - mean)
    colors *= (1 - camera.vignette * (x**2 + y**2) / 1.4)[..., np.newaxis]
    veil = (camera.veil[0] + (camera.veil[1] - camera.veil[0]) * (x + 1) / 2)[..., np.newaxis]
    colors = colors * (1 - veil) + 0.8 * veil
    if camera.blur:
        colors = cv2.GaussianBlur(colors, (0, 0), camera.blur)
    colors = 255 * colors + grain(camera, colors.shape, seed)
    shown = np.where(inside[..., np.newaxis], np.clip(colors, 0, 255), 0).astype(np.uint8)
    framed = cv2.copyMakeBorder(shown, 12, 12, 20, 20, cv2.BORDER_CONSTANT)
    stored = cv2.imencode(".jpg", framed[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, camera.quality])[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR)[..., ::-1]), place


def take_mask(camera: Simulated, image: LabelledImage) -> Pixels:
    vessels = (image.labels() > 0).astype(np.float32)
    share = cut(vessels, part(camera, image.pixels()), camera.diameter)
    return cv2.copyMakeBorder((share > 0.5).astype(np.uint8), 12, 12, 20, 20, cv2.BORDER_CONSTANT)


def part(camera: Simulated, pixels: Pixels) -> tuple[int, int, int]:
    """Return row, column and diameter of the part of the field that a camera sees, px.

    It lies beside the centre, towards the brightest place: the disc is more often in a photograph.
    """
    field = find_field(pixels)
    height = field.box[2] - field.box[0]
    diameter = round(min(camera.seen * field.diameter, 0.98 * height))
    green = cv2.GaussianBlur(pixels[..., 1].astype(np.float32), (0, 0), field.diameter / 40)
    bright = np.unravel_index(np.argmax(np.where(field.mask(0.1), green, 0)), green.shape)
    center = np.array(field.center)
    free = max(0.0, height / 2 - diameter / 2)
    toward = np.array(bright) - center
    toward *= min(1.0, free / max(float(np.hypot(*toward)), 1e-6))
    return *(round(value) for value in center + toward), diameter


def cut(values: Image, place: tuple[int, int, int], size: int) -> Image:
    """Return the square around a part, ``(size, size, …)``."""
    row, column, diameter = place
    half = diameter / 2
    scale = size / diameter
    matrix = np.array([[scale, 0, (half - column) * scale], [0, scale, (half - row) * scale]])
    if scale < 1:  # averaging first, or fine structures would be sampled by chance
        values = cv2.GaussianBlur(values, (0, 0), 0.4 / scale)
    return np.asarray(cv2.warpAffine(values, matrix, (size, size), flags=cv2.INTER_LINEAR))


def grain(camera: Simulated, shape: tuple[int, ...], seed: int) -> Image:
    size = [round(side / camera.grain) for side in shape[:2]]
    noise = np.random.default_rng(seed).normal(0, camera.noise, (*size, 3)).astype(np.float32)
    return np.asarray(cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR))


if __name__ == "__main__":
    main()

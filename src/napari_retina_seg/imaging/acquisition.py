"""Changes that an eye's place, a device and its export make to a B-scan and its boundaries."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from napari_retina_seg.imaging.scan import (
    BM,
    ILM,
    Scan,
    draw_grain,
    resample,
    shift_columns,
    vitreous,
)


def bend(scan: Scan, rng: np.random.Generator) -> Scan:
    """Tilt and curve the retina, and let columns jump a little as eyes do that move."""
    rows, columns = scan.light.shape
    x = np.linspace(-1, 1, columns)
    shift = rng.uniform(-60, 60) * x + rng.uniform(-70, 25) * (x - rng.uniform(-0.5, 0.5)) ** 2
    shift += rng.uniform(0, 6) * np.sin(rng.uniform(3, 14) * x + rng.uniform(0, 6))
    if rng.random() < 0.3:
        shift += rng.uniform(-3, 3) * (np.arange(columns) > rng.uniform(0, columns))
    top, bottom = np.nanmin(scan.heights[ILM] + shift), np.nanmax(scan.heights[BM] + shift)
    # In the frame as a whole, if it fits; what leaves it below is cut off there.
    shift += np.clip(0, 6 - top, max(6 - top, rows - 12 - bottom))
    return shift_columns(scan, shift.astype(np.float32))


def add_margins(scan: Scan, rng: np.random.Generator) -> Scan:
    """Draw white or black margins over edges, as device exports have them, some at an angle."""
    rows, columns = scan.light.shape
    value = np.float32(rng.choice([255, 0], p=[0.7, 0.3]))
    margin = np.zeros((rows, columns), np.uint8)
    for edge in rng.permutation(4)[: rng.integers(1, 3)]:
        near, far = rng.uniform(0.02, 0.12, 2)
        corners = np.array([[0, 0], [1, 0], [1, far], [0, near]])
        if edge in (1, 3):
            corners = np.array([[0, 0], [near, 0], [near, 1], [0, 1]])  # upright, as they are
        if edge in (2, 3):
            corners = 1 - corners
        cv2.fillPoly(margin, [np.rint(corners * (columns, rows)).astype(np.int32)], 1)
    covered = margin.astype(bool)
    whole = covered.all(axis=0)
    heights = np.where(whole, np.float32(np.nan), scan.heights)
    return Scan(np.where(covered, value, scan.light), heights, scan.ignore | covered)


def crop_rows(scan: Scan, rng: np.random.Generator) -> Scan:
    """Cut the rows close above and below the retina, as cropped exports are."""
    top = max(0, int(np.nanmin(scan.heights[ILM]) - rng.uniform(4, 50)))
    bottom = min(len(scan.light), int(np.nanmax(scan.heights[BM]) + rng.uniform(6, 80)))
    rows = slice(top, max(bottom, top + 96))
    return Scan(scan.light[rows], scan.heights - np.float32(top), scan.ignore[rows])


def change_device(scan: Scan, rng: np.random.Generator) -> Scan:
    """Take the scan with another device: its sampling, noise, contrast and compression."""
    scale = (
        np.exp(rng.uniform(np.log(0.75), np.log(1.3))),
        np.exp(rng.uniform(np.log(0.6), np.log(1.5))),
    )
    scan = resample(scan, scale)
    light = scan.light / 255
    if rng.random() < 0.4:
        light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.5, 1.4))
    if rng.random() < 0.15:
        light = cv2.medianBlur(light.astype(np.float32), 3)
    speckle = draw_grain(rng, light.shape, rng.uniform(0.3, 1.4))
    light = light * (1 + rng.uniform(0, 0.35) * rng.random() * speckle)
    light = light + rng.uniform(0, 0.14) * rng.random() * draw_grain(
        rng, light.shape, rng.uniform(0.3, 1)
    )
    light = np.clip(light, 0, 1) ** np.exp(rng.normal(0, 0.3))
    light = rng.uniform(0, 0.25) + rng.uniform(0.5, 0.95) * light
    pixels = np.asarray(np.clip(light * 255, 0, 255), np.uint8)
    quality = int(rng.integers(55, 100))
    _, stored = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    again = cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE)
    return replace(scan, light=again.astype(np.float32))


def add_shadows(scan: Scan, rng: np.random.Generator) -> Scan:
    """Take away light in bands of columns, as vessels and opacities do."""
    columns = np.arange(scan.light.shape[1], dtype=np.float32)
    left = np.ones_like(columns)
    for _ in range(rng.integers(1, 7)):
        away = (columns - rng.uniform(0, len(columns))) / rng.uniform(3, 40)
        left *= 1 - rng.uniform(0.2, 0.85) * np.exp(-(away**4))
    dark = vitreous(scan)[0]
    return replace(scan, light=(dark + (scan.light - dark) * left).astype(np.float32))

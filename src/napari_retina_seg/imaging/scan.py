"""A B-scan and its boundaries, to be changed together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.types.annotation import IGNORE

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# Boundaries of the scheme "oct-layers", from the inside outwards.
ILM, NFL, IPL, INL, OPL, EZ, RPE, BM = range(8)
_VITREOUS_ROWS = 6  # above the ILM that are left out of what vitreous looks like


@dataclass(frozen=True, eq=False)
class Scan:
    """A B-scan and its boundaries.

    Attributes
    ----------
    light : array
        ``(rows, columns)`` float32, 0 to 255.
    heights : array
        ``(8, columns)`` float32 in px; NaN where there are no layers.
    ignore : array
        ``(rows, columns)`` bool: where there is nothing to learn or to score.
    """

    light: Float
    heights: Float
    ignore: Mask

    @classmethod
    def of(cls, pixels: npt.NDArray[np.uint8], heights: npt.NDArray[np.floating]) -> Scan:
        """Return a scan of which everything is known."""
        light, lines = pixels.astype(np.float32), heights.astype(np.float32)
        return cls(light, np.maximum.accumulate(lines, axis=0), np.zeros(light.shape, bool))

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """``(rows, columns)`` uint8."""
        return np.asarray(np.clip(np.rint(self.light), 0, 255), np.uint8)

    @property
    def labels(self) -> npt.NDArray[np.uint8]:
        """``(rows, columns)`` uint8 classes; `IGNORE` where nothing is known."""
        drawn = ~np.isnan(self.heights[0])
        labels = to_labels(np.where(drawn, self.heights, 0), len(self.light))
        labels[:, ~drawn] = 0
        labels[self.ignore] = IGNORE
        return labels


def shift_columns(scan: Scan, shift: Float) -> Scan:
    """Move each column down by `shift` rows, ``(columns,)``; what is empty then looks vitreous."""
    rows, columns = scan.light.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    dark, noise = vitreous(scan)
    light = cv2.remap(scan.light, x, y - shift, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    above = y < shift
    filler = dark + noise * draw_grain(np.random.default_rng(rows), light.shape, 0.6)
    light = np.where(above, filler, light).astype(np.float32)
    ignore = cv2.remap(scan.ignore.astype(np.uint8), x, y - shift, cv2.INTER_NEAREST) > 0
    return Scan(light, scan.heights + shift, ignore)


def resample(scan: Scan, scale: tuple[float, float]) -> Scan:
    """Scale rows and columns."""
    rows, columns = (round(n * s) for n, s in zip(scan.light.shape, scale, strict=True))
    how = cv2.INTER_AREA if scale[0] * scale[1] < 1 else cv2.INTER_LINEAR
    light = cv2.resize(scan.light, (columns, rows), interpolation=how)
    ignore = cv2.resize(
        scan.ignore.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST
    )
    lines = cv2.resize(scan.heights, (columns, len(scan.heights))) * np.float32(
        rows / len(scan.light)
    )
    return Scan(light, lines, ignore > 0)


def move(
    scan: Scan, heights: Float, old_knots: Float | None = None, new_knots: Float | None = None
) -> Scan:
    """Move the boundaries to `heights`, and the light with them, linearly between knots."""
    old = scan.heights if old_knots is None else old_knots
    new = heights if new_knots is None else new_knots
    rows, columns = scan.light.shape
    y = np.arange(rows, dtype=np.float32) + 0.5
    source = np.empty((rows, columns), np.float32)
    for c in range(columns):
        if np.isnan(new[0, c]):
            source[:, c] = y
            continue
        # The vitreous is shifted, and so is the choroid.
        ends = [-rows, *new[:, c], new[-1, c] + rows]
        goals = [old[0, c] - new[0, c] - rows, *old[:, c], old[-1, c] + rows]
        source[:, c] = np.interp(y, ends, goals)
    x = np.broadcast_to(np.arange(columns, dtype=np.float32), (rows, columns)).copy()
    light = cv2.remap(
        scan.light, x, source - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return replace(scan, light=light, heights=heights.astype(np.float32))


def between(scan: Scan, upper: int, lower: int) -> Float:
    """Return 1 between two boundaries, 0 elsewhere."""
    y = np.arange(len(scan.light), dtype=np.float32)[:, np.newaxis] + 0.5
    lines = np.nan_to_num(scan.heights, nan=-999)
    return np.asarray((y > lines[upper]) & (y < lines[lower]), np.float32)


def vitreous(scan: Scan) -> tuple[float, float]:
    """Return mean and spread of the light above the retina, or of the darkest rows."""
    y = np.arange(len(scan.light))[:, np.newaxis]
    above = (y < np.nan_to_num(scan.heights[ILM], nan=0) - _VITREOUS_ROWS) & ~scan.ignore
    seen = scan.light[above]
    if seen.size < 500:
        return float(np.percentile(scan.light, 3)), 3.0
    return float(np.median(seen)), float(seen.std())


def draw_grain(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Float:
    """Draw normal noise of unit variance, correlated over `sigma` px."""
    white = rng.standard_normal(shape, np.float32)
    blurred = cv2.GaussianBlur(white, (0, 0), sigma) if sigma > 0.35 else white
    return np.asarray(blurred / blurred.std(), np.float32)

"""Take a piece of a photograph again with a random camera, before its illumination is corrected."""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Chance = Annotated[float, Field(ge=0, le=1)]

_WORST_QUALITY = 55  # of JPEG, in per cent


class Camera(BaseModel):
    """Ranges of what differs between cameras.

    Attributes
    ----------
    chance : float
        That a crop is taken again at all.
    mixed_colors : float
        Chance that each channel becomes a random mixture of all three.
    without_colors : float
        Chance of one mixture for all channels, as of a photograph without colours.
    tone : float
        Standard deviation of the log of each channel's exponent.
    light : float
        Standard deviation of the log of a smooth field by which the light differs.
    haze : float
        Largest share of the contrast that stray light takes, more in some parts than in others.
    resolution : float
        Largest factor by which the sensor's pixels are larger than the network's, in half.
    defocus : float
        Largest standard deviation of the blur, px of the sensor, in half.
    sensor_noise : float
        Largest standard deviation of noise, of the brightness range, in the sensor's pixels.
    jpeg : float
        Chance of compression, by a random quality.
    cut : float
        Chance that a part is cut off by a round or straight rim, and is not learnt from.
    margin : int
        Width around the crop, px, that is taken into account when illumination is corrected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chance: Chance = 1
    mixed_colors: Chance = 0
    without_colors: Chance = 0
    tone: NonNegativeFloat = 0
    light: NonNegativeFloat = 0
    haze: Annotated[float, Field(ge=0, lt=1)] = 0
    resolution: Annotated[float, Field(ge=1)] = 1
    defocus: NonNegativeFloat = 0
    sensor_noise: NonNegativeFloat = 0
    jpeg: Chance = 0
    cut: Chance = 0
    margin: NonNegativeInt = 64


def take_again(
    colors: Array, inside: Mask, how: Camera, rng: np.random.Generator
) -> tuple[Array, Mask]:
    """Take a photograph with a random camera.

    Parameters
    ----------
    colors : array
        ``(rows, columns, 3)``, brightness from 0 to about 1.
    inside : array
        ``(rows, columns)`` bool, where it shows retina.
    how : Camera
        Ranges of the changes.
    rng : numpy.random.Generator
        Chooses among them.

    Returns
    -------
    tuple of array
        Its colours, 0 … 1, and where it shows retina now.
    """
    if rng.random() >= how.chance:
        return colors, inside
    seen = np.clip(colors, 0, 1, dtype=np.float32)
    if how.tone:
        exponents = np.exp(rng.normal(0, how.tone, 3))
        channels = zip(cv2.split(seen), exponents, strict=True)
        seen = cv2.merge([cv2.pow(channel, exponent) for channel, exponent in channels])
    seen = _mix(seen, how, rng)
    grid = seen.shape[0], seen.shape[1]
    if how.light:
        seen = seen * np.exp(_smooth(grid, how.light, rng))[..., np.newaxis]
    if how.haze:
        share = how.haze * rng.random() * _smooth_share(grid, rng)[..., np.newaxis]
        stray = rng.uniform(0.3, 1.2) * seen[inside].mean(axis=0) if inside.any() else 0.5
        seen = seen * (1 - share) + share * np.asarray(stray, np.float32)
    if how.cut and rng.random() < how.cut:
        inside = inside & _field(grid, rng)
    seen = np.where(inside[..., np.newaxis], seen, 0).astype(np.float32)
    return _record(seen, how, rng), inside


def _mix(colors: Array, how: Camera, rng: np.random.Generator) -> Array:
    if rng.random() < how.without_colors:
        mix = np.repeat(rng.dirichlet(np.ones(3))[:, np.newaxis], 3, axis=1)
    elif rng.random() < how.mixed_colors:
        share = rng.random()
        mix = (1 - share) * np.eye(3) + share * rng.dirichlet(np.ones(3), 3).T
    else:
        return colors
    return np.asarray(colors @ mix.astype(np.float32), np.float32)


def _smooth(grid: tuple[int, int], spread: float, rng: np.random.Generator) -> Array:
    """Return a smooth field of mean 0, ``(rows, columns)``."""
    coarse = rng.normal(0, spread * rng.random(), (4, 4)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, grid[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _smooth_share(grid: tuple[int, int], rng: np.random.Generator) -> Array:
    """Return a smooth field of values 0 … 1, ``(rows, columns)``."""
    coarse = rng.random((4, 4)).astype(np.float32)
    field = cv2.resize(coarse, grid[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(field, 0, 1), np.float32)


def _field(grid: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Return a field whose rim runs through the grid, ``(rows, columns)`` bool."""
    y, x = np.mgrid[: grid[0], : grid[1]]
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.45) * min(grid)
    # How far each pixel is from the side at which it is cut.
    along = (x - grid[1] / 2) * np.cos(angle) + (y - grid[0] / 2) * np.sin(angle)
    across = (y - grid[0] / 2) * np.cos(angle) - (x - grid[1] / 2) * np.sin(angle)
    bend = across**2 / (2 * 576) if rng.random() < 0.7 else 0  # a circle of the usual radius
    return np.asarray(along + bend < min(grid) / 2 - depth)


def _record(seen: Array, how: Camera, rng: np.random.Generator) -> Array:
    """Blur, sample, add noise and compress ``(rows, columns, 3)``, at the sensor's resolution."""
    rows, columns = seen.shape[:2]
    factor = rng.uniform(1, how.resolution) if rng.random() < 0.5 else 1.0
    if factor > 1:
        size = round(columns / factor), round(rows / factor)
        seen = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
    if how.defocus and rng.random() < 0.5:
        seen = cv2.GaussianBlur(seen, (0, 0), rng.uniform(0.2, max(0.25, how.defocus)))
    if how.sensor_noise:
        amount = np.float32(how.sensor_noise * rng.random() ** 2)
        seen = seen + amount * rng.standard_normal(seen.shape, np.float32)
    levels = (255 * np.clip(seen, 0, 1)).astype(np.uint8)
    if rng.random() < how.jpeg:
        quality = int(rng.integers(_WORST_QUALITY, 96))
        stored = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        levels = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    if factor > 1:
        levels = cv2.resize(levels, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(levels.astype(np.float32) / 255, np.float32)

"""Random crops: joint spatial transforms of image and mask, and colour changes of the image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat

from napari_retina_seg.datasets.camera import Camera, take_again

Array = npt.NDArray[np.float32]
Range = tuple[float, float]
Chance = Annotated[float, Field(ge=0, le=1)]


class Augmentation(BaseModel):
    """Ranges of the augmentation.

    Attributes
    ----------
    rotation : float
        Largest turn either way, degrees.
    scale : tuple of float
        Range of magnification (log-uniform).
    aspect : tuple of float
        Range of the ratio of column to row magnification (log-uniform).
    shear : float
        Largest shear, columns per row.
    translation : float
        Largest shift either way, as a share of the crop; smaller crops than the image are cut
        anywhere in it besides.
    flip_columns : bool
        Mirror half of the crops, left for right.
    flip_rows : bool
        Mirror half of the crops, top for bottom.
    gain : float
        Standard deviation of the log of each channel's gain.
    mixing : float
        Largest share of the other channels in each.
    grey : float
        Chance of one grey channel for all.
    gamma : float
        Standard deviation of the log of the exponent (images in 0 … 1 only).
    illumination : float
        Largest standard deviation of a smooth field that is added.
    noise : float
        Largest standard deviation of white noise.
    speckle : float
        Largest standard deviation of multiplicative noise.
    blur : float
        Largest Gaussian blur of a third of the crops.
    coarse : float
        Largest loss of resolution of another third.
    shadow : float
        Chance of dark vertical bands, as vessels cast in OCT.
    camera : Camera or None
        Changes of photographs before their illumination is corrected; all others come after it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotation: Annotated[float, Field(ge=0, le=180)] = 0
    scale: Range = (1, 1)
    aspect: Range = (1, 1)
    shear: NonNegativeFloat = 0
    translation: NonNegativeFloat = 0
    flip_columns: bool = True
    flip_rows: bool = False
    gain: NonNegativeFloat = 0
    mixing: NonNegativeFloat = 0
    grey: Chance = 0
    gamma: NonNegativeFloat = 0
    illumination: NonNegativeFloat = 0
    noise: NonNegativeFloat = 0
    speckle: NonNegativeFloat = 0
    blur: NonNegativeFloat = 0
    coarse: Annotated[float, Field(ge=1)] = 1
    shadow: Chance = 0
    camera: Camera | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """A prepared image with its target.

    Attributes
    ----------
    tensor : array
        ``(rows, columns, channels)`` float32, the network's input.
    target : array
        ``(rows, columns)``: classes (uint8), or the share of a pixel that is vessel (float32).
    weight : array
        ``(rows, columns)`` float32, 0 where nothing is seen and so nothing is learnt.
    ignored : array or None
        ``(rows, columns)`` uint8, 1 where there is something to see that nothing is learnt from.
    correct : callable or None
        Makes the network's input of colours and of where they show retina; then `tensor` holds the
        colours of a photograph, whose illumination is corrected crop by crop.
    """

    tensor: Array
    target: npt.NDArray[np.uint8] | Array
    weight: Array
    ignored: npt.NDArray[np.uint8] | None = None
    correct: Callable[[Array, npt.NDArray[np.bool_]], Array] | None = None

    @property
    def counted(self) -> Array:
        """The weight, 0 also where the sample is to be ignored."""
        return self.weight if self.ignored is None else self.weight * (self.ignored == 0)


def random_crop(
    sample: Sample,
    size: tuple[int, int],
    how: Augmentation,
    rng: np.random.Generator,
    near: tuple[float, float] | None = None,
) -> tuple[Array, Array]:
    """Cut a random, randomly changed piece out of a sample.

    Parameters
    ----------
    sample : Sample
        Image and target at the network's scale.
    size : tuple of int
        ``(rows, columns)`` of the piece, px.
    how : Augmentation
        The random changes.
    rng : numpy.random.Generator
        Decides on place and changes.
    near : tuple of float, optional
        Row and column, px, that is mostly in the piece, near its centre; by default it lies
        anywhere.

    Returns
    -------
    tuple of array
        Image ``(rows, columns, channels)`` and ``(rows, columns, 2)`` target and weight, float32.
    """
    matrix = _random_affine(sample.tensor.shape[:2], size, how, rng, near)
    classes = sample.target.dtype == np.uint8
    target = _warp(sample.target, matrix, size, cv2.INTER_NEAREST if classes else cv2.INTER_LINEAR)
    if sample.correct is not None:
        image, seen = _corrected_crop(sample, matrix, size, how.camera or Camera(), rng)
        weight = seen.astype(np.float32)
    else:
        image = _warp(sample.tensor, matrix, size, cv2.INTER_LINEAR).reshape(*size, -1)
        weight = _warp(sample.weight, matrix, size, cv2.INTER_NEAREST)
    image = change_appearance(image, how, rng) * weight[..., np.newaxis]
    if sample.ignored is not None:
        weight *= _warp(sample.ignored, matrix, size, cv2.INTER_NEAREST) == 0
    return image, np.stack([target.astype(np.float32), weight], axis=-1)


def _corrected_crop(
    sample: Sample,
    matrix: npt.NDArray[np.float64],
    size: tuple[int, int],
    camera: Camera,
    rng: np.random.Generator,
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Cut a piece with a margin, take it again, and correct its illumination."""
    margin = camera.margin
    wide = size[0] + 2 * margin, size[1] + 2 * margin
    shift = np.array([[1.0, 0, -margin], [0, 1, -margin], [0, 0, 1]])
    matrix = matrix @ shift
    colors = _warp(sample.tensor, matrix, wide, cv2.INTER_LINEAR)
    inside = _warp(sample.weight, matrix, wide, cv2.INTER_NEAREST) > 0
    colors, inside = take_again(colors, inside, camera, rng)
    assert sample.correct is not None  # noqa: S101 - the caller has looked
    image = sample.correct(colors, inside)
    part = slice(margin, margin + size[0]), slice(margin, margin + size[1])
    return image[part], inside[part]


def _random_affine(
    grid: tuple[int, ...],
    size: tuple[int, int],
    how: Augmentation,
    rng: np.random.Generator,
    near: tuple[float, float] | None,
) -> npt.NDArray[np.float64]:
    """Return the ``(2, 3)`` matrix from crop (x, y) to image (x, y)."""
    angle = np.deg2rad(rng.uniform(-how.rotation, how.rotation))
    scale = np.exp(rng.uniform(*np.log(how.scale)))
    aspect = np.exp(rng.uniform(*np.log(how.aspect)) / 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    skew = np.array([[1, rng.uniform(-how.shear, how.shear)], [0, 1]])
    flips = [
        -1 if how.flip_columns and rng.random() < 0.5 else 1,
        -1 if how.flip_rows and rng.random() < 0.5 else 1,
    ]
    linear = turn @ skew @ np.diag([flips[0] / (scale * aspect), flips[1] * aspect / scale])
    # The crop's centre keeps half a crop away from the edges, where the image is large enough.
    half = np.array(size[::-1]) / (2 * scale)
    full = np.array(grid[1::-1])
    margin = np.minimum(half, full / 2)
    if near is None:
        center = rng.uniform(margin, full - margin)
    else:
        center = np.array(near[::-1]) + rng.uniform(-half, half) / 2
        center = np.clip(center, margin, full - margin)
    if how.translation:
        center += rng.uniform(-how.translation, how.translation, 2) * half * 2
    return np.column_stack([linear, center - linear @ (np.array(size[::-1]) / 2)])


def _warp(
    values: npt.NDArray[np.float32] | npt.NDArray[np.uint8],
    matrix: npt.NDArray[np.float64],
    size: tuple[int, int],
    how: int,
) -> Array:
    flags = how | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(values, matrix, (size[1], size[0]), flags=flags), np.float32)


def change_appearance(image: Array, how: Augmentation, rng: np.random.Generator) -> Array:
    """Change contrast, colours, sharpness and noise of ``(rows, columns, channels)``."""
    image = _change_colors(image, how, rng)
    if how.gamma:
        image = np.clip(image, 0, 1) ** np.float32(np.exp(rng.normal(0, how.gamma)))
    image = _change_sharpness(image, how, rng)
    rows, columns = image.shape[:2]
    if how.illumination:
        field = rng.normal(0, how.illumination * rng.random(), (6, 6)).astype(np.float32)
        image = image + cv2.resize(field, (columns, rows), interpolation=cv2.INTER_CUBIC)[..., None]
    if how.shadow and rng.random() < how.shadow:
        image = image * _shadows(columns, rng)[np.newaxis, :, np.newaxis]
    if how.speckle:
        amount = np.float32(how.speckle * rng.random() ** 2)
        image = image * (1 + amount * rng.standard_normal(image.shape, np.float32))
    if how.noise:
        amount = np.float32(how.noise * rng.random() ** 2)
        image = image + amount * rng.standard_normal(image.shape, np.float32)
    return np.asarray(image, np.float32)


def _change_colors(image: Array, how: Augmentation, rng: np.random.Generator) -> Array:
    channels = image.shape[-1]
    mix = np.eye(channels) + how.mixing * rng.uniform(-1, 1, (channels, channels))
    if rng.random() < how.grey:
        mix = np.repeat(rng.dirichlet(np.ones(channels))[:, np.newaxis], channels, axis=1)
    gains = np.exp(rng.normal(0, how.gain / 2) + rng.normal(0, how.gain, channels))
    return np.asarray(image @ (mix * gains).astype(np.float32), np.float32)


def _change_sharpness(image: Array, how: Augmentation, rng: np.random.Generator) -> Array:
    rows, columns, channels = image.shape
    if how.coarse > 1 and rng.random() < 1 / 3:
        factor = rng.uniform(1, how.coarse)
        small = cv2.resize(
            image, (round(columns / factor), round(rows / factor)), interpolation=cv2.INTER_AREA
        )
        image = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)
    if how.blur and rng.random() < 1 / 3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.2, how.blur))
    return np.asarray(image, np.float32).reshape(rows, columns, channels)


def _shadows(columns: int, rng: np.random.Generator) -> Array:
    profile = np.ones(columns, np.float32)
    for _ in range(rng.integers(1, 4)):
        distance = np.abs(np.arange(columns) - rng.uniform(0, columns))
        profile *= 1 - rng.uniform(0.2, 0.8) * np.exp(-((distance / rng.uniform(2, 15)) ** 2))
    return profile

"""What a check knows about a data set: each image without its pixels, and all findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.examine import Examination
from napari_retina_seg.datasets.findings import Finding, FindingKind
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.leaks import Copy
from napari_retina_seg.imaging.invalid_pixels import Mask
from napari_retina_seg.imaging.pixels import Plane, to_grey
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.splits import SPLITS

UNDIVIDED = "undivided"
_LEVELS = 256  # bins of one image's histogram: exact for uint8
_BINS = 64


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often grey levels occur: ``counts[k]`` of them in the k-th of equal bins.

    Attributes
    ----------
    counts : array
        ``(bins,)`` whole numbers.
    low, high : float
        Edges of the first and the last bin, in the values of the file.
    """

    counts: npt.NDArray[np.int64]
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class CheckedImage:
    """Summary of an image, without its pixels.

    Attributes
    ----------
    image : LabelledImage
        Which one.
    shape : tuple of int or None
        Of its pixels; None if they can't be read.
    dtype : str
        Of its pixels, in NumPy's words; empty if they can't be read.
    modality : Modality
        What it looks like.
    histogram : Histogram or None
        Of its grey levels where it holds data; the mean of the channels is the grey of a colour.
    areas : mapping or None
        Pixels by mask value, of those values that there are, but for what is to be ignored and
        what holds no data; None if the mask can't be read.
    findings : tuple of Finding
        What is wrong with it.
    """

    image: LabelledImage
    shape: tuple[int, ...] | None
    dtype: str
    modality: Modality
    histogram: Histogram | None
    areas: Mapping[int, int] | None
    findings: tuple[Finding, ...]

    @property
    def split(self) -> str:
        """``train``, ``val``, ``test`` or ``undivided``."""
        return self.image.split or UNDIVIDED

    @property
    def kinds(self) -> frozenset[FindingKind]:
        """What is wrong with it, by kind."""
        return frozenset(finding.kind for finding in self.findings)

    @classmethod
    def of(cls, examination: Examination) -> CheckedImage:
        """Summarise an image that was read; its pixels can be released then."""
        pixels = examination.pixels
        return cls(
            image=examination.image,
            shape=None if pixels is None else pixels.shape,
            dtype="" if pixels is None else str(pixels.dtype),
            modality=examination.modality,
            histogram=None if pixels is None else _count_levels(pixels, examination.valid),
            areas=_count_pixels(examination),
            findings=examination.findings,
        )


@dataclass(frozen=True, eq=False)
class DatasetCheck:
    """Result of checking one or several data sets.

    Attributes
    ----------
    scheme : LabelScheme
        The classes that the masks were compared with.
    modality : Modality
        What most images are.
    images : tuple of CheckedImage
        In the order in which they were listed.
    copies : tuple of Copy
        Images that are there before already, by their places in `images`.
    findings : tuple of Finding
        What would stop or spoil a training, then what is worth knowing.
    """

    scheme: LabelScheme
    modality: Modality
    images: tuple[CheckedImage, ...]
    copies: tuple[Copy, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have images, ``train`` first."""
        present = {checked.split for checked in self.images}
        return tuple(split for split in (*SPLITS, UNDIVIDED) if split in present)

    @property
    def datasets(self) -> dict[str, tuple[CheckedImage, ...]]:
        """The images of each data set."""
        found: dict[str, list[CheckedImage]] = {}
        for checked in self.images:
            found.setdefault(checked.image.dataset, []).append(checked)
        return {name: tuple(images) for name, images in found.items()}

    def of_split(self, split: str) -> tuple[CheckedImage, ...]:
        """Return the images of a split."""
        return tuple(checked for checked in self.images if checked.split == split)

    def areas(self, split: str) -> npt.NDArray[np.int64]:
        """Return the pixels of each class in a split, ``(classes,)``; unknown values are none."""
        areas = np.zeros(len(self.scheme), np.int64)
        for checked in self.of_split(split):
            for value, pixels in (checked.areas or {}).items():
                if value < len(areas):
                    areas[value] += pixels
        return areas

    def histogram(self, split: str) -> Histogram | None:
        """Return the grey levels of a split; those of all splits have the same bins."""
        known = [checked.histogram for checked in self.images if checked.histogram]
        mine = [checked.histogram for checked in self.of_split(split) if checked.histogram]
        if not mine:
            return None
        low, high = min(one.low for one in known), max(one.high for one in known)
        counts = np.zeros(_BINS, np.int64)
        for one in mine:
            edges = np.linspace(one.low, one.high, len(one.counts) + 1)
            middles = (edges[1:] + edges[:-1]) / 2
            np.add.at(counts, _bins_of(middles, low, high, _BINS), one.counts)
        return Histogram(counts, low, high)


def _count_pixels(examination: Examination) -> dict[int, int] | None:
    labels, valid = examination.labels, examination.valid
    if labels is None:
        return None
    ignored = examination.image.ignored()
    counted = np.ones(labels.shape, bool) if ignored is None else ~ignored
    if valid is not None and valid.shape == labels.shape:
        counted = counted & valid
    counts = np.bincount(labels[counted], minlength=256)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def _count_levels(pixels: Plane, valid: Mask | None) -> Histogram | None:
    grey = to_grey(pixels.astype(np.float32))
    seen = np.isfinite(grey) if valid is None else np.isfinite(grey) & valid
    values = grey[seen]
    if not values.size:
        return None
    low, high = float(values.min()), float(values.max())
    if pixels.dtype == np.uint8:
        low, high = 0.0, 256.0
    elif low == high:
        high = low + max(1.0, abs(low))
    bins = _bins_of(values, low, high, _LEVELS)
    return Histogram(np.bincount(bins, minlength=_LEVELS), low, high)


def _bins_of(
    values: npt.NDArray[np.floating], low: float, high: float, bins: int
) -> npt.NDArray[np.intp]:
    """Return which of equal bins each value is in."""
    places = (values - low) * (bins / (high - low))
    return np.asarray(np.clip(places, 0, bins - 1), np.intp)

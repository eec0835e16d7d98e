"""Check training data: contents, distribution and problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.alignment import make_pattern
from napari_retina_seg.datasets.examine import Examination, Fault, Finding, examine, read_filled
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import ReadOptions, read_data
from napari_retina_seg.datasets.leaks import Copy, Fingerprint, fingerprint, iter_copies
from napari_retina_seg.datasets.misfits import MisfitFinder
from napari_retina_seg.imaging.invalid_pixels import Mask
from napari_retina_seg.imaging.modality import guess_modality
from napari_retina_seg.imaging.pixels import Plane, to_grey
from napari_retina_seg.io.inputs import PathsLike, as_paths
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import (
    FUNDUS_VESSELS,
    OCT_LAYERS,
    SCHEMES,
    LabelScheme,
    find_scheme,
)
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish
from napari_retina_seg.types.splits import SPLITS

UNDIVIDED = "undivided"
_LEVELS = 256  # bins of one image's histogram: exact for uint8
_BINS = 64
_GLANCES = 5  # images from which the modality of all is guessed


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
    def faults(self) -> frozenset[Fault]:
        """Kinds of its faults."""
        return frozenset(finding.fault for finding in self.findings)


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
    """

    scheme: LabelScheme
    modality: Modality
    images: tuple[CheckedImage, ...]
    copies: tuple[Copy, ...]

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


def _usual_scheme(images: Sequence[LabelledImage], modality: Modality) -> LabelScheme:
    """Return the classes of most masks, or those to be expected where no data set says so."""
    stated = Counter(one.scheme for one in images if one.scheme and one.modality is modality)
    if stated:
        return SCHEMES[stated.most_common(1)[0][0]]
    return FUNDUS_VESSELS if modality is Modality.FUNDUS else OCT_LAYERS


def check_dataset(
    data: PathsLike,
    scheme: LabelScheme | str | None = None,
    *,
    options: ReadOptions | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> DatasetCheck:
    """Read every image of data sets, and find problems for a training.

    Parameters
    ----------
    data : str, Path, or sequence of them
        Data sets, or folders of data sets.
    scheme : LabelScheme or str, optional
        The classes that their masks may hold; by default those of most data sets, or those usual
        for what most images are.
    options : ReadOptions, optional
        Patients of the images, and the meaning of other mask values.
    progress : callable, optional
        Called with a `Progress` before each image.
    cancel : CancelToken, optional
        Stops it before the next image.

    Returns
    -------
    DatasetCheck
        Every image with what was found in it; copies of images on both sides of a split.

    Raises
    ------
    DataError
        If there is no data set.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> len(rs.check_dataset("my-data").images)
    3
    """
    classes = None if scheme is None else find_scheme(scheme)
    images = read_data(as_paths(data), options=options)
    return finish(iter_check_dataset(images, classes, cancel), progress)


def iter_check_dataset(
    images: Sequence[LabelledImage],
    scheme: LabelScheme | None = None,
    token: CancelToken | None = None,
) -> Generator[Progress, None, DatasetCheck]:
    """Read every image step by step; see `check_dataset`.

    Parameters
    ----------
    images : sequence of LabelledImage
        All that a training would get.
    scheme : LabelScheme, optional
        The classes that their masks may hold; by default those of most data sets, or those
        usual for what most images are.
    token : CancelToken, optional
        Looked at before every image.

    Returns
    -------
    DatasetCheck
        Files that can't be read are among its images, with the reason.

    Raises
    ------
    Cancelled
        If the token asks for it.
    """
    token = token or CancelToken()
    modality = _commonest_modality(images)
    scheme = scheme or _usual_scheme(images, modality)
    checked: list[CheckedImage] = []
    prints: list[Fingerprint | None] = []
    finder = MisfitFinder(scheme, modality)
    for place, image in enumerate(images):
        token.raise_if_cancelled()
        yield Progress(place, len(images), image.name)
        examination = examine(image, scheme, modality)
        checked.append(_summarise(image, examination))
        seen = None if examination.has(Fault.BLANK) else examination.pixels
        prints.append(None if seen is None else fingerprint(seen))
        if seen is not None and examination.labels is not None:
            pattern = make_pattern(seen, examination.labels, examination.valid)
            if pattern is not None:
                finder.add(place, pattern)
    for place, finding in finder.finish(images).items():
        known = checked[place]
        checked[place] = replace(known, findings=(*known.findings, finding))
    copies = yield from iter_copies(images, prints, token)
    return DatasetCheck(scheme, modality, tuple(checked), copies)


def _commonest_modality(images: Sequence[LabelledImage]) -> Modality:
    """Return the modality of most images; guessed from a few if no layout states it."""
    stated = Counter(one.modality for one in images if one.modality is not Modality.UNKNOWN)
    if not stated:
        few = images[:: max(1, len(images) // _GLANCES)]
        looks = [_glance(image) for image in few]
        stated = Counter(look for look in looks if look is not Modality.UNKNOWN)
    return stated.most_common(1)[0][0] if stated else Modality.UNKNOWN


def _glance(image: LabelledImage) -> Modality:
    try:
        return guess_modality(read_filled(image, Modality.UNKNOWN)[0])
    except (RetinaSegError, OSError):
        return Modality.UNKNOWN


def _summarise(image: LabelledImage, examination: Examination) -> CheckedImage:
    """Summarise an image, and release its pixels."""
    pixels, valid, labels = examination.pixels, examination.valid, examination.labels
    areas = None
    if labels is not None:
        ignored = image.ignored()
        counted = np.ones(labels.shape, bool) if ignored is None else ~ignored
        if valid is not None and valid.shape == labels.shape:
            counted = counted & valid
        counts = np.bincount(labels[counted], minlength=256)
        areas = {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    return CheckedImage(
        image=image,
        shape=None if pixels is None else pixels.shape,
        dtype="" if pixels is None else str(pixels.dtype),
        modality=examination.modality,
        histogram=None if pixels is None else _count_levels(pixels, valid),
        areas=areas,
        findings=examination.findings,
    )


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

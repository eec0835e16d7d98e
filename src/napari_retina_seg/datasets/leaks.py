"""Find duplicate images, above all between training and test sets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.imaging.pixels import Plane, resize, to_float, to_grey
from napari_retina_seg.types.progress import CancelToken, Progress

PixelPattern = npt.NDArray[np.float32]

# Calibrated on Tian et al. 2015, CHASE_DB1 and HRF: different images correlate by at most 0.91
# (two scans of one eye), an image with its copies that were resized, recompressed (JPEG 30),
# brightened, or spoilt by noise (σ 20 of 255) by at least 0.955.
_ALIKE = 0.95
_SIDE = 64
_SIGMA = 3.0
_FLOOR = 0.3  # of the pattern's spread: what is fainter is taken for flat
_BLOCK = 256

_TURNS: dict[str, Callable[[PixelPattern], PixelPattern]] = {
    "": lambda patterns: patterns,
    "mirrored": lambda patterns: patterns[:, :, ::-1],
    "upside down": lambda patterns: patterns[:, ::-1],
    "turned by 180°": lambda patterns: patterns[:, ::-1, ::-1],
}


class Relation(IntEnum):
    """Relation of the two copies of an image, the worst last."""

    SAME_GROUP = 0
    OTHER_GROUP = 1
    UNDIVIDED_GROUPS = 2
    OTHER_SPLIT = 3


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Fingerprint of an image.

    Attributes
    ----------
    digest : bytes
        Equal only for pixels that are equal.
    pattern : array
        ``(64, 64)`` float32: the shrunk image, locally normalised, of mean 0 and length 1, so
        that the sum of two patterns' product is their correlation; 0 for a constant image.
    """

    digest: bytes
    pattern: PixelPattern


@dataclass(frozen=True)
class Copy:
    """A copy of an earlier image.

    Attributes
    ----------
    first, second : int
        Places of the two images in the order in which they were given, `first` before `second`.
    identical : bool
        Whether all pixels are equal.
    similarity : float
        Correlation of their patterns, up to 1.
    turn : str
        How the second one is turned, empty if it is not.
    relation : Relation
        Whether the two may be learnt from together.
    """

    first: int
    second: int
    identical: bool
    similarity: float
    turn: str
    relation: Relation


def fingerprint(pixels: Plane) -> Fingerprint:
    """Return the fingerprint of an image.

    Shrunk to 64 × 64, photographs of any two eyes correlate by up to 0.99, and their hashes
    (dHash of 16 × 16) differ less than those of a scan and its noisy copy. What sets images apart
    is their detail: the local mean is taken off and the local contrast made one.

    Parameters
    ----------
    pixels : array
        ``(rows, columns)`` or ``(rows, columns, 3 or 4)``.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{pixels.shape}{pixels.dtype.str}".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    small = resize(to_grey(to_float(pixels)), (_SIDE, _SIDE))
    detail = small - cv2.GaussianBlur(small, (0, 0), _SIGMA)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), _SIGMA))
    pattern = detail / (contrast + _FLOOR * detail.std() + np.finfo(np.float32).tiny)
    pattern -= pattern.mean()
    length = float(np.linalg.norm(pattern))
    return Fingerprint(digest.digest(), pattern / length if length else pattern)


def iter_copies(
    images: Sequence[LabelledImage],
    prints: Sequence[Fingerprint | None],
    token: CancelToken | None = None,
) -> Generator[Progress, None, tuple[Copy, ...]]:
    """Find images that are identical or nearly so to an earlier one.

    Recognised are copies that were resized, saved with losses, brightened, blurred or mirrored;
    cropped and rotated ones are not. Images of one group and split that are only nearly
    identical are left out: neighbouring B-scans are.

    Parameters
    ----------
    images : sequence of LabelledImage
        Their groups and splits count.
    prints : sequence of Fingerprint or None
        One for each image; None for an image that can't be seen.
    token : CancelToken, optional
        Looked at for every 256 images.

    Returns
    -------
    tuple of Copy
        At most one for each image: the one whose relation is worst.

    Raises
    ------
    Cancelled
        If the token asks for it.
    """
    if not images:
        return ()
    nothing = np.zeros((_SIDE, _SIDE), np.float32)
    patterns = np.stack([nothing if one is None else one.pattern for one in prints])
    flat = patterns.reshape(len(images), -1)
    places = _Places.of(images, prints)
    copies: list[Copy] = []
    for start in range(0, len(images), _BLOCK):
        if token is not None:
            token.raise_if_cancelled()
        yield Progress(start, len(images), "looking for copies")
        block = slice(start, min(start + _BLOCK, len(images)))
        turned = [turn(patterns[block]).reshape(-1, flat.shape[1]) for turn in _TURNS.values()]
        correlations = np.stack([rows @ flat[: block.stop].T for rows in turned])
        copies += places.worst_copies(start, correlations)
    return tuple(copies)


@dataclass(frozen=True, eq=False)
class _Places:
    """Group, split (-1 for none) and pixels of each image, as numbers that can be compared."""

    groups: npt.NDArray[np.intp]
    splits: npt.NDArray[np.intp]
    contents: npt.NDArray[np.intp]

    @classmethod
    def of(cls, images: Sequence[LabelledImage], prints: Sequence[Fingerprint | None]) -> _Places:
        splits = _number([image.split or "" for image in images])
        undivided = np.array([image.split is None for image in images])
        return cls(
            groups=_number([image.full_group for image in images]),
            splits=np.where(undivided, -1, splits),
            contents=_number([None if one is None else one.digest for one in prints]),
        )

    def worst_copies(self, start: int, correlations: npt.NDArray[np.float32]) -> list[Copy]:
        """Choose the worst copy for each image of a block.

        Parameters
        ----------
        start : int
            Place of the block's first image.
        correlations : array
            ``(turns, images of the block, images up to its end)``.
        """
        second, first = np.ogrid[start : correlations.shape[2], 0 : correlations.shape[2]]
        best = correlations.max(axis=0)
        identical = self.contents[second] == self.contents[first]
        relations = self._relations(second, first)
        counts = (best >= _ALIKE) & (first < second)
        counts &= identical | (relations > Relation.SAME_GROUP)
        ranks = np.where(counts, relations + best, -1)
        chosen = ranks.argmax(axis=1)
        copies = []
        for row in np.flatnonzero(counts.any(axis=1)):
            column = chosen[row]
            turn = int(correlations[:, row, column].argmax())
            # Rounding leaves the correlation of an image with itself on either side of 1.
            alike = 1.0 if identical[row, column] else min(1.0, float(best[row, column]))
            copies.append(
                Copy(
                    first=int(column),
                    second=int(start + row),
                    identical=bool(identical[row, column]),
                    similarity=alike,
                    turn="" if identical[row, column] else tuple(_TURNS)[turn],
                    relation=Relation(relations[row, column]),
                )
            )
        return copies

    def _relations(
        self, second: npt.NDArray[np.intp], first: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.intp]:
        same_group = self.groups[second] == self.groups[first]
        undivided = (self.splits[second] < 0) | (self.splits[first] < 0)
        same_split = self.splits[second] == self.splits[first]
        return np.select(
            [~undivided & ~same_split, same_group, undivided],
            [Relation.OTHER_SPLIT, Relation.SAME_GROUP, Relation.UNDIVIDED_GROUPS],
            Relation.OTHER_GROUP,
        )


def _number(values: Sequence[object]) -> npt.NDArray[np.intp]:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.intp)

"""Run lengths of COCO, compressed or not."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, PositiveInt

from napari_retina_seg.io.formats.canvas import Region

_LONGEST_COUNT = 60  # bits of a run length


class Rle(BaseModel):
    """A region of ``(rows, columns)`` as run lengths down its columns, background first."""

    size: tuple[PositiveInt, PositiveInt]
    counts: str | list[int]


def decode(found: Rle) -> Region | None:
    """Return the pixels of a region; None if its runs do not fill it exactly."""
    rows, columns = found.size
    counts = found.counts if isinstance(found.counts, list) else _unpack(found.counts)
    # The library's own decoder leaves what a short RLE does not reach to chance.
    if min(counts, default=0) < 0 or sum(counts) != rows * columns:
        return None
    kinds = np.arange(len(counts)) % 2 == 1
    return np.repeat(kinds, counts).reshape((rows, columns), order="F")


def _unpack(text: str) -> list[int]:
    """Return the counts of a compressed RLE; from the fourth on, the step from two before it.

    Each is written in digits of five bits, the lowest first, as the character 48 + digit; the bit
    above says that another follows, and the highest bit of the last digit is the sign. A count
    that no image can have is returned as -1.
    """
    counts: list[int] = []
    number, shift = 0, 0
    for character in text:
        digit = ord(character) - 48
        number |= (digit & 0x1F) << shift
        shift += 5
        if shift > _LONGEST_COUNT:  # numbers of millions of digits take minutes
            return [-1]
        if digit & 0x20:
            continue
        if digit & 0x10:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number, shift = 0, 0
    return counts

"""Pixel sizes in µm, each with its origin."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from napari_retina_seg.types.errors import ImageError


class Origin(StrEnum):
    """Origin of a pixel size; unknown sizes are never guessed."""

    FILE = "file"
    USER = "user"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Length:
    """The size of one pixel along one axis, in µm, and where it came from."""

    um: float | None = None
    origin: Origin = Origin.UNKNOWN

    def __post_init__(self) -> None:
        if (self.um is None) != (self.origin is Origin.UNKNOWN):
            raise ImageError(
                f"A pixel size needs an origin, and an origin a size: received {self.um} µm"
                f" from {self.origin}."
            )
        if self.um is not None and not (np.isfinite(self.um) and self.um > 0):
            raise ImageError(f"A pixel size is a positive number of µm: received {self.um}.")


@dataclass(frozen=True)
class Spacing:
    """Pixel sizes: between slices, along rows (depth in OCT) and along columns.

    For a fundus photograph `axial` is the size of a pixel from row to row.
    """

    slice: Length = Length()
    axial: Length = Length()
    lateral: Length = Length()

    @classmethod
    def from_um(
        cls,
        *,
        slice: float | None = None,
        axial: float | None = None,
        lateral: float | None = None,
        origin: Origin = Origin.FILE,
    ) -> Spacing:
        """Create a spacing whose known sizes have one origin."""
        sizes = (
            Length(um, origin) if um is not None else Length() for um in (slice, axial, lateral)
        )
        return cls(*sizes)

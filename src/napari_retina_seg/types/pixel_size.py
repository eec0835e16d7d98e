"""Plausible pixel sizes of retinal images, and sizes stated by the user."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import Length, Origin, RetinaImage, Spacing

_ORIGINS = {
    Origin.FILE: ", stated by the file",
    Origin.USER: ", stated by the user",
    Origin.UNKNOWN: "",
}

# Pixels of a retina are some µm wide; programs write 1 mm or 1 inch when they know nothing.
PIXEL_UM = (0.1, 500.0)
SLICE_UM = (0.1, 10_000.0)

# Of prints and screens, in dots per inch; cameras and drawing programs write them unasked.
_PRINT_DPI = (
    *(72, 75, 96, 100, 120, 144, 150, 180, 192, 200, 240, 250, 254, 300, 350, 360, 400, 450, 480),
    *(500, 508, 600, 720, 800, 1000, 1200, 1440, 2400, 2880, 4800),
)
_ROUNDING = 0.005
_COARSEST_UM = 100.0  # a resolution below 100 px/cm is that of a screen or a print


def plausible_um(um: float | None, limits: tuple[float, float] = PIXEL_UM) -> float | None:
    """Return a size in µm, or None for one that no retinal image has.

    Parameters
    ----------
    um : float or None
        What a file says.
    limits : tuple of float
        Smallest and largest, `PIXEL_UM` or `SLICE_UM`.
    """
    if um is None or not math.isfinite(um) or not limits[0] <= um <= limits[1]:
        return None
    return float(um)


def is_print(*sizes: float | None) -> bool:
    """Whether width and height of a pixel in µm are a print's or a screen's, or unknown."""
    known = [size for size in sizes if size]
    if len(known) != len(sizes) or max(known) >= _COARSEST_UM:
        return True
    dpi = 25_400 / known[0]
    square = math.isclose(*known, rel_tol=_ROUNDING)
    return square and any(math.isclose(dpi, usual, rel_tol=_ROUNDING) for usual in _PRINT_DPI)


def state_spacing(sizes: Sequence[float | None]) -> Spacing:
    """Return the pixel sizes stated by the user.

    Parameters
    ----------
    sizes : sequence of float or None
        Axial (row to row) and lateral (column to column) in µm, and the distance of slices if it
        is known.

    Raises
    ------
    ImageError
        If there are not two or three sizes, or one is none that a retinal image has.
    """
    if len(sizes) not in (2, 3):
        raise ImageError(
            "A pixel size is two numbers in µm, axial and lateral, and for volumes the distance of"
            f" slices: received {len(sizes)}."
        )
    names = ("axial", "lateral", "slice")
    for name, um, limits in zip(names, sizes, (PIXEL_UM, PIXEL_UM, SLICE_UM), strict=False):
        if um is not None and plausible_um(um, limits) is None:
            raise ImageError(
                f"The {name} pixel size is {um:g} µm, but that of a retinal image lies between"
                f" {limits[0]:g} and {limits[1]:g} µm: state it in µm."
            )
    axial, lateral, distance = (*sizes, None)[:3]
    return Spacing.from_um(slice=distance, axial=axial, lateral=lateral, origin=Origin.USER)


def parse_spacing(text: str) -> Spacing:
    """Read ``AXIAL,LATERAL`` or ``AXIAL,LATERAL,SLICE`` in µm, from user input.

    Raises
    ------
    ImageError
        If it is something else.
    """
    try:
        sizes = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ImageError(
            f"'{text}' is not a pixel size: give it in µm as AXIAL,LATERAL or"
            " AXIAL,LATERAL,SLICE, such as 3.87,11.6."
        ) from error
    return state_spacing(sizes)


def with_stated_spacing(image: RetinaImage, stated: Spacing) -> RetinaImage:
    """Return an image with the sizes stated by the user in place of those of its file.

    Sizes that are not stated stay those of the file. A single image has no distance of slices.
    """
    known = image.spacing
    if not any(size.um for size in _lengths(stated)):
        return image
    chosen = [
        new if new.um is not None else old
        for new, old in zip(_lengths(stated), _lengths(known), strict=True)
    ]
    spacing = Spacing(*chosen)
    if not image.is_volume:
        spacing = replace(spacing, slice=Length())
    placement = image.placement
    return replace(
        image,
        spacing=spacing,
        placement=None if placement is None else placement.resized(spacing),
    )


def user_stated(spacing: Spacing) -> Spacing:
    """Return only the sizes stated by the user; those of the file become unknown."""
    return Spacing(
        *(size if size.origin is Origin.USER else Length() for size in _lengths(spacing))
    )


def describe_spacing(spacing: Spacing) -> str:
    """Format pixel sizes with their origin.

    Returns
    -------
    str
        Such as ``3.87 µm axial × 11.6 µm lateral, stated by the user``.
    """
    names = (
        ("axial", spacing.axial),
        ("lateral", spacing.lateral),
        ("between slices", spacing.slice),
    )
    stated = [
        f"{size.um:.4g} µm {name}{_ORIGINS[size.origin]}"
        for name, size in names
        if size.um is not None
    ]
    origins = {size.origin for _, size in names if size.um is not None}
    if len(origins) == 1:  # stated once
        ending = _ORIGINS[origins.pop()]
        return " × ".join(part.removesuffix(ending) for part in stated) + ending
    return " × ".join(stated) or "unknown"


def _lengths(spacing: Spacing) -> tuple[Length, Length, Length]:
    return spacing.slice, spacing.axial, spacing.lateral

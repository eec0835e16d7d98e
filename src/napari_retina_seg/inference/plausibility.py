"""Plausibility checks of an image and of its prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.modality import guess_modality
from napari_retina_seg.imaging.pixels import resize
from napari_retina_seg.imaging.plausibility import Limits, check_limits, measure
from napari_retina_seg.imaging.preprocess import Geometry, Prepared
from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.segmentation import Check

_SHARE = 0.05  # of the slices of a volume, more than which a check must fire in
_COVERED = 0.98  # share of the columns that layers are drawn in; all of them, but for shadows
_OTHER = {
    Modality.FUNDUS: "it looks like a photograph, not like an OCT scan",
    Modality.OCT: "it looks like an OCT scan, not like a photograph",
}


def check_plane(
    plane: npt.NDArray[np.generic],
    prepared: Prepared,
    output: npt.NDArray[np.float32],
    spec: ModelSpec,
    limits: Limits | None,
) -> dict[str, str]:
    """Check one plane and its prediction.

    Parameters
    ----------
    plane : array
        ``(rows, columns)`` or ``(rows, columns, channels)``, as it was opened.
    prepared : Prepared
        The network's input.
    output : array
        ``(*working, outputs)`` probabilities.
    spec : ModelSpec
        What the model is.
    limits : mapping or None
        Of its figures; None if it states none.

    Returns
    -------
    dict
        Names of the checks that fired, with reasons.
    """
    fired: dict[str, str] = {}
    looks = guess_modality(plane)
    if looks in _OTHER and looks is not spec.modality:
        fired["modality"] = _OTHER[looks]
    field = prepared.geometry.field
    if field is not None and not field.found:
        fired["field"] = "the round edge of a fundus photograph was not found"
    figures = measure_plane(plane, prepared, output, spec)
    coverage = figures.get("coverage", 1.0)
    if coverage < _COVERED:
        fired["coverage"] = f"{1 - coverage:.0%} of the columns show no layer"
    return fired if limits is None else fired | check_limits(figures, limits)


def measure_plane(
    plane: npt.NDArray[np.generic],
    prepared: Prepared,
    output: npt.NDArray[np.float32],
    spec: ModelSpec,
) -> dict[str, float]:
    """Compute the statistics of one plane and its prediction; see `imaging.plausibility.measure`.

    Colours add ``colour red`` and ``colour blue``, their shares of the light within the field of
    view.
    """
    planes = np.moveaxis(output, -1, 0)
    if len(planes) == 1:
        planes = np.concatenate([1 - planes, planes])
    seen = _seen(prepared.geometry)
    figures = measure(prepared.tensor, planes, seen, is_layered=bool(spec.scheme.surfaces))
    return figures | _colors(plane, prepared.geometry)


def join_checks(planes: Sequence[Mapping[str, str]], indices: Sequence[int]) -> tuple[Check, ...]:
    """Merge the failed checks of the slices of a volume, or of a single plane.

    In a volume a check counts if it fires in more than a twentieth of the slices: those at its
    edge are often poor.
    """
    names = dict.fromkeys(name for fired in planes for name in fired)
    checks = []
    for name in names:
        where = [i for i, fired in zip(indices, planes, strict=True) if name in fired]
        if len(where) > _SHARE * len(planes):
            reason = next(fired[name] for fired in planes if name in fired)
            checks.append(Check(name, reason, tuple(where) if len(planes) > 1 else ()))
    return tuple(checks)


def _seen(geometry: Geometry) -> npt.NDArray[np.bool_] | None:
    """Return which pixels of the network's input show something, on its own grid."""
    seen = None
    if geometry.field is not None:
        seen = geometry.field.scaled(geometry.box, geometry.working).core
    if geometry.valid is not None:
        top, left, bottom, right = geometry.box
        part = np.ascontiguousarray(geometry.valid[top:bottom, left:right]).view(np.uint8)
        valid = resize(part * 255, geometry.working) > 252
        seen = valid if seen is None else seen & valid
    return seen


def _colors(plane: npt.NDArray[np.generic], geometry: Geometry) -> dict[str, float]:
    if plane.ndim != 3 or geometry.field is None:
        return {}
    step = max(1, max(geometry.grid) // 256)
    inside = geometry.field.pixels[::step, ::step]
    if not inside.any():
        return {}
    light = plane[::step, ::step, :3][inside].astype(np.float64)
    red, green, blue = np.nan_to_num(light).mean(axis=0)
    total = max(red + green + blue, 1e-9)
    return {"colour red": float(red / total), "colour blue": float(blue / total)}

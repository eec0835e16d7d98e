"""Compare two scans that were measured: visits of one eye, or both eyes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from napari_retina_seg.measurement.comparison import (
    MapDifference,
    SubfieldDifference,
    compare_grids,
    compare_maps,
)
from napari_retina_seg.measurement.fovea import Fovea
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.orientation import ASSUMED, scan_orientation
from napari_retina_seg.measurement.tables import Row, Table, Value
from napari_retina_seg.measurement.thickness import Thickness
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.acquisition import ScanPattern
from napari_retina_seg.types.image import Laterality

FOLLOW_UP: Literal["follow-up"] = "follow-up"
ASYMMETRY: Literal["asymmetry"] = "asymmetry"
Kind = Literal["follow-up", "asymmetry"]
SHARED = "all that both scans show"
COMPARED = "compared with: "  # before the names of columns of the other scan

_NAMES: dict[Kind, tuple[str, str]] = {FOLLOW_UP: ("baseline", "now"), ASYMMETRY: ("OS", "OD")}
_LIMIT = 1.96  # standard deviations
_NOT_STATED, _DIFFERENT = "not stated", "different in the files"


@dataclass(frozen=True, eq=False)
class ScanComparison:
    """What differs between two scans.

    Attributes
    ----------
    kind : str
        ``follow-up``, later minus earlier; or ``asymmetry``, right minus left.
    maps : dict
        Differences by the abbreviation of layer or total, on the grid of the scan that was
        compared.
    table : Table
        A row for each layer or total and subfield.
    notes : tuple of str
        What was not compared, and warnings.
    """

    kind: Kind
    maps: dict[str, MapDifference]
    table: Table
    notes: tuple[str, ...] = ()


def follow_up(visit: Measurements, baseline: Measurements) -> ScanComparison:
    """Compare a visit of an eye with an earlier one: later minus earlier.

    The scans are registered by the fovea: shifted, not turned.

    Parameters
    ----------
    visit, baseline : Measurements
        By `measure`, of layers, with known pixel sizes and eye.

    Raises
    ------
    MeasureError
        If they are not of one eye, the eye, the fovea or a pixel size is not known, or they can't
        be compared. That the files state different patients is a note: one patient may be written
        in several ways, or have a pseudonym for each visit.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> earlier, now = (
    ...     rs.measure(f"{name}.vol", uncertainty=True) for name in ("2024", "2025")
    ... )  # doctest: +SKIP
    >>> rs.follow_up(now, earlier).table.as_rows()[0]["difference [µm]"]  # doctest: +SKIP
    -3.2
    """
    return _compare(visit, baseline, FOLLOW_UP)


def asymmetry(eye: Measurements, fellow: Measurements) -> ScanComparison:
    """Compare both eyes of a patient: right minus left, nasal with nasal.

    The scan of the fellow eye is mirrored and registered by the fovea.

    Parameters
    ----------
    eye, fellow : Measurements
        By `measure`, of layers, in any order.

    Raises
    ------
    MeasureError
        If they are not of a right and a left eye, an eye, a fovea or a pixel size is not known, or
        they can't be compared. That the files state different patients is a note.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> right, left = rs.measure("right.vol"), rs.measure("left.vol")  # doctest: +SKIP
    >>> rs.asymmetry(right, left).maps["ILM–BM"].difference.shape  # doctest: +SKIP
    (25, 512)
    """
    return _compare(eye, fellow, ASYMMETRY)


def _compare(scan: Measurements, other: Measurements, kind: Kind) -> ScanComparison:
    _check_eyes(scan, other, kind)
    (here, place), (there, other_place) = _measured(scan), _measured(other)
    if scan.scheme.surfaces != other.scheme.surfaces:
        raise MeasureError(
            f"The masks of '{scan.image.name}' and '{other.image.name}' have different layers:"
            f" '{scan.scheme.name}' and '{other.scheme.name}'. Choose masks of one scheme."
        )
    flips, doubts = _reversed_axes(scan, other, kind)
    notes = [*_patient_notes(scan, other, kind), *doubts]
    sign = -1 if kind == ASYMMETRY and scan.image.laterality is Laterality.LEFT else 1
    maps: dict[str, MapDifference] = {}
    rows: list[Row] = []
    for band in here.bands:
        name = band.abbreviation
        start: Row = {
            "structure": band.name,
            "abbreviation": name,
            "DICOM code": band.code or "",
        }
        try:
            found = _swapped(compare_maps(here, there, name, (place, other_place), flips))
        except MeasureError as error:
            notes.append(str(error))
            continue
        maps[name] = found if sign > 0 else _swapped(found)
        grids = [one.etdrs.get(name) for one in (other, scan)]
        parts = [found.summary(SHARED)]
        if grids[0] is not None and grids[1] is not None:
            try:
                parts += compare_grids(grids[0], grids[1])
            except MeasureError as error:
                notes.append(str(error))
        rows += [{**start, **_row(part, kind, sign)} for part in parts]
    if not maps:
        raise MeasureError(notes[-1])
    notes += _warnings(scan, other, here, there)
    table = Table.from_rows(kind, ({**row, **_origins(scan, other)} for row in rows))
    return ScanComparison(kind, maps, table, tuple(dict.fromkeys(notes)))


def _swapped(found: MapDifference) -> MapDifference:
    return replace(found, first=found.second, second=found.first, difference=-found.difference)


def _row(part: SubfieldDifference, kind: Kind, sign: int) -> dict[str, Value]:
    names = _NAMES[kind]
    first, second = (part.first, part.second)[::sign]
    beyond: Value = None
    if np.isfinite(part.difference) and np.isfinite(part.error):
        beyond = "yes" if abs(part.difference) > _LIMIT * part.error else "within the error"
    return {
        "subfield": part.name,
        f"{names[0]} [µm]": first,
        f"{names[1]} [µm]": second,
        "difference [µm]": sign * part.difference,
        "error, at most [µm]": part.error,
        "beyond 1.96 × error": beyond,
        "covered in both [%]": 100 * part.covered,
    }


def _patients(scan: Measurements, other: Measurements) -> str:
    stated = scan.image.patient, other.image.patient
    if not all(stated):
        return _NOT_STATED
    return "same in both files" if stated[0] == stated[1] else _DIFFERENT


def _patient_notes(scan: Measurements, other: Measurements, kind: Kind) -> list[str]:
    """Return a warning unless both files state the same patient."""
    names, found = f"'{scan.image.name}' and '{other.image.name}'", _patients(scan, other)
    if found == _DIFFERENT:
        one = "visits of one eye" if kind == FOLLOW_UP else "both eyes of one patient"
        return [f"The files state different patients: make sure that {names} are {one}."]
    if found == _NOT_STATED:
        return [f"The files do not say whether {names} are of one patient: check it."]
    return []


def _check_eyes(scan: Measurements, other: Measurements, kind: Kind) -> None:
    for one in (scan, other):
        if one.image.laterality is Laterality.UNKNOWN:
            raise MeasureError(f"It is not known which eye '{one.image.name}' shows: state it.")
    same = scan.image.laterality is other.image.laterality
    names = f"'{scan.image.name}' shows {scan.image.laterality}"
    names += f" and '{other.image.name}' {other.image.laterality}"
    if kind == FOLLOW_UP and not same:
        raise MeasureError(f"{names}: a follow-up needs two visits of one eye.")
    if kind == ASYMMETRY and same:
        raise MeasureError(f"{names}: asymmetry needs a right and a left eye.")


def _measured(found: Measurements) -> tuple[Thickness, Fovea]:
    image, name = found.image, found.image.name
    if found.thickness is None:
        raise MeasureError(f"'{name}' has no mask of layers: scans are compared by thickness.")
    if image.pattern is ScanPattern.CIRCLE or (image.n_slices > 1 and not image.is_raster):
        raise MeasureError(f"'{name}' is a {image.pattern} scan: rasters are compared.")
    if found.fovea is None:
        raise MeasureError(f"It is not known where the fovea of '{name}' is: state it.")
    return found.thickness, found.fovea


def _reversed_axes(
    scan: Measurements, other: Measurements, kind: Kind
) -> tuple[tuple[bool, bool], list[str]]:
    """Return whether slices and columns of the other scan run the other way, and warnings."""
    one, two = scan_orientation(scan.image), scan_orientation(other.image)
    notes = []
    pairs = (one.first_is_superior, two.first_is_superior), (one.first_is_left, two.first_is_left)
    _check_horizontal(scan, other, kind, pairs[1])
    assumed = [f"'{each.image.name}'" for each, way in ((scan, one), (other, two))
               if way.origin == ASSUMED]  # fmt: skip
    if assumed:
        notes.append(
            f"The direction of the columns of {' and '.join(assumed)} is {ASSUMED}; the file does"
            " not say it."
        )
    flips = [None not in pair and pair[0] != pair[1] for pair in pairs]
    if pairs[0] == (None, None) and scan.image.is_volume:
        notes.append("The direction of the slices is not known: it is taken to be the same.")
    elif None in pairs[0] and scan.image.is_volume:
        notes.append(
            "The direction of the slices is known for one scan only: the other is taken to run the"
            " same way."
        )
    return (flips[0], flips[1] != (kind == ASYMMETRY)), notes


def _check_horizontal(
    scan: Measurements, other: Measurements, kind: Kind, first_is_left: tuple[bool | None, ...]
) -> None:
    """Refuse what would have to be turned; columns without a left end run up or down."""
    upright = [
        f"'{one.image.name}'"
        for one, left in zip((scan, other), first_is_left, strict=True)
        if left is None
    ]
    if kind == ASYMMETRY and upright:
        raise MeasureError(
            f"The B-scans of {' and '.join(upright)} are not horizontal: asymmetry is that of"
            " horizontal scans."
        )
    if len(upright) == 1:
        raise MeasureError(
            f"Only the B-scans of {upright[0]} are not horizontal, and scans are not turned to be"
            " compared: choose two of one direction."
        )


def _warnings(
    scan: Measurements, other: Measurements, here: Thickness, there: Thickness
) -> list[str]:
    notes = []
    if other.fovea is not None:
        found = f"The fovea of '{other.image.name}' was {other.fovea.origin}."
        notes += [f"{found} {warning}" for warning in other.fovea.warnings]
    models = [one.provenance.get("weights SHA-256") for one in (scan, other)]
    if models[0] != models[1]:
        notes.append(
            "The masks do not come from the same model: part of the difference may be due to that."
        )
    if here.uncertainty is None or there.uncertainty is None:
        notes.append(
            "The error of the difference is not known: both masks would have to come from a model,"
            " with its probabilities."
        )
    return notes


def _origins(scan: Measurements, other: Measurements) -> dict[str, Value]:
    """Return the columns that say where the numbers came from, of both scans."""
    known, compared = (
        {
            "image": one.image.name,
            **one.provenance,
            "sides from": scan_orientation(one.image).origin,
        }
        for one in (scan, other)
    )
    kept = ("image", "laterality", "mask from", "model", "fovea from", "sides from")
    others = {f"{COMPARED}{key}": compared.get(key, "") for key in kept}
    return {**known, **others, f"{COMPARED}patient": _patients(scan, other)}

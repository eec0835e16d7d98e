"""The parts of a measurement: layers, photographs, lesions, and where they came from."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg import __version__
from napari_retina_seg.imaging.fov import detect_fov
from napari_retina_seg.measurement.arteries import Equivalents, measure_equivalents
from napari_retina_seg.measurement.circle import check_named
from napari_retina_seg.measurement.device import DeviceThickness, compare_with_device
from napari_retina_seg.measurement.etdrs import Etdrs, measure_etdrs
from napari_retina_seg.measurement.fovea import Fovea, find_fovea, state_fovea
from napari_retina_seg.measurement.lesions import measure_lesions
from napari_retina_seg.measurement.orientation import ASSUMED, scan_orientation
from napari_retina_seg.measurement.regions import Disc, disc_zones, etdrs_regions
from napari_retina_seg.measurement.tables import (
    Row,
    Table,
    Value,
    branching_rows,
    etdrs_rows,
    lesion_rows,
    sector_rows,
    segment_rows,
    thickness_rows,
    vessel_rows,
)
from napari_retina_seg.measurement.thickness import Thickness, measure_thickness
from napari_retina_seg.measurement.units import UM, MeasureError, photograph_grid
from napari_retina_seg.measurement.vessels import (
    Density,
    Vessels,
    measure_density,
    measure_vessels,
)
from napari_retina_seg.metrics.interrater import bland_altman
from napari_retina_seg.types.acquisition import CirclePath, ScanPattern
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Laterality, Modality, RetinaImage
from napari_retina_seg.types.labels import LabelScheme, is_artery, is_vein, vessel_values
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.types.segmentation import Provenance

Found = dict[str, Any]
Pair = tuple[float, float]


@dataclass(frozen=True)
class Marks:
    """What was marked on one image.

    Attributes
    ----------
    fovea : tuple of float or None
        Slice and column; of a photograph row and column, in px.
    disc : tuple of float or None
        Row, column and diameter in px.
    """

    fovea: Pair | None = None
    disc: tuple[float, float, float] | None = None


def provenance_of(
    image: RetinaImage, drawn: Provenance | None, origins: dict[str, str]
) -> dict[str, Value]:
    """Return the columns that say where the numbers of an image came from."""
    known: dict[str, Value] = {}
    for name, size in (
        ("axial", image.spacing.axial),
        ("lateral", image.spacing.lateral),
        ("slice", image.spacing.slice),
    ):
        known[f"{name} pixel size [µm]"] = size.um
        known[f"{name} pixel size from"] = size.origin.value
    known["laterality"] = image.laterality.value
    known["laterality from"] = origins["laterality from"] or "unknown"
    known["mask from"] = origins["mask from"]
    known["model"] = drawn.model if drawn else ""
    known["weights SHA-256"] = drawn.weights_sha256 if drawn else ""
    known["program"] = f"napari-retina-seg {__version__}"
    return known


def measure_layers(
    image: RetinaImage, mask: Annotation, scheme: LabelScheme, stated: Pair | None
) -> Found:
    """Measure thickness and, of a raster with known distances, the ETDRS grid."""
    thickness = measure_thickness(mask, scheme, image.spacing)
    notes = list(thickness.notes)
    slices, columns = thickness.values.shape[1:]
    fovea = None if stated is None else state_fovea(*stated, (slices, columns))
    grids: dict[str, Etdrs] = {}
    if slices > 1:
        try:
            if not image.is_raster:
                raise MeasureError(
                    f"A map and the ETDRS grid need a raster: this is a {image.pattern} scan."
                )
            if fovea is None:
                fovea = find_fovea(thickness)
                notes += [f"The fovea was {fovea.origin}. {warning}" for warning in fovea.warnings]
            grids = _grids(image, thickness, fovea)
        except MeasureError as error:
            notes.append(str(error))
    tables = [Table.from_rows("thickness", thickness_rows(thickness, range(slices)))]
    if image.pattern is ScanPattern.CIRCLE:
        rows, lack = _sectors(image, thickness)
        tables.append(Table.from_rows("sectors", rows))
        notes += lack
    if grids:
        sides_from = scan_orientation(image).origin
        tables.append(Table.from_rows("etdrs", etdrs_rows(grids, thickness, sides_from)))
        if sides_from == ASSUMED and image.laterality is not Laterality.UNKNOWN:
            notes.append(f"Nasal and temporal are {ASSUMED}; the file does not say it.")
    lines = None if image.acquisition is None else image.acquisition.lines
    device = () if lines is None else compare_with_device(thickness, scheme, lines)
    if device:
        tables.append(Table.from_rows("device", map(_device_row, device)))
    return {
        "thickness": thickness,
        "device": device,
        "fovea": fovea,
        "etdrs": grids,
        "tables": tuple(tables),
        "notes": tuple(notes),
    }


def _device_row(pair: DeviceThickness) -> Row:
    """Return bias and limits of agreement of a mask's thickness with the device's."""
    compared = bland_altman(pair.ours - pair.device)
    assert compared is not None  # noqa: S101 - there are at least two columns
    unit = pair.unit
    return {
        "structure": pair.band.name,
        "abbreviation": pair.band.abbreviation,
        "between": pair.band.between,
        "columns": len(pair.ours),
        "B-scans": pair.slices,
        f"mean of device [{unit}]": float(pair.device.mean(dtype=np.float64)),
        f"mask − device [{unit}]": compared.bias,
        f"SD [{unit}]": compared.deviation,
        f"lower 95 % limit [{unit}]": compared.low,
        f"upper 95 % limit [{unit}]": compared.high,
    }


def _sectors(image: RetinaImage, thickness: Thickness) -> tuple[list[Row], list[str]]:
    """Measure the sectors of circle scans; the whole circle alone, and why, if unnamed."""
    face = image.acquisition.en_face if image.acquisition else None
    known = () if face is None else face.paths
    paths = [path if isinstance(path, CirclePath) else None for path in known]
    lack = []
    try:
        check_named(paths, image.laterality)
    except MeasureError as error:
        lack, paths = [str(error)], [None] * thickness.values.shape[1]
    return sector_rows(thickness, paths, image.laterality), lack


def _grids(image: RetinaImage, thickness: Thickness, fovea: Fovea) -> dict[str, Etdrs]:
    if thickness.unit != UM:
        raise MeasureError(
            "The ETDRS grid needs thickness in µm, but the axial pixel size is not known: state it."
        )
    orientation = scan_orientation(image)
    sigma = thickness.uncertainty
    return {
        band.abbreviation: measure_etdrs(
            thickness.values[k],
            thickness.spacing,
            fovea,
            laterality=image.laterality,
            orientation=orientation,
            uncertainty=None if sigma is None else sigma[k],
        )
        for k, band in enumerate(thickness.bands)
    }


def iter_measure_photographs(
    image: RetinaImage,
    mask: Annotation,
    scheme: LabelScheme,
    *,
    marks: Mapping[int, Marks],
    token: CancelToken,
) -> Generator[Progress, None, Found]:
    """Measure the vessels of each photograph of a stack, with its own marks, by slice."""
    foveas = {
        index: state_fovea(*each.fovea, image.grid) for index, each in marks.items() if each.fovea
    }
    discs = {index: Disc(*each.disc) for index, each in marks.items() if each.disc}
    rows: dict[str, list[Row]] = {"vessels": [], "segments": [], "branchings": []}
    notes: list[str] = []
    measured = []
    for index in range(image.n_slices):
        yield Progress(index, image.n_slices, "Measuring the vessels")
        token.raise_if_cancelled()
        one = _photograph(image, mask, scheme, index)
        place, disc = foveas.get(index), discs.get(index)
        regions, lack = _regions(one, image, place, disc)
        equivalents = _equivalents(one, disc, lack)
        notes += [*one.notes, *lack]
        start: Row = {"slice": index} if image.is_volume else {}
        for name, found in (
            ("vessels", vessel_rows(one, regions, equivalents)),
            ("segments", segment_rows(one)),
            ("branchings", branching_rows(one)),
        ):
            origin = fovea_columns(place) if image.is_volume else {}
            rows[name] += [{**start, **row, **origin} for row in found]
        measured.append(one)
    tables = tuple(Table.from_rows(name, each) for name, each in rows.items() if each)
    return {
        "vessels": tuple(measured),
        "fovea": None if image.is_volume else foveas.get(0),
        "tables": tables,
        "notes": tuple(dict.fromkeys(notes)),
    }


def _photograph(image: RetinaImage, mask: Annotation, scheme: LabelScheme, index: int) -> Vessels:
    labels = mask.labels[index] if mask.is_volume else mask.labels
    field = detect_fov(image.plane(index)).pixels
    for out in (mask.ignore, None if image.valid is None else ~image.valid):
        if out is not None:
            field = field & ~(out[index] if out.ndim == 3 else out)
    return measure_vessels(
        labels, vessel_values(scheme), field=field, grid=photograph_grid(image.spacing)
    )


def _regions(
    vessels: Vessels, image: RetinaImage, fovea: Fovea | None, disc: Disc | None
) -> tuple[list[Density], list[str]]:
    """Measure the zones around the disc and the ETDRS subfields; say what can't be."""
    regions: dict[str, npt.NDArray[np.bool_]] = {}
    notes = []
    if disc is not None:
        regions |= disc_zones(disc, image.grid)
    if fovea is not None:
        try:
            regions |= etdrs_regions(fovea, vessels.grid, image.grid, image.laterality)
        except MeasureError as error:
            notes.append(str(error))
    densities = [
        measure_density(name, vessels.mask, inside & vessels.field, vessels.segments, vessels.grid)
        for name, inside in regions.items()
    ]
    return densities, notes


def _equivalents(vessels: Vessels, disc: Disc | None, notes: list[str]) -> Equivalents | None:
    """Measure CRAE, CRVE and AVR where a disc is marked and arteries and veins are told apart."""
    kinds = {segment.kind for segment in vessels.segments}
    if disc is None or not (any(map(is_artery, kinds)) or any(map(is_vein, kinds))):
        return None
    try:
        return measure_equivalents(vessels, disc)
    except MeasureError as error:
        notes.append(str(error))
        return None


def fovea_columns(fovea: Fovea | None) -> dict[str, Value]:
    """Return the columns that say where the fovea is, and how that is known."""
    if fovea is None:
        return {}
    return {
        "fovea slice [px]": fovea.slice,
        "fovea column [px]": fovea.column,
        "fovea from": "; ".join((fovea.origin, *fovea.warnings)),
    }


def measure_other(image: RetinaImage, mask: Annotation, scheme: LabelScheme) -> Found:
    """Measure the area and volume of drawn lesions."""
    modality = image.modality if image.modality is not Modality.UNKNOWN else Modality.OCT
    sizes = measure_lesions(mask, scheme, image.spacing, modality)
    return {"tables": (Table.from_rows("lesions", lesion_rows(sizes)),)}

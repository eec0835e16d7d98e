"""What the APOSTEL 2.0 recommendations ask a study to report, filled in where it is known.

Aytulun et al. 2021, Neurology 97: 68 (nine points for quantitative OCT studies).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.orientation import scan_orientation
from napari_retina_seg.measurement.tables import Table, Value
from napari_retina_seg.types.image import Laterality, Length, Modality, RetinaImage

APOSTEL = "apostel"  # name of the table
_POINTS = {
    "Study protocol": (
        "design, eyes included and excluded, time of the scans",
        "eyes",
    ),
    "Acquisition device": ("device and file format", "software version of the device"),
    "Acquisition settings": ("pupil, light, operator, other settings of the device",),
    "Scanning protocol": (
        "pattern",
        "B-scans × columns × rows",
        "pixel size",
        "area of the scan",
        "averaged frames (ART), tracking, depth mode",
    ),
    "Fundoscopic imaging": ("en-face image",),
    "Postacquisition data selection": (
        "quality value of the device",
        "criteria of quality, scans excluded and why",
    ),
    "Postacquisition analysis": (
        "program",
        "model and its weights",
        "mask and corrections",
        "who corrected, masked to what",
        "centre of the grid",
        "sides of the grid",
        "regions",
    ),
    "Nomenclature and abbreviations": ("layers and totals",),
    "Statistical approach": ("models, dependence of both eyes, missing values",),
}
Facts = Mapping[str, str]


def apostel_facts(found: Measurements) -> dict[str, str]:
    """Return what is known of one scan, by what is asked for; nothing of a photograph."""
    image, known = found.image, found.provenance
    if image.modality is Modality.FUNDUS:
        return {}
    eye = "" if image.laterality is Laterality.UNKNOWN else image.laterality.value
    facts = _scan_facts(image) | {
        "eyes": eye and f"{eye} (from {known['laterality from']})",
        "program": str(known["program"]),
        "model and its weights": " · SHA-256 ".join(
            str(known[name]) for name in ("model", "weights SHA-256") if known[name]
        ),
        "mask and corrections": str(known["mask from"]),
        "centre of the grid": str(known.get("fovea from", "")),
    }
    if found.thickness is not None:
        facts["layers and totals"] = "; ".join(
            f"{band.abbreviation}: {band.between}" for band in found.thickness.bands
        )
    if found.etdrs:
        facts["regions"] = "ETDRS grid, circles of 1, 3 and 6 mm diameter"
        facts["sides of the grid"] = scan_orientation(image).origin
    return facts


def apostel_tables(images: Iterable[Facts]) -> tuple[Table, ...]:
    """Return the nine points; blank is what the files do not say and the study has to state.

    Parameters
    ----------
    images : iterable of dict
        What `apostel_facts` returns for each image of a study; values that differ are listed.

    Returns
    -------
    tuple of Table
        One with a row for each item, with its point's number and name; none without OCT scans.
    """
    scans = [facts for facts in images if facts]
    rows: list[dict[str, Value]] = []
    for number, (point, items) in enumerate(_POINTS.items(), 1):
        for item in items:
            values = dict.fromkeys(facts[item] for facts in scans if facts.get(item))
            rows.append(
                {"point": number, "APOSTEL 2.0": point, "item": item, "value": " | ".join(values)}
            )
    return (Table.from_rows(APOSTEL, rows),) if scans else ()


def _scan_facts(image: RetinaImage) -> dict[str, str]:
    rows, columns = image.grid
    spacing, acquisition = image.spacing, image.acquisition
    sizes = {"axial": spacing.axial, "lateral": spacing.lateral, "between B-scans": spacing.slice}
    facts = {
        "B-scans × columns × rows": f"{image.n_slices} × {columns} × {rows}",
        "pixel size": "; ".join(_size(name, size) for name, size in sizes.items() if size.um),
    }
    if spacing.slice.um and spacing.lateral.um and image.is_raster:
        height = (image.n_slices - 1) * spacing.slice.um / 1000
        facts["area of the scan"] = f"{columns * spacing.lateral.um / 1000:.1f} × {height:.1f} mm"
    if acquisition is None:
        return facts
    facts["device and file format"] = ", ".join(
        filter(None, (acquisition.device, str(image.metadata.get("format", ""))))
    )
    facts["pattern"] = acquisition.pattern.value
    if (face := acquisition.en_face) is not None:
        size = " × ".join(map(str, face.pixels.shape[:2]))
        facts["en-face image"] = f"{size} px" + ("; B-scans are located on it" * bool(face.paths))
    values = [value for value in acquisition.quality if value is not None]
    if values:
        facts["quality value of the device"] = f"{min(values):.1f} to {max(values):.1f}"
    return facts


def _size(name: str, size: Length) -> str:
    return f"{name} {size.um:.4g} µm (from {size.origin.value})"

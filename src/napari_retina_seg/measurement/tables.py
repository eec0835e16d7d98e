"""Measurements as tables: every header names its unit, every row says where it came from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from napari_retina_seg.measurement.arteries import Equivalents
from napari_retina_seg.measurement.circle import measure_sectors
from napari_retina_seg.measurement.etdrs import Etdrs
from napari_retina_seg.measurement.lesions import LesionSize
from napari_retina_seg.measurement.thickness import Thickness
from napari_retina_seg.measurement.vessels import Density, Vessels, smallest_angles
from napari_retina_seg.types.acquisition import CirclePath
from napari_retina_seg.types.image import Laterality

Value = str | int | float | None
Row = Mapping[str, Value]


@dataclass(frozen=True)
class Table:
    """One kind of measurement.

    Attributes
    ----------
    name : str
        Such as ``thickness``.
    columns : tuple of str
        Headers, with the unit in brackets: ``mean [µm]``.
    rows : tuple of tuple
        A value for each column; None or NaN where it is unknown.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    @classmethod
    def from_rows(cls, name: str, rows: Iterable[Row]) -> Table:
        """Make a table of rows whose columns may differ, as µm and px do."""
        listed = list(rows)
        columns = tuple(dict.fromkeys(column for row in listed for column in row))
        return cls(name, columns, tuple(tuple(map(row.get, columns)) for row in listed))

    def as_rows(self) -> list[dict[str, Value]]:
        """Return each row as a dictionary, without the columns that it lacks."""
        return [
            {column: value for column, value in zip(self.columns, row, strict=True)
             if value is not None}
            for row in self.rows
        ]  # fmt: skip


def join_tables(tables: Iterable[Table]) -> list[Table]:
    """Join tables of the same name, of several images."""
    rows: dict[str, list[Row]] = {}
    for table in tables:
        rows.setdefault(table.name, []).extend(table.as_rows())
    return [Table.from_rows(name, each) for name, each in rows.items()]


def thickness_rows(thickness: Thickness, slices: Sequence[int]) -> list[Row]:
    """Return a row for each B-scan and band."""
    unit = thickness.unit
    rows: list[Row] = []
    for place, index in enumerate(slices):
        for k, band in enumerate(thickness.bands):
            summary = thickness.summary(k, place)
            row: dict[str, Value] = {
                "slice": index,
                "structure": band.name,
                "abbreviation": band.abbreviation,
                "between": band.between,
                "DICOM code": band.code or "",
                f"mean [{unit}]": summary.mean,
                f"SD [{unit}]": summary.sd,
                "columns measured [%]": 100 * summary.measured,
            }
            if thickness.uncertainty is not None:
                row[f"uncertainty of a column [{unit}]"] = summary.uncertainty
            rows.append(row)
    return rows


def etdrs_rows(grids: Mapping[str, Etdrs], thickness: Thickness, sides_from: str) -> list[Row]:
    """Return a row for each band and subfield, with what the names of its sides rest on."""
    rows: list[Row] = []
    for abbreviation, grid in grids.items():
        band = thickness.bands[thickness.index(abbreviation)]
        for subfield in grid.subfields:
            row: dict[str, Value] = {
                "structure": band.name,
                "abbreviation": abbreviation,
                "DICOM code": band.code or "",
                "subfield": subfield.name,
                "mean [µm]": subfield.mean,
                "volume [mm³]": subfield.volume_mm3,
                "area [mm²]": subfield.area_mm2,
                "covered [%]": 100 * subfield.covered,
                "sides from": sides_from,
            }
            if thickness.uncertainty is not None:
                row["uncertainty of a column [µm]"] = subfield.uncertainty
            rows.append(row)
    return rows


def sector_rows(
    thickness: Thickness, paths: Sequence[CirclePath | None], laterality: Laterality
) -> list[Row]:
    """Return a row for each circle scan, band and sector; `paths` has one for each scan."""
    unit, lateral = thickness.unit, thickness.spacing.lateral.um
    columns = thickness.values.shape[2]
    diameter = None if lateral is None else lateral * columns / math.pi / 1000
    return [
        {
            "slice": index,
            "structure": band.name,
            "abbreviation": band.abbreviation,
            "DICOM code": band.code or "",
            "sector": sector.name,
            "sector in words": sector.title,
            f"mean [{unit}]": sector.mean,
            "columns measured [%]": 100 * sector.measured,
            "diameter of the circle [mm]": diameter,
        }
        for index, path in enumerate(paths)
        for k, band in enumerate(thickness.bands)
        for sector in measure_sectors(thickness.values[k, index], path, laterality)
    ]


def lesion_rows(sizes: Iterable[LesionSize]) -> list[Row]:
    """Return a row for each class and total."""
    return [
        {
            "class": size.name,
            f"area [{size.area_unit}]": size.area,
            "volume [mm³]": size.volume,
            "pixels": size.pixels,
            "ignored [%]": 100 * size.ignored,
        }
        for size in sizes
    ]


def vessel_rows(
    vessels: Vessels, regions: Iterable[Density], equivalents: Equivalents | None = None
) -> list[Row]:
    """Return a row for the field of view, and one for each region."""
    grid, unit = vessels.grid, vessels.unit
    rows: list[Row] = []
    for density in (vessels.density, *regions):
        row: dict[str, Value] = {
            "region": density.region,
            "area density [%]": 100 * density.area,
            f"skeleton density [{grid.density_unit}]": density.skeleton,
            f"area of the region [{grid.area_unit}]": density.region_area,
        }
        if density is vessels.density:
            row |= _whole(vessels)
        if equivalents is not None and density.region == "zone B":
            row |= {
                f"CRAE [{unit}]": equivalents.crae,
                f"CRVE [{unit}]": equivalents.crve,
                "AVR [1]": equivalents.avr,
            }
        rows.append(row)
    return rows


def _whole(vessels: Vessels) -> dict[str, Value]:
    fractal = vessels.fractal
    angles = smallest_angles(vessels.branchings)
    total = sum(segment.length for segment in vessels.segments)
    weights = [(s.calibre, s.length) for s in vessels.segments if s.calibre == s.calibre]
    across = sum(length for _, length in weights)
    mean = sum(width * length for width, length in weights) / across if across else None
    return {
        "segments": len(vessels.segments),
        f"total length [{vessels.unit}]": total,
        f"mean calibre by length [{vessels.unit}]": mean,
        "bifurcations": len(angles),
        "crossings": len(vessels.branchings) - len(angles),
        "mean branching angle [°]": sum(angles) / len(angles) if angles else None,
        "fractal dimension [1]": fractal.value if fractal else None,
        "fractal dimension SE [1]": fractal.error if fractal else None,
        "fractal dimension R² [1]": fractal.r_squared if fractal else None,
    }


def segment_rows(vessels: Vessels) -> list[Row]:
    """Return a row for each segment; its number is that in the layer of segments."""
    unit = vessels.unit
    return [
        {
            "segment": segment.number,
            "class": segment.kind,
            f"calibre [{unit}]": segment.calibre,
            f"length [{unit}]": segment.length,
            f"chord [{unit}]": segment.chord,
            "tortuosity [1]": segment.tortuosity,
            f"mean curvature [1/{unit}]": segment.curvature,
            "row [px]": float(segment.path[len(segment.path) // 2, 0]),
            "column [px]": float(segment.path[len(segment.path) // 2, 1]),
        }
        for segment in vessels.segments
    ]


def branching_rows(vessels: Vessels) -> list[Row]:
    """Return a row for each bifurcation or crossing."""
    return [
        {
            "kind": "crossing" if one.is_crossing else "bifurcation",
            "row [px]": one.row,
            "column [px]": one.column,
            "segments": " ".join(map(str, one.segments)),
            "smallest angle [°]": one.angles[0],
            "angles [°]": " ".join(f"{angle:.0f}" for angle in one.angles),
        }
        for one in vessels.branchings
    ]

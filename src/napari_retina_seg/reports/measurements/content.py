"""What stands on the page of an eye: tables, facts and what speaks against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.tables import Row, Table, Value
from napari_retina_seg.measurement.thickness import Thickness, widest_band

LEAD = "For research and annotation only. Not a medical device."
_ETDRS = ("subfield", "mean [µm]", "volume [mm³]", "covered [%]", "uncertainty of a column [µm]")
_LARGE = 1000  # numbers from here on are shown without decimals
_COMPARISONS = ("follow-up", "asymmetry")  # tables of `workflows.comparing`
_OTHERS = "compared with:"  # begins the columns about the other scan
_ROWS = 24  # of a table with a row for each class or region


@dataclass(frozen=True)
class Sheet:
    """A table as it is shown.

    Attributes
    ----------
    caption : str
        What it shows.
    header : tuple of str
        With units.
    rows : tuple of tuple of str
        Its cells.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sheets(found: Measurements) -> list[Sheet]:
    """Return the tables of a page, those that sum up what was measured."""
    if found.thickness is not None:
        candidates = [
            _thickness(found, found.thickness),
            _etdrs(found, found.thickness),
            _sectors(found),
            *(_comparison(found, found.thickness, kind) for kind in _COMPARISONS),
        ]
    else:
        kinds = (("vessels", "Vessels", "region"), ("lesions", "Lesions", "class"))
        candidates = [_turned(found, *kind) for kind in kinds]
    return [sheet for sheet in (*candidates, _device(found)) if sheet is not None]


def facts(found: Measurements) -> list[tuple[str, str]]:
    """Return where the numbers came from, name and value; a size or side with its source."""
    known = found.provenance
    names = {name.removesuffix(" [µm]") for name in known}
    shown = []
    for name, value in known.items():
        plain = name.removesuffix(" [µm]")
        is_source = name.endswith(" from") and name.removesuffix(" from") in names
        if plain == "slice pixel size" and found.image.n_slices == 1:
            continue
        text = format_value(value)
        if is_source or not (text or f"{plain} from" in known):
            continue
        unit = " µm" if text and name != plain else ""
        source = known.get(f"{plain} from")
        by = f" (from {source})" if text and source and source != text else ""
        shown.append((plain, f"{text or 'unknown'}{unit}{by}"))
    return shown


def cautions(found: Measurements) -> list[str]:
    """Return what speaks against the image, the mask and the numbers, each a sentence or two."""
    lacking = [
        name
        for name in ("axial pixel size", "lateral pixel size")
        if found.provenance.get(f"{name} [µm]") is None
    ]
    if not lacking:
        return [*found.warnings, *found.notes]
    sentence = f"Not known: {', '.join(lacking)}. Such lengths are in px."
    return [*found.warnings, *found.notes, sentence]


def _thickness(found: Measurements, thickness: Thickness) -> Sheet:
    """Return mean and standard deviation of each band, of volumes with its ETDRS figures."""
    unit = thickness.unit
    header: tuple[str, ...] = ("layer", f"mean [{unit}]", f"SD [{unit}]", "measured [%]")
    if found.etdrs:
        header = (*header, "central [µm]", "volume [mm³]")
    rows = []
    for k, band in enumerate(thickness.bands):
        whole = thickness.summary(k)
        row: list[Value] = [band.abbreviation, whole.mean, whole.sd, 100 * whole.measured]
        cells = [format_value(value) for value in row]
        grid = found.etdrs.get(band.abbreviation)
        if grid is not None:
            ends = grid.find("central").mean, grid.find("total").volume_mm3
            cells += map(format_value, ends)
        rows.append(tuple(cells))
    count = found.image.n_slices
    caption = f"Layers and totals in {count} B-scan{'s' * (count > 1)}"
    if found.etdrs:
        caption += "; central: 1 mm, volume: 6 mm"
    return Sheet(caption, header, tuple(rows))


def _etdrs(found: Measurements, thickness: Thickness) -> Sheet | None:
    table = found.find_table("etdrs")
    if table is None:
        return None
    band = thickness.bands[widest_band(thickness)]
    rows = _rows_of(table, band.abbreviation)
    header = tuple(name for name in _ETDRS if name in table.columns)
    # Without probabilities the column is there and empty.
    header = tuple(name for name in header if any(format_value(row.get(name)) for row in rows))
    return Sheet(f"ETDRS grid of {band.abbreviation}: {band.name}", header, _cells(rows, header))


def _comparison(found: Measurements, thickness: Thickness, kind: str) -> Sheet | None:
    """Return what differs from an earlier visit or the fellow eye."""
    table = found.find_table(kind)
    band = thickness.bands[widest_band(thickness)].abbreviation
    rows = [] if table is None else _rows_of(table, band)
    if table is None or not rows:
        return None
    own = _own_columns(table, found, "subfield", "structure", "abbreviation", "DICOM code")
    header = ("subfield", *(column for column in own if not column.startswith(_OTHERS)))
    other = rows[0][f"{_OTHERS} image"]
    return Sheet(f"{kind.capitalize()} of {band}, against '{other}'", header, _cells(rows, header))


def _rows_of(table: Table, band: str) -> list[dict[str, Value]]:
    return [row for row in table.as_rows() if row["abbreviation"] == band]


def _sectors(found: Measurements) -> Sheet | None:
    """Return the sectors of a circle scan, of the first layer: the nerve fibres."""
    table = found.find_table("sectors")
    if table is None:
        return None
    rows = table.as_rows()
    first = rows[0]["abbreviation"]
    chosen = [row for row in rows if (row["abbreviation"], row["slice"]) == (first, 0)]
    mean = next(column for column in table.columns if column.startswith("mean ["))
    header = ("sector", mean, "columns measured [%]")
    return Sheet(f"{first} by sector", header, _cells(chosen, header))


def _turned(found: Measurements, name: str, title: str, by: str) -> Sheet | None:
    """Return a table with a column for each region or class, whose rows are its columns."""
    table = found.find_table(name)
    if table is None:
        return None
    rows = table.as_rows()[:_ROWS]
    own = _own_columns(table, found, by)
    if len(rows) > len(own):
        header = (by, *own)
        return Sheet(title, header, _cells(rows, header))
    cells = [(column, *(format_value(row.get(column)) for row in rows)) for column in own]
    return Sheet(title, ("", *(str(row[by]) for row in rows)), tuple(cells))


def _device(found: Measurements) -> Sheet | None:
    table = found.find_table("device")
    if table is None:
        return None
    header = ("abbreviation", *_own_columns(table, found, "structure", "abbreviation", "between"))
    return Sheet("Mask against the lines of the device", header, _cells(table.as_rows(), header))


def _own_columns(table: Table, found: Measurements, *left_out: str) -> tuple[str, ...]:
    """Return the columns of numbers, without name and provenance."""
    skipped = {"image", *found.provenance, *left_out}
    return tuple(column for column in table.columns if column not in skipped)


def _cells(rows: Sequence[Row], header: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(format_value(row.get(column)) for column in header) for row in rows)


def format_value(value: Value) -> str:
    """Return a number to four digits, text as it is, and nothing for what is unknown."""
    if not isinstance(value, float):
        return "" if value is None else str(value)
    if not isfinite(value):
        return ""
    digits = ".0f" if abs(value) >= _LARGE else ".4g"
    return f"{value:{digits}}".replace("-", "−")

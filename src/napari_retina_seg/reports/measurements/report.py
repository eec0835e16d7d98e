"""`MeasurementReport`: measurements as one HTML or PDF file, a page for each eye."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from napari_retina_seg import __version__
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.measurement.apostel import apostel_facts, apostel_tables
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.tables import Table
from napari_retina_seg.reports._html import Page
from napari_retina_seg.reports._plots import figure_png, show_as_text
from napari_retina_seg.reports.measurements.content import (
    LEAD,
    Sheet,
    cautions,
    facts,
    format_value,
    sheets,
)
from napari_retina_seg.reports.measurements.pdf import PdfPage, height_of
from napari_retina_seg.reports.measurements.pictures import Picture, pictures
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.image import Laterality
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish

SUFFIXES = (".html", ".pdf")
_TITLE = "Measurements"
_APOSTEL = "What APOSTEL 2.0 asks a study to report; what is blank, the study has to state"
_BLANK = "…"
_REFERENCE = "Aytulun et al. 2021, Neurology 97: 68."
_WARNINGS = 10  # that a page of a PDF has room for
_INCHES = 6.0  # width of a picture in HTML


def save_measurement_report(
    found: Measurements | Sequence[Measurements],
    path: Path | str,
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Write measurements as a report: a page for each eye, and what APOSTEL 2.0 asks for.

    A page has the image with its mask, of volumes the thickness map with the ETDRS grid, the
    tables that sum up what was measured, where the numbers came from, and what speaks against
    them. Names of images are those of their files; nothing else of a patient is in it.

    Parameters
    ----------
    found : Measurements or sequence of Measurements
        What `measure` returned.
    path : Path or str
        Ends in ``.html`` or ``.pdf``; a file of this name is replaced.
    progress : callable, optional
        Called with a `Progress` before each page.
    cancel : CancelToken, optional
        Stops before the next page; nothing is written then.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    WriteError
        If the suffix is another one, or it can't be written.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> found = rs.measure("scan.png", "scan_mask.png", scheme="oct-layers")
    >>> rs.save_measurement_report(found, "scan.pdf").name
    'scan.pdf'
    """
    listed = [found] if isinstance(found, Measurements) else found
    return finish(iter_save_report(listed, Path(path), cancel or CancelToken()), progress)


def iter_save_report(
    found: Sequence[Measurements], path: Path, token: CancelToken
) -> Generator[Progress, None, Path]:
    """Write a report page by page; see `save_measurement_report`."""
    report = MeasurementReport(path)
    for index, one in enumerate(found):
        token.raise_if_cancelled()
        yield Progress(index, len(found), f"Drawing the page of '{one.image.name}'")
        report.add(one)
    token.raise_if_cancelled()
    return report.save()


class MeasurementReport:
    """A report that is drawn page by page, so that no image is kept for it.

    Parameters
    ----------
    path : Path
        Ends in ``.html`` or ``.pdf``.

    Raises
    ------
    WriteError
        If the suffix is another one.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in SUFFIXES:
            raise WriteError(f"'{path}' is not a name for a report: end it in .html or .pdf.")
        self._path = path
        self._form: _Form = _Pdf() if path.suffix.lower() == ".pdf" else _Html()
        self._facts: list[dict[str, str]] = []

    def add(self, found: Measurements) -> None:
        """Draw the page of an eye."""
        eye = found.image.laterality
        known = "eye not known" if eye is Laterality.UNKNOWN else eye.value
        self._form.add(f"{found.image.name} · {known}", found)
        self._facts.append(apostel_facts(found))

    def save(self) -> Path:
        """Write the file, with the APOSTEL sheet as its last page."""
        write_atomically(self._path, self._form.finish(apostel_tables(self._facts)))
        return self._path


class _Form(Protocol):
    """A kind of file."""

    def add(self, title: str, found: Measurements) -> None: ...

    def finish(self, tables: Iterable[Table]) -> bytes: ...


class _Html:
    def __init__(self) -> None:
        self._page = Page(_TITLE)
        self._page.paragraph(f"napari-retina-seg {__version__}. {LEAD}")
        self._is_first = True

    def add(self, title: str, found: Measurements) -> None:
        page = self._page
        page.heading(title, new_page=not self._is_first)
        self._is_first = False
        for sentence in cautions(found):
            page.paragraph(f"⚠ {sentence}")
        for picture in pictures(found):
            page.figure(figure_png(_figure(picture)), picture.caption)
        for sheet in sheets(found):
            page.table(sheet.header, sheet.rows, sheet.caption)
        page.table(("where the numbers came from", ""), facts(found))

    def finish(self, tables: Iterable[Table]) -> bytes:
        for table in tables:
            self._page.heading(_APOSTEL, new_page=True)
            self._page.table(table.columns, _shown(table).rows, _REFERENCE)
        return self._page.html().encode()


class _Pdf:
    def __init__(self) -> None:
        from matplotlib.backends.backend_pdf import PdfPages

        self._file = BytesIO()
        metadata = {"CreationDate": None, "Title": _TITLE}
        self._pages = PdfPages(self._file, metadata=metadata)

    def add(self, title: str, found: Measurements) -> None:
        page, tables = PdfPage(title), sheets(found)
        warned = [f"⚠ {sentence}" for sentence in cautions(found)]
        if len(warned) > _WARNINGS:
            more = f"⚠ {len(warned) - _WARNINGS} more: save the report as HTML to read them."
            warned = [*warned[:_WARNINGS], more]
        origin = [" · ".join(f"{name}: {value}" for name, value in facts(found))]
        page.paragraphs([f"napari-retina-seg {__version__}. {LEAD}"], color="0.35")
        page.paragraphs(warned, color="#a04000")
        below = height_of(tables, [origin])
        page.pictures(pictures(found), below)
        page = self._with_room(page, below, title)
        page.sheets(tables)
        page.paragraphs(origin)
        self._save(page)

    def finish(self, tables: Iterable[Table]) -> bytes:
        for table in tables:
            page = PdfPage(_APOSTEL)
            page.paragraphs([_REFERENCE], color="0.35")
            for point, rows in groupby(_shown(table).rows, key=lambda row: row[:2]):
                name = [" ".join(point)]
                items = [f"{item}: {value or _BLANK}" for *_, item, value in rows]
                page = self._with_room(page, height_of([], [name, items]), _APOSTEL)
                page.paragraphs(name, fontweight="bold")
                page.paragraphs(items)
            self._save(page)
        self._pages.close()
        return self._file.getvalue()

    def _with_room(self, page: PdfPage, height: float, title: str) -> PdfPage:
        """Return the page, or a further one if what comes next would go beyond its end."""
        if page.has_room(height):
            return page
        self._save(page)
        return PdfPage(f"{title}, continued")

    def _save(self, page: PdfPage) -> None:
        show_as_text(page.figure)
        self._pages.savefig(page.figure)


def _shown(table: Table) -> Sheet:
    rows = tuple(tuple(map(format_value, row)) for row in table.rows)
    return Sheet("", table.columns, rows)


def _figure(picture: Picture) -> Any:
    from matplotlib.figure import Figure

    size = (_INCHES, max(1.5, _INCHES * picture.tallness))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    picture.draw(figure.add_subplot())
    return figure

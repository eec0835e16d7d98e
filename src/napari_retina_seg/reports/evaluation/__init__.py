"""Write evaluations as HTML page, CSV table and JSON."""

from __future__ import annotations

from pathlib import Path

from napari_retina_seg.reports._files import write_files
from napari_retina_seg.reports.evaluation.page import how_sure, report_page
from napari_retina_seg.reports.evaluation.report import (
    LESION_COLUMNS,
    Report,
    format_score,
    interval,
    lesion_rows,
    with_interval,
)
from napari_retina_seg.reports.evaluation.tables import report_csv, report_json

__all__ = [
    "FILES",
    "LESION_COLUMNS",
    "Report",
    "format_score",
    "how_sure",
    "interval",
    "lesion_rows",
    "with_interval",
    "write_report",
]

FILES = HTML_FILE, CSV_FILE, JSON_FILE = "evaluation.html", "evaluation.csv", "evaluation.json"


def write_report(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write ``evaluation.html``, ``evaluation.csv`` (a row per image) and ``evaluation.json``.

    Parameters
    ----------
    report : Report
        What was found.
    folder : Path
        Where to; made if missing. Files of these names there are replaced.

    Returns
    -------
    tuple of Path
        The three files, the page first.

    Raises
    ------
    WriteError
        If one can't be written; nothing of it is left then.
    """
    contents = {
        HTML_FILE: report_page(report),
        CSV_FILE: report_csv(report),
        JSON_FILE: report_json(report),
    }
    return write_files(contents, folder)

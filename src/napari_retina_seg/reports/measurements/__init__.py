"""The report of measurements: a page for each eye, as HTML or PDF."""

from napari_retina_seg.reports.measurements.report import (
    MeasurementReport,
    check_report_path,
    save_measurement_report,
)

__all__ = ["MeasurementReport", "check_report_path", "save_measurement_report"]

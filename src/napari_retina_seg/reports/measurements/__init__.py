"""The report of measurements: a page for each eye, as HTML or PDF."""

from napari_retina_seg.reports.measurements.report import (
    MeasurementReport,
    iter_save_report,
    save_measurement_report,
)

__all__ = ["MeasurementReport", "iter_save_report", "save_measurement_report"]

"""The Measure dock: thickness, vessels or lesions of the active mask."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from napari.layers import Image, Labels, Layer
from qtpy.QtWidgets import QFormLayout, QPushButton

from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.job_dock import JobDock, JobRow
from napari_retina_seg._napari.layers import insert_unselected
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.measure.compare_rows import CompareRows
from napari_retina_seg._napari.measure.eye_box import EyeBox
from napari_retina_seg._napari.measure.job import (
    MeasureResult,
    MeasureTask,
    image_of,
    make_other_task,
    make_task,
    measure,
    save_report,
)
from napari_retina_seg._napari.measure.layers import (
    difference_maps,
    etdrs_grid,
    find_face,
    has_grid,
    hide_scan,
    is_map_of,
    segment_layer,
    thickness_map,
)
from napari_retina_seg._napari.measure.mark_rows import MarkRows
from napari_retina_seg._napari.measure.table_panel import TablePanel
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.save_dialog import ask_for_file
from napari_retina_seg._napari.shortcuts import MEASURE
from napari_retina_seg._napari.widgets import add_row, combo_box, stack, text
from napari_retina_seg.io.tables import save_tables
from napari_retina_seg.measurement.apostel import apostel_facts, apostel_tables
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import Laterality
from napari_retina_seg.workflows.comparing import Kind, ScanComparison
from napari_retina_seg.workflows.measuring import MeasureOptions

_REPORTS = "PDF (*.pdf);;Web page (*.html)"
_KINDS = "Table (*.csv);;Excel (*.xlsx);;JSON (*.json)"


class MeasureWidget(JobDock):
    """Measure the active mask, with tables and layers as results."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__("Measure", JobRow("the measurement"))
        self._viewer = napari_viewer
        self._target: tuple[Labels, Image | None] | None = None
        self._segments: Labels | None = None
        self._other_mask: tuple[Labels, Kind] | None = None
        self.found: Measurements | None = None
        self._compared: ScanComparison | None = None
        self.active_mask = ActiveMask.of(napari_viewer)
        self.subject = text()
        self.eye = EyeBox()
        self.marks = MarkRows(napari_viewer)
        self.compare = CompareRows(napari_viewer)
        self.band = combo_box()
        self.band.setToolTip("Layer or total whose thickness map is shown.")
        self.save_button = QPushButton("Save tables…")
        self.save_button.setToolTip("Save all tables, as CSV, Excel or JSON.")
        self.report_button = QPushButton("Save report…")
        self.report_button.setToolTip(
            "Save a page with mask, thickness map, tables and where they came from, as PDF or HTML."
        )
        self.tables = TablePanel()
        self._form = QFormLayout()
        add_row(self._form, "Eye", self.eye)
        self._form.addRow(self.marks)
        self._form.addRow(self.compare)
        add_row(self._form, "Map of", self.band)
        buttons = stack(self.save_button, self.report_button, horizontal=True)
        self.lay_out(self.subject, self._form, self.tables, buttons)
        self.give_height(self.tables)
        self._connect()
        self._on_mask()

    # User actions

    def measure(self) -> None:
        """Measure the active mask; the button and the shortcut."""
        mask = self.active_mask.mask
        if mask is None or self.is_running:
            self.refresh()
            return
        image = image_of(self._viewer, mask)
        self._on_layers()
        try:
            options = self._options()
            task = make_task(self._viewer, mask, image, options)
            other = self._other(options.laterality)
        except RetinaSegError as error:
            self.status.show_result(JobStatus.FAILED, str(error))
            return
        self._target = mask, image
        self._other_mask = None if other is None else self.compare.chosen
        run = partial(measure, task, other)
        self._start(run, f"Measuring '{mask.name}'", f"Measuring '{mask.name}'.")

    def save(self, path: Path) -> None:
        """Save all tables to a file, whose suffix says the form."""
        if self.found is None:
            return
        try:
            sheet = apostel_tables([apostel_facts(self.found)])
            written = save_tables(path, (*self.found.tables, *sheet))
        except RetinaSegError as error:
            self.status.show_result(JobStatus.FAILED, str(error))
            return
        names = ", ".join(f"'{each.name}'" for each in written)
        self.status.show_result(JobStatus.SUCCEEDED, f"Saved in '{path.parent}': {names}.")

    def save_report(self, path: Path) -> None:
        """Save a page of what was measured, as PDF or HTML by the suffix."""
        if self.found is not None and not self.is_running:
            job = partial(save_report, self.found, path)
            self._start(job, f"Saving '{path.name}'", f"Drawing '{path.name}'.")

    def refresh(self) -> None:
        """Enable what is possible; give the reason in the tooltips of the rest."""
        mask = self.active_mask.mask
        reason = "" if mask is not None else "Select a mask in the layer list to measure it."
        self.button.setEnabled(not reason and not self.is_running)
        self.button.setText("Measuring…" if self._target is not None else "Measure")
        self.button.setToolTip(qt_text(reason) or f"{MEASURE.description} ({MEASURE.native}).")
        lines = [] if mask is None else [f"Mask: {mask.name}"]
        if self.found is not None and self._source[0] != mask:
            lines.append(f"The tables are of '{self._source[0].name}'.")
        self.subject.setText("\n".join(lines))
        self._form.setRowVisible(self.band, self.band.count() > 0)
        self.tables.setVisible(self.found is not None)
        for button in (self.save_button, self.report_button):
            button.setVisible(self.found is not None)
        self.report_button.setEnabled(not self.is_running)
        if not self.is_running and (reason or self.status.result is None):
            self.status.show_message(reason)

    # Layout and signals

    def _connect(self) -> None:
        self.button.clicked.connect(self.measure)
        self.save_button.clicked.connect(self._ask_and_save)
        self.report_button.clicked.connect(self._ask_for_report)
        self.band.activated.connect(self._show_map)
        self.tables.segment_chosen.connect(self._show_segment)
        self.active_mask.subscribe(changed=self._on_mask, selected=self._on_layers)

    def _on_layers(self) -> None:
        self.compare.show_mask(self.active_mask.mask)

    def _on_mask(self) -> None:
        self._on_layers()
        mask = self.active_mask.mask
        image = None if mask is None else image_of(self._viewer, mask)
        self.marks.show_mask(mask, image, None if mask is None else self.active_mask.scheme)
        self.eye.show_image(image, self.marks.tool.volume)
        self.refresh()

    def _other(self, eye: Laterality | None) -> tuple[MeasureTask, Kind] | None:
        """Return what the mask is compared with, if the user chose so."""
        chosen = self.compare.chosen
        if chosen is None:
            return None
        return make_other_task(self._viewer, *chosen, eye), chosen[1]

    def _options(self) -> MeasureOptions:
        marks, each = self.marks.read(), self.marks.tool.by_slice()
        return MeasureOptions(
            laterality=self.eye.stated,
            fovea=None if each else marks.fovea,
            disc=None if each else marks.disc,
            photographs=each,
        )

    def take_result(self, result: JobResult) -> JobResult:
        """Show tables and layers of what was measured."""
        target, self._target = self._target, None
        if not isinstance(result, MeasureResult) or result.found is None or target is None:
            return result
        self.found, mask, image = result.found, *target
        self._compared = result.compared
        self._source = target
        if self._compared is not None and self._other_mask is not None:
            self._show_alone(self._other_mask[0])
        self.tables.show_tables(self.found.tables)
        self.band.clear()
        if self.found.has_map and self.found.thickness is not None:
            names = [band.abbreviation for band in self.found.thickness.bands]
            self.band.addItems(names)
            self.band.setCurrentIndex(len(names) - 1)
            self._show_map()
        else:
            self.tables.show_band("")  # not the one of another mask
        if has_grid(self.found):
            face = find_face(self._viewer.layers, image)
            self._add(etdrs_grid(self.found, mask.name, image, face))
        if self.found.vessels and mask in self._viewer.layers:
            self._show_segments(segment_layer(self.found, mask.name, image, mask))
        if self.active_mask.mask == mask:
            self.marks.show_found(self.found.fovea)
        return result

    def _show_alone(self, other: Labels) -> None:
        """Show the measured scan, not the other one, which lies in the same place."""
        hide_scan(self._viewer.layers, other)
        mask, image = self._source
        for layer in (mask, image, find_face(self._viewer.layers, image)):
            if layer is not None:
                layer.visible = True

    def _show_map(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        if self.found is not None and self.band.count():
            mask, image = self._source
            band = self.band.currentText()
            self.tables.show_band(band)
            layers = self._viewer.layers
            earlier = [layer for layer in layers if is_map_of(layer, mask.name)]
            at = layers.index(earlier[0]) if earlier else len(layers)  # below grid and marks
            for layer in earlier:
                layers.remove(layer)
            face = find_face(layers, image)
            maps = [thickness_map(self.found, band, mask.name, image, face)]
            if self._compared is not None:
                maps[0].visible = False  # the difference lies in its place
                maps += difference_maps(self._compared, self.found, band, mask.name, image, face)
            for each in reversed(maps):
                self._add(each, at)

    def _show_segments(self, layer: Labels) -> None:
        self._leave_segments()
        self._segments = layer
        self._add(layer)
        layer.events.selected_label.connect(self._on_picked)

    def _on_picked(self, event: object = None) -> None:  # noqa: ARG002 - napari's
        if self._segments is not None:
            self.tables.choose_segment(int(self._segments.selected_label))

    def _show_segment(self, number: int) -> None:
        layer = self._segments
        if layer is not None and layer in self._viewer.layers:
            layer.selected_label = number

    def _add(self, layer: Layer, at: int | None = None) -> None:
        """Add a layer; an earlier one of this name is replaced, and the selection stays."""
        layers = self._viewer.layers
        chosen = layers.selection.active
        if layer.name in layers:
            at = layers.index(layer.name)
            layers.remove(layer.name)
        if chosen is None or chosen in layers:
            insert_unselected(layers, layer, at)
        else:  # it replaces the selected one
            layers.insert(len(layers) if at is None else at, layer)

    def _ask_and_save(self) -> None:
        path = self._ask("Save tables", _KINDS, ".csv", "tables")
        if path is not None:
            self.save(path)

    def _ask_for_report(self) -> None:
        path = self._ask("Save report", _REPORTS, ".pdf", "report")
        if path is not None:
            self.save_report(path)

    def _ask(self, title: str, kinds: str, suffix: str, purpose: str) -> Path | None:
        if self.found is None:
            return None
        name = f"{self.found.image.name}-measurements{suffix}"
        return ask_for_file(self, title, kinds, name, purpose, self._source[1])

    def cleanup(self) -> None:
        """Stop all work and disconnect: the dock is closing."""
        super().cleanup()
        self.marks.cleanup()
        self.active_mask.release(self)
        self._leave_segments()

    def _leave_segments(self) -> None:
        """Follow the choice of a segment in the layer of before no longer."""
        if self._segments is not None:
            self._segments.events.selected_label.disconnect(self._on_picked)
            self._segments = None

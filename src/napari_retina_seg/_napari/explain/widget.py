"""The Explain dock: where in the image a model found its evidence for a class."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from napari.layers import Image
from napari.utils.events import Event
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLayout, QPushButton, QSpacerItem, QWidget

from napari_retina_seg._napari.canvas import find_canvas
from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.explain.choices import Choices
from napari_retina_seg._napari.explain.model_lines import ModelLines, has_visible_mask
from napari_retina_seg._napari.explain.pickers import class_in, describe_foreign_model, drawn_by
from napari_retina_seg._napari.explain.runner import Explainer
from napari_retina_seg._napari.explain.saliency_layers import (
    ColorSettings,
    SaliencyLayers,
    saliency_of,
)
from napari_retina_seg._napari.explain.target_picker import EmptyTargetError
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.job_dock import JobDock
from napari_retina_seg._napari.layers import Position, position
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.results import ImagePart
from napari_retina_seg._napari.save_dialog import ask_where
from napari_retina_seg._napari.shortcuts import EXPLAIN
from napari_retina_seg._napari.widgets import stack, text
from napari_retina_seg.types.errors import ImageError, ModelError, RetinaSegError

_SOON = 50  # ms; one request while a slider is dragged
_ANSWER = 104  # px; five lines, or four and the displayed class
_PRESS = "Press Explain to see it."
_SAVES = (
    "Explain all classes on the current slice, and save a figure of image, mask and maps; each"
    " map is also saved as an array."
)
_KEEPS = (
    "Keep the displayed map; the next one becomes a new layer. Colours and scale apply to all maps,"
    " including kept ones."
)


class ExplainWidget(JobDock):
    """Explain a model's prediction on the selected image layer."""

    work: Explainer

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self.active_mask = ActiveMask.of(napari_viewer)
        self.choices = choices = Choices(napari_viewer, self.active_mask)
        self.maps = SaliencyLayers(napari_viewer, choices.colors.color_settings)
        super().__init__("Explain", Explainer(self.maps))
        self._viewer = napari_viewer
        self._followed: Image | None = None  # the image whose map follows the options
        self._explained_at = Position()
        self._missed = False  # an option changed while a job was running
        self._advice = ""  # hint on what to do next
        self._soon = QTimer(self, singleShot=True, interval=_SOON)
        self.images, self.models, self.layers = choices.images, choices.models, choices.layers
        self.classes, self.methods = choices.classes, choices.methods
        self.targets, self.colors = choices.targets, choices.colors
        self.lines = ModelLines()
        self.shown = text()
        self._buttons = Buttons(self.button)
        self.keep_button, self.save_button = self._buttons.keep, self._buttons.save
        self.lay_out(choices)
        self._connect()
        self._on_mask()
        self._resume()

    # User actions

    def explain(self) -> None:
        """Explain with the chosen options; the button."""
        self._soon.stop()
        if self.work.is_busy or self.choices.disabled_reason():
            self.refresh()
        else:
            self.work.run_or_preempt(partial(self._begin, self.choices.is_whole))

    def save(self, path: Path) -> None:
        """Explain all classes on the current slice, and write panels and maps."""
        if self.work.is_busy or self.choices.disabled_reason():
            self.refresh()
            return
        self._missed = self._missed or self.work.is_running  # continued after the save
        self.work.run_or_preempt(partial(self._begin, whole=False, path=path))

    def keep(self) -> None:
        """Keep the map: the next one is a new layer; the Keep button."""
        self.maps.keep()
        self.refresh()

    @property
    def is_running(self) -> bool:
        """Whether a job is running or scheduled."""
        return self.work.is_running or self._soon.isActive()

    def refresh(self) -> None:
        """Update buttons, hints and the displayed class."""
        reason = self.choices.disabled_reason()
        self._buttons.refresh(reason, self.work.is_busy, self.maps.shown is not None)
        if not self.work.is_running and (reason or self.status.result is None):
            self.status.show_message(self._advice or reason)
        self.colors.allow_shared(self.classes.is_all or self.maps.stack is not None)
        self._show_class()

    # Layout and signals

    def lay_out(self, *rows: QWidget | QLayout) -> None:
        """Set the content of the dock; messages have a fixed height, so that nothing moves."""
        messages = stack(self.status, self.shown)
        messages.addStretch(1)
        answer = QHBoxLayout()
        answer.addSpacerItem(QSpacerItem(0, _ANSWER))
        answer.addLayout(messages)
        Dock.lay_out(self, self.button, self._buttons, self.work, answer, *rows)

    def _connect(self) -> None:
        self.button.clicked.connect(self.explain)
        self.work.cancel_button.clicked.connect(self._on_cancel)
        self.keep_button.clicked.connect(self.keep)
        self.save_button.clicked.connect(self._ask_where)
        self.images.changed.connect(self.refresh)
        self.choices.changed.connect(self._on_choice)
        self.models.refused.connect(partial(self.status.show_result, JobStatus.FAILED))
        self.targets.clicked.connect(self._on_click)
        self.targets.click_ignored.connect(self._advise)
        self.colors.changed.connect(self._on_color_settings)
        self.active_mask.subscribe(selected=self._on_mask, class_changed=self._on_class)
        self._soon.timeout.connect(self._follow)
        self.work.preempted.connect(partial(self.status.show_message, ""))
        self._viewer.dims.events.point.connect(self._on_slider)
        for event in (self._viewer.dims.events.order, self._viewer.dims.events.ndisplay):
            event.connect(self._draw_lines)
        self._viewer.layers.events.inserted.connect(self._on_inserted)
        self._viewer.layers.events.removed.connect(self._on_removed)

    def cleanup(self) -> None:
        """Stop all work and disconnect: the dock is closing."""
        super().cleanup()
        self._soon.stop()
        self._viewer.dims.events.point.disconnect(self._on_slider)
        for event in (self._viewer.dims.events.order, self._viewer.dims.events.ndisplay):
            event.disconnect(self._draw_lines)
        for layer in self._viewer.layers:
            layer.events.visible.disconnect(self._draw_lines)
        self.lines.hide()
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self.choices.disconnect_viewer()
        self.active_mask.release(self)
        self.maps.restore()

    def _on_visibility(self, on: bool) -> None:
        super()._on_visibility(on)
        self.targets.is_in_front = on

    def _resume(self) -> None:
        """Resume following with the map that an earlier dock left."""
        saliency = self.maps.attach()
        if saliency is not None:
            self.choices.resume(saliency)
            self._followed, self._explained_at = saliency.target.layer, saliency.target.at
            self._advise("")

    @property
    def _is_following(self) -> bool:
        """Whether a map of the chosen image follows the options."""
        return self._followed is not None and self._followed == self.images.layer

    def _follow(self) -> None:
        """Explain the current options; whole volumes only on request."""
        if self.work.is_busy:
            self._missed = True
        elif not self._is_following or self.choices.is_whole or self.choices.disabled_reason():
            self.refresh()
        elif not self.work.is_yielding:  # otherwise the next run reads the options anyway
            self.work.run_or_preempt(partial(self._begin, whole=False))

    def _begin(self, whole: bool, path: Path | None = None) -> None:
        layer, at = self.images.layer, self.choices.at
        changed = path is None and whole != self.choices.is_whole
        if changed or self.choices.disabled_reason():
            self.refresh()  # the options changed while another job was stopping
            return
        target = ImagePart(layer, at, whole)
        try:
            task = self.choices.task(target)
            save = (
                None if path is None else self.choices.saving(task, target, path, self.maps.shown)
            )
        except EmptyTargetError as error:
            self._advise(str(error))
            return
        except RetinaSegError as error:
            self.status.show_result(JobStatus.FAILED, str(error))
            return
        self._advice = ""
        if save is not None:
            self.work.save(save)
        else:
            self._followed = None if whole else layer
            self._explained_at = at
            self.work.explain(task, target)

    # Signal handlers

    def _on_choice(self) -> None:
        """Update the live map."""
        if self._is_following and not self.choices.is_whole:
            self._advise("")
            self._soon.start()
        else:
            self._advise("" if self.choices.disabled_reason() else _PRESS)

    def _advise(self, advice: str) -> None:
        """Show a hint on what to do next, in place of the last result."""
        self._advice = advice
        if not self.work.is_running:
            self.status.show_message(advice)
        self.refresh()

    def _on_color_settings(self, color_settings: ColorSettings) -> None:
        self.maps.restyle(color_settings)
        self._show_class()

    def _on_click(self, position: tuple[float, ...]) -> None:
        if self.images.layer is None:
            return
        try:
            self.targets.place(self.images.layer, position)
        except ImageError as error:
            self._advise(str(error))
            return
        self.explain()

    def _on_slider(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self._show_class()
        if (
            self._is_following
            and not self.choices.is_whole
            and self.choices.at != self._explained_at
        ):
            self._soon.start()

    def _on_mask(self) -> None:
        """Choose the model that made the selected mask."""
        self.images.follow()  # the image first, as it determines the models
        mask = self.active_mask.mask
        self.models.select(drawn_by(mask))
        if mask is not None and not self._is_following:
            self.choices.suggest_class_of(mask)
        self.refresh()

    def _on_class(self) -> None:
        """Explain the class that was chosen in a mask."""
        mask = self.active_mask.mask
        if mask is None or not (self.isVisible() or self.maps.live is not None):
            return
        self.models.select(drawn_by(mask))
        if self.models.model is None:
            return
        try:
            value = class_in(self.models.model, mask)
        except ModelError as error:
            self.status.show_result(JobStatus.FAILED, str(error))
            return
        has_map = self.is_running or self.maps.live is not None
        if self._is_following and self.classes.is_all and has_map:
            self.maps.select(value)
            return
        self._followed = self.images.layer
        self.classes.choose_value(value)

    def _on_inserted(self, event: Event) -> None:  # noqa: ARG002 - passed by napari
        self.maps.outline()
        self._draw_lines()

    def _on_removed(self, event: Event) -> None:
        self.work.cancel_for(event.value)
        self.choices.drop_cache(event.value)
        if event.value is self.maps.live:
            self.maps.keep()
            self._followed = None
        self.maps.tidy()
        self.refresh()

    def _on_cancel(self) -> None:
        self._missed = False

    def take_result(self, result: JobResult) -> JobResult:
        """Explain again if an option changed meanwhile."""
        self.maps.tidy()
        self.maps.wanted = None
        if self._missed:
            self._missed = False
            self._soon.start()
        return result

    def show_result(self, result: JobResult) -> None:
        """Display how the job ended; a lack of evidence is no failure."""
        if result.status is JobStatus.SUCCEEDED and self.work.found_nothing:
            self._advise(result.message)
        else:
            super().show_result(result)
            self.refresh()
        self.status.setToolTip(self.work.details)

    def _show_class(self) -> None:
        name, other = (
            self.maps.class_shown,
            describe_foreign_model(self.active_mask.mask, self.models.names),
        )
        lines = [f"Class shown: {name}" if name else "", other]
        self.shown.setText("\n".join(filter(None, lines)))
        self.shown.setVisible(any(lines))
        self.colors.show_scale(*self.maps.top_of(self.maps.topmost))
        self.maps.outline()
        self._draw_lines()

    def _draw_lines(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        """Show the model's lines beside the uppermost map if no mask of the image is visible."""
        for layer in self._viewer.layers:
            layer.events.visible.connect(self._draw_lines)  # once, however often it is connected
        layer = self.maps.topmost
        saliency = saliency_of(layer)
        dims = self._viewer.dims
        flat = dims.ndisplay == 2 and tuple(dims.displayed) == (dims.ndim - 2, dims.ndim - 1)
        if layer is None or saliency is None or saliency.is_volume or not flat:
            self.lines.hide()
            return
        image = saliency.target.layer
        at = position(image, dims.point, self._viewer.layers.extent.units)
        if at != saliency.target.at or has_visible_mask(self._viewer.layers, image):
            self.lines.hide()
        else:
            self.lines.show(find_canvas(self), layer, saliency)

    def _ask_where(self) -> None:
        layer, model = self.images.layer, self.models.model
        if layer is None or model is None:
            return
        path = ask_where(self, layer, model.spec.scheme, self.methods.method)
        if path is not None:
            self.save(path)


class Buttons(QWidget):
    """A row with Keep and Save; Explain is placed by the dock.

    Attributes
    ----------
    explain, keep, save : QPushButton
        The buttons.
    """

    def __init__(self, explain: QPushButton) -> None:
        super().__init__()
        self.explain = explain
        self.keep = QPushButton("Keep this map")
        self.save = QPushButton("Save panels…")
        self.setLayout(stack(self.keep, self.save, horizontal=True))

    def refresh(self, disabled_reason: str, is_busy: bool, has_map: bool) -> None:
        """Enable what is possible; give the reason in the tooltips of the rest."""
        disabled_reason = "Wait until it has ended, or cancel." if is_busy else disabled_reason
        for button, reason, does in (
            (self.explain, disabled_reason, f"{EXPLAIN.description} ({EXPLAIN.native})."),
            (self.save, disabled_reason, _SAVES),
            (self.keep, "" if has_map else "There is no live map.", _KEEPS),
        ):
            button.setEnabled(not reason)
            button.setToolTip(qt_text(reason) or does)

"""The Explain dock: where in the image a model found its evidence for a class."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from napari.layers import Image, Labels
from napari.utils.events import Event
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QSpacerItem, QVBoxLayout, QWidget

from napari_retina_seg._napari.class_follower import ClassFollower, class_in, drawn_by, foreign
from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.explain.buttons import Buttons
from napari_retina_seg._napari.explain.choices import Choices
from napari_retina_seg._napari.explain.runner import Explainer
from napari_retina_seg._napari.explain.saliency_layers import ColorSettings, SaliencyLayers
from napari_retina_seg._napari.explain.target_picker import NothingAskedError
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.layers import Position
from napari_retina_seg._napari.results import Target
from napari_retina_seg._napari.save_dialog import ask_where
from napari_retina_seg._napari.status import StatusLine
from napari_retina_seg._napari.widgets import ProgressRow, text
from napari_retina_seg.types.errors import ImageError, ModelError, RetinaSegError
from napari_retina_seg.types.progress import Progress

_SOON = 50  # ms; one request while a slider is dragged
_ANSWER = 88  # px; four lines, and the displayed class
_PRESS = "Press Explain to see it."


class ExplainWidget(Dock):
    """Explain a model's prediction on the selected image layer.

    Signals
    -------
    finished : (JobResult)
        A job ended, and its layer (if any) is in the viewer.
    """

    finished = Signal(object)

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer = napari_viewer
        self._followed: Image | None = None  # the image whose map follows the options
        self._asked_at = Position()
        self._missed = False  # an option changed while a job was running
        self._advice = ""  # hint on what to do next
        self._soon = QTimer(self, singleShot=True, interval=_SOON)
        self.choices = choices = Choices(viewer)
        self.images, self.models, self.layers = choices.images, choices.models, choices.layers
        self.classes, self.methods = choices.classes, choices.methods
        self.targets, self.looks = choices.targets, choices.looks
        self.maps = SaliencyLayers(viewer, self.looks.look)
        self._explainer = Explainer(self.maps, self)
        self.follower = ClassFollower(viewer)
        self.status = StatusLine()
        self.shown = text()
        self._buttons = buttons = Buttons()
        self.button, self.keep_button = buttons.explain, buttons.keep
        self.save_button = buttons.save
        self.work = ProgressRow("the explanation", keeps_place=True)
        self._lay_out()
        self._connect()
        self._on_mask()
        self._resume()

    # User actions

    def explain(self) -> None:
        """Explain with the chosen options; the button."""
        self._soon.stop()
        if self._explainer.is_busy or self.choices.disabled_reason():
            self.refresh()
        else:
            self._explainer.run_or_preempt(partial(self._begin, self.choices.is_whole))

    def save(self, path: Path) -> None:
        """Explain all classes on the current slice, and write panels and maps."""
        if self._explainer.is_busy or self.choices.disabled_reason():
            self.refresh()
            return
        self._missed = self._missed or self._explainer.is_running  # continued after the save
        self._explainer.run_or_preempt(partial(self._begin, whole=False, path=path))

    def keep(self) -> None:
        """Keep the map: the next one is a new layer; the Keep button."""
        self.maps.keep()
        self.refresh()

    def cancel(self) -> None:
        """Request cancellation; the Cancel button."""
        self._missed = False
        if self._explainer.is_running:
            self.work.cancel_button.setEnabled(False)
            self.status.say("Cancelling: the current step is being finished.")
            self._explainer.cancel()

    @property
    def is_running(self) -> bool:
        """Whether a job is running or scheduled."""
        return self._explainer.is_running or self._soon.isActive()

    def refresh(self) -> None:
        """Update buttons, hints and the displayed class."""
        reason = self.choices.disabled_reason()
        self._buttons.refresh(reason, self._explainer.is_busy, self.maps.shown is not None)
        if not self._explainer.is_running and (reason or self.status.end is None):
            self.status.say(self._advice or reason)
        self.looks.allow_shared(self.classes.is_all or self.maps.stack is not None)
        self._show_class()

    # Layout and signals

    def _lay_out(self) -> None:
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 4, 6, 4)
        for widget in (self.button, self._buttons, self.work):
            layout.addWidget(widget)
        layout.addLayout(self._answer())
        layout.addWidget(self.choices)
        layout.addStretch(1)
        self.scroll(inner)

    def _answer(self) -> QHBoxLayout:
        """Lay out the messages with a fixed height, so that nothing below moves."""
        answer, words = QHBoxLayout(), QVBoxLayout()
        answer.addSpacerItem(QSpacerItem(0, _ANSWER))
        answer.addLayout(words)
        words.addWidget(self.status)
        words.addWidget(self.shown)
        words.addStretch(1)
        return answer

    def _connect(self) -> None:
        self.button.clicked.connect(self.explain)
        self.work.cancel_button.clicked.connect(self.cancel)
        self.keep_button.clicked.connect(self.keep)
        self.save_button.clicked.connect(self._ask_where)
        self.images.changed.connect(self.refresh)
        self.choices.changed.connect(self._on_choice)
        self.models.refused.connect(partial(self.status.show_result, JobStatus.FAILED))
        self.targets.clicked.connect(self._on_click)
        self.targets.unheard.connect(self._advise)
        self.looks.changed.connect(self._on_look)
        self.follower.selected.connect(self._on_mask)
        self.follower.chosen.connect(self._on_label)
        self._soon.timeout.connect(self._follow)
        self._explainer.progressed.connect(self._on_progress)
        self._explainer.preempted.connect(self._on_preempted)
        self._explainer.done.connect(self._on_done)
        self._viewer.dims.events.point.connect(self._on_slider)
        self._viewer.layers.events.inserted.connect(self.maps.outline)
        self._viewer.layers.events.removed.connect(self._on_removed)

    def cleanup(self) -> None:
        """Stop all work and disconnect: the dock is closing."""
        self._soon.stop()
        self._explainer.abandon()
        self._viewer.dims.events.point.disconnect(self._on_slider)
        self._viewer.layers.events.inserted.disconnect(self.maps.outline)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self.choices.disconnect_viewer()
        self.follower.disconnect_viewer()
        self.maps.restore()

    def _resume(self) -> None:
        """Resume following with the map that an earlier dock left."""
        evidence = self.maps.attach()
        if evidence is not None:
            self.choices.resume(evidence)
            self._followed, self._asked_at = evidence.target.layer, evidence.target.at
            self._advise("")

    @property
    def _is_following(self) -> bool:
        """Whether a map of the chosen image follows the options."""
        return self._followed is not None and self._followed == self.images.layer

    def _follow(self) -> None:
        """Explain the current options; whole volumes only on request."""
        if self._explainer.is_busy:
            self._missed = True
        elif not self._is_following or self.choices.is_whole or self.choices.disabled_reason():
            self.refresh()
        elif not self._explainer.is_yielding:  # otherwise the next run reads the options anyway
            self._explainer.run_or_preempt(partial(self._begin, whole=False))

    def _begin(self, whole: bool, path: Path | None = None) -> None:
        layer, at = self.images.layer, self.choices.at
        changed = path is None and whole != self.choices.is_whole
        if changed or self.choices.disabled_reason():
            self.refresh()  # the options changed while another job was stopping
            return
        target = Target(layer, at, whole)
        try:
            if path is None:
                task = self.choices.task(target)
            else:
                task = self.choices.saving(target, path, self.maps.shown)
        except NothingAskedError as error:
            self._advise(str(error))
            return
        except RetinaSegError as error:
            self.status.show_result(JobStatus.FAILED, str(error))
            return
        self._advice = ""
        self.work.show_work(True)
        if path is not None:
            self._explainer.save(task)
        else:
            self._followed = None if whole else layer
            self._asked_at = at
            self._explainer.explain(task, target)
        self.refresh()

    # Signal handlers

    def _on_choice(self) -> None:
        """Update the live map."""
        if self._is_following and not self.choices.is_whole:
            self._advise("")
            self._soon.start()
        else:
            self._advise("" if self.choices.disabled_reason() else _PRESS)

    def _advise(self, words: str) -> None:
        """Show a hint on what to do next, in place of the last result."""
        self._advice = words
        if not self._explainer.is_running:
            self.status.say(words)
        self.refresh()

    def _on_look(self, look: ColorSettings) -> None:
        self.maps.restyle(look)
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
        if self._is_following and not self.choices.is_whole and self.choices.at != self._asked_at:
            self._soon.start()

    def _on_mask(self) -> None:
        """Choose the model that made the selected mask."""
        self.images.follow()  # the image first, as it determines the models
        self.models.turn_to(drawn_by(self.follower.mask))
        if self.follower.mask is not None and not self._is_following:
            self.choices.suggest_class_of(self.follower.mask)
        self.refresh()

    def _on_label(self, mask: Labels) -> None:
        """Explain the class that was chosen in a mask."""
        if not (self._is_following or self.isVisible()):
            return
        self.models.turn_to(drawn_by(mask))
        if self.models.model is None:
            return
        try:
            value = class_in(self.models.model, mask)
        except ModelError as error:
            self.status.show_result(JobStatus.FAILED, str(error))
            return
        has_map = self.is_running or self.maps.live is not None
        if self._is_following and self.classes.is_all and has_map:
            self.maps.turn_to(value)
            return
        self._followed = self.images.layer
        self.classes.choose_value(value)

    def _on_removed(self, event: Event) -> None:
        self._explainer.cancel_for(event.value)
        self.choices.drop_cache(event.value)
        if event.value is self.maps.live:
            self.maps.keep()
            self._followed = None
        self.maps.tidy()
        self.refresh()

    def _on_progress(self, step: Progress, time_left: str) -> None:
        self.work.show_step(step, time_left)
        if self.work.cancel_button.isEnabled():
            self.status.say(f"{step.message}.")

    def _on_preempted(self) -> None:
        self.work.show_work(False)
        self.status.say("")

    def _on_done(self, outcome: JobResult) -> None:
        self.work.show_work(False)
        self.maps.tidy()
        self.maps.wanted = None
        if self._missed:
            self._missed = False
            self._soon.start()
        if outcome.end is JobStatus.SUCCEEDED and self._explainer.is_empty_handed:
            self._advise(outcome.message)
        else:
            self.status.show_result(outcome.end, outcome.message)
        self.refresh()
        self.finished.emit(outcome)

    def _show_class(self) -> None:
        name, other = self.maps.class_shown, foreign(self.follower.mask, self.models.names)
        lines = [f"Class shown: {name}" if name else "", other]
        self.shown.setText("\n".join(filter(None, lines)))
        self.shown.setVisible(any(lines))
        evidence, row = self.maps.seen or (None, 0)
        top = (0.0, "") if evidence is None else evidence.top(row, self.looks.look.shared)
        self.looks.show_scale(*top)
        self.maps.outline()

    def _ask_where(self) -> None:
        scheme = self.models.model.spec.scheme
        path = ask_where(self, self.images.layer, scheme, self.methods.method)
        if path is not None:
            self.save(path)

"""A tool that waits for clicks on the active mask."""

from __future__ import annotations

import napari
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_retina_seg._napari.clicks import CanvasClicks
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.widgets import stack, text
from napari_retina_seg.editing.vessels import Pixel


class ClickTool(QWidget):
    """A button that starts and ends the clicking, and a note that says what a click does.

    Signals
    -------
    taken : ()
        It waits for clicks: other mouse tools should be deactivated.
    reported : (JobStatus, str)
        A result message.
    """

    taken = Signal()
    reported = Signal(object, str)

    def __init__(self, viewer: napari.Viewer, active: ActiveMask, name: str) -> None:
        super().__init__()
        self._active_mask = active
        self._clicks = CanvasClicks(viewer)
        self._name = name  # of the button while it is off
        self.button = QPushButton(name)
        self.button.setCheckable(True)
        self._note = text()
        self._note.setVisible(False)
        self.setLayout(stack(self.button, self._note))
        self.button.clicked.connect(self._on_button)
        self._clicks.clicked.connect(self._on_click)
        self._clicks.stopped.connect(self.deactivate)

    @property
    def is_on(self) -> bool:
        """Whether it waits for clicks."""
        return self._clicks.is_on

    def deactivate(self) -> None:
        """Stop waiting for clicks."""
        self._clicks.stop()
        self.button.setChecked(False)
        self.button.setText(self._name)
        self._note.setVisible(False)

    def cleanup(self) -> None:
        """Disconnect: the dock is closing."""
        self.deactivate()

    def _on_button(self, on: bool) -> None:
        if on:
            self._start()
        else:
            self.deactivate()

    def _start(self) -> None:
        """Wait for clicks."""
        raise NotImplementedError

    def _on_click(self, point: Pixel) -> None:
        raise NotImplementedError

    def _listen(self, name: str) -> None:
        """Take the clicks on the active mask; `name` is that of the button meanwhile."""
        self.taken.emit()
        self._clicks.listen(self._active_mask.labels)
        self.button.setChecked(True)
        self.button.setText(name)

    def _show_note(self, words: str) -> None:
        self._note.setText(words)
        self._note.setVisible(True)

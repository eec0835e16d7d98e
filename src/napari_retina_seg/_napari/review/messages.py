"""Messages of the Review dock: in its status line, or in front of it where it is not seen."""

from __future__ import annotations

import napari
from napari.layers import Labels
from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, QTimer

from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.masks.mask_watch import PassingMessage
from napari_retina_seg._napari.widgets import StatusLine
from napari_retina_seg.types.text import displayed

_WARNING_MS = 8_000  # for which progress does not cover a warning


class ReviewMessages(QObject):
    """Show messages of the Review dock in its status line.

    A request that was not carried out brings the dock to the front. Other messages leave the dock
    that is in front there, and are shown by napari or in that dock.

    Attributes
    ----------
    status : StatusLine
        The status line, to be laid out in the dock.
    """

    def __init__(self, dock: Dock, viewer: napari.Viewer) -> None:
        super().__init__(dock)
        self._dock = dock
        self.status = StatusLine()
        self.status.keep_place()
        self._passing = PassingMessage(self.status, viewer)
        self._warning_shown = QTimer(self, singleShot=True, interval=_WARNING_MS)

    def show(self, end: JobStatus | None, sentence: str, *, doubtful: bool = False) -> None:
        """Show how a request ended; None if it was not carried out."""
        if end is None:
            self.status.show_message(sentence)
        else:
            self.status.show_result(end, sentence, doubtful=doubtful)
        if sentence and end in (None, JobStatus.FAILED):
            self._dock.bring_to_front()
        elif sentence and self._is_covered:
            show_info(displayed(sentence))

    def show_progress(self, sentence: str) -> None:
        """Show progress, unless a warning was shown a moment ago."""
        if not self._warning_shown.isActive():
            self.status.show_message(sentence)

    def show_until_change(self, sentence: str, mask: Labels | None) -> None:
        """Show that a request succeeded, until the mask is changed."""
        self.show(JobStatus.SUCCEEDED, sentence)
        self._passing.until_change(mask)

    def warn_until_change(self, sentence: str, mask: Labels | None) -> None:
        """Show a warning about a mask, until the mask is changed."""
        self.status.warn(sentence)
        self._passing.until_change(mask)

    def warn(self, sentence: str, mask: Labels | None) -> None:
        """Show a warning also in the dock in front; until the mask is changed, if there is one."""
        self.status.warn(sentence)
        if mask is not None:
            self._passing.until_change(mask)
        self._warning_shown.start()
        if self._is_covered:
            self._dock.warn_in_front(sentence)

    def cleanup(self) -> None:
        """Disconnect: the dock is closing."""
        self._passing.cleanup()

    @property
    def _is_covered(self) -> bool:
        """Whether another dock is in front."""
        return self._dock.visibleRegion().isEmpty()

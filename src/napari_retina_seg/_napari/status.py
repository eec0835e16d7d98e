"""Status line: ready, running, succeeded, cancelled or failed."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from napari_retina_seg._napari.job import JobStatus

# White on these has a contrast above 5 : 1; sign and word carry the meaning without the colour.
AMBER = "#8f5a00"
_LOOKS = {
    JobStatus.SUCCEEDED: ("✔", "Done", "#1b6e3c"),
    JobStatus.CANCELLED: ("■", "Cancelled", "#7a5200"),
    JobStatus.FAILED: ("✖", "Failed", "#a8201a"),
}
_DOUBTFUL = ("⚠", "Done, with a warning", AMBER)


def _look(color: str) -> str:
    return f"QLabel {{ background: {color}; color: white; border-radius: 4px; padding: 6px; }}"


WARNS = _look(AMBER)  # the style sheet of a label that holds a warning


class StatusLine(QLabel):
    """Wrapping message with a distinct look for success, warning, cancellation and failure."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.end: JobStatus | None = None

    def say(self, sentence: str) -> None:
        """Show a neutral message, or clear it."""
        self.end = None
        self.setStyleSheet("")
        self.setText(sentence)
        self.setVisible(bool(sentence))

    def warn(self, sentence: str) -> None:
        """Show a warning about an earlier result."""
        self.end = None
        self.setStyleSheet(WARNS)
        self.setText(f"{_DOUBTFUL[0]} {sentence}")
        self.setVisible(True)

    def show_result(self, end: JobStatus, sentence: str, *, doubtful: bool = False) -> None:
        """Show a job's result; a doubtful one does not look like success."""
        self.end = end
        sign, word, color = _DOUBTFUL if doubtful and end is JobStatus.SUCCEEDED else _LOOKS[end]
        self.setStyleSheet(_look(color))
        text = sentence if sentence.startswith(word) else f"{word}: {sentence}"
        self.setText(f"{sign} {text}")
        self.setVisible(True)

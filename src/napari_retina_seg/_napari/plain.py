"""Text of others in Qt, which guesses HTML from tags and shortcuts from ``&``."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from napari_retina_seg.types.text import displayed


def qt_text(words: str) -> str:
    """Return text for tooltips and message boxes, where Qt takes tags for HTML."""
    shown = displayed(words, lines=True)
    if not Qt.mightBeRichText(shown):
        return shown
    return f"<span>{escape(shown)}</span>".replace("\n", "<br>")


def button_text(words: str) -> str:
    """Return text for buttons and menus, where Qt takes ``&`` for a shortcut."""
    return displayed(words).replace("&", "&&")


class PlainLabel(QLabel):
    """Label that shows every text sign by sign."""

    def __init__(self, words: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(words)

    def setText(self, words: str) -> None:  # noqa: N802 - Qt's
        """Show a text."""
        super().setText(displayed(words, lines=True))

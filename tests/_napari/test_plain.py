"""Names and comments in labels, tooltips, buttons and lists of the docks."""

import numpy as np
import pytest
from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import QPushButton

from hostile import HOSTILE, hidden_in
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import image_layers
from napari_retina_seg._napari.plain import PlainLabel, button_text, qt_text
from napari_retina_seg._napari.widgets import StatusLine, text
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.text import displayed


def rendered(words):
    """Return what Qt shows of the text of a tooltip or message box."""
    if not Qt.mightBeRichText(words):
        return words
    document = QTextDocument()
    document.setHtml(words)
    return document.toPlainText()


@pytest.mark.parametrize("words", [*HOSTILE, "two\nlines <b>of</b> text"])
def test_tooltips_and_questions_show_tags(qtbot, words):
    assert rendered(qt_text(words)) == displayed(words, lines=True)


@pytest.mark.parametrize("words", HOSTILE)
def test_labels_and_buttons_show_tags_and_ampersands(qtbot, words):
    status = StatusLine()
    qtbot.addWidget(status)
    status.show_result(JobStatus.FAILED, words)
    for label in (text(words), PlainLabel(words), status):
        qtbot.addWidget(label)
        assert label.textFormat() == Qt.TextFormat.PlainText
        assert displayed(words, lines=True) in label.text()
    button = QPushButton(button_text(words))
    qtbot.addWidget(button)
    assert button.shortcut().isEmpty()
    metrics, room = button.fontMetrics(), QRect(0, 0, 9999, 99)
    shown = metrics.boundingRect(room, Qt.TextFlag.TextShowMnemonic, button.text())
    assert shown == metrics.boundingRect(room, 0, displayed(words))


@pytest.mark.parametrize("words", HOSTILE)
def test_layers_have_names_that_can_be_read(words):
    image = RetinaImage(np.zeros((8, 8), np.uint8), name=words)
    ((_, options, _),) = image_layers(image)
    assert not hidden_in(options["name"], lines=False)

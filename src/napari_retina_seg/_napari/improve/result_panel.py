"""What an improvement found: scores, images to look at, and the buttons that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_retina_seg._napari.improve.image_list import ImageList
from napari_retina_seg._napari.improve.proof_view import ProofView
from napari_retina_seg._napari.improve.runs import read_proof
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.widgets import open_in_browser, stack, text
from napari_retina_seg.reports.improvement import HTML_FILE
from napari_retina_seg.workflows.improvement_log import Ended

_HINT = (
    "Double-click an image to see both masks beside the corrected one: blue is missing, red is"
    " drawn wrongly."
)


class ResultPanel(QWidget):
    """The proof of a finished improvement; hidden as long as there is none.

    Signals
    -------
    promote_wanted, clear_wanted : ()
        A button was pressed.
    """

    promote_wanted = Signal()
    clear_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._folder: Path | None = None
        self.proof, self.images, self.harm, self.hint = ProofView(), ImageList(), text(), text()
        self.report_button = QPushButton("Open the report")
        self.report_button.setToolTip("All scores, and the images that got better and worse.")
        self.promote_button = QPushButton("Use the new model")
        self.clear_button = QPushButton("Close the comparison")
        self.clear_button.setToolTip("Remove the compared masks, and show the other layers again.")
        self.hint.setText(_HINT)
        buttons = stack(self.promote_button, self.report_button, horizontal=True)
        self.setLayout(
            stack(buttons, self.proof, self.hint, self.images, self.clear_button, self.harm)
        )
        self.promote_button.clicked.connect(self.promote_wanted)
        self.clear_button.clicked.connect(self.clear_wanted)
        self.report_button.clicked.connect(self.open_report)
        self.show_run(None, {})

    def show_run(self, folder: Path | None, names: Mapping[int, str]) -> None:
        """Read the proof in a run's folder; None for none."""
        self._folder = folder
        found = None if folder is None else read_proof(folder)
        self.proof.show_proof(found)
        images = () if found is None else found.images
        self.images.show_images(images, names)
        self.hint.setVisible(bool(images))

    def refresh(self, end: Ended | None, *, compares: bool) -> None:
        """Show what may be done with a finished run; None of one that is not finished."""
        has_result = end is not None and bool(end.summary)
        self.setVisible(has_result)
        self.clear_button.setVisible(compares)
        self.harm.setText("" if end is None else end.harm)
        can = end is not None and end.proven and not end.promoted
        self.promote_button.setEnabled(can)
        tip = "Test it once more, and make it the model of this project."
        if end is not None and end.promoted:
            tip = "It is the model of this project already."
        elif end is not None and not end.proven:
            tip = qt_text(end.verdict)
        self.promote_button.setToolTip(tip)

    def open_report(self) -> None:
        """Open the report in the browser."""
        if self._folder is not None:
            open_in_browser(self._folder / HTML_FILE)

"""Save the selected mask to a file: by a button, or when the window closes."""

from __future__ import annotations

import re

import napari
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMainWindow, QMessageBox, QPushButton, QWidget

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY, find_image_of
from napari_retina_seg._napari.masks.unsaved_masks import UnsavedMasks
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg._napari.save_dialog import ask_for_file
from napari_retina_seg._napari.writer import save_mask
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.file_names import safe_name

_KINDS = "Class masks (*.png *.tif *.tiff *.nii *.nii.gz)"
_DOES = (
    "Save the mask to a file: its class values with names and colours. It is a PNG, or a TIFF for"
    " a volume; name it .nii.gz for NIfTI. In a project, Save in the Review dock keeps it."
)
_NO_MASK = "Select a mask in the layer list to save it."


class SaveMaskButton(QPushButton):
    """Asks for a file and writes the current mask to it.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer with the mask's image.

    Signals
    -------
    reported : (JobStatus, str)
        A result message.
    """

    reported = Signal(object, str)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__("Save mask…")
        self._viewer = viewer
        self._mask: Labels | None = None
        self.clicked.connect(self._save)
        self.show_mask(None)

    def show_mask(self, mask: Labels | None) -> None:
        """Set the mask that is saved."""
        self._mask = mask
        self.setEnabled(mask is not None)
        self.setToolTip(_NO_MASK if mask is None else _DOES)

    def _save(self) -> None:
        if self._mask is not None:
            result = ask_and_save(self, self._viewer, self._mask)
            if result is not None:
                self.reported.emit(*result)


def ask_and_save(
    parent: QWidget, viewer: napari.Viewer, mask: Labels
) -> tuple[JobStatus, str] | None:
    """Ask for a file and save a mask there; return the result, or None if it was cancelled."""
    data, attributes, _ = mask.as_layer_data_tuple()
    name = mask.metadata[KEY].image or re.sub("_mask$", "", mask.name)
    image = find_image_of(mask, viewer.layers)
    planes = [size for size in data.shape[:-2] if size > 1]
    offered = f"{safe_name(name)}_mask.{'tif' if planes else 'png'}"
    path = ask_for_file(parent, f"Save '{mask.name}'", _KINDS, offered, "masks", image)
    if path is None:
        return None
    try:
        saved = save_mask(path, data, attributes)
    except RetinaSegError as error:
        return JobStatus.FAILED, str(error)
    return JobStatus.SUCCEEDED, f"'{attributes['name']}' saved as '{saved}'."


def ask_on_close(main: QMainWindow, viewer: napari.Viewer) -> None:
    """Ask before a window closes over masks that are saved nowhere."""

    def save(main: QMainWindow, mask: Labels) -> bool:
        result = ask_and_save(main, viewer, mask)
        if result is not None and result[0] is JobStatus.FAILED:
            QMessageBox.warning(main, "Not saved", qt_text(result[1]))
        return result is not None and result[0] is JobStatus.SUCCEEDED

    UnsavedMasks.of(viewer).ask_on_close(main, save)

"""The button that saves the selected mask to a file."""

from __future__ import annotations

import re

import napari
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton

from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY, find_image_of
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
        mask = self._mask
        if mask is None:
            return
        data, attributes, _ = mask.as_layer_data_tuple()
        name = mask.metadata[KEY].image or re.sub("_mask$", "", mask.name)
        image = find_image_of(mask, self._viewer.layers)
        planes = [size for size in data.shape[:-2] if size > 1]
        offered = f"{safe_name(name)}_mask.{'tif' if planes else 'png'}"
        path = ask_for_file(self, "Save mask", _KINDS, offered, "masks", image)
        if path is None:
            return
        try:
            saved = save_mask(path, data, attributes)
        except RetinaSegError as error:
            self.reported.emit(JobStatus.FAILED, str(error))
        else:
            self.reported.emit(JobStatus.SUCCEEDED, f"'{attributes['name']}' saved as '{saved}'.")

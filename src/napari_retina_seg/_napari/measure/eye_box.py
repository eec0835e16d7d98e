"""Which eye an image shows: as its file says, or as the user states."""

from __future__ import annotations

from napari.layers import Image
from qtpy.QtWidgets import QComboBox
from superqt.utils import signals_blocked

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.measure.marks import MarkHistory
from napari_retina_seg._napari.widgets import elide
from napari_retina_seg.types.image import Laterality

_EYES = (("", None), ("OD, right", Laterality.RIGHT), ("OS, left", Laterality.LEFT))


class EyeBox(QComboBox):
    """Remembers which eye the user stated, for one image alone."""

    def __init__(self) -> None:
        super().__init__()
        elide(self)
        self.addItems([name for name, _ in _EYES])
        self.setToolTip("Which eye; without it no side is called nasal or temporal.")
        self._history: MarkHistory | None = None
        self.currentIndexChanged.connect(self._on_chosen)

    @property
    def stated(self) -> Laterality | None:
        """The eye that the user stated; None for that of the file."""
        return _EYES[self.currentIndex()][1]

    def show_image(self, image: Image | None, history: MarkHistory | None) -> None:
        """Show which eye an image shows by its file, and which one the user stated."""
        self._history = history
        known = None if image is None else image.metadata.get(KEY)
        eye = Laterality.UNKNOWN if known is None else known.laterality
        unknown = eye is Laterality.UNKNOWN
        stated = None if history is None else history.eye
        with signals_blocked(self):
            self.setItemText(0, "Not known from the file" if unknown else f"{eye}, by the file")
            self.setCurrentIndex([each for _, each in _EYES].index(stated))

    def _on_chosen(self) -> None:
        if self._history is not None:
            self._history.eye = self.stated

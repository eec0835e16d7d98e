"""Which other mask the active one is compared with: an earlier visit, or the fellow eye."""

from __future__ import annotations

import napari
from napari.layers import Labels
from qtpy.QtWidgets import QFormLayout, QWidget
from superqt.utils import signals_blocked

from napari_retina_seg._napari.layers import KEY, have_same_image
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg._napari.widgets import add_row, combo_box
from napari_retina_seg.workflows.comparing import ASYMMETRY, FOLLOW_UP, Kind

_NOTHING = "Nothing"
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("Earlier visit of this eye", FOLLOW_UP),
    ("Fellow eye", ASYMMETRY),
)


class CompareRows(QWidget):
    """Lists the open masks of other images with the same layers."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._masks: list[Labels] = []
        self._wanted: Labels | None = None  # by the user, also while another layer is selected
        self.box, self.kind = combo_box(), combo_box()
        self.box.setToolTip(
            "An open mask of another image: thickness is compared in the ETDRS subfields and as a"
            " map, registered by the fovea."
        )
        self.kind.addItems([title for title, _ in _KINDS])
        self.kind.setToolTip("What the other mask is of.")
        self._form = QFormLayout(self)
        add_row(self._form, "Compare with", self.box)
        add_row(self._form, "which is", self.kind)
        self.box.currentIndexChanged.connect(self._on_chosen)
        self.show_mask(None)

    @property
    def chosen(self) -> tuple[Labels, Kind] | None:
        """The other mask, and what it is of."""
        row = self.box.currentIndex() - 1
        if not 0 <= row < len(self._masks):
            return None
        return self._masks[row], _KINDS[self.kind.currentIndex()][1]

    def show_mask(self, mask: Labels | None) -> None:
        """List what the mask can be compared with; keep the choice if it is still there."""
        if self._wanted not in self._viewer.layers:
            self._wanted = None
        self._masks = [] if mask is None else [each for each in self._viewer.layers
                                               if _has_layers_of(each, mask)]  # fmt: skip
        with signals_blocked(self.box):
            self.box.clear()
            self.box.addItems([_NOTHING, *(each.name for each in self._masks)])
            if self._wanted in self._masks:
                self.box.setCurrentIndex(self._masks.index(self._wanted) + 1)
        self.setVisible(bool(self._masks))
        self._show_kind()

    def _on_chosen(self, index: int) -> None:
        self._wanted = self._masks[index - 1] if index > 0 else None
        self._show_kind()

    def _show_kind(self) -> None:
        self._form.setRowVisible(self.kind, self.chosen is not None)


def _has_layers_of(layer: object, mask: Labels) -> bool:
    if not isinstance(layer, Labels) or layer == mask or have_same_image(layer, mask):
        return False  # of the same scan it is neither an earlier visit nor the fellow eye
    info, own = layer.metadata.get(KEY), mask.metadata[KEY]
    surfaces = own.scheme.surfaces
    return bool(surfaces) and isinstance(info, MaskInfo) and info.scheme.surfaces == surfaces

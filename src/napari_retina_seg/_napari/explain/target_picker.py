"""Choose the target pixels: a class, a region of a layer, or a clicked point."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Layer, Shapes
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_retina_seg._napari.clicks import is_click
from napari_retina_seg._napari.explain.mark import Mark
from napari_retina_seg._napari.layers import (
    KEY,
    Position,
    data_point,
    finest,
    is_beside,
    world_place,
)
from napari_retina_seg._napari.regions import is_region, region
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg._napari.results import Target as Place
from napari_retina_seg._napari.widgets import ElidedComboBox, add_row, narrow, text
from napari_retina_seg.imaging.target import Point, Region, Target, WholeClass
from napari_retina_seg.types.errors import ImageError, RetinaSegError

if TYPE_CHECKING:
    import napari

log = logging.getLogger(__name__)

CLASS, REGION, POINT = "Whole predicted class", "Region in a layer", "Clicked point"
_CLICK = "Click on the image, with the layer in pan/zoom mode."
_FLAT = "Points can only be chosen in 2D: switch off the 3D view, then click on the image."
_TOOL_ACTIVE = (
    "Switch the layer to pan/zoom first, with the button in the layer controls: the active tool"
    " uses clicks."
)
_FREE_MODES = ("pan_zoom", "transform", "none")


class NothingAskedError(ImageError):
    """The target is still empty; the message says what to do. Not a failure."""


class TargetPicker(QWidget):
    """Follows the viewer's layers, and its mouse while a point is chosen.

    Signals
    -------
    changed : ()
        The target changed.
    clicked : (tuple of float)
        World coordinates of a click, while a point is chosen.
    unheard : (str)
        Why a click was ignored.
    """

    changed = Signal()
    clicked = Signal(object)
    unheard = Signal(str)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers: list[Layer] = []
        self._point: tuple[Layer, Point] | None = None
        self._clicked: tuple[float, ...] = ()  # world coordinates
        self._mark = Mark(viewer)
        self._image: Layer | None = None  # the explained image
        self._lost = False  # the region's layer was removed
        self._is_chosen = False  # by the user
        self._kind = narrow(ElidedComboBox())
        self._kind.addItems([CLASS, REGION, POINT])
        self._kind.setToolTip(
            "Pixels to explain: all that the model assigned to the class, those of a region, or the"
            " one that you click."
        )
        self._box = narrow(ElidedComboBox())
        self._box.setToolTip(
            "Labels or Shapes layer with the region: the selected class of a model's mask, all"
            " painted pixels of other labels, or the inside of shapes."
        )
        self._box.setPlaceholderText("Choose a layer")
        self._note = text()
        self._form = QFormLayout()
        add_row(self._form, "Target", self._kind)
        add_row(self._form, "Region", self._box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._form)
        layout.addWidget(self._note)
        self._kind.activated.connect(self._on_kind)
        self._box.activated.connect(self._on_layer)
        self._connect(True)
        self._refresh()
        self._show()

    @property
    def kind(self) -> str:
        """One of CLASS, REGION, POINT."""
        return self._kind.currentText()

    @property
    def layer(self) -> Labels | Shapes | None:
        """The layer with the region."""
        index = self._box.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    @property
    def note(self) -> str:
        """The displayed note."""
        return "" if self._note.isHidden() else self._note.text()

    def choose(self, kind: str, layer: Layer | None = None) -> None:
        """Choose a target."""
        self._kind.setCurrentText(kind)
        if layer is not None:
            self._box.setCurrentIndex(self._layers.index(layer))
            self._lost, self._is_chosen = False, True
        self._on_kind()

    def place(self, layer: Layer, position: tuple[float, ...]) -> None:
        """Choose the pixel of an image at a world position.

        Raises
        ------
        ImageError
            If it is outside the image, or the view is 3D; the earlier point is kept.
        """
        if self._viewer.dims.ndisplay == 3:
            raise ImageError(_FLAT)
        units = self._viewer.layers.extent.units
        if is_beside(layer, position, units):
            raise ImageError(f"No slice of '{layer.name}' lies there: click on one.")
        row, column = data_point(layer, position, units)[-2:]
        point = Point(int(row), int(column))
        _check_inside(point, layer)
        self._point = layer, point
        self._clicked = position
        self.turn_to(layer)

    def resume(self, layer: Layer, at: Position, target: Target) -> None:
        """Restore an earlier target; a region's layer is not known any more."""
        self._kind.setCurrentText(POINT if isinstance(target, Point) else CLASS)
        if isinstance(target, Point):
            place = (*at.leading, at.index, target.row, target.column)[-layer.ndim :]
            self._point = layer, target
            self._clicked = world_place(layer, place, self._viewer.layers.extent.units)
        self.turn_to(layer)

    def turn_to(self, image: Layer | None) -> None:
        """Show the target of an image; points of other images are hidden."""
        self._image = image
        self._show()

    @property
    def world(self) -> tuple[float, ...]:
        """World position to explain: the sliders', and the clicked one on the displayed axes."""
        dims = self._viewer.dims
        world = list(dims.point)
        if self.kind == POINT:
            # The slice axis may be displayed. A map may have added a leading axis.
            for axis in dims.displayed:
                if dims.ndim - axis <= len(self._clicked):
                    world[axis] = self._clicked[axis - dims.ndim]
        return tuple(world)

    def disabled_reason(self, image: Layer) -> str:
        """Return why an image can't be explained; empty if it can."""
        if self.kind == REGION and self._lost:
            return "The layer with the region was removed: choose another one."
        if self.kind == REGION and self.layer is None and self._layers:
            return "Choose the layer with the region."
        if self.kind == REGION and self.layer is None:
            return "There is no region: add a Labels or Shapes layer and mark one."
        if self.kind == POINT and self._asked(image) is None:
            return "Click on the image to choose a point."
        return ""

    def target(self, place: Place) -> Target:
        """Return the target.

        Raises
        ------
        ImageError
            If the point is outside the image, or the region is empty or can't be read.
        """
        if self.kind == REGION:
            found = self._region(place)
            if not found.mask.any():
                raise NothingAskedError(
                    f"'{place.layer.name}'"
                    f"{'' if place.index is None else f', slice {place.index},'} has no pixels of"
                    f" {found.name}: paint or draw there first."
                )
            return found
        if self.kind == CLASS:
            return WholeClass()
        point = self._point[1]
        _check_inside(point, place.layer)  # checked again: the pixels may have been replaced
        return point

    def disconnect_viewer(self) -> None:
        """Disconnect: the dock is closing."""
        self._connect(False)
        self._mark.hide()

    def _connect(self, on: bool) -> None:
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            (event.connect if on else event.disconnect)(self._refresh)
        callbacks = self._viewer.mouse_drag_callbacks
        if on:
            callbacks.append(self._on_mouse)
        elif self._on_mouse in callbacks:
            callbacks.remove(self._on_mouse)

    def _refresh(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        before = self.layer
        self._layers = [layer for layer in self._viewer.layers if is_region(layer)]
        removed = before is not None and before not in self._layers
        self._lost = bool(self._layers) and self.kind == REGION and (removed or self._lost)
        self._box.clear()
        for row, layer in enumerate(self._layers):
            self._box.addItem(layer.name)
            self._box.setItemData(row, layer.name, Qt.ItemDataRole.ToolTipRole)
        self._box.setCurrentIndex(self._row(before))
        self._box.setEnabled(bool(self._layers))
        if removed and self.kind == REGION:
            self.changed.emit()

    def _row(self, before: Layer | None) -> int:
        """Return the row of the chosen layer, or of the only suitable one."""
        own = [layer for layer in self._layers if not isinstance(layer.metadata.get(KEY), MaskInfo)]
        if before in self._layers and (self._is_chosen or self.kind == REGION):
            return self._layers.index(before)
        self._is_chosen = False
        return self._layers.index(own[0]) if len(own) == 1 and not self._lost else -1

    def _region(self, place: Place) -> Region:
        try:
            return region(self.layer, place)
        except RetinaSegError:
            raise
        except Exception as error:
            log.exception("reading the region in '%s' failed", self.layer.name)
            raise ImageError(
                f"The region in '{self.layer.name}' can't be read: {error}. Paint it into a new"
                " Labels layer."
            ) from error

    def _on_layer(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._lost, self._is_chosen = False, True
        self.changed.emit()

    def _on_kind(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        if self.kind == POINT and not self._is_free():
            self._viewer.layers.selection.active.mode = (
                "pan_zoom"  # otherwise the click would paint
            )
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        self._form.setRowVisible(1, self.kind == REGION)
        point = self._asked(self._image)
        self._note.setText(_CLICK if point is None else f"{self._place_words(point)}. {_CLICK}")
        self._note.setVisible(self.kind == POINT)
        if self.kind == POINT and point is not None:
            self._mark.show(self._clicked)
        else:
            self._mark.hide()

    def _asked(self, image: Layer | None) -> Point | None:
        """Return the point chosen in an image, or None."""
        return self._point[1] if self._point is not None and self._point[0] == image else None

    def _place_words(self, point: Point) -> str:
        """Describe a point: its pixel and, if known, the status bar's coordinates."""
        words = f"Row {point.row}, column {point.column}"
        if not all(unit.is_compatible_with("um") for unit in self._image.units[-2:]):
            return words
        shown = self._image.get_status(
            self._clicked, dims_displayed=list(self._viewer.dims.displayed), world=True
        )
        place = ", ".join(shown["coords"].strip("[]").split(", ")[-2:])
        return f"{words}: [{place}] {self._image.units[-1]:~P}"

    def _on_mouse(
        self,
        viewer: Any,  # noqa: ARG002 - passed by napari
        event: Any,
    ) -> Generator[None, None, None]:
        """Handle clicks; drags move the image."""
        if self.kind != POINT or event.button != 1:
            return
        if not self._is_free():
            self.unheard.emit(_TOOL_ACTIVE)
            return
        position = tuple(event.position)
        if (yield from is_click(event)):
            self.clicked.emit(position)

    def _is_free(self) -> bool:
        """Whether no other tool uses clicks."""
        active = self._viewer.layers.selection.active
        return active is None or str(getattr(active, "mode", "none")) in _FREE_MODES


def _check_inside(point: Point, image: Layer) -> None:
    rows, columns = finest(image).shape[image.ndim - 2 : image.ndim]
    if not (0 <= point.row < rows and 0 <= point.column < columns):
        raise ImageError(
            f"The point at row {point.row}, column {point.column} is outside '{image.name}'"
            f" ({rows} × {columns} px): click on the image."
        )

"""Choose the target pixels: a class, a region of a layer, or a clicked point."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any

import napari
from napari.layers import Labels, Layer, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_retina_seg._napari.clicks import is_click, is_mouse_taken
from napari_retina_seg._napari.explain.overlays import Mark
from napari_retina_seg._napari.explain.regions import is_region, region
from napari_retina_seg._napari.image_picker import LayerChoice
from napari_retina_seg._napari.layers import (
    KEY,
    Position,
    data_point,
    finest,
    is_off_slice,
    world_place,
)
from napari_retina_seg._napari.results import ImagePart, MaskInfo
from napari_retina_seg._napari.widgets import add_row, combo_box, stack, text
from napari_retina_seg.imaging.target import Point, Region, Target, WholeClass
from napari_retina_seg.types.errors import ImageError, RetinaSegError
from napari_retina_seg.types.text import displayed

log = logging.getLogger(__name__)

CLASS, REGION, POINT = "Whole predicted class", "Region in a layer", "Clicked point"
_CLICK = "Click on the image, with the layer in pan/zoom mode."
_FLAT = "Points can only be chosen in 2D: switch off the 3D view, then click on the image."
_TOOL_ACTIVE = (
    "The active tool uses clicks: press Esc, or switch the layer to pan/zoom in the layer controls."
)
_FREE_MODES = ("pan_zoom", "transform", "none")


class EmptyTargetError(ImageError):
    """The target is still empty; the message says what to do. Not a failure."""


class TargetPicker(QWidget):
    """Follows the viewer's layers, and its mouse while a point is chosen.

    Signals
    -------
    changed : ()
        The target changed.
    clicked : (tuple of float)
        World coordinates of a click, while a point is chosen.
    click_ignored : (str)
        Why a click was ignored.

    Attributes
    ----------
    is_in_front : bool
        Whether clicks on the image are for this dock: another one may be in front of it.
    """

    changed = Signal()
    clicked = Signal(object)
    click_ignored = Signal(str)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._point: tuple[Layer, Point] | None = None
        self._clicked: tuple[float, ...] = ()  # world coordinates
        self._mark = Mark(viewer)
        self._image: Layer | None = None  # the explained image
        self._is_region_removed = False  # the region's layer was removed
        self._is_chosen = False  # by the user
        self.is_in_front = True  # else clicks are for another dock
        self.kind_box = combo_box()
        self.kind_box.addItems([CLASS, REGION, POINT])
        self.kind_box.setToolTip(
            "Pixels to explain: all that the model assigned to the class, those of a region, or the"
            " one that you click."
        )
        self._regions = LayerChoice(viewer, Labels, is_region)
        self.region_box = self._regions.native
        self.region_box.setToolTip(
            "Labels or Shapes layer with the region: the selected class of a model's mask, all"
            " painted pixels of other labels, or the inside of shapes."
        )
        self.region_box.setPlaceholderText("Choose a layer")
        self.note = text()
        self._form = QFormLayout()
        add_row(self._form, "Target", self.kind_box)
        add_row(self._form, "Region", self.region_box)
        self.setLayout(stack(self._form, self.note))
        self.kind_box.activated.connect(self._on_kind)
        self.region_box.activated.connect(self._on_layer)
        self._regions.listed.connect(self._on_listed)
        self._connect(True)
        self._on_listed(None)
        self._show()

    @property
    def kind(self) -> str:
        """One of CLASS, REGION, POINT."""
        return self.kind_box.currentText()

    @property
    def layer(self) -> Labels | Shapes | None:
        """The layer with the region."""
        return self._regions.layer

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
        if is_off_slice(layer, position, units):
            raise ImageError(f"No slice of '{layer.name}' lies there: click on one.")
        row, column = data_point(layer, position, units)[-2:]
        point = Point(int(row), int(column))
        _check_inside(point, layer)
        self._point = layer, point
        self._clicked = position
        self.select(layer)

    def resume(self, layer: Layer, at: Position, target: Target) -> None:
        """Restore an earlier target; a region's layer is not known any more."""
        self.kind_box.setCurrentText(POINT if isinstance(target, Point) else CLASS)
        if isinstance(target, Point):
            place = (*at.leading, at.index, target.row, target.column)[-layer.ndim :]
            self._point = layer, target
            self._clicked = world_place(layer, place, self._viewer.layers.extent.units)
        self.select(layer)

    def select(self, image: Layer | None) -> None:
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
        if self.kind == REGION and self._is_region_removed:
            return "The layer with the region was removed: choose another one."
        if self.kind == REGION and self.layer is None and self._regions.layers:
            return "Choose the layer with the region."
        if self.kind == REGION and self.layer is None:
            return "There is no region: add a Labels or Shapes layer and mark one."
        if self.kind == POINT and self._point_in(image) is None:
            return "Click on the image to choose a point."
        return ""

    def target(self, place: ImagePart) -> Target:
        """Return the target.

        Raises
        ------
        ImageError
            If the point is outside the image, or the region is empty or can't be read.
        """
        if self.kind == REGION:
            found = self._region(place)
            if not found.mask.any():
                raise EmptyTargetError(
                    f"'{place.layer.name}'"
                    f"{'' if place.index is None else f', slice {place.index},'} has no pixels of"
                    f" {found.name}: paint or draw there first."
                )
            return found
        if self.kind == CLASS:
            return WholeClass()
        if self._point is None:
            raise EmptyTargetError(_CLICK)
        point = self._point[1]
        _check_inside(point, place.layer)  # checked again: the pixels may have been replaced
        return point

    def disconnect_viewer(self) -> None:
        """Disconnect: the dock is closing."""
        self._connect(False)
        self._regions.cleanup()
        self._mark.hide()

    def _connect(self, on: bool) -> None:
        callbacks = self._viewer.mouse_drag_callbacks
        if on:
            callbacks.append(self._on_mouse)
        elif self._on_mouse in callbacks:
            callbacks.remove(self._on_mouse)

    def _on_listed(self, before: Layer | None) -> None:
        """Keep the chosen layer, or choose the only suitable one unless it was removed."""
        layers = self._regions.layers
        removed = before is not None and before not in layers
        lacks_region = bool(layers) and self.kind == REGION
        self._is_region_removed = lacks_region and (removed or self._is_region_removed)
        if before not in layers or not (self._is_chosen or self.kind == REGION):
            self._is_chosen = False
            own = [each for each in layers if not isinstance(each.metadata.get(KEY), MaskInfo)]
            only = len(own) == 1 and not self._is_region_removed
            self._regions.choose(own[0] if only else None)
        if removed and self.kind == REGION:
            self.changed.emit()

    def _region(self, place: ImagePart) -> Region:
        layer = self.layer
        if layer is None:
            raise EmptyTargetError("Choose the layer with the region.")
        try:
            return region(layer, place)
        except RetinaSegError:
            raise
        except Exception as error:
            log.exception("reading the region in '%s' failed", displayed(layer.name))
            raise ImageError(
                f"The region in '{layer.name}' can't be read: {error}. Paint it into a new"
                " Labels layer."
            ) from error

    def _on_layer(self, index: int = 0) -> None:  # noqa: ARG002 - passed by Qt
        self._is_region_removed, self._is_chosen = False, True
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
        point = self._point_in(self._image)
        self.note.setText(_CLICK if point is None else f"{self._describe_point(point)}. {_CLICK}")
        self.note.setVisible(self.kind == POINT)
        if self.kind == POINT and point is not None:
            self._mark.show(self._clicked)
        else:
            self._mark.hide()

    def _point_in(self, image: Layer | None) -> Point | None:
        """Return the point chosen in an image, or None."""
        return self._point[1] if self._point is not None and self._point[0] == image else None

    def _describe_point(self, point: Point) -> str:
        """Describe a point: its pixel and, if known, the status bar's coordinates."""
        position, image = f"Row {point.row}, column {point.column}", self._image
        if image is None or not all(unit.is_compatible_with("um") for unit in image.units[-2:]):
            return position
        shown = image.get_status(
            self._clicked, dims_displayed=list(self._viewer.dims.displayed), world=True
        )
        place = ", ".join(shown["coords"].strip("[]").split(", ")[-2:])
        return f"{position}: [{place}] {image.units[-1]:~P}"

    def _on_mouse(
        self,
        viewer: Any,  # noqa: ARG002 - passed by napari
        event: Any,
    ) -> Generator[None, None, None]:
        """Handle clicks; drags move the image."""
        if self.kind != POINT or event.button != 1 or not self.is_in_front:
            return
        if not self._is_free():
            self.click_ignored.emit(_TOOL_ACTIVE)
            return
        position = tuple(event.position)
        if (yield from is_click(event)):
            self.clicked.emit(position)

    def _is_free(self) -> bool:
        """Whether no other tool uses clicks, be it napari's or one of the Correct dock."""
        active = self._viewer.layers.selection.active
        if active is None:
            return True
        return str(getattr(active, "mode", "none")) in _FREE_MODES and not is_mouse_taken(active)


def _check_inside(point: Point, image: Layer) -> None:
    rows, columns = finest(image).shape[image.ndim - 2 : image.ndim]
    if not (0 <= point.row < rows and 0 <= point.column < columns):
        raise ImageError(
            f"The point at row {point.row}, column {point.column} is outside '{image.name}'"
            f" ({rows} × {columns} px): click on the image."
        )

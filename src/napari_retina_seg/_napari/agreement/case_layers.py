"""Read-only layers of an image with both of its gradings."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_retina_seg._napari.agreement.comparing import Case
from napari_retina_seg._napari.layers import Position, image_layers, place_of
from napari_retina_seg._napari.masks.compare import show_difference
from napari_retina_seg._napari.masks.linked_layers import mask_of
from napari_retina_seg._napari.results import MaskInfo, Target, mask_options
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import LabelScheme


class CaseLayers:
    """The layers of one case; showing the next replaces them, and all others are hidden."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layers: list[Layer] = []
        self._hidden: list[Layer] = []

    def show(self, case: Case) -> None:
        """Show the image, both gradings, and where the second differs from the first."""
        self.clear()
        self._hidden = [layer for layer in self._viewer.layers if layer.visible]
        for layer in self._hidden:
            layer.visible = False
        image = self._viewer.add_layer(Layer.create(*image_layers(case.pixels)[0]))
        self._layers = [image]
        gradings = (
            ("second", case.pair.second.author, case.second),
            ("first", case.pair.first.author, case.first),
        )
        for place, author, annotation in gradings:
            name = f"{image.name} · {place} grader, {author}"
            mask = _mask(image, annotation, name, case.scheme)
            self._layers.append(self._viewer.add_layer(mask))
        second, first = self._layers[1:]
        second.visible = False
        show_difference(self._viewer, first, case.second.labels, "the second grader")
        self._viewer.layers.selection.active = first
        self._viewer.reset_view()

    def clear(self) -> None:
        """Remove the layers and those linked to them, and show the hidden ones again."""
        for layer in list(self._viewer.layers):
            if layer in self._layers or mask_of(layer) in self._layers:
                self._viewer.layers.remove(layer)
        for layer in self._hidden:
            layer.visible = True
        self._layers, self._hidden = [], []


def _mask(image: Image, annotation: Annotation, name: str, scheme: LabelScheme) -> Labels:
    info = MaskInfo(
        image=image.name,
        scheme=scheme,
        boundaries=annotation.boundaries,
        questionable=annotation.ignore,
        **place_of(image),
    )
    target = Target(image, Position(), True)
    layer = Labels(annotation.labels, name=name, **mask_options(info), **target.grid())
    layer.editable = False
    return layer

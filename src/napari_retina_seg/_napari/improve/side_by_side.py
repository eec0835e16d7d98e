"""An image of a proof three times beside each other: both models' masks, and the corrected one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points
from napari.utils.colormaps import DirectLabelColormap

from napari_retina_seg._napari.improve.image_list import title
from napari_retina_seg._napari.improve.runs import ImageRow
from napari_retina_seg._napari.project_row import ProjectRef
from napari_retina_seg.imaging.agreement_picture import INVENTED, MISSED
from napari_retina_seg.imaging.overlay import display
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.text import displayed
from napari_retina_seg.workflows.proof_masks import Place, ProofMasks

_GAP = 0.04  # of the width, between two pictures
_TEXT = 10  # points

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ProofCase:
    """An image of a proof with its masks.

    Attributes
    ----------
    name : str
        What the image is called in its project.
    row : ImageRow
        Its scores.
    scheme : LabelScheme
        The classes.
    picture : array
        ``(rows, columns, 3)`` uint8.
    current, candidate, corrected : array
        ``(rows, columns)`` class values.
    """

    name: str
    row: ImageRow
    scheme: LabelScheme
    picture: npt.NDArray[np.uint8]
    current: Mask
    candidate: Mask
    corrected: Mask


def read_case(where: ProjectRef, run: Path, row: ImageRow) -> ProofCase:
    """Read an image of a proof, and the three masks.

    Raises
    ------
    RetinaSegError
        If something of it is missing or damaged.
    """
    place = Place.of(row.name)
    with ProjectView(where.folder, author=where.author) as project:
        masks = None if place is None else ProofMasks(run, project.scheme).read(place)
        truth = None if place is None else project.truth(place.image)
        if place is None or masks is None or truth is None:
            raise ProjectError(
                f"The masks of {row.name} are not there any more: improve the model again to see"
                " them."
            )
        index = place.slice_index or 0
        labels = project.annotation(place.image, truth.number).labels
        plane = project.read_image(place.image).plane(index)
        corrected = labels[index] if labels.ndim == 3 else labels
        if not masks[0].shape == masks[1].shape == corrected.shape == plane.shape[:2]:
            raise ProjectError(f"The masks of {row.name} have another size than the image.")
        name = title(row.name, {place.image: project.image(place.image).name})
        return ProofCase(name, row, project.scheme, display(plane), *masks, corrected)


class SideBySide:
    """The layers of one case; the layers that were seen before are hidden meanwhile."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layers: list[Layer] = []
        self._hidden: list[Layer] = []
        self._is_adding = False
        viewer.layers.events.inserted.connect(self._on_inserted)

    @property
    def is_shown(self) -> bool:
        """Whether a case is in the viewer."""
        return any(layer in self._viewer.layers for layer in self._layers)

    def show(self, case: ProofCase) -> None:
        """Show a case instead of the one before."""
        self.clear()
        self._hidden = [layer for layer in self._viewer.layers if layer.visible]
        for layer in self._hidden:
            layer.visible = False
        scores = (
            ("in use", case.current, case.row.current),
            ("new", case.candidate, case.row.candidate),
            ("corrected", case.corrected, None),
        )
        columns = case.picture.shape[1]
        self._is_adding = True
        texts = []
        for number, (kind, mask, dice) in enumerate(scores):
            left = number * columns * (1 + _GAP)
            called = f"{case.name} · {kind}"
            place = {"translate": (0, left)}
            self._add(Image(case.picture, name=displayed(called), rgb=True, **place))
            shown = Labels(
                _with_errors(mask, case.corrected, case.scheme),
                name=displayed(f"{called}, mask"),
                colormap=_colors(case.scheme),
                opacity=0.6,
                **place,
            )
            shown.editable = False
            self._add(shown)
            texts.append((left, kind if dice is None else f"{kind}: Dice {dice:.3f}"))
        self._add(_captions(texts, case.picture.shape[0]))
        self._is_adding = False
        self._viewer.layers.selection.clear()
        self._viewer.reset_view()

    def clear(self) -> None:
        """Remove the layers, and show the hidden ones again."""
        shown = self.is_shown
        for layer in self._layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        for layer in self._hidden:
            layer.visible = True
        self._layers, self._hidden = [], []
        if shown and len(self._viewer.layers):
            self._viewer.reset_view()

    def disconnect(self) -> None:
        """Follow the viewer no longer."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)

    def _add(self, layer: Layer) -> None:
        self._layers.append(self._viewer.add_layer(layer))

    def _on_inserted(self, event: Any) -> None:
        """Give way to any other image that is opened."""
        del event
        if not self._is_adding and self._layers:
            self.clear()


def _with_errors(mask: Mask, truth: Mask, scheme: LabelScheme) -> Mask:
    """Return a mask in which what is missing, and what is drawn wrongly, have values of their own.

    They are the next two after the classes.
    """
    shown = mask.copy()
    wrong = mask != truth
    shown[wrong & (truth > 0)] = len(scheme)
    shown[wrong & (mask > 0)] = len(scheme) + 1
    return shown


def _colors(scheme: LabelScheme) -> DirectLabelColormap:
    """Return the colours of the classes; as in the report missing is blue, wrong is red."""
    found: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    for one in scheme.classes[1:]:
        found[one.value] = one.color
    for value, color in enumerate((MISSED, INVENTED), len(scheme)):
        found[value] = np.array([*color, 255]) / 255
    return DirectLabelColormap(color_dict=found)


def _captions(texts: list[tuple[float, str]], rows: int) -> Points:
    words = [text for _, text in texts]
    return Points(
        np.array([(-0.02 * rows, left) for left, _ in texts]),
        name="which mask is which",
        size=0.01,
        face_color="transparent",
        border_color="transparent",
        text={"string": words, "size": _TEXT, "color": "white", "anchor": "lower_left"},
    )

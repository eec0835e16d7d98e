"""Convert a `Segmentation` to napari layers on the grid of its image."""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.transforms import CompositeAffine

from napari_retina_seg._napari.engine_tasks import SegmentResult
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.layers import KEY, Position, finest, image_fields, unwrap_proxy
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.image import Placement, Spacing
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.segmentation import Check, Provenance, Segmentation, warn
from napari_retina_seg.types.text import displayed

log = logging.getLogger(__name__)

_CLEAR = "transparent"
_LOADING = 1.0  # s; a model that is in memory takes less


@dataclass(frozen=True, eq=False)
class MaskInfo:
    """Describes a mask layer of the plugin, in ``metadata["retina_seg"]``.

    Attributes
    ----------
    image : str
        Name of the image layer it was made from; empty if unknown.
    scheme : LabelScheme
        The classes of its values.
    provenance : Provenance or None
        Origin of the mask; None if it was opened from a file.
    prediction : array or None
        The original prediction, read-only; the layer's own data may be edited.
    boundaries : array or None
        float32 heights in px, if the scheme has surfaces.
    predicted_boundaries : array or None
        Those of the prediction, if they are known; `boundaries` are replaced when a line is moved.
    index : int or None
        The slice that was segmented; None for all.
    checks : tuple of Check
        Failed checks of whether the model suits the image.
    model_warnings : tuple of str
        What the model's card warns of, whatever the image.
    ignore : array or None
        bool, shape of the prediction: True where the image has no data. It is saved with the
        mask, except for painted pixels. None for a mask that was not predicted: it is then found
        from the image on saving.
    questionable : array or None
        bool of the layer's shape: regions that the author marked as questionable, unless a linked
        layer shows them.
    spacing : Spacing
        Pixel sizes stated by the image's or the mask's file.
    placement : Placement or None
        Position of the image in the patient.
    image_layer : weak reference or None
        To the image layer, if it is known; its name may change.
    """

    image: str
    scheme: LabelScheme
    provenance: Provenance | None = None
    prediction: np.ndarray | None = None
    boundaries: np.ndarray | None = None
    index: int | None = None
    ignore: np.ndarray | None = None
    questionable: np.ndarray | None = None
    spacing: Spacing = field(default_factory=Spacing)
    placement: Placement | None = None
    checks: tuple[Check, ...] = ()
    image_layer: weakref.ref[Image] | None = None
    predicted_boundaries: np.ndarray | None = None
    model_warnings: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """Warning if the image differs from the model's training data; otherwise empty."""
        drawn = self.prediction
        return warn(self.checks, len(drawn) if drawn is not None and drawn.ndim == 3 else 1)


@dataclass(frozen=True)
class MapInfo:
    """Describes a map of the plugin, in ``metadata["retina_seg"]``; it can't be segmented."""

    image: str
    provenance: Provenance
    kind: str
    image_layer: weakref.ref[Image] | None = None


@dataclass(frozen=True)
class ImagePart:
    """An image layer, and the segmented part of it.

    Attributes
    ----------
    layer : Image
        The image, whose grid the results use; it may have been removed from the viewer.
    at : Position
        Leading indices, and the slice.
    whole : bool
        Whether all slices were segmented, or the one of `at`.
    """

    layer: Image
    at: Position
    whole: bool

    @property
    def index(self) -> int | None:
        """The one slice of a volume that was segmented."""
        return self.at.index if self.layer.ndim > 2 and not self.whole else None

    def name(self, model: str) -> str:
        """Return a result's name: the image, the model, and the slice if it is only one."""
        where = "" if self.index is None else f" · slice {self.index}"
        return f"{self.layer.name} · {model}{where}"

    def fill(self, labels: np.ndarray) -> np.ndarray:
        """Copy a mask of one plane or all slices to the layer's axes.

        A single slice becomes a volume that is 0 elsewhere, so that the others can be painted.
        """
        if self.index is None:
            return self.expand(labels).copy()
        shape = finest(self.layer).shape[: self.layer.ndim][-3:]
        volume = np.zeros((1,) * len(self.at.leading) + shape, labels.dtype)
        volume[..., self.index, :, :] = labels
        return volume

    def expand(self, planes: np.ndarray, stacked: bool = False) -> np.ndarray:
        """Expand planes to the layer's axes without a copy; `stacked` ones to one more."""
        ones = len(self.at.leading) + (self.index is not None)
        start = int(stacked)
        return np.expand_dims(planes, tuple(range(start, start + ones)))

    def grid(self, stacked: bool = False, alone: bool = False) -> dict[str, Any]:
        """Return the grid of the results.

        Parameters
        ----------
        stacked : bool
            Whether the results have an extra leading axis.
        alone : bool
            Whether results of a single slice contain only that slice.
        """
        layer = self.layer
        physical = CompositeAffine(
            scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear
        )
        corner = np.zeros(layer.ndim)
        corner[: len(self.at.leading)] = self.at.leading
        if alone and self.index is not None:
            corner[-3] = self.index
        physical.translate = physical(corner)
        world, units, axes = layer.affine, tuple(layer.units), tuple(layer.axis_labels)
        if stacked:
            physical, world = physical.expand_dims([0]), world.expand_dims([0])
            units, axes = ("pixel", *units), ("class", *axes)
        return {
            "scale": physical.scale,
            "translate": physical.translate,
            "rotate": physical.rotate,
            "shear": physical.shear,
            "affine": world.affine_matrix,
            "units": units,
            "axis_labels": axes,
        }


def colormap(scheme: LabelScheme, hidden: frozenset[int] = frozenset()) -> DirectLabelColormap:
    """Return the colours of a scheme, with hidden classes transparent."""
    colors: dict[int | None, str] = {None: _CLEAR, 0: _CLEAR}
    for label in scheme.classes[1:]:
        colors[label.value] = _CLEAR if label.value in hidden else label.color
    return DirectLabelColormap(color_dict=colors)


def mask_layer(segmentation: Segmentation, target: ImagePart) -> Labels:
    """Return the mask as an editable Labels layer."""
    scheme, provenance = segmentation.scheme, segmentation.provenance
    prediction = segmentation.labels.view()
    prediction.flags.writeable = False
    info = MaskInfo(
        scheme=scheme,
        provenance=provenance,
        prediction=prediction,
        boundaries=segmentation.boundaries,
        predicted_boundaries=segmentation.boundaries,
        index=target.index,
        ignore=segmentation.ignore,
        checks=segmentation.checks,
        model_warnings=segmentation.model_warnings,
        **image_fields(target.layer),
    )
    layer = Labels(
        target.fill(segmentation.labels),
        name=target.name(provenance.model),
        **mask_options(info),
        **target.grid(),
    )
    layer.selected_label = 1
    return layer


def mask_options(info: MaskInfo) -> dict[str, Any]:
    """Return Labels options with the names and colours of the classes."""
    classes = info.scheme.classes
    features = pd.DataFrame(
        {"index": range(len(classes)), "class": [_long_name(label) for label in classes]}
    )
    return {"colormap": colormap(info.scheme), "features": features, "metadata": {KEY: info}}


def add_layers(
    viewer: ViewerModel, outcome: SegmentResult, target: ImagePart, waited: float
) -> JobResult:
    """Add a job's results to the viewer: maps above their image, the mask on top.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer with the image.
    outcome : SegmentResult
        Result of a segmentation.
    target : ImagePart
        What was segmented.
    waited : float
        Seconds since the person asked for it.

    Returns
    -------
    JobResult
        With a message; failed if the layers could not be added.
    """
    try:
        _add_maps(viewer, outcome, target)
        viewer.add_layer(mask_layer(outcome.segmentation, target))
    except Exception as error:
        log.exception("adding the layers of '%s' failed", displayed(target.layer.name))
        return JobResult(
            JobStatus.FAILED,
            f"The mask of '{target.layer.name}' could not be shown: {error}. Close other layers,"
            " or segment a single slice.",
        )
    made = outcome.segmentation.provenance
    where = f", slice {target.index}" if target.index is not None else ""
    labels = outcome.segmentation.labels
    if target.index is None and labels.ndim == 3:
        where = f", {count(len(labels), 'slice')}"
    seconds = _describe_time(waited, made)
    sentence = f"'{target.layer.name}'{where} segmented by {made.model} in {seconds}."
    found = outcome.segmentation
    sentence = " ".join(filter(None, [found.message, sentence, *found.model_warnings]))
    if target.layer not in viewer.layers:
        sentence += f" '{target.layer.name}' was removed meanwhile; its mask was added."
    return replace(outcome, message=sentence, doubtful=bool(outcome.segmentation.fired_checks))


def _describe_time(waited: float, made: Provenance) -> str:
    """Say how long a person waited, and how much of it was spent on loading the model."""
    sentence = f"{waited:.1f} s on the {made.device}"
    loading = waited - made.seconds
    return f"{sentence} (model loaded in {loading:.1f} s)" if loading > _LOADING else sentence


def _add_maps(viewer: ViewerModel, outcome: SegmentResult, target: ImagePart) -> None:
    result, layers = outcome.segmentation, viewer.layers
    place = layers.index(target.layer) + 1 if target.layer in layers else len(layers)
    if outcome.uncertainty is not None:
        layers.insert(place, uncertainty_layer(outcome.uncertainty, result, target))
    if outcome.probabilities:
        probability = probability_layer(result, target)
        probability.visible = outcome.uncertainty is None  # one map at a time
        layers.insert(place, probability)


def uncertainty_layer(
    uncertainty: np.ndarray, segmentation: Segmentation, target: ImagePart
) -> Image:
    """Return the normalised entropy of the class probabilities as an Image layer, 0 … 1."""
    return _map_layer(uncertainty, "uncertainty", segmentation, target, "inferno")


def probability_layer(segmentation: Segmentation, target: ImagePart) -> Image:
    """Return the class probabilities as one Image layer, 0 … 1.

    Two classes need one map, that of the second; more get a leading slider, whose position is the
    class value.
    """
    values = np.moveaxis(np.asarray(segmentation.probabilities), -3, 0)
    if len(segmentation.scheme) == 2:
        return _map_layer(values[1], "probabilities", segmentation, target, "viridis")
    return _map_layer(values, "probabilities", segmentation, target, "viridis", stacked=True)


def _map_layer(
    values: np.ndarray,
    kind: str,
    segmentation: Segmentation,
    target: ImagePart,
    colors: str,
    stacked: bool = False,
) -> Image:
    provenance = segmentation.provenance
    return Image(
        target.expand(values, stacked),
        rgb=False,
        name=f"{target.name(provenance.model)} · {kind}",
        colormap=colors,
        contrast_limits=(0, 1),
        opacity=0.6,
        metadata={
            KEY: MapInfo(
                target.layer.name, provenance, kind, weakref.ref(unwrap_proxy(target.layer))
            )
        },
        **target.grid(stacked, alone=True),
    )


def _long_name(label: Any) -> str:
    same = label.name == label.abbreviation or label.value == 0
    return label.name if same else f"{label.name} ({label.abbreviation})"

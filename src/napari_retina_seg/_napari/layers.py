"""Convert between `RetinaImage` and napari's Image layers."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from napari.components import LayerList
from napari.layers import Image, Layer
from napari.types import LayerDataTuple

from napari_retina_seg._napari.layer_sizes import grid_of, sizes_of, spacing_of
from napari_retina_seg.imaging.invalid_pixels import valid_range
from napari_retina_seg.imaging.modality import guess_modality
from napari_retina_seg.types.acquisition import Acquisition
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import (
    Laterality,
    Modality,
    Placement,
    RetinaImage,
    Spacing,
)
from napari_retina_seg.types.text import displayed

T = TypeVar("T")

KEY = "retina_seg"  # of a layer's metadata

AXES = ("slice", "row", "column")
_PREVIEW = 1024  # px along the longer side; enough to recognise the modality


@dataclass(frozen=True, eq=False)
class ImageInfo:
    """Properties of the image in a layer, in ``metadata["retina_seg"]``.

    Attributes
    ----------
    modality : Modality
        Guessed from the pixels, stated by the file or chosen in the dock.
    spacing : Spacing
        Pixel sizes in µm, each with its origin.
    laterality : Laterality
        Which eye.
    patient : str
        Of whom it is, as a token; empty if that is not known.
    source : str
        Path of the file, or a sentence for generated images.
    raster : tuple of int
        ``(rows, columns)`` or ``(slices, rows, columns)`` of the opened pixels: `valid` and
        `placement` apply to an array of this shape only.
    valid : array or None
        bool, shape `raster`: False where the file has no data.
    placement : Placement or None
        Position of the pixels in the patient.
    warnings : tuple of str
        Ambiguities of the file.
    acquisition : Acquisition or None
        Scan pattern, en-face image, device lines and quality, for an array of this shape only.
    """

    modality: Modality = Modality.UNKNOWN
    spacing: Spacing = field(default_factory=Spacing)
    laterality: Laterality = Laterality.UNKNOWN
    source: str = ""
    raster: tuple[int, ...] = ()
    valid: npt.NDArray[np.bool_] | None = None
    placement: Placement | None = None
    warnings: tuple[str, ...] = ()
    acquisition: Acquisition | None = None
    patient: str = ""


@dataclass(frozen=True)
class Position:
    """Position of the viewer in a layer.

    Attributes
    ----------
    leading : tuple of int
        Index along each axis before the last three (two for single images).
    index : int
        The displayed slice; 0 for single images.
    """

    leading: tuple[int, ...] = ()
    index: int = 0


def image_layers(image: RetinaImage) -> list[LayerDataTuple]:
    """Return an image as napari layers.

    Parameters
    ----------
    image : RetinaImage
        One image or one volume.

    Returns
    -------
    list of LayerDataTuple
        One Image layer, in µm if the file states the pixel size, otherwise in pixels.
    """
    info = ImageInfo(
        modality=image.modality,
        spacing=image.spacing,
        laterality=image.laterality,
        source=image.source,
        raster=_raster(image.pixels, image.color),
        valid=image.valid,
        placement=image.placement,
        warnings=image.warnings,
        acquisition=image.acquisition,
        patient=image.patient,
    )
    axes = 3 if image.is_volume else 2
    scale, units = grid_of(image.spacing, axes)
    options = {
        "name": displayed(image.name),
        "rgb": image.color,
        "scale": scale,
        "units": units,
        "axis_labels": AXES[-axes:],
        "metadata": {KEY: info},
    }
    limits = None if image.color or image.pixels.dtype == np.uint8 else valid_range(image)
    if limits is not None:  # napari's own would include the values of invalid pixels
        options["contrast_limits"] = limits
    return [(image.pixels, options, "image")]


def is_image(layer: object) -> bool:
    """Whether a layer can be segmented: an Image layer that is not a map of the plugin."""
    if not isinstance(layer, Image):
        return False
    known = layer.metadata.get(KEY)
    return known is None or isinstance(known, ImageInfo)


def is_volume(layer: Image) -> bool:
    """Whether a layer has a slice axis."""
    return bool(layer.ndim > 2)


def finest(layer: Image) -> Any:
    """Return a layer's array; of a multiscale layer the finest one."""
    return layer.data[0] if layer.multiscale else layer.data


def position(layer: Image, point: Sequence[float], units: Sequence[Any] | None = None) -> Position:
    """Find the position of the viewer in a layer.

    Parameters
    ----------
    layer : Image
        Any image layer.
    point : sequence of float
        World coordinates, such as ``viewer.dims.point``.
    units : sequence of pint.Unit, optional
        Units of `point`, such as ``viewer.layers.extent.units``; by default the layer's own.

    Returns
    -------
    Position
        Inside the layer: outside positions get the nearest slice.
    """
    if layer.ndim < 3:
        return Position()
    data = data_point(layer, point, units)
    inside = np.clip(data, 0, np.array(finest(layer).shape[: layer.ndim]) - 1)
    return Position(tuple(inside[:-3].tolist()), int(inside[-3]))


def data_point(
    layer: Image, point: Sequence[float], units: Sequence[Any] | None
) -> npt.NDArray[np.int_]:
    """Return the pixel nearest to a world point, possibly outside the layer."""
    return np.rint(data_place(layer, point, units)).astype(int)


def data_place(
    layer: Layer, point: Sequence[float], units: Sequence[Any] | None
) -> npt.NDArray[np.float64]:
    """Convert a world point to data coordinates; pixel centres are integers."""
    world = np.zeros(layer.ndim)
    shown = np.asarray(point, float)[-layer.ndim :]
    world[layer.ndim - len(shown) :] = shown
    if units is not None:
        world = np.array(
            [
                (value * unit).to(own).magnitude
                for value, unit, own in zip(
                    world, tuple(units)[-layer.ndim :], layer.units, strict=False
                )
            ]
        )
    return np.nan_to_num(np.asarray(layer.world_to_data(world), float))


def world_place(
    layer: Layer, place: Sequence[float], units: Sequence[Any] | None
) -> tuple[float, ...]:
    """Convert data coordinates to a world point, the inverse of `data_place`."""
    if units is None:  # those of the layers do not agree
        return tuple(map(float, layer.data_to_world(place)))
    return tuple(
        (value * own).to(world).magnitude
        for value, own, world in zip(
            layer.data_to_world(place), layer.units, tuple(units)[-layer.ndim :], strict=True
        )
    )


def is_off_slice(layer: Image, point: Sequence[float], units: Sequence[Any] | None = None) -> bool:
    """Whether the layer has no slice at the viewer's sliders; see `position`."""
    if not is_volume(layer):
        return False
    shape = np.array(finest(layer).shape[: layer.ndim - 2])
    place = data_point(layer, point, units)[: layer.ndim - 2]
    return bool(((place < 0) | (place >= shape)).any())


def retina_image(layer: Layer, at: Position = Position()) -> RetinaImage:
    """Return the image of a layer, also of one that another reader opened.

    Parameters
    ----------
    layer : Layer
        Any Image layer: grey, RGB or RGBA; a volume; with leading axes; numpy or lazy;
        multiscale; scaled, moved or rotated.
    at : Position
        Position of the viewer: it selects one volume from leading axes.

    Returns
    -------
    RetinaImage
        A read-only view of the pixels, or the lazy array itself.

    Raises
    ------
    ImageError
        If it is not an Image layer, or has no image.
    """
    if not is_image(layer):
        kind = layer.__class__.__name__
        what = "a map that a model made" if isinstance(layer, Image) else f"a {kind} layer"
        raise ImageError(f"'{layer.name}' is {what}: select an image layer to segment.")
    pixels = finest(layer)
    if at.leading:
        pixels = pixels[at.leading]
    if isinstance(pixels, np.ndarray):
        pixels = pixels.view()
        pixels.flags.writeable = False
    known = layer.metadata.get(KEY) or ImageInfo(source=str(layer.source.path or ""))
    return RetinaImage(
        pixels=pixels,
        color=bool(layer.rgb),
        modality=modality(layer, at),
        spacing=layer_spacing(layer),
        laterality=known.laterality,
        name=layer.name,
        source=known.source,
        valid=known.valid if _is_as_opened(layer, known) else None,
        placement=placement_of(layer),
        warnings=known.warnings,
        acquisition=acquisition_of(layer),
        patient=known.patient,
    )


def layer_spacing(layer: Image) -> Spacing:
    """Return the pixel sizes of a layer: from its file, or set by the user."""
    known = layer.metadata.get(KEY) or ImageInfo()
    return spacing_of(sizes_of(layer), known.spacing)


def unwrap_proxy(proxied: T) -> T:
    """Return the layer or viewer behind the `PublicOnlyProxy` that napari passes to plugins."""
    return getattr(proxied, "__wrapped__", proxied)


def insert_unselected(layers: LayerList, layer: Layer, at: int | None = None) -> None:
    """Add a layer, by default on top, and keep the selection: docks would turn to it and back."""
    layers = unwrap_proxy(layers)
    before = set(layers.selection)
    with layers.selection.events.active.blocker():
        layers.insert(len(layers) if at is None else at, layer)
        layers.selection = before


def image_fields(layer: Image) -> dict[str, Any]:
    """Return the fields about its image of a mask's `MaskInfo`."""
    return {
        "image": layer.name,
        "image_layer": weakref.ref(unwrap_proxy(layer)),
        "spacing": layer_spacing(layer),
        "placement": placement_of(layer),
    }


def is_made_from(layer: Layer, image: Image) -> bool:
    """Whether a mask or a map of the plugin was made from an image layer.

    Names identify images only if the layer itself is not known, as of masks from files, or gone.
    """
    info, known = layer.metadata.get(KEY), _linked_image(layer)
    if known is not None:
        return known is unwrap_proxy(image)
    return bool(getattr(info, "image", "") == image.name)


def have_same_image(one: Layer, other: Layer) -> bool:
    """Whether two masks or maps of the plugin were made from the same image, open or not."""
    linked = _linked_image(one), _linked_image(other)
    if None not in linked:
        return linked[0] is linked[1]
    first, second = (getattr(each.metadata.get(KEY), "image", "") for each in (one, other))
    return bool(first and first == second)


def find_image_of(layer: Layer, candidates: Iterable[Layer]) -> Image | None:
    """Find the image layer that a mask or a map of the plugin was made from.

    A mask from a file is linked to it from then on, as the name may change.
    """
    images = (each for each in candidates if is_image(each))
    image = next((each for each in images if is_made_from(layer, each)), None)
    info = layer.metadata.get(KEY)
    has_link = "image_layer" in getattr(info, "__dataclass_fields__", ())
    if image is not None and has_link and _linked_image(layer) is None:
        layer.metadata[KEY] = replace(info, image_layer=weakref.ref(unwrap_proxy(image)))
    return image


def _linked_image(layer: Layer) -> Image | None:
    link = getattr(layer.metadata.get(KEY), "image_layer", None)
    return None if link is None else link()


def placement_of(layer: Image) -> Placement | None:
    """Return the position of a layer's pixels in the patient, if its file states it."""
    known = layer.metadata.get(KEY)
    if known is None or known.placement is None or not _is_as_opened(layer, known):
        return None
    spacing = layer_spacing(layer)
    return known.placement if spacing == known.spacing else known.placement.resized(spacing)


def acquisition_of(layer: Image) -> Acquisition | None:
    """Return how a layer's B-scans were taken, if its file states it."""
    known = layer.metadata.get(KEY)
    if known is None or not _is_as_opened(layer, known):
        return None
    acquisition: Acquisition | None = known.acquisition
    return acquisition


def _is_as_opened(layer: Image, known: ImageInfo) -> bool:
    """Whether the pixels are still those of the file, neither cropped nor replaced."""
    raster = _raster(finest(layer), bool(layer.rgb))
    leading = len(raster) - len(known.raster)
    return raster == (*(1,) * leading, *known.raster)


def _raster(pixels: Any, color: bool) -> tuple[int, ...]:
    shape = tuple(map(int, pixels.shape))
    return shape[:-1] if color else shape


def modality(layer: Image, at: Position = Position()) -> Modality:
    """Return the modality of a layer; a guess from the displayed slice is remembered."""
    known = layer.metadata.get(KEY)
    if known is None:
        remember_modality(layer, guess_modality(_preview(layer, at)))
    return layer.metadata[KEY].modality


def remember_modality(layer: Image, chosen: Modality) -> None:
    """Store the modality in a layer's metadata."""
    known = layer.metadata.get(KEY) or ImageInfo(source=str(layer.source.path or ""))
    layer.metadata[KEY] = replace(known, modality=chosen)


def _preview(layer: Image, at: Position) -> np.ndarray:
    """Return the displayed slice, downsampled for speed."""
    levels = list(layer.data) if layer.multiscale else [layer.data]
    data = next((level for level in levels if max(level.shape[-3:]) <= _PREVIEW), levels[-1])
    if is_volume(layer):
        whole, own = levels[0].shape[: layer.ndim - 2], data.shape[: layer.ndim - 2]
        index = (*at.leading, at.index)
        data = data[tuple(i * n // m for i, n, m in zip(index, own, whole, strict=True))]
    step = max(1, -(-max(data.shape[:2]) // _PREVIEW))
    return np.asarray(data[::step, ::step])
